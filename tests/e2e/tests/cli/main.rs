//! `ropeline`, the operator's command line, against a real Worker.
//!
//! * `apply`: events from files; what is shown, what is sent, and that a lost update changes nothing.
//! * `steer`: the switches, with their effect on the board.
//! * `look`: list, get, status, watch, visitors, audit.
//! * `draws`: a draw that holds, and ones that were tampered with.
//! * `load`: a load scenario.
//! * `checks`: a deployment that is well, and ones that are not.
//! * `proxy` stands between the program and the Worker where a test needs something to happen there.

mod apply;
mod checks;
mod draws;
mod load;
mod look;
mod proxy;
mod steer;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use ropeline_e2e::{Value, World};
use xtask::bundle::Programs;

/// What the program said, and how it ended.
pub struct Said {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Fails unless it ended so.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }

    /// Fails unless standard output has all of these.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.out.contains(part), "{part:?} is not in: {}\nerr: {}", self.out, self.err);
        }
        self
    }

    /// Fails unless standard error has all of these.
    #[track_caller]
    pub fn complains(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in: {}\nout: {}", self.err, self.out);
        }
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

/// The program at an address, with an admin key.
pub struct Cli {
    /// `--url`.
    pub url: String,
    key: String,
    env: Vec<(&'static str, String)>,
}

impl Cli {
    /// For an operator of this world.
    pub fn of(world: &World) -> Self {
        Self { url: format!("http://{}", world.authority), key: world.keys.admin.clone(), env: Vec::new() }
    }

    /// With another admin key.
    pub fn key(self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self }
    }

    /// At another address.
    pub fn at(self, url: String) -> Self {
        Self { url, ..self }
    }

    /// With a variable more.
    pub fn var(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    /// Runs it.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        self.with_input(arguments, "").await
    }

    /// Runs it with something on standard input.
    pub async fn with_input(&self, arguments: &[&str], input: &str) -> Said {
        let program = Programs::built().cli;
        assert!(
            program.is_file(),
            "the command line is not built ({} is missing): `cargo xtask test e2e` builds everything these tests need",
            program.display()
        );
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("ROPELINE_URL", &self.url)
            .env("ROPELINE_ADMIN_KEY", &self.key)
            .envs(self.env.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_owned();
        let ended = tokio::task::spawn_blocking(move || -> std::io::Result<Output> {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // A program that needs no input may be gone already.
                let _ = stdin.write_all(input.as_bytes());
            }
            child.wait_with_output()
        });
        let output = ended.await.expect("a thread").expect("the program");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let said =
            Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) };
        for (what, text) in [("out", &said.out), ("err", &said.err)] {
            assert!(self.key.is_empty() || !text.contains(&self.key), "the key is shown on std{what}: {text}");
        }
        said
    }
}

/// A file of a test's own.
pub fn file(world: &World, name: &str, text: &str) -> String {
    let path: PathBuf = world.dir.join(name);
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}
