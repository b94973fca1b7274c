//! The worked consumers of `examples/consumers`, ready to run: a virtual environment for the one in Python, compiled classes and jars for
//! the one in Java. The one in Rust is a program of the workspace.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{Lock, maven, python, require_java};
use crate::paths;
use crate::ui::Ui;

/// Where the consumers are.
#[derive(Debug, Clone)]
pub struct Consumers {
    python: PathBuf,
    classpath: OsString,
}

impl Consumers {
    /// Installs what they need, if it is not there.
    ///
    /// # Errors
    /// When Python, Java or Maven is missing (and how to get it), or an installation fails.
    pub fn ensure(ui: &Ui) -> Result<Self> {
        python::require()?;
        require_java()?;
        let _lock = Lock::take(ui)?;
        let requirements = source("python").join("requirements.txt");
        let environment = python::environment(ui, "consumer-python", "the consumer in Python", &requirements)?;
        let classpath = maven::classpath(ui, "consumer-java", "the consumer in Java", &source("java"))?;
        Ok(Self { python: environment.join("python"), classpath })
    }

    /// The consumer in Python, without options.
    #[must_use]
    pub fn python(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(source("python").join("consumer.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// The consumer in Java, without options.
    #[must_use]
    pub fn java(&self) -> Command {
        let mut command = Command::new("java");
        command.args(["-Xmx128m", "-XX:+UseSerialGC", "-cp"]).arg(&self.classpath).arg("com.example.consumer.Main");
        command
    }
}

fn source(language: &str) -> PathBuf {
    paths::root().join("examples/consumers").join(language)
}
