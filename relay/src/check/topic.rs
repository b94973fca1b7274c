//! The topic and its rehearsals' twin: there, led, copied; and what the relay's user may do with them.

use std::collections::BTreeSet;

use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};

use super::remedy::Tools;
use super::report::{Level, Line};
use super::wire::error_name;

const CHECK: &str = "topic";
const PERMISSIONS: &str = "permissions";
/// `AclOperation` of Kafka's protocol: what the relay needs, each with its bit.
const NEEDED: [(&str, u32); 3] = [("Describe", 8), ("Read", 3), ("Write", 4)];
/// Error codes of Kafka's protocol.
const UNKNOWN_TOPIC: i16 = 3;
const MAY_NOT_DESCRIBE: i16 = 29;

/// A topic that is there.
pub struct Topic<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it is the one of rehearsals.
    pub rehearsals: bool,
    /// What the broker says of them.
    pub partitions: &'a [MetadataResponsePartition],
}

impl Topic<'_> {
    /// Copies of the partition that has the fewest.
    pub fn copies(&self) -> usize {
        self.partitions.iter().map(|partition| partition.replica_nodes.len()).min().unwrap_or(0)
    }

    /// Partitions with fewer complete copies than this.
    pub fn below(&self, copies: usize) -> Vec<i32> {
        self.those(|partition| partition.isr_nodes.len() < copies)
    }

    fn those(&self, what: impl Fn(&MetadataResponsePartition) -> bool) -> Vec<i32> {
        self.partitions.iter().filter(|partition| what(partition)).map(|partition| partition.partition_index).collect()
    }
}

/// Numbers of partitions, as text.
pub fn listed(partitions: &[i32]) -> String {
    let shown: Vec<String> = partitions.iter().take(8).map(ToString::to_string).collect();
    let more = if partitions.len() > shown.len() { ", …" } else { "" };
    let word = if partitions.len() == 1 { "partition" } else { "partitions" };
    format!("{word} {}{more}", shown.join(", "))
}

/// Lines for `name`, and the topic if it is there.
pub fn check<'a>(
    metadata: &'a MetadataResponse,
    name: &'a str,
    rehearsals: bool,
    tools: &Tools,
) -> (Vec<Line>, Option<Topic<'a>>) {
    let found = metadata.topics.iter().find(|topic| topic.name.as_ref().is_some_and(|known| known.as_str() == name));
    let Some(found) = found else {
        let line =
            Line::new(Level::Fail, CHECK, name, "the broker says nothing about it", "look into the broker's log");
        return (vec![line], None);
    };
    if found.error_code != 0 {
        return (vec![absent(found.error_code, name, rehearsals, tools)], None);
    }
    let topic = Topic { name, rehearsals, partitions: &found.partitions };
    let mut lines = vec![state(&topic)];
    lines.push(permissions(found, name, tools));
    (lines, Some(topic))
}

fn absent(code: i16, name: &str, rehearsals: bool, tools: &Tools) -> Line {
    let without = "where rehearsals need no Kafka, nothing is to be done: the relay acks test events without producing";
    match (code, rehearsals) {
        (UNKNOWN_TOPIC, true) => {
            Line::new(Level::Note, CHECK, name, "does not exist", format!("{without}; else {}", tools.create(name)))
        }
        (UNKNOWN_TOPIC, false) => Line::new(
            Level::Fail,
            CHECK,
            name,
            "does not exist, and the relay never creates one",
            format!("name another one in kafka.topic, or {}", tools.create(name)),
        ),
        (MAY_NOT_DESCRIBE, _) => {
            let found = "does not exist, or the relay's user may not describe it";
            let allow = tools.allow(name, &NEEDED.map(|(operation, _)| operation));
            match rehearsals {
                true => Line::new(Level::Note, CHECK, name, found, format!("{without}; else {allow}")),
                false => Line::new(Level::Fail, CHECK, name, found, allow),
            }
        }
        (code, _) => {
            let error = error_name(code).unwrap_or_default();
            Line::new(Level::Fail, CHECK, name, format!("the broker says {error}"), "look into the broker's log")
        }
    }
}

fn state(topic: &Topic<'_>) -> Line {
    let name = topic.name;
    let leaderless = topic.those(|partition| partition.leader_id.0 < 0);
    if !leaderless.is_empty() {
        let lost = |partition: &i32| topic.partitions.iter().find(|found| found.partition_index == *partition);
        let nodes = leaderless.iter().filter_map(lost).flat_map(|partition| &partition.replica_nodes);
        let nodes: BTreeSet<i32> = nodes.map(|node| node.0).collect();
        let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        let found = format!("{} without a leader", listed(&leaderless));
        return Line::new(Level::Fail, CHECK, name, found, format!("bring back one of the nodes {}", nodes.join(", ")));
    }
    let count = topic.partitions.len();
    let copies = topic.copies();
    let found = format!(
        "{count} {}, each with a leader, copies: {copies}",
        if count == 1 { "partition" } else { "partitions" }
    );
    let incomplete = topic.those(|partition| partition.isr_nodes.len() < partition.replica_nodes.len());
    if copies <= 1 && !topic.rehearsals {
        let remedy = "one copy is fine for a rehearsal only: use replication factor 3 in production (docs/kafka.md)";
        return Line::new(Level::Warn, CHECK, name, found, remedy);
    }
    if !incomplete.is_empty() {
        let found = format!("{found}; {} with copies that lag behind", listed(&incomplete));
        return Line::new(Level::Warn, CHECK, name, found, "bring the missing brokers back, and wait for their copies");
    }
    Line::ok(CHECK, name, found)
}

fn permissions(topic: &MetadataResponseTopic, name: &str, tools: &Tools) -> Line {
    let bits = topic.topic_authorized_operations;
    if bits == i32::MIN {
        let remedy =
            format!("Kafka 2.3 and later say it; to be sure: {}", tools.allow(name, &NEEDED.map(|(op, _)| op)));
        return Line::new(
            Level::Note,
            PERMISSIONS,
            name,
            "the broker does not say what the relay's user may do",
            remedy,
        );
    }
    let missing: Vec<&str> = NEEDED.iter().filter(|(_, bit)| bits & (1 << bit) == 0).map(|(name, _)| *name).collect();
    match missing.is_empty() {
        true => Line::ok(PERMISSIONS, name, "Describe, Read and Write are allowed"),
        false => {
            let found = format!("the relay's user lacks {}", missing.join(", "));
            Line::new(Level::Fail, PERMISSIONS, name, found, tools.allow(name, &missing))
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{BrokerId, TopicName};
    use kafka_protocol::protocol::StrBytes;

    use super::*;
    use crate::config::KafkaSettings;

    const ALL: i32 = 1 << 3 | 1 << 4 | 1 << 8;

    fn lines(change: impl Fn(&mut MetadataResponseTopic), rehearsals: bool) -> Vec<Line> {
        let partition = |index| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(BrokerId(1))
                .with_replica_nodes(vec![BrokerId(1), BrokerId(2), BrokerId(3)])
                .with_isr_nodes(vec![BrokerId(1), BrokerId(2), BrokerId(3)])
        };
        let mut topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str("sale"))))
            .with_partitions(vec![partition(0), partition(1)])
            .with_topic_authorized_operations(ALL);
        change(&mut topic);
        let metadata = MetadataResponse::default().with_topics(vec![topic]);
        check(&metadata, "sale", rehearsals, &Tools::new(&KafkaSettings::default())).0
    }

    #[track_caller]
    fn assert_says(lines: &[Line], level: Level, words: &str) {
        let says = |line: &&Line| line.level == level && line.to_string().contains(words);
        assert!(lines.iter().any(|line| says(&line)), "no {level:?} with {words:?} in {lines:?}");
    }

    #[test]
    fn a_topic_without_leaders_or_copies_or_permissions_says_which() {
        assert!(lines(|_| {}, false).iter().all(|line| line.level == Level::Ok));
        let leaderless = lines(|topic| topic.partitions[1].leader_id = BrokerId(-1), false);
        assert_says(&leaderless, Level::Fail, "partition 1 without a leader: bring back one of the nodes 1, 2, 3");
        let behind = lines(|topic| topic.partitions[0].isr_nodes.truncate(2), false);
        assert_says(&behind, Level::Warn, "partition 0 with copies that lag behind");
        let single = |topic: &mut MetadataResponseTopic| topic.partitions[0].replica_nodes.truncate(1);
        assert_says(&lines(single, false), Level::Warn, "fine for a rehearsal only");
        for (bits, lacks) in [(ALL & !(1 << 3), "lacks Read"), (1 << 8, "lacks Read, Write")] {
            let lacking = lines(|topic| topic.topic_authorized_operations = bits, false);
            assert_says(&lacking, Level::Fail, lacks);
            assert_says(&lacking, Level::Fail, "kafka-acls.sh");
        }
        assert_says(&lines(|topic| topic.topic_authorized_operations = i32::MIN, false), Level::Note, "does not say");
    }

    #[test]
    fn a_missing_topic_fails_and_a_missing_one_of_rehearsals_is_a_note() {
        for code in [UNKNOWN_TOPIC, MAY_NOT_DESCRIBE] {
            let absent = |topic: &mut MetadataResponseTopic| topic.error_code = code;
            assert_says(&lines(absent, false), Level::Fail, "does not exist");
            assert_says(&lines(absent, true), Level::Note, "acks test events without producing");
        }
        assert_says(&lines(|topic| topic.error_code = 17, false), Level::Fail, "InvalidTopic");
    }
}
