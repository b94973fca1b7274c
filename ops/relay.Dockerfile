# The relay alone, for ops/compose.yaml:  docker build -f ops/relay.Dockerfile -t ropeline/relay:0.1.0 .
FROM rust:1.95.0-slim-bookworm AS build
# The image has the toolchain; rust-toolchain.toml would fetch parts that this does not need.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --profile native -p ropeline-relay && cp target/native/ropeline-relay /ropeline-relay

# It brings its own certificate authorities, and needs a libc and, for the health check, bash.
FROM debian:12.12-slim
COPY --from=build /ropeline-relay /usr/bin/ropeline-relay
COPY --chmod=0755 ops/relay/health /usr/bin/ropeline-relay-health
USER 65532:65532
ENTRYPOINT ["/usr/bin/ropeline-relay"]
CMD ["run", "--config", "/etc/ropeline/relay.toml"]
