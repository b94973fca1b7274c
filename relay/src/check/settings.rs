//! The settings of a topic, by DescribeConfigs: whether what is acknowledged stays, and stays long enough.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use super::remedy::Tools;
use super::report::{Level, Line};
use super::topic::{Topic, listed};
use super::wire::{Connection, error_name};
use crate::config::BatchSettings;

const CHECK: &str = "setting";
/// `ConfigResource.Type` of Kafka's protocol.
const TOPIC: i8 = 2;
const VERSIONS: (i16, i16) = (1, 4);

const CLEANUP: &str = "cleanup.policy";
const MIN_COPIES: &str = "min.insync.replicas";
const RETENTION: &str = "retention.ms";
const TIMESTAMP: &str = "message.timestamp.type";
const MAX_BYTES: &str = "max.message.bytes";
const UNCLEAN: &str = "unclean.leader.election.enable";
const ASKED: [&str; 6] = [CLEANUP, MIN_COPIES, RETENTION, TIMESTAMP, MAX_BYTES, UNCLEAN];

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Above what a record takes beside its value: key, headers and lengths, with the longest event id.
const OVERHEAD: usize = 512;

/// Lines for the settings of `topic`.
pub async fn check(connection: &mut Connection, topic: &Topic<'_>, batch: &BatchSettings, tools: &Tools) -> Vec<Line> {
    match ask(connection, topic.name).await {
        Ok(settings) => judge(&settings, topic, batch, tools),
        Err(cause) => {
            let found = format!("cannot see the settings: {cause}");
            let remedy = format!(
                "look at them yourself (docs/kafka.md, \"Topic settings\"), or {}",
                tools.allow(topic.name, &["DescribeConfigs"])
            );
            vec![Line::new(Level::Note, CHECK, topic.name, found, remedy)]
        }
    }
}

async fn ask(connection: &mut Connection, topic: &str) -> Result<BTreeMap<String, String>, String> {
    let version = connection.version::<DescribeConfigsRequest>(VERSIONS.0, VERSIONS.1);
    let version = version.ok_or("the broker cannot be asked")?;
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(StrBytes::from_string(topic.to_owned()))
        .with_configuration_keys(Some(ASKED.map(StrBytes::from_static_str).to_vec()));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer: DescribeConfigsResponse =
        connection.ask(version, &request).await.map_err(|trouble| trouble.to_string())?;
    let result = answer.results.first().ok_or("the broker says nothing")?;
    if let Some(error) = error_name(result.error_code) {
        return Err(error);
    }
    let setting = |name: &StrBytes, value: &StrBytes| (name.to_string(), value.to_string());
    Ok(result.configs.iter().filter_map(|config| Some(setting(&config.name, config.value.as_ref()?))).collect())
}

fn judge(settings: &BTreeMap<String, String>, topic: &Topic<'_>, batch: &BatchSettings, tools: &Tools) -> Vec<Line> {
    let get = |name: &str| settings.get(name).map_or("", String::as_str);
    let mut lines = vec![cleanup(get(CLEANUP), topic.name, tools)];
    if topic.rehearsals {
        return lines;
    }
    lines.push(copies(get(MIN_COPIES), topic, tools));
    lines.push(retention(get(RETENTION), topic.name, tools));
    lines.push(timestamp(get(TIMESTAMP), topic.name, tools));
    lines.push(size(get(MAX_BYTES), topic.name, batch, tools));
    if get(UNCLEAN) == "true" {
        let found = "unclean.leader.election.enable=true: a leader without the last records may take over";
        lines.push(Line::new(Level::Warn, CHECK, topic.name, found, tools.set(topic.name, UNCLEAN, false)));
    }
    lines
}

fn cleanup(value: &str, topic: &str, tools: &Tools) -> Line {
    match value.contains("compact") {
        false => Line::ok(CHECK, topic, format!("{CLEANUP}={value}")),
        true => {
            let found = format!("{CLEANUP}={value}: compaction keeps the last admission of an event only");
            Line::new(Level::Fail, CHECK, topic, found, tools.set(topic, CLEANUP, "delete"))
        }
    }
}

fn copies(value: &str, topic: &Topic<'_>, tools: &Tools) -> Line {
    let (name, copies) = (topic.name, topic.copies());
    let found = format!("{MIN_COPIES}={value}");
    let Ok(least) = value.parse::<usize>() else {
        return Line::new(Level::Note, CHECK, name, format!("{found}: not a number"), "2 is right for three copies");
    };
    let below = topic.below(least.min(copies));
    if !below.is_empty() {
        let found =
            format!("{found}, and {} with fewer copies that are complete: nothing is written there", listed(&below));
        return Line::new(Level::Fail, CHECK, name, found, "bring the missing brokers back, and wait for their copies");
    }
    if least > copies {
        let found =
            format!("{found}, more than there are copies ({copies}): brokers before Kafka 3.7 write nothing then");
        let remedy = format!("add copies (replication factor 3), or {}", tools.set(name, MIN_COPIES, copies));
        return Line::new(Level::Warn, CHECK, name, found, remedy);
    }
    match (least, copies) {
        (..2, ..2) => {
            let remedy = "fine for a rehearsal only: 2, with replication factor 3, in production (docs/kafka.md)";
            Line::new(Level::Warn, CHECK, name, found, remedy)
        }
        (..2, _) => {
            let found = format!("{found}: what one broker alone has is acknowledged, and lost with it");
            Line::new(Level::Fail, CHECK, name, found, tools.set(name, MIN_COPIES, 2))
        }
        _ if least == copies => {
            let found = format!("{found} of {copies} copies: the relay waits whenever a single broker is away");
            Line::new(Level::Warn, CHECK, name, found, "use replication factor 3 (docs/kafka.md)")
        }
        _ => Line::ok(CHECK, name, found),
    }
}

fn retention(value: &str, topic: &str, tools: &Tools) -> Line {
    let found = format!("{RETENTION}={value}");
    match value.parse::<i64>() {
        Ok(ms) if (0..DAY_MS).contains(&ms) => {
            let found = format!("{found} is less than a day: consumers that lag behind lose admissions");
            Line::new(Level::Warn, CHECK, topic, found, tools.set(topic, RETENTION, 30 * DAY_MS))
        }
        _ => Line::ok(CHECK, topic, found),
    }
}

fn timestamp(value: &str, topic: &str, tools: &Tools) -> Line {
    let found = format!("{TIMESTAMP}={value}");
    match value {
        "LogAppendTime" => {
            let found = format!("{found}: a record's time is then when it arrived, not admitted_at");
            Line::new(Level::Warn, CHECK, topic, found, tools.set(topic, TIMESTAMP, "CreateTime"))
        }
        _ => Line::ok(CHECK, topic, found),
    }
}

fn size(value: &str, topic: &str, batch: &BatchSettings, tools: &Tools) -> Line {
    let needed = batch.max_bytes.saturating_add(batch.max_rows.saturating_mul(OVERHEAD));
    let found = format!("{MAX_BYTES}={value}");
    match value.parse::<usize>() {
        Ok(most) if most < needed => {
            let found =
                format!("{found}, and a full batch takes up to {needed}: the relay sends smaller ones, more slowly");
            let remedy = format!("{}, or lower batch.max_bytes", tools.set(topic, MAX_BYTES, needed.max(1_048_588)));
            Line::new(Level::Warn, CHECK, topic, found, remedy)
        }
        _ => Line::ok(CHECK, topic, found),
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::BrokerId;
    use kafka_protocol::messages::metadata_response::MetadataResponsePartition;

    use super::*;
    use crate::config::KafkaSettings;

    /// Two partitions with so many copies, of which this many are complete in the second one.
    fn partitions(copies: i32, complete: i32) -> Vec<MetadataResponsePartition> {
        let nodes = |count: i32| (1..=count).map(BrokerId).collect::<Vec<_>>();
        let partition = |index, complete| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_replica_nodes(nodes(copies))
                .with_isr_nodes(nodes(complete))
        };
        vec![partition(0, copies), partition(1, complete)]
    }

    fn judged(changed: &[(&str, &str)], copies: i32, complete: i32, rehearsals: bool) -> Vec<Line> {
        let partitions = partitions(copies, complete);
        let topic = Topic { name: "sale", rehearsals, partitions: &partitions };
        let right = [
            (CLEANUP, "delete"),
            (MIN_COPIES, "2"),
            (RETENTION, "604800000"),
            (TIMESTAMP, "CreateTime"),
            (MAX_BYTES, "1048588"),
            (UNCLEAN, "false"),
        ];
        let settings = right.iter().chain(changed).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        judge(&settings.collect(), &topic, &BatchSettings::default(), &Tools::new(&KafkaSettings::default()))
    }

    #[test]
    fn the_settings_that_docs_recommend_are_all_fine() {
        let lines = judged(&[], 3, 3, false);
        assert!(lines.len() == 5 && lines.iter().all(|line| line.level == Level::Ok), "{lines:?}");
        assert!(judged(&[(RETENTION, "-1")], 3, 3, false).iter().all(|line| line.level == Level::Ok), "kept for ever");
    }

    #[test]
    fn each_wrong_setting_has_its_level_and_the_command_that_mends_it() {
        for (setting, value, level, mends) in [
            (CLEANUP, "compact", Level::Fail, "cleanup.policy=delete"),
            (CLEANUP, "compact,delete", Level::Fail, "cleanup.policy=delete"),
            (MIN_COPIES, "1", Level::Fail, "min.insync.replicas=2"),
            (MIN_COPIES, "3", Level::Warn, "replication factor"),
            (RETENTION, "3600000", Level::Warn, "retention.ms=2592000000"),
            (TIMESTAMP, "LogAppendTime", Level::Warn, "message.timestamp.type=CreateTime"),
            (MAX_BYTES, "600000", Level::Warn, "max.message.bytes=1048588"),
            (UNCLEAN, "true", Level::Warn, "unclean.leader.election.enable=false"),
        ] {
            let lines = judged(&[(setting, value)], 3, 3, false);
            let wrong: Vec<&Line> = lines.iter().filter(|line| line.level != Level::Ok).collect();
            let [line] = wrong.as_slice() else { panic!("{setting}={value}: {wrong:?}") };
            let mended = line.remedy.as_deref().unwrap_or_default();
            assert!(line.level == level && line.found.contains(setting) && mended.contains(mends), "{line}");
        }
    }

    #[test]
    fn what_min_insync_replicas_means_depends_on_the_copies_there_are() {
        for (least, copies, complete, level) in [
            ("2", 3, 2, Level::Ok),
            ("2", 3, 1, Level::Fail),
            ("1", 1, 1, Level::Warn),
            ("2", 1, 1, Level::Warn),
            ("2", 2, 2, Level::Warn),
            ("1", 2, 2, Level::Fail),
        ] {
            let lines = judged(&[(MIN_COPIES, least)], copies, complete, false);
            let line = lines.iter().find(|line| line.found.starts_with(MIN_COPIES)).unwrap();
            assert_eq!(line.level, level, "{least} of {copies}, {complete} complete: {line}");
        }
    }

    #[test]
    fn of_a_topic_of_rehearsals_only_compaction_is_wrong() {
        assert_eq!(judged(&[(MIN_COPIES, "1"), (RETENTION, "1000")], 1, 1, true).len(), 1);
        assert_eq!(judged(&[(CLEANUP, "compact")], 1, 1, true)[0].level, Level::Fail);
    }
}
