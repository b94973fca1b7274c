//! The worked consumers of `examples/consumers`, ready to run: a virtual environment for the one in Python, compiled classes and jars for
//! the one in Java. The one in Rust is a program of the workspace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Lock, Stamp, log, require_java};
use crate::ui::Ui;
use crate::{paths, process};

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
        require_python()?;
        require_java()?;
        let _lock = Lock::take(ui)?;
        Ok(Self { python: python(ui)?, classpath: java(ui)? })
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

/// Whether there is a Python that can make virtual environments.
fn require_python() -> Result<()> {
    let check = "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))";
    if process::output("python3", Command::new("python3").args(["-c", check])).is_err() {
        bail!(
            "Python 3.10 or newer with venv: Debian/Ubuntu `apt install python3 python3-venv`, macOS `brew install python`"
        );
    }
    Ok(())
}

fn python(ui: &Ui) -> Result<PathBuf> {
    let home = paths::tools().join("consumer-python");
    let program = home.join("bin/python");
    let requirements = source("python").join("requirements.txt");
    let stamp = Stamp::of_files("consumer-python", &[&requirements])?;
    if stamp.is_current() && program.is_file() {
        return Ok(program);
    }
    ui.step("tools: a virtual environment for the consumer in Python");
    let _ = std::fs::remove_dir_all(&home);
    process::run_logged("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(&home), &log("venv"))?;
    process::run_logged(
        "pip install",
        Command::new(&program)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement"])
            .arg(&requirements),
        &log("pip"),
    )?;
    stamp.set()?;
    Ok(program)
}

fn java(ui: &Ui) -> Result<OsString> {
    let home = paths::tools().join("consumer-java");
    let source = source("java");
    let mut files = vec![PathBuf::from("pom.xml")];
    let package = Path::new("src/main/java/com/example/consumer");
    for entry in std::fs::read_dir(source.join(package))? {
        files.push(package.join(entry?.file_name()));
    }
    files.sort();
    let paths: Vec<PathBuf> = files.iter().map(|file| source.join(file)).collect();
    let stamp = Stamp::of_files("consumer-java", &paths.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let built = home.join("target");
    let mut classpath = built.join("classes").into_os_string();
    classpath.push(":");
    classpath.push(built.join("lib/*"));
    if stamp.is_current() && built.is_dir() {
        return Ok(classpath);
    }
    let mvn = process::find_program("mvn")
        .context("Maven is missing: Debian/Ubuntu `apt install maven`, macOS `brew install maven`")?;
    ui.step("tools: the consumer in Java, by Maven");
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(home.join(package))?;
    for (file, path) in files.iter().zip(&paths) {
        std::fs::copy(path, home.join(file))?;
    }
    process::run_logged(
        "mvn compile",
        Command::new(mvn).args(["-B", "-q", "compile"]).current_dir(&home),
        &log("maven-consumer"),
    )?;
    stamp.set()?;
    Ok(classpath)
}
