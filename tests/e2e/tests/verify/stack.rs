//! The worked verifiers, started and asked.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ropeline_e2e::{Client, Method, Value};
use ropeline_vectors::{AUDIENCE, EVENT, ISSUER};
use xtask::bundle::Programs;
use xtask::process::{Output, Process};
use xtask::tools::proxies::Proxies;
use xtask::tools::verifiers::Verifiers;
use xtask::ui::Ui;
use xtask::{free_port, paths};

use crate::shop::Shop;

/// What verifies offline, with a key set that it fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    Express,
    Fastify,
    FastApi,
    Go,
    Spring,
    Axum,
    Envoy,
}

pub const STACKS: [Stack; 7] =
    [Stack::Spring, Stack::Express, Stack::Fastify, Stack::FastApi, Stack::Go, Stack::Axum, Stack::Envoy];

/// A JVM takes its time while others do, too.
const START: Duration = Duration::from_secs(90);

impl Stack {
    /// Spring Security verifies no EdDSA.
    pub fn knows_eddsa(self) -> bool {
        self != Self::Spring
    }

    /// Whether the example is a shop of its own. Envoy only stands before one.
    pub fn is_a_shop(self) -> bool {
        self != Self::Envoy
    }
}

/// Who and what a verifier trusts.
pub struct Trust {
    pub issuer: String,
    pub event: String,
    /// The key set's address.
    pub jwks: String,
}

impl Trust {
    /// As the vectors have it.
    pub fn of_vectors(jwks: String) -> Self {
        Self { issuer: ISSUER.to_owned(), event: EVENT.to_owned(), jwks }
    }
}

/// A running verifier.
pub struct Instance {
    process: Process,
    port: u16,
    _shop: Option<Shop>,
}

/// What it said to a pass.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub body: Value,
    pub text: String,
}

impl Said {
    pub fn lets_in(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Not let in, and told so; not an accident.
    pub fn refuses(&self) -> bool {
        matches!(self.status, 401 | 403)
    }
}

impl Instance {
    pub async fn start(stack: Stack, trust: &Trust) -> Self {
        let port = free_port().expect("a free port");
        let shop = if stack.is_a_shop() { None } else { Some(Shop::start().await) };
        let dir = fresh_dir(&format!("{stack:?}"));
        let mut command = match stack {
            Stack::Express => installed().node("express.js"),
            Stack::Fastify => installed().node("fastify.js"),
            Stack::FastApi => installed().fastapi(),
            Stack::Go => installed().go(),
            Stack::Spring => installed().spring(),
            Stack::Axum => axum(),
            Stack::Envoy => {
                let file = dir.join("envoy.yaml");
                let shop = shop.as_ref().expect("the shop behind it").port;
                std::fs::write(&file, envoy_configuration(port, shop, trust)).expect("its configuration");
                proxies().envoy(&file)
            }
        };
        command
            .env("PORT", port.to_string())
            .env("ROPELINE_ISSUER", &trust.issuer)
            .env("ROPELINE_AUDIENCE", AUDIENCE)
            .env("ROPELINE_EVENT", &trust.event)
            .env("ROPELINE_JWKS", &trust.jwks);
        Self::run(&format!("{stack:?}"), &mut command, port, shop, &dir.join("log")).await
    }

    /// nginx, which asks the waiting room at `authority`.
    pub async fn nginx(authority: &str) -> Self {
        let port = free_port().expect("a free port");
        let shop = Shop::start().await;
        let dir = fresh_dir("nginx");
        let mut text = example("nginx/nginx.conf");
        for (from, to) in [
            ("listen 127.0.0.1:8080;", format!("listen 127.0.0.1:{port};")),
            ("server 127.0.0.1:8787;", format!("server {authority};")),
            ("server 127.0.0.1:3000;", format!("server 127.0.0.1:{};", shop.port)),
        ] {
            replace(&mut text, from, &to);
        }
        let file = dir.join("nginx.conf");
        std::fs::write(&file, text).expect("its configuration");
        let mut command = proxies().nginx(&file, &dir);
        Self::run("nginx", &mut command, port, Some(shop), &dir.join("log")).await
    }

    async fn run(name: &str, command: &mut Command, port: u16, shop: Option<Shop>, log: &std::path::Path) -> Self {
        let mut process = Process::spawn(name, command, Output::Log(log)).unwrap_or_else(|error| panic!("{error:#}"));
        let until = Instant::now() + START;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(process.is_running(), "{name} ended at once\n{}", process.tail());
            assert!(Instant::now() < until, "{name} does not listen\n{}", process.tail());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { process, port, _shop: shop }
    }

    pub fn client(&self) -> Client {
        Client::new(format!("127.0.0.1:{}", self.port)).patience(Duration::from_secs(20))
    }

    /// Waits until it has the keys, by showing it a pass that is good.
    pub async fn is_ready(&self, pass: &str) -> bool {
        let until = Instant::now() + Duration::from_secs(30);
        while !self.show(pass).await.lets_in() {
            if Instant::now() > until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        true
    }

    /// What it says to this pass, as bearer token.
    pub async fn show(&self, pass: &str) -> Said {
        self.ask(Method::GET, "/checkout", &[("authorization", &format!("Bearer {pass}"))]).await
    }

    /// Buys with this pass.
    pub async fn buy(&self, pass: &str) -> Said {
        self.ask(Method::POST, "/orders", &[("ropeline-pass", pass)]).await
    }

    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Said {
        let answer = self.client().send(method, path, headers, None).await;
        let answer = answer.unwrap_or_else(|error| panic!("{error:#}\n{}", self.process.tail()));
        Said { status: answer.status.as_u16(), body: answer.json(), text: answer.text() }
    }
}

fn axum() -> Command {
    let program = Programs::built().verifier;
    assert!(program.is_file(), "{} is missing: `cargo xtask test e2e` builds it", program.display());
    Command::new(program)
}

/// The example with the addresses of a test. Its keys are fetched every eleven seconds: Envoy takes five off.
fn envoy_configuration(port: u16, shop: u16, trust: &Trust) -> String {
    let authority = trust.jwks.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an address");
    let (host, keys_port) = authority.split_once(':').expect("a port");
    let mut text = example("envoy/envoy.yaml");
    for (from, to) in [
        ("port_value: 8080", format!("port_value: {port}")),
        ("port_value: 3000", format!("port_value: {shop}")),
        ("address: queue.example.com, port_value: 443", format!("address: {host}, port_value: {keys_port}")),
        ("uri: https://queue.example.com/queue/jwks.json", format!("uri: {}", trust.jwks)),
        ("issuer: https://queue.example.com", format!("issuer: {}", trust.issuer)),
        ("local EVENT = \"demo\"", format!("local EVENT = \"{}\"", trust.event)),
        ("cache_duration: 300s", "cache_duration: 16s".to_owned()),
    ] {
        replace(&mut text, from, &to);
    }
    let inner = free_port().expect("a free port");
    text = text.replace("port_value: 8081", &format!("port_value: {inner}"));
    let tls = text.find("      transport_socket:").expect("TLS at the end");
    text.truncate(tls);
    text
}

fn example(file: &str) -> String {
    let path = paths::root().join("examples/verify").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn replace(text: &mut String, from: &str, to: &str) {
    assert_eq!(text.matches(from).count(), 1, "{from:?} must be there once");
    *text = text.replace(from, to);
}

fn fresh_dir(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let dir = paths::target().join("e2e/verify").join(format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory under target/e2e");
    dir
}

fn installed() -> &'static Verifiers {
    static VERIFIERS: OnceLock<Verifiers> = OnceLock::new();
    VERIFIERS.get_or_init(|| {
        Verifiers::ensure(&Ui::quiet())
            .unwrap_or_else(|error| panic!("{error:#}; `cargo xtask test e2e` installs the rest"))
    })
}

fn proxies() -> Proxies {
    Proxies::ensure(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}"))
}
