//! Whether every broker can be reached: each address of `kafka.bootstrap` by itself, then the addresses that the cluster gives
//! to its clients, for the relay talks to the leaders of partitions there.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::task::JoinSet;

use super::report::{Level, Line};
use super::wire::{self, Connection, Step, Trouble};
use crate::config::KafkaAccess;
use crate::connect;

const CHECK: &str = "broker";
/// Brokers of one cluster that are looked at.
const MOST_BROKERS: usize = 100;
/// Metadata: from 4 on it can be asked for without creating a topic, from 8 on it says what we may do, 12 is the last with names only.
const METADATA: (i16, i16) = (4, 12);
const SAYS_OPERATIONS: i16 = 8;

/// A broker that answers.
pub struct Reached {
    /// The connection to it.
    pub connection: Connection,
    /// What it knows of the topics that were asked for.
    pub metadata: MetadataResponse,
}

/// A line for each broker, and the first that answers about `topics`.
pub async fn check(access: &KafkaAccess, topics: &[String]) -> (Vec<Line>, Option<Reached>) {
    let named = reach_all(access, topics, access.bootstrap.clone()).await;
    let (mut lines, mut first) = (Vec::new(), None::<(String, Reached)>);
    for (address, outcome) in named {
        match outcome {
            Err(trouble) => lines.push(unreachable(&address, &trouble, None)),
            Ok(reached) => {
                let other =
                    first.as_ref().filter(|(_, first)| first.metadata.cluster_id != reached.metadata.cluster_id);
                lines.push(match other {
                    None => Line::ok(CHECK, &address, format!("answers ({})", reached.connection.security)),
                    Some((known, _)) => Line::new(
                        Level::Fail,
                        CHECK,
                        &address,
                        format!("belongs to another cluster than {known}"),
                        "name brokers of one cluster in kafka.bootstrap",
                    ),
                });
                first.get_or_insert((address, reached));
            }
        }
    }
    if let Some((_, first)) = &first {
        lines.extend(check_advertised(access, topics, &first.metadata).await);
    }
    (lines, first.map(|(_, reached)| reached))
}

/// The brokers that `kafka.bootstrap` does not name.
async fn check_advertised(access: &KafkaAccess, topics: &[String], metadata: &MetadataResponse) -> Vec<Line> {
    let named: BTreeSet<&String> = access.bootstrap.iter().collect();
    let advertised = metadata.brokers.iter().map(|broker| match broker.host.contains(':') {
        true => format!("[{}]:{}", broker.host, broker.port),
        false => format!("{}:{}", broker.host, broker.port),
    });
    let others: BTreeSet<String> = advertised.filter(|address| !named.contains(address)).take(MOST_BROKERS).collect();
    let outcomes = reach_all(access, topics, others.into_iter().collect()).await;
    let line = |(address, outcome): (String, Result<Reached, Trouble>)| match outcome {
        Ok(reached) => Line::ok(CHECK, address, format!("advertised, answers ({})", reached.connection.security)),
        Err(trouble) => {
            let remedy = "let the broker's advertised.listeners be an address that this machine can reach";
            unreachable(&address, &trouble, Some(remedy))
        }
    };
    outcomes.into_iter().map(line).collect()
}

/// In the order of the addresses.
async fn reach_all(
    access: &KafkaAccess,
    topics: &[String],
    addresses: Vec<String>,
) -> Vec<(String, Result<Reached, Trouble>)> {
    let shared = Arc::new((access.clone(), topics.to_vec()));
    let mut tries = JoinSet::new();
    for (place, address) in addresses.into_iter().enumerate() {
        let shared = Arc::clone(&shared);
        tries.spawn(async move {
            let outcome = reach(&shared.0, &shared.1, &address).await;
            (place, address, outcome)
        });
    }
    let mut ended = tries.join_all().await;
    ended.sort_by_key(|(place, ..)| *place);
    ended.into_iter().map(|(_, address, outcome)| (address, outcome)).collect()
}

async fn reach(access: &KafkaAccess, topics: &[String], address: &str) -> Result<Reached, Trouble> {
    let mut connection = wire::connect(access, address).await?;
    let version = connection.version::<MetadataRequest>(METADATA.0, METADATA.1).ok_or_else(|| Trouble {
        step: Step::Protocol,
        cause: "the broker is too old: it cannot be asked for a topic without creating it".to_owned(),
    })?;
    let name = |topic: &String| Some(TopicName(StrBytes::from_string(topic.clone())));
    let named = topics.iter().map(|topic| MetadataRequestTopic::default().with_name(name(topic))).collect();
    let request = MetadataRequest::default()
        .with_topics(Some(named))
        .with_allow_auto_topic_creation(false)
        .with_include_topic_authorized_operations(version >= SAYS_OPERATIONS);
    let metadata = connection.ask(version, &request).await?;
    Ok(Reached { connection, metadata })
}

fn unreachable(address: &str, trouble: &Trouble, advertised: Option<&str>) -> Line {
    let general = match trouble.step {
        Step::Dns => "check the name in kafka.bootstrap, and how this machine resolves names",
        Step::Connect => "is the broker up, is this its port, and does every firewall let this machine through?",
        Step::Tls => "is this the brokers' TLS port? See kafka.tls in docs/configuration.md",
        Step::Protocol => "is this a port of Kafka for clients? One with TLS needs kafka.tls.enabled = true",
        Step::Sasl => "check kafka.sasl, and that this port takes SASL",
        Step::Answer => "does this port want SASL (kafka.sasl.mechanism)? Else look into the broker's log",
    };
    let early = matches!(trouble.step, Step::Dns | Step::Connect);
    let remedy = advertised.filter(|_| early).or_else(|| connect::advice(&trouble.cause)).unwrap_or(general);
    Line::new(Level::Fail, CHECK, address, trouble.to_string(), remedy)
}
