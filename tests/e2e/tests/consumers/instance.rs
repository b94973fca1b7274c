//! One running consumer.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ropeline_e2e::{Value, broker};
use xtask::bundle::Programs;
use xtask::paths;
use xtask::process::{Output, Process};
use xtask::tools::consumers::Consumers;
use xtask::ui::Ui;

/// What a consumer is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Java,
    Python,
    Rust,
}

pub const LANGUAGES: [Language; 3] = [Language::Java, Language::Python, Language::Rust];

/// Longer than any of them may take, idle time and all.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Instance {
    language: Language,
    process: Process,
    log: PathBuf,
}

/// What it printed until its end.
#[derive(Debug)]
pub struct Said {
    #[allow(dead_code, reason = "for the message of a failure")]
    language: Language,
    pub log: String,
}

impl Instance {
    /// One more instance of the consumer `name`; all of one language share its state and its group.
    pub fn start(language: Language, name: &str, topic: &str, more: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        static FRESH: OnceLock<PathBuf> = OnceLock::new();
        let dir = FRESH.get_or_init(|| {
            let dir = paths::target().join("e2e/consumers");
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).expect("a directory under target/e2e");
            dir
        });
        let mut command = match language {
            Language::Java => installed().java(),
            Language::Python => installed().python(),
            Language::Rust => rust(),
        };
        let group = format!("{name}-{language:?}");
        let log = dir.join(format!("{group}-{}.log", COUNT.fetch_add(1, Ordering::Relaxed)));
        let bootstrap = broker::shared().bootstrap();
        command.args(["--bootstrap", &bootstrap, "--topic", topic, "--state"]).arg(dir.join(&group)).args(more);
        if language != Language::Rust {
            // Dead instances leave their partitions to the others after six seconds.
            command.args(["--group", &group, "--session-seconds", "6"]);
        }
        let process = Process::spawn(&group, &mut command, Output::Log(&log));
        Self { language, process: process.unwrap_or_else(|error| panic!("{error:#}")), log }
    }

    pub fn kill9(&mut self) {
        assert!(self.process.is_running(), "{:?} ended before: {}", self.language, self.text());
        self.process.kill9();
    }

    /// What it says until it ends, with this exit code.
    pub async fn end(&mut self, code: i32) -> Said {
        let until = Instant::now() + PATIENCE;
        while self.process.is_running() {
            assert!(Instant::now() < until, "{:?} does not end: {}", self.language, self.text());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let status = self.process.wait().expect("how it ended");
        assert_eq!(status.code(), Some(code), "{:?}: {}", self.language, self.text());
        Said { language: self.language, log: self.text() }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Said {
    pub fn run(&self) -> Value {
        self.line("run: ").parse().expect("JSON")
    }

    pub fn verdict(&self) -> Value {
        self.verdict_text().parse().expect("JSON")
    }

    pub fn verdict_text(&self) -> String {
        self.line("verdict: ").to_owned()
    }

    fn line(&self, name: &str) -> &str {
        let found = self.log.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_else(|| panic!("no {name:?}: {self:?}"))
    }
}

fn installed() -> &'static Consumers {
    static CONSUMERS: OnceLock<Consumers> = OnceLock::new();
    CONSUMERS.get_or_init(|| {
        Consumers::ensure(&Ui::quiet())
            .unwrap_or_else(|error| panic!("{error:#}; `cargo xtask test e2e` installs the rest"))
    })
}

fn rust() -> Command {
    let program = Programs::built().consumer;
    assert!(program.is_file(), "{} is missing: `cargo xtask test e2e` builds it", program.display());
    Command::new(program)
}
