//! The configuration: the sample is true, the environment wins, mistakes are named, the key stays hidden.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use ropeline_relay::config::{Config, ConfigError, LogFormat, SaslMechanism, Settings};

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
        // A setting without a default stands behind a '#' without a blank.
        .map(|line| line.strip_prefix('#').unwrap_or(line))
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
        .filter(|name| !name.contains(' '))
        .collect();
    let shown = format!("{:?}", Settings::default());
    let fields: Vec<&str> = shown
        .split([' ', '{', ','])
        .filter_map(|word| word.strip_suffix(':'))
        .filter(|word| {
            let section = [
                "worker",
                "kafka",
                "tls",
                "sasl",
                "batch",
                "scan",
                "intervals",
                "limits",
                "health",
                "canary",
                "brake",
                "log",
            ];
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
    let many: Vec<String> = (0..101).map(|index| format!("sale-{index}")).collect();
    let too_many = format!("[brake]\nevents = {many:?}");
    for (text, words) in [
        ("[worker]\nurll = \"x\"", "urll"),
        ("[worker]\nkey = \"hunter2\"", "worker.key: there is no such setting: secrets stand in files"),
        ("[nonsense]", "nonsense"),
        ("[batch]\nmax_rows = \"many\"", "max_rows"),
        ("[batch]\nmax_rows = 0", "batch.max_rows = 0: must be within 1 … 500"),
        ("[batch]\nmax_rows = 501", "batch.max_rows"),
        ("[worker]\nrequest_timeout_ms = 60000", "worker.request_timeout_ms"),
        ("[worker]\nprefix = \"queue/\"", "worker.prefix"),
        ("[kafka]\ntopic = \"a b\"", "kafka.topic"),
        ("[log]\nlevel = \"a=b=c\"", "log.level"),
        ("[log]\nformat = \"xml\"", "format"),
        ("[intervals]\nidle_ms = 1", "intervals.idle_ms"),
        ("[canary]\nevent = \"A sale\"", "canary.event = \"A sale\": is no id of an event"),
        (
            "[canary]\nevent = \"canary\"",
            "canary.visitor_key_file: there is no canary's visitor key: set ROPELINE_RELAY_CANARY_KEY",
        ),
        ("[canary]\nurl = \"https://a.example/queue\"", "canary.url"),
        ("[brake]\nevents = [\"sale\", \"A sale\"]", "brake.events = \"A sale\": is no id of an event"),
        (&too_many, "brake.events: names 101 events: at most 100"),
        ("[brake]\ncanary_failures_percent = 101", "brake.canary_failures_percent = 101: must be within 0 … 100"),
        ("[brake]\nlag_seconds = 3601", "brake.lag_seconds = 3601: must be within 0 … 3600"),
        ("[canary]\ninterval_seconds = 0", "canary.interval_seconds = 0: must be within 1 … 60"),
    ] {
        let file = File::new("mistake.toml", text);
        // Fields that the environment sets are not the ones under test.
        let error = file.load(NEEDED).unwrap_err().to_string();
        assert!(error.contains(words), "{text:?}: {error}");
    }
}

#[test]
fn a_canary_visits_its_event_by_the_public_address_and_its_key_stays_hidden() {
    let file = File::new("canary.toml", "[canary]\nevent = \"canary\"\nurl = \"https://sale.example/\"");
    let key = "0123456789abcdef0123456789abcdef";
    let with = |key: &'static str| {
        let mut env = NEEDED.to_vec();
        env.push(("ROPELINE_RELAY_CANARY_KEY", key));
        file.load(&env)
    };
    let config = with(key).unwrap();
    assert!(!format!("{config:?}").contains(key));
    let plan = config.canary.unwrap();
    assert_eq!((plan.base.as_str(), plan.visitor.expose()), ("https://sale.example/queue", key));
    for wrong in ["too-short", "0123456789abcdef 0123456789abcdef"] {
        let error = with(wrong).unwrap_err().to_string();
        assert!(error.contains("canary.visitor_key_file") && !error.contains(wrong), "{error}");
    }
    assert!(with_env(None, NEEDED).unwrap().canary.is_none(), "none is asked for");
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
        let error = with_env(None, &env).unwrap_err().to_string();
        assert!(
            error.contains(if name.contains("KAFKA") { "kafka.bootstrap" } else { "worker.url" }),
            "{value}: {error}"
        );
        assert!(!error.contains("pw"), "{error}");
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

#[test]
fn everything_that_is_wrong_is_said_at_once_with_key_value_and_remedy() {
    let broken = File::new("broken.pem", "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n");
    let text = format!(
        "[worker]\nurll = \"x\"\nprefix = \"queue/\"\nkey_file = \"/no/such/key\"\n\
         [kafka]\nbootstrap = [\"broker\", 7]\ntopic = \"a b\"\ncompression = \"brotli\"\n\
         [kafka.tls]\nenabled = true\nca_file = {:?}\nkey_file = \"/no/such/client.key\"\n\
         [kafka.sasl]\nmechanism = \"SCRAM-SHA-1\"\nusername = \"relay\"\npassword = \"hunter2\"\n\
         [batch]\nmax_rows = \"many\"\nmax_bytes = 7\n\
         [log]\nlevel = \"a=b=c\"\n",
        broken.0
    );
    let error = File::new("all.toml", &text).load(&[]).unwrap_err();
    let said: Vec<String> = error.mistakes.iter().map(ToString::to_string).collect();
    for expected in [
        "worker.urll: unknown field `urll`, expected one of `url`",
        "worker.prefix = \"queue/\": must start with / and not end with it, like /queue",
        "worker.key_file = \"/no/such/key\": the file cannot be read: No such file",
        "worker.url: is missing: set it, or ROPELINE_RELAY_WORKER_URL",
        "kafka.bootstrap: invalid type: integer `7`, expected a string (line 6)",
        "kafka.topic = \"a b\": must be 1 to 249 characters",
        "kafka.compression: unknown variant `brotli`, expected one of `none`, `gzip`",
        "kafka.tls.ca_file = \"/",
        "kafka.tls.certificate_file: is missing: a client certificate is two files",
        "kafka.sasl.mechanism: unknown variant `SCRAM-SHA-1`, expected one of `PLAIN`",
        "kafka.sasl.password: there is no such setting: secrets stand in files of their own",
        "batch.max_rows: invalid type: string \"many\", expected a whole number (line 18)",
        "batch.max_bytes = 7: must be within 1024 … 524288",
        "log.level = \"a=b=c\": is no filter",
    ] {
        assert!(said.iter().any(|line| line.starts_with(expected)), "{expected}\nis not in\n{error}");
    }
    assert_eq!(said.len(), 14, "{error}");
    assert!(
        error.to_string().starts_with(&format!("the configuration is wrong in {} places:\n", said.len())),
        "{error}"
    );
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_file_that_is_no_toml_is_refused_without_a_word_of_its_lines() {
    let file = File::new("no.toml", "[kafka.sasl]\npassword = hunter2\n[worker\nurl = https://x\n");
    let error = file.load(NEEDED).unwrap_err();
    let keys: Vec<&str> = error.mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    assert!(keys.contains(&"line 2") && keys.contains(&"line 3"), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let missing = with_env(Some("/no/such/file.toml"), NEEDED).unwrap_err();
    assert_eq!(missing.mistakes.len(), 1, "{missing}");
    assert!(missing.to_string().contains("--config = \"/no/such/file.toml\": cannot be read"), "{missing}");
}

#[test]
fn security_of_kafka_comes_from_files_and_the_environment() {
    let password = File::new("password", "p w:1 \n");
    let text = format!(
        "[kafka]\ncompression = \"zstd\"\n[kafka.tls]\nenabled = true\n\
         [kafka.sasl]\nmechanism = \"SCRAM-SHA-256\"\nusername = \"relay\"\npassword_file = {:?}\n",
        password.0
    );
    let file = File::new("security.toml", &text);
    let config = file.load(NEEDED).unwrap();
    assert!(config.kafka.tls.is_some());
    let sasl = config.kafka.sasl.clone().unwrap();
    assert_eq!((sasl.mechanism, sasl.username.as_str()), (SaslMechanism::ScramSha256, "relay"));
    assert_eq!(sasl.password.expose(), "p w:1 ", "only the line end is no part of it");
    assert!(!format!("{config:?}").contains("p w:1"));
    let mut env = NEEDED.to_vec();
    env.push(("ROPELINE_RELAY_KAFKA_PASSWORD", "from-the-environment"));
    assert_eq!(file.load(&env).unwrap().kafka.sasl.unwrap().password.expose(), "from-the-environment");
}

#[test]
fn a_setting_that_would_do_nothing_is_refused() {
    for (text, words) in [
        (
            "[kafka.tls]\nca_file = \"/ca.pem\"",
            "kafka.tls.ca_file = \"/ca.pem\": does nothing without kafka.tls.enabled = true",
        ),
        ("[kafka.sasl]\nusername = \"a\"", "kafka.sasl.username = \"a\": does nothing without kafka.sasl.mechanism"),
        ("[kafka.sasl]\nmechanism = \"PLAIN\"", "kafka.sasl.username: is missing"),
        (
            "[kafka.sasl]\nmechanism = \"PLAIN\"\nusername = \"a\"",
            "there is no SASL password: set ROPELINE_RELAY_KAFKA_PASSWORD",
        ),
        (
            "[kafka.tls]\nenabled = true\nca_file = \"/no/such/ca.pem\"",
            "kafka.tls.ca_file = \"/no/such/ca.pem\": the file cannot be read",
        ),
    ] {
        let error = File::new("nothing.toml", text).load(NEEDED).unwrap_err().to_string();
        assert!(error.contains(words), "{text:?}: {error}");
    }
}

#[test]
fn a_password_in_the_clear_is_warned_about() {
    let plain = "[kafka.sasl]\nmechanism = \"PLAIN\"\nusername = \"a\"\n";
    for (text, bootstrap, warned) in [
        (plain, "broker-1:9092", true),
        (plain, "127.0.0.1:9092,broker-1:9092", true),
        (plain, "localhost:9092,127.0.0.2:9092,[::1]:9092", false),
        ("[kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"a\"\n", "broker-1:9092", false),
        (
            "[kafka.tls]\nenabled = true\n[kafka.sasl]\nmechanism = \"PLAIN\"\nusername = \"a\"\n",
            "broker-1:9092",
            false,
        ),
    ] {
        let mut env = NEEDED.to_vec();
        env[2].1 = bootstrap;
        env.push(("ROPELINE_RELAY_KAFKA_PASSWORD", "hunter2"));
        let config = File::new("clear.toml", text).load(&env).unwrap();
        let warnings = config.warnings();
        assert_eq!(
            warnings.iter().any(|warning| warning.setting == "kafka.sasl.mechanism"),
            warned,
            "{bootstrap}: {warnings:?}"
        );
    }
}
