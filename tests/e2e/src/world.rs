//! A deployment of its own for one test: Worker, keys, state; when asked also a topic and a relay.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::Value;
use xtask::bundle::Programs;
use xtask::http::{Answer, Client, bearer};
use xtask::keys::Keys;
use xtask::services::{Relay, RelayOptions};
use xtask::tools::Tools;
use xtask::ui::Ui;
use xtask::workerd::{Workerd, WorkerdOptions};
use xtask::{free_port, paths};

use crate::lock;
use crate::relay_health::HealthOf;
use crate::trace::Trace;
use crate::visitor::Visitor;

mod options;
pub use options::WorldOptions;

/// What to do when something is not there.
pub(crate) const HOW_TO_GET_IT: &str = "`cargo xtask test e2e` installs and builds everything these tests need";

/// Whose bearer secret goes with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The operator.
    Admin,
    /// The shop.
    Origin,
    /// The relay.
    Relay,
    /// The scraper.
    Metrics,
}

/// A running deployment. Methods take `&self`, so that tests can share it among tasks in an `Arc`.
pub struct World {
    /// Its secrets.
    pub keys: Keys,
    /// `host:port` of the Worker, for [`Client`].
    pub authority: String,
    /// The same of a second isolate, where there is one.
    pub second: Option<String>,
    /// The `iss` of its tokens; also where it is: `http://localhost:port`.
    pub issuer: String,
    /// State and logs.
    pub dir: PathBuf,
    workerd: Mutex<Workerd>,
    relay: Mutex<Option<Relay>>,
    keep: AtomicBool,
}

impl World {
    /// A Worker on a free port, without an event, a topic or a relay.
    ///
    /// # Panics
    /// When something is missing (with the way to get it) or does not come up.
    #[must_use]
    pub fn start() -> Self {
        WorldOptions::default().start()
    }

    fn start_with(options: &WorldOptions) -> Self {
        let dir = fresh_dir();
        let mut keys = Keys::generate().expect("keys");
        if let Some(signing) = &options.signing {
            keys.signing.clone_from(signing);
        }
        let port = free_port().expect("a free port");
        let mut worker = WorkerdOptions::product(port, dir.join("state"), &keys);
        // Another bundle than `build/`: how a mutant is put to these tests.
        if let Some(bundle) = std::env::var_os("ROPELINE_E2E_BUNDLE") {
            worker.bundle = PathBuf::from(bundle);
        }
        worker.before = options.faults.then(|| paths::root().join("tests/e2e/faults/shim.js"));
        worker.services.clone_from(&options.services);
        worker.second = options.two_isolates.then(|| free_port().expect("a free port"));
        for (name, value) in &options.vars {
            worker = worker.var(name, value);
        }
        for file in ["index.js", "index_bg.wasm"] {
            let path = worker.bundle.join(file);
            assert!(path.is_file(), "the Worker is not built ({} is missing): {HOW_TO_GET_IT}", path.display());
        }
        let workerd = Workerd::start(tools(), &worker).unwrap_or_else(|error| panic!("no Worker: {error:#}"));
        Self {
            keys,
            authority: workerd.authority(),
            second: worker.second.map(|port| format!("127.0.0.1:{port}")),
            issuer: workerd.url(),
            dir,
            workerd: Mutex::new(workerd),
            relay: Mutex::new(None),
            keep: AtomicBool::new(false),
        }
    }

    /// State and logs stay when it is dropped, as they do when a test fails.
    pub fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// Starts a relay that puts admissions into `topic` of the broker at `bootstrap`.
    ///
    /// # Panics
    /// When the program is not built or cannot be started.
    pub fn start_relay(&self, bootstrap: &str, topic: &str) {
        self.launch_relay(RelayOptions::new(&self.issuer, bootstrap, topic, &self.keys.relay, &self.relay_log_file()));
    }

    /// As [`World::start_relay`], with more settings in its file, TOML.
    ///
    /// # Panics
    /// When the program is not built or cannot be started.
    pub fn start_configured_relay(&self, bootstrap: &str, topic: &str, settings: &str) {
        let file = self.dir.join("relay.toml");
        std::fs::write(&file, settings).expect("the settings of the relay");
        let log = self.relay_log_file();
        let options = RelayOptions::new(&self.issuer, bootstrap, topic, &self.keys.relay, &log);
        self.launch_relay(RelayOptions { config: Some(file), ..options });
    }

    fn launch_relay(&self, options: RelayOptions) {
        let program = Programs::built().relay;
        assert!(program.is_file(), "the relay is not built ({} is missing): {HOW_TO_GET_IT}", program.display());
        let relay = Relay::start(&options).unwrap_or_else(|error| panic!("no relay: {error:#}"));
        lock(&self.relay).replace(relay);
    }

    fn relay_log_file(&self) -> PathBuf {
        self.dir.join("logs/relay.log")
    }

    /// What the relays of this world have said so far.
    #[must_use]
    pub fn relay_log(&self) -> String {
        std::fs::read_to_string(self.relay_log_file()).unwrap_or_default()
    }

    /// Whether the relay runs.
    #[must_use]
    pub fn relay_is_running(&self) -> bool {
        lock(&self.relay).as_mut().is_some_and(Relay::is_running)
    }

    /// One more relay beside others, with a log of its own and its health on a free port.
    ///
    /// # Panics
    /// As [`World::start_relay`].
    #[must_use]
    pub fn one_more_relay(&self, name: &str, bootstrap: &str, topic: &str) -> (Relay, HealthOf) {
        let log = self.dir.join(format!("logs/relay-{name}.log"));
        let mut options = RelayOptions::new(&self.issuer, bootstrap, topic, &self.keys.relay, &log);
        let port = free_port().expect("a free port");
        options.health = Some(port);
        let relay = Relay::start(&options).unwrap_or_else(|error| panic!("no relay: {error:#}; {HOW_TO_GET_IT}"));
        (relay, HealthOf::new(name, port))
    }

    /// SIGKILL to the relay.
    pub fn kill9_relay(&self) {
        if let Some(mut relay) = lock(&self.relay).take() {
            relay.kill9();
        }
    }

    /// SIGTERM to the relay.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn stop_relay(&self) {
        let relay = lock(&self.relay).take();
        if let Some(mut relay) = relay {
            let status = relay.stop().expect("the end of the relay");
            assert!(status.success(), "the relay ended with {status}\n{}", relay.tail());
        }
    }

    /// SIGKILL to the Worker's runtime.
    pub fn kill9(&self) {
        lock(&self.workerd).kill9();
    }

    /// Starts the Worker again on its port and state.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&self) {
        let mut workerd = lock(&self.workerd);
        workerd.kill9();
        // What it was about to write may have no end: the next line is a line of its own.
        let log = std::fs::OpenOptions::new().append(true).open(workerd.log());
        log.and_then(|mut log| log.write_all(b"\n")).expect("the log of the Worker");
        workerd.restart().unwrap_or_else(|error| panic!("no Worker after a restart: {error:#}"));
    }

    /// Takes these variables and secrets away, from the next [`World::restart`] on: an empty one counts as none.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn without(&self, names: &[&str]) {
        for name in names {
            std::fs::write(self.dir.join("state/bindings").join(name), "").expect("a binding");
        }
    }

    /// Stops the Worker in order. [`World::restart`] starts it again.
    ///
    /// # Panics
    /// When the system cannot tell how it ended.
    pub fn stop(&self) {
        lock(&self.workerd).stop().expect("the end of the Worker");
    }

    /// A client of the Worker, with a connection of its own.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.authority)
    }

    /// Memory that the Worker's runtime has in use, in KiB.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resident_kib(&self) -> anyhow::Result<u64> {
        xtask::process::resident_kib(lock(&self.workerd).id())
    }

    /// The bearer secret of a role.
    #[must_use]
    pub fn secret(&self, role: Role) -> &str {
        match role {
            Role::Admin => &self.keys.admin,
            Role::Origin => &self.keys.origin,
            Role::Relay => &self.keys.relay,
            Role::Metrics => &self.keys.metrics,
        }
    }

    /// One request as it is given, over a new connection. An empty body is none.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn raw(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let body: Bytes = body.into();
        let body = (!body.is_empty()).then_some(body);
        let sent = self.client().send(method.clone(), path, headers, body).await;
        sent.unwrap_or_else(|error| panic!("{method} {path}: {error:#}"))
    }

    /// One call with a role's key; `Value::Null` is no body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn keyed(&self, role: Role, method: Method, path: &str, body: &Value) -> Answer {
        let authorization = bearer(self.secret(role));
        let mut headers = vec![("authorization", authorization.as_str())];
        if body.is_null() {
            return self.raw(method, path, &headers, Bytes::new()).await;
        }
        headers.push(("content-type", "application/json"));
        self.raw(method, path, &headers, body.to_string()).await
    }

    /// One call with a role's key; `None` when there is no answer, or a refusal.
    pub async fn ask(&self, role: Role, method: Method, path: &str, body: &Value) -> Option<Value> {
        let authorization = bearer(self.secret(role));
        let headers = [("authorization", authorization.as_str())];
        let mut client = self.client();
        let answer = match body {
            Value::Null => client.send(method, path, &headers, None).await,
            body => client.send_json(method, path, &headers, body).await,
        };
        answer.ok().filter(|answer| answer.status.is_success()).map(|answer| answer.json())
    }

    /// One call with the admin key; `Value::Null` is no body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn admin(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.keyed(Role::Admin, method, path, body).await
    }

    /// Creates an event; answers its full settings.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn create(&self, event: &str, settings: &Value) -> Value {
        let answer = self.admin(Method::PUT, &format!("/queue/admin/events/{event}"), settings).await;
        assert_eq!(answer.status, StatusCode::CREATED, "cannot create {event}: {}", answer.text());
        answer.json()
    }

    /// Changes part of an event's settings.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn patch(&self, event: &str, settings: &Value) -> Value {
        let answer = self.admin(Method::PATCH, &format!("/queue/admin/events/{event}"), settings).await;
        assert!(answer.status.is_success(), "cannot change {event}: {}", answer.text());
        answer.json()
    }

    /// The counts of an event.
    ///
    /// # Panics
    /// When there are none.
    pub async fn stats(&self, event: &str) -> Value {
        let answer = self.admin(Method::GET, &format!("/queue/admin/events/{event}/stats"), &Value::Null).await;
        assert_eq!(answer.status, StatusCode::OK, "no stats of {event}: {}", answer.text());
        answer.json()
    }

    /// The public board of an event.
    ///
    /// # Panics
    /// When there is none.
    pub async fn board(&self, event: &str) -> Value {
        let answer = self.raw(Method::GET, &format!("/queue/events/{event}"), &[], Bytes::new()).await;
        assert_eq!(answer.status, StatusCode::OK, "no board of {event}: {}", answer.text());
        answer.json()
    }

    /// The origin is done with an admission.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn complete(&self, event: &str, jti: &str) -> Answer {
        let body = serde_json::json!({"event": event, "jti": jti});
        self.keyed(Role::Origin, Method::POST, "/queue/complete", &body).await
    }

    /// A visitor with a fresh key, who has not entered yet.
    #[must_use]
    pub fn visitor(&self, event: &str) -> Visitor {
        Visitor::new(&self.authority, event)
    }

    /// A visitor who has entered and is in, with a pass.
    ///
    /// # Panics
    /// When there is no room for one more.
    pub async fn admitted(&self, event: &str) -> Visitor {
        let mut visitor = self.visitor(event);
        let answer = visitor.enter_with(&serde_json::json!({"claim": true})).await;
        let answer = answer.unwrap_or_else(|error| panic!("enter: {error:#}"));
        assert!(answer.status.is_success(), "enter: {} {}", answer.status, answer.text());
        visitor.go_in(Duration::from_secs(20)).await.unwrap_or_else(|error| panic!("{error:#}"));
        visitor
    }

    /// Asks for the board until it is as wanted; answers that board.
    ///
    /// # Panics
    /// When it is not, within 10 seconds.
    pub async fn board_until(&self, event: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            let board = self.board(event).await;
            if wanted(&board) {
                return board;
            }
            assert!(std::time::Instant::now() < until, "the board does not say {what}: {board}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until everything admitted so far is known to be in Kafka.
    ///
    /// # Panics
    /// When that takes longer than `bound`.
    pub async fn wait_until_acked(&self, event: &str, bound: Duration) {
        let until = std::time::Instant::now() + bound;
        loop {
            let stats = self.stats(event).await;
            if stats["acked_seq"] == stats["head_seq"] {
                return;
            }
            let late = std::time::Instant::now() >= until;
            assert!(!late, "{event} is not all in Kafka: {stats}\n{}", tail(&self.relay_log()));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the line said about the exchanges of an event, so far.
    #[must_use]
    pub fn trace(&self, event: &str) -> Trace {
        let log = lock(&self.workerd).log();
        Trace::read(&log, event)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        lock(&self.relay).take();
        lock(&self.workerd).kill9();
        if std::thread::panicking() || self.keep.load(Ordering::Relaxed) {
            eprintln!("state and logs are in {}", self.dir.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
}

pub(crate) fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        assert!(
            paths::tools().join("npm").is_dir(),
            "the Workers runtime is not installed ({} is missing): {HOW_TO_GET_IT}",
            paths::tools().join("npm").display()
        );
        Tools::ensure(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}; {HOW_TO_GET_IT}"))
    })
}

/// `target/e2e/<binary>-<test>-<n>`, empty.
fn fresh_dir() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("test").replace("::", "-");
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = paths::target().join("e2e").join(format!("{}-{test}-{count}", binary()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory under target/e2e");
    dir
}

/// The name of the test binary, without cargo's hash.
pub(crate) fn binary() -> String {
    let exe = std::env::current_exe().unwrap_or_default();
    let name = exe.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.rsplit_once('-').map_or(name.clone(), |(name, _)| name.to_owned())
}
