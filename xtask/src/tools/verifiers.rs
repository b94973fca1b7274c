//! The worked verifiers of `examples/verify`, ready to run: npm packages, a virtual environment, a Go program, compiled classes. The one in
//! axum is a program of the workspace; nginx and Envoy are [`super::proxies`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Lock, go, maven, npm, python, require_java};
use crate::paths;
use crate::ui::Ui;

/// Where the verifiers are.
#[derive(Debug, Clone)]
pub struct Verifiers {
    node: PathBuf,
    node_home: PathBuf,
    python: PathBuf,
    go: PathBuf,
    classpath: OsString,
}

impl Verifiers {
    /// Installs and builds what they need, if it is not there.
    ///
    /// # Errors
    /// When Node, Python, Go, Java or Maven is missing (and how to get it), or an installation fails.
    pub fn ensure(ui: &Ui) -> Result<Self> {
        python::require()?;
        go::require()?;
        require_java()?;
        let _lock = Lock::take(ui)?;
        let requirements = source("fastapi").join("requirements.txt");
        let fastapi = python::environment(ui, "verify-fastapi", "the verifier in FastAPI", &requirements)?;
        Ok(Self {
            node: npm::node(ui)?,
            node_home: node_home(ui)?,
            python: fastapi.join("python"),
            go: go::build(ui, "verify-go", "the verifier in Go", &source("go"))?,
            classpath: maven::classpath(ui, "verify-spring", "the verifier in Spring", &source("spring"))?,
        })
    }

    /// The one in Express or Fastify.
    #[must_use]
    pub fn node(&self, program: &str) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.node_home.join(program));
        command
    }

    /// The one in FastAPI.
    #[must_use]
    pub fn fastapi(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(source("fastapi").join("shop.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// The one in Go.
    #[must_use]
    pub fn go(&self) -> Command {
        Command::new(&self.go)
    }

    /// The one in Spring.
    #[must_use]
    pub fn spring(&self) -> Command {
        let mut command = Command::new("java");
        command
            .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(&self.classpath)
            .arg("com.example.shop.Shop");
        command
    }
}

fn source(stack: &str) -> PathBuf {
    paths::root().join("examples/verify").join(stack)
}

/// npm packages, with the programs beside them, which is where they look for them.
fn node_home(ui: &Ui) -> Result<PathBuf> {
    let source = source("node");
    let modules = npm::install(ui, "verify-node", &source)?;
    let home = modules.parent().context("no directory of the npm packages")?;
    for entry in std::fs::read_dir(&source)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "js") {
            std::fs::copy(&path, home.join(path.file_name().unwrap_or_default()))?;
        }
    }
    Ok(home.to_path_buf())
}
