//! A Worker on the real runtime, `workerd serve`, without Node and wrangler.
//!
//! Everything it needs is copied into one directory: the bundle (so that a new
//! build does not touch one that runs), the variables and secrets as files that
//! only the owner reads, the state of its Durable Objects, its log.

use std::fmt::Write;
use std::io::{Read, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::keys::{Keys, write_secret};
use crate::paths;
use crate::process::{self, Output, Process};
use crate::tools::Tools;

/// How long a start may take; compiling the module is part of it.
const START: Duration = Duration::from_secs(60);

/// The name of [`WorkerdOptions::before`] among the modules.
const BEFORE: &str = "before.js";

/// A Durable Object namespace: the name of its binding and its class.
pub type Namespace = (&'static str, &'static str);

/// The product's namespaces, as in `wrangler.toml`.
pub const PRODUCT: [Namespace; 3] = [("REGISTRY", "Registry"), ("LANE", "Lane"), ("LINE", "Line")];

/// The namespace of the ceilings in `tests/bench`.
pub const CEILINGS: [Namespace; 1] = [("HOP", "Hop")];

/// Those of the floor there.
pub const FLOOR: [Namespace; 2] = [("LANE", "Lane"), ("LINE", "Line")];

/// What to run, and where.
#[derive(Clone)]
pub struct WorkerdOptions {
    /// Where it listens.
    pub host: Ipv4Addr,
    /// The port there.
    pub port: u16,
    /// Its directory: configuration, state and log. Kept: a second start finds
    /// the state again.
    pub state_dir: PathBuf,
    /// Directory with `index.js` and `index_bg.wasm`.
    pub bundle: PathBuf,
    /// A module that stands before the bundle's and may import it as `./index.js`; how tests put doubles around it.
    pub before: Option<PathBuf>,
    /// Durable Objects.
    pub namespaces: Vec<Namespace>,
    /// Variables of the Worker.
    pub vars: Vec<(String, String)>,
    /// Secrets of the Worker.
    pub secrets: Vec<(String, String)>,
    /// What other services are bound as, and their ports on 127.0.0.1: the shop that the gate stands before (`ORIGIN`), and what
    /// answers for others in tests.
    pub services: Vec<(&'static str, u16)>,
    /// The port of a second isolate with the same Worker before the same objects, as a deployment has many.
    pub second: Option<u16>,
    /// Flags of V8, such as a profile needs.
    pub v8_flags: Vec<&'static str>,
    /// A path whose answer, whatever it is, says that the Worker runs.
    pub ready_path: String,
}

impl WorkerdOptions {
    /// The product as a development deployment at `http://localhost:port`.
    #[must_use]
    pub fn product(port: u16, state_dir: impl Into<PathBuf>, keys: &Keys) -> Self {
        let var = |name: &str, value: String| (name.to_owned(), value);
        Self {
            host: Ipv4Addr::LOCALHOST,
            port,
            state_dir: state_dir.into(),
            bundle: paths::worker_bundle(),
            before: None,
            namespaces: PRODUCT.to_vec(),
            vars: vec![
                var("ROPELINE_ISSUER", format!("http://localhost:{port}")),
                var("ROPELINE_INSECURE_COOKIES", "true".to_owned()),
            ],
            secrets: keys.worker_secrets(),
            services: Vec::new(),
            second: None,
            v8_flags: Vec::new(),
            ready_path: "/queue/healthz".to_owned(),
        }
    }

    /// The two ceilings of the benchmark.
    #[must_use]
    pub fn ceilings(port: u16, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST,
            port,
            state_dir: state_dir.into(),
            bundle: paths::bench_bundle(),
            before: None,
            namespaces: CEILINGS.to_vec(),
            vars: Vec::new(),
            secrets: Vec::new(),
            services: Vec::new(),
            second: None,
            v8_flags: Vec::new(),
            ready_path: "/hello".to_owned(),
        }
    }

    /// The floor of the benchmark: a module of its own, which imports no bundle.
    #[must_use]
    pub fn floor(port: u16, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            before: Some(paths::root().join("tests/bench/src/floor.js")),
            namespaces: FLOOR.to_vec(),
            ready_path: "/ready".to_owned(),
            ..Self::ceilings(port, state_dir)
        }
    }

    /// With a flag of V8.
    #[must_use]
    pub fn v8_flag(mut self, flag: &'static str) -> Self {
        self.v8_flags.push(flag);
        self
    }

    /// Sets a variable, or changes it.
    #[must_use]
    pub fn var(mut self, name: &str, value: impl Into<String>) -> Self {
        self.vars.retain(|(found, _)| found != name);
        self.vars.push((name.to_owned(), value.into()));
        self
    }
}

/// A running `workerd`. Dropped, it is killed; its state stays.
#[derive(Debug)]
pub struct Workerd {
    workerd: PathBuf,
    port: u16,
    state_dir: PathBuf,
    ready_path: String,
    process: Process,
}

impl Workerd {
    /// Writes the configuration and starts it; comes back when the Worker answers.
    ///
    /// # Errors
    /// When it does not come up; with the end of its log.
    pub fn start(tools: &Tools, options: &WorkerdOptions) -> Result<Self> {
        write_configuration(options)?;
        let process = spawn(&tools.workerd, &options.state_dir)?;
        let mut workerd = Self {
            workerd: tools.workerd.clone(),
            port: options.port,
            state_dir: options.state_dir.clone(),
            ready_path: options.ready_path.clone(),
            process,
        };
        workerd.wait_until_ready()?;
        Ok(workerd)
    }

    /// Starts it and comes back as soon as it takes connections: nobody has asked it anything yet.
    ///
    /// # Errors
    /// When it does not come up; with the end of its log.
    pub fn start_cold(tools: &Tools, options: &WorkerdOptions) -> Result<Self> {
        write_configuration(options)?;
        let mut process = spawn(&tools.workerd, &options.state_dir)?;
        process.wait_until(START, || process::port_answers(options.port))?;
        Ok(Self {
            workerd: tools.workerd.clone(),
            port: options.port,
            state_dir: options.state_dir.clone(),
            ready_path: options.ready_path.clone(),
            process,
        })
    }

    /// `http://localhost:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// `127.0.0.1:port`, for [`crate::http::Client`].
    #[must_use]
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything it and its Worker (`console.log`) ever wrote.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        log(&self.state_dir)
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        self.process.tail()
    }

    /// SIGKILL, at once.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Starts it again on the same port and state, killing it first if need be.
    ///
    /// # Errors
    /// As [`Workerd::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill9();
        self.process = spawn(&self.workerd, &self.state_dir)?;
        self.wait_until_ready()
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// When the system cannot tell how it ended.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop(Duration::from_secs(5))?;
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let (port, path) = (self.port, self.ready_path.clone());
        self.process.wait_until(START, || answers(port, &path))
    }
}

fn log(state_dir: &Path) -> PathBuf {
    state_dir.join("logs/workerd.log")
}

fn spawn(workerd: &Path, state_dir: &Path) -> Result<Process> {
    Process::spawn(
        "workerd",
        Command::new(workerd).arg("serve").arg(state_dir.join("config.capnp")).current_dir(state_dir),
        Output::Log(&log(state_dir)),
    )
}

/// Any HTTP answer at all.
fn answers(port: u16, path: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let mut stream = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(
            format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut start = [0; 5];
        stream.read_exact(&mut start)?;
        Ok(&start == b"HTTP/")
    };
    ask().unwrap_or(false)
}

fn write_configuration(options: &WorkerdOptions) -> Result<()> {
    let dir = &options.state_dir;
    let data = dir.join("data");
    std::fs::create_dir_all(&data)?;
    let bundle = dir.join("bundle");
    std::fs::create_dir_all(&bundle)?;
    for file in ["index.js", "index_bg.wasm"] {
        let from = options.bundle.join(file);
        std::fs::copy(&from, bundle.join(file)).with_context(|| format!("no bundle at {}", from.display()))?;
    }
    if let Some(before) = &options.before {
        std::fs::copy(before, bundle.join(BEFORE)).with_context(|| format!("no module at {}", before.display()))?;
    }
    let bindings = dir.join("bindings");
    if !bindings.is_dir() {
        std::fs::DirBuilder::new().mode(0o700).create(&bindings)?;
    }
    for (name, value) in options.vars.iter().chain(&options.secrets) {
        write_secret(&bindings.join(name), value)?;
    }
    std::fs::write(dir.join("config.capnp"), configuration(options, &data)?)?;
    Ok(())
}

/// The text of `config.capnp`. Values of variables and secrets are embedded from
/// files: they need no quoting and are never on a command line.
fn configuration(options: &WorkerdOptions, data: &Path) -> Result<String> {
    let mut bindings = String::new();
    let mut namespaces = String::new();
    for (name, class) in &options.namespaces {
        writeln!(
            bindings,
            "    (name = \"{name}\", durableObjectNamespace = (className = \"{class}\", serviceName = \"worker\")),"
        )?;
        writeln!(namespaces, "    (className = \"{class}\", uniqueKey = \"ropeline-{class}\", enableSql = true),")?;
    }
    for (name, _) in options.vars.iter().chain(&options.secrets) {
        writeln!(bindings, "    (name = \"{name}\", text = embed \"bindings/{name}\"),")?;
    }
    let mut services = String::new();
    for (binding, port) in &options.services {
        writeln!(services, "    (name = \"{binding}\", external = (address = \"127.0.0.1:{port}\", http = ())),")?;
        writeln!(bindings, "    (name = \"{binding}\", service = \"{binding}\"),")?;
    }
    let second = options.second.map_or_else(String::new, |port| {
        services += "    (name = \"second\", worker = .second),\n";
        format!("    (name = \"second\", address = \"127.0.0.1:{port}\", http = (), service = \"second\"),\n")
    });
    // The first module is the one that is run.
    let before = options
        .before
        .as_ref()
        .map_or_else(String::new, |_| format!("    (name = \"{BEFORE}\", esModule = embed \"bundle/{BEFORE}\"),\n"));
    let flags = options.v8_flags.iter().map(|flag| format!("\"{flag}\"")).collect::<Vec<_>>().join(", ");
    let (host, port) = (options.host, options.port);
    let date = compatibility_date()?;
    let data = data.display();
    Ok(format!(
        r#"# Written by `cargo xtask`; changes are lost.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "state", disk = (path = "{data}", writable = true)),
{services}  ],
  v8Flags = [{flags}],
  sockets = [
    (name = "http", address = "{host}:{port}", http = (), service = "worker"),
{second}  ],
);

const modules :List(Workerd.Worker.Module) = [
{before}  (name = "index.js", esModule = embed "bundle/index.js"),
  (name = "index_bg.wasm", wasm = embed "bundle/index_bg.wasm"),
];

const bindings :List(Workerd.Worker.Binding) = [
{bindings}];

# Has no objects of its own.
const second :Workerd.Worker = (modules = .modules, compatibilityDate = "{date}", bindings = .bindings);

const worker :Workerd.Worker = (
  modules = .modules,
  compatibilityDate = "{date}",
  bindings = .bindings,
  durableObjectNamespaces = [
{namespaces}  ],
  durableObjectStorage = (localDisk = "state"),
);
"#
    ))
}

/// The one of `wrangler.toml`: what is tested is what is deployed.
fn compatibility_date() -> Result<String> {
    let path = paths::root().join("wrangler.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("compatibility_date"))
        .context("wrangler.toml has no compatibility_date")?;
    let date = line.split('"').nth(1);
    Ok(date.context("compatibility_date is not a string")?.to_owned())
}

/// Fails with what to do when somebody else has the port.
///
/// # Errors
/// When the port is taken.
pub fn require_port(port: u16, who: &str, option: &str) -> Result<()> {
    anyhow::ensure!(
        process::port_is_free(port),
        "port {port} for {who} is taken by another program; choose another one: {option} PORT"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_a_file_and_not_in_the_configuration() {
        let keys = Keys::generate().unwrap();
        let options = WorkerdOptions::product(8787, "/nowhere", &keys);
        let text = configuration(&options, Path::new("/nowhere/data")).unwrap();
        assert!(text.contains("text = embed \"bindings/ROPELINE_SIGNING_KEYS\""));
        assert!(!text.contains(&keys.signing));
    }

    #[test]
    fn the_namespaces_are_those_of_wrangler_toml() {
        let text = std::fs::read_to_string(paths::root().join("wrangler.toml")).unwrap();
        for (binding, class) in PRODUCT {
            assert!(text.contains(&format!("name = \"{binding}\", class_name = \"{class}\"")));
        }
    }

    #[test]
    fn a_taken_port_is_named_with_the_option_to_choose_another() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = require_port(port, "the shop", "--shop-port").unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&port.to_string()) && text.contains("--shop-port"), "{text}");
    }
}
