//! The commands of Kafka's own tools that mend a topic, ready to be copied.

use crate::config::KafkaSettings;

/// For one cluster and one user.
#[derive(Debug)]
pub struct Tools {
    /// What every command starts with.
    connection: String,
    principal: String,
}

impl Tools {
    /// For the cluster and the user of these settings.
    pub fn new(kafka: &KafkaSettings) -> Self {
        let server = kafka.bootstrap.first().map_or("broker:9092", String::as_str);
        // Whoever may change a topic connects as somebody else.
        let secured = kafka.tls.enabled || kafka.sasl.mechanism.is_some();
        let admin = if secured { " --command-config admin.properties" } else { "" };
        let principal = match (&kafka.sasl.username, &kafka.tls.certificate_file) {
            (Some(user), _) => format!("User:{user}"),
            (None, Some(_)) => "'User:CN=…' (the client certificate's name)".to_owned(),
            (None, None) => "User:ANONYMOUS".to_owned(),
        };
        Self { connection: format!("--bootstrap-server {server}{admin}"), principal }
    }

    /// Makes `topic` as docs/kafka.md has it.
    pub fn create(&self, topic: &str) -> String {
        format!(
            "kafka-topics.sh {} --create --topic {topic} --partitions 12 --replication-factor 3 --config \
             min.insync.replicas=2 --config cleanup.policy=delete --config retention.ms=2592000000",
            self.connection
        )
    }

    /// Changes one setting of `topic`.
    pub fn set(&self, topic: &str, setting: &str, value: impl std::fmt::Display) -> String {
        format!(
            "kafka-configs.sh {} --alter --entity-type topics --entity-name {topic} --add-config {setting}={value}",
            self.connection
        )
    }

    /// Lets the relay's user do `operations` on `topic`.
    pub fn allow(&self, topic: &str, operations: &[&str]) -> String {
        let operations: String = operations.iter().map(|operation| format!(" --operation {operation}")).collect();
        let Self { connection, principal } = self;
        format!("kafka-acls.sh {connection} --add --allow-principal {principal}{operations} --topic {topic}")
    }
}
