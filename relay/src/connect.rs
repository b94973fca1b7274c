//! Finding the cluster: a client from the first bootstrap address that answers, and what to do when none does.
//!
//! Invariants: addresses are tried in a new order each time, for the metadata of one broker may be stale; one that is silent
//! holds up the next by `STAGGER` at most; no try takes longer than `TRY`. A client never repeats a call by itself.

use std::time::Duration;

use rskafka::BackoffConfig;
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config::{KafkaAccess, SaslMechanism};

/// Until the next address is tried as well.
const STAGGER: Duration = Duration::from_millis(500);
/// The limit of one address: TCP, TLS, SASL and the first metadata.
const TRY: Duration = Duration::from_secs(5);
/// Answers of a broker are never read beyond this. Larger than any sensible `message.max.bytes`.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// What a client's failure says, and what to do about it where we know.
const ADVICE: &[(&str, &str)] = &[
    (
        "UnknownIssuer",
        "the broker's certificate is from no authority that the relay trusts: name its CA in kafka.tls.ca_file",
    ),
    (
        "NotValidForName",
        "the broker's certificate is for another name: use the name in it for kafka.bootstrap and the broker's advertised.listeners",
    ),
    (
        "not valid for name",
        "the broker's certificate is for another name: use the name in it for kafka.bootstrap and the broker's advertised.listeners",
    ),
    ("certificate: Expired", "the broker's certificate has expired: renew it, or set this machine's clock"),
    ("tls handshake eof", "this port does not speak TLS: name the brokers' TLS port, or set kafka.tls.enabled = false"),
    (
        "InvalidContentType",
        "this port does not speak TLS: name the brokers' TLS port, or set kafka.tls.enabled = false",
    ),
    (
        "CertificateRequired",
        "the broker wants a client certificate: set kafka.tls.certificate_file and kafka.tls.key_file",
    ),
    (
        "received fatal alert",
        "the broker wants a client certificate, or another one: set kafka.tls.certificate_file and kafka.tls.key_file to a valid one from an authority in the broker's truststore",
    ),
    (
        "unsupported sasl mechanism",
        "the broker does not offer this kafka.sasl.mechanism on this port: choose one of its sasl.enabled.mechanisms",
    ),
    (
        "UnsupportedSaslMechanism",
        "the broker does not offer this kafka.sasl.mechanism on this port: choose one of its sasl.enabled.mechanisms",
    ),
    ("IllegalSaslState", "this port takes no SASL: name the brokers' SASL port, or remove kafka.sasl"),
    (
        "SaslAuthenticationFailed",
        "the broker refuses user or password: check kafka.sasl.username, the password, and the mechanism they were made for",
    ),
    ("TopicAuthorizationFailed", "give the relay's user the ACLs Describe, Read and Write on the topic"),
    ("ClusterAuthorizationFailed", "give the relay's user the ACLs Describe, Read and Write on the topic"),
    (
        "NotEnoughReplicas",
        "fewer brokers have the partition than its min.insync.replicas: bring brokers back, the relay goes on by itself",
    ),
    ("early eof", "the broker hung up: does this port want TLS (kafka.tls.enabled) or SASL (kafka.sasl.mechanism)?"),
];

/// Sets up a client that starts from one `address`.
pub fn builder(access: &KafkaAccess, address: String) -> ClientBuilder {
    let once = BackoffConfig { deadline: Some(Duration::ZERO), ..BackoffConfig::default() };
    let mut builder = ClientBuilder::new(vec![address])
        .client_id(access.client_id.clone())
        .max_message_size(MOST_BYTES)
        .backoff_config(once);
    if let Some(tls) = &access.tls {
        builder = builder.tls_config(tls.clone());
    }
    if let Some(sasl) = &access.sasl {
        let credentials = Credentials::new(sasl.username.clone(), sasl.password.expose().to_owned());
        builder = builder.sasl_config(match sasl.mechanism {
            SaslMechanism::Plain => SaslConfig::Plain(credentials),
            SaslMechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
            SaslMechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
        });
    }
    builder
}

/// A client of the cluster, which shares nothing with those before it.
///
/// # Errors
/// When no address answers, with what each said.
pub async fn client(access: &KafkaAccess) -> Result<Client, String> {
    let mut left = access.bootstrap.clone();
    let seed = getrandom::u64().unwrap_or_default();
    let first = usize::try_from(seed % u64::try_from(left.len().max(1)).unwrap_or(1)).unwrap_or(0);
    left.rotate_left(first);
    let mut left = left.into_iter();
    let mut tries = JoinSet::new();
    let mut causes = Vec::new();
    loop {
        if let Some(address) = left.next() {
            let builder = builder(access, address.clone());
            tries.spawn(async move {
                match timeout(TRY, builder.build()).await {
                    Ok(Ok(client)) => Ok(client),
                    Ok(Err(error)) => Err(format!("{address}: {}", explain(&error.to_string()))),
                    Err(_) => Err(format!("{address}: no answer within {TRY:?}")),
                }
            });
        }
        let more = left.len() > 0;
        tokio::select! {
            ended = tries.join_next() => match ended {
                Some(Ok(Ok(client))) => return Ok(client),
                Some(Ok(Err(cause))) => causes.push(cause),
                Some(Err(error)) => causes.push(error.to_string()),
                None => return Err(causes.join("; ")),
            },
            () = sleep(STAGGER), if more => {}
        }
    }
}

/// `cause`, without the client library's wrappings, cut to a length for the log, with what to do where we know.
pub fn explain(cause: &str) -> String {
    let wrappings =
        ["Connection error: ", "all retries failed: ", "All retries failed: ", "Retry exceeded deadline. Source: "];
    let mut short = cause;
    while let Some(rest) = wrappings.iter().find_map(|wrapping| short.strip_prefix(wrapping)) {
        short = rest;
    }
    let cut: String = short.chars().take(400).collect();
    match advice(cause) {
        Some(advice) => format!("{cut} ({advice})"),
        None => cut,
    }
}

/// What to do about `cause`, where we know.
pub fn advice(cause: &str) -> Option<&'static str> {
    ADVICE.iter().find(|(said, _)| cause.contains(said)).map(|(_, advice)| *advice)
}
