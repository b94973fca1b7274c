//! The configuration: the sample is true, the environment wins, mistakes are named, the key stays hidden.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use ropeline_relay::config::{Config, ConfigError, LogFormat, Settings};

fn sample_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("ropeline-relay.sample.toml")
}

fn with_env(path: Option<&str>, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env: HashMap<&str, &str> = env.iter().copied().collect();
    Config::load(path.map(std::path::Path::new), |name| env.get(name).map(|value| (*value).to_owned()))
}

struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ropeline-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        with_env(self.0.to_str(), env)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const NEEDED: &[(&str, &str)] = &[
    ("ROPELINE_RELAY_KEY", "the-key"),
    ("ROPELINE_RELAY_WORKER_URL", "https://queue.example.com"),
    ("ROPELINE_RELAY_KAFKA_BOOTSTRAP", "b1:9092, b2:9092"),
];

#[test]
fn the_sample_holds_every_default() {
    let text = fs::read_to_string(sample_path()).unwrap();
    let mut sample = Settings::parse(&text).unwrap();
    sample.check().unwrap();
    // The required ones have no default.
    let defaults = Settings::default();
    sample.worker.url.clone_from(&defaults.worker.url);
    sample.worker.key_file.clone_from(&defaults.worker.key_file);
    sample.kafka.bootstrap.clone_from(&defaults.kafka.bootstrap);
    assert_eq!(sample, defaults);
}

#[test]
fn the_sample_names_every_setting() {
    let text = fs::read_to_string(sample_path()).unwrap();
    // Each line that sets something, in its section, is a field: removing it must change what the parser sees in Debug
    // for the required ones, and every field of Debug must be set somewhere.
    let set: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
        .collect();
    let shown = format!("{:?}", Settings::default());
    let fields: Vec<&str> = shown
        .split([' ', '{', ','])
        .filter_map(|word| word.strip_suffix(':'))
        .filter(|word| {
            let section = ["worker", "kafka", "batch", "scan", "intervals", "limits", "log"];
            !section.contains(word)
        })
        .collect();
    assert_eq!(set, fields);
}

#[test]
fn no_file_and_the_environment_are_enough() {
    let config = with_env(None, NEEDED).unwrap();
    assert_eq!(config.key.expose(), "the-key");
    assert_eq!(config.settings.kafka.bootstrap, ["b1:9092", "b2:9092"]);
    assert_eq!(config.settings.worker_base(), "https://queue.example.com/queue");
}

#[test]
fn the_environment_wins_over_the_file() {
    let key = File::new("key", "from-the-file\n");
    let file = File::new(
        "wins.toml",
        &format!(
            "[worker]\nurl = \"https://a.example\"\nkey_file = {:?}\n[kafka]\nbootstrap = [\"a:1\"]\ntopic = \"a\"\n[log]\nformat = \"text\"\n",
            key.0
        ),
    );
    let config = file.load(&[]).unwrap();
    assert_eq!(config.key.expose(), "from-the-file");
    assert_eq!(config.settings.log.format, LogFormat::Text);
    let mut env = NEEDED.to_vec();
    env.push(("ROPELINE_RELAY_TOPIC", "b"));
    let config = file.load(&env).unwrap();
    assert_eq!(config.key.expose(), "the-key");
    assert_eq!(config.settings.worker.url, "https://queue.example.com");
    assert_eq!(config.settings.kafka.topic, "b");
}

#[test]
fn a_mistake_is_named_with_its_field() {
    for (text, words) in [
        ("[worker]\nurll = \"x\"", "urll"),
        ("[worker]\nkey = \"secret\"", "unknown field `key`"),
        ("[nonsense]", "nonsense"),
        ("[batch]\nmax_rows = \"many\"", "max_rows"),
        ("[batch]\nmax_rows = 0", "batch.max_rows: 0 is not within 1 … 500"),
        ("[batch]\nmax_rows = 501", "batch.max_rows"),
        ("[worker]\nrequest_timeout_ms = 60000", "worker.request_timeout_ms"),
        ("[worker]\nprefix = \"queue/\"", "worker.prefix"),
        ("[kafka]\ntopic = \"a b\"", "kafka.topic"),
        ("[log]\nlevel = \"a=b=c\"", "log.level"),
        ("[log]\nformat = \"xml\"", "format"),
        ("[intervals]\nidle_ms = 1", "intervals.idle_ms"),
    ] {
        let file = File::new("mistake.toml", text);
        // Fields that the environment sets are not the ones under test.
        let error = file.load(NEEDED).unwrap_err().to_string();
        assert!(error.contains(words), "{text:?}: {error}");
    }
}

#[test]
fn what_is_missing_is_named_with_its_variable() {
    for (missing, words) in [
        ("ROPELINE_RELAY_KEY", "set ROPELINE_RELAY_KEY"),
        ("ROPELINE_RELAY_WORKER_URL", "worker.url: is missing"),
        ("ROPELINE_RELAY_KAFKA_BOOTSTRAP", "kafka.bootstrap: is missing"),
    ] {
        let env: Vec<_> = NEEDED.iter().copied().filter(|(name, _)| *name != missing).collect();
        let error = with_env(None, &env).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn addresses_that_cannot_be_are_refused() {
    for (name, value) in [
        ("ROPELINE_RELAY_WORKER_URL", "queue.example.com"),
        ("ROPELINE_RELAY_WORKER_URL", "ftp://queue.example.com"),
        ("ROPELINE_RELAY_WORKER_URL", "https://queue.example.com/queue"),
        ("ROPELINE_RELAY_WORKER_URL", "https://me:pw@queue.example.com"),
        ("ROPELINE_RELAY_KAFKA_BOOTSTRAP", "broker"),
        ("ROPELINE_RELAY_KAFKA_BOOTSTRAP", "broker:99999"),
        ("ROPELINE_RELAY_KAFKA_BOOTSTRAP", "a:1,,b:2"),
    ] {
        let mut env = NEEDED.to_vec();
        env.retain(|(known, _)| *known != name);
        env.push((name, value));
        assert!(matches!(with_env(None, &env), Err(ConfigError::Value { .. })), "{value}");
    }
}

#[test]
fn the_key_shows_in_no_debug_output() {
    let config = with_env(None, NEEDED).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("the-key") && shown.contains("redacted"));
}

#[test]
fn a_key_over_plain_http_is_noticed() {
    for (url, clear) in [
        ("http://queue.example.com", true),
        ("https://queue.example.com", false),
        ("http://127.0.0.1:8787", false),
        ("http://localhost:8787", false),
    ] {
        let mut env = NEEDED.to_vec();
        env[1].1 = url;
        let settings = with_env(None, &env).unwrap().settings;
        assert_eq!(settings.key_in_the_clear(), clear, "{url}");
    }
}
