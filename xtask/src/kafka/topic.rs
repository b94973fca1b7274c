//! Making a topic, with no JVM.

use anyhow::{Context, Result};
use rskafka::client::ClientBuilder;

use super::START;

/// Makes a topic on any broker, with one copy, unless it is there.
///
/// # Errors
/// When the broker does not answer or refuses.
pub fn create_topic(bootstrap: &str, name: &str, partitions: u16) -> Result<()> {
    create_copied_topic(bootstrap, name, partitions, 1)
}

/// Makes a topic on any broker, with so many copies, unless it is there.
///
/// # Errors
/// When the broker does not answer or refuses.
pub fn create_copied_topic(bootstrap: &str, name: &str, partitions: u16, copies: i16) -> Result<()> {
    let (bootstrap, name) = (bootstrap.to_owned(), name.to_owned());
    // A thread of its own: whoever calls us may be in a runtime already.
    let made = std::thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            // The client itself waits for ever; a broker that just started needs a moment.
            tokio::time::timeout(START, make_topic(&bootstrap, &name, partitions, copies))
                .await
                .with_context(|| format!("no answer from the broker {bootstrap}"))?
        })
    });
    made.join().map_err(|_| anyhow::anyhow!("the Kafka client panicked"))?
}

async fn make_topic(bootstrap: &str, name: &str, partitions: u16, copies: i16) -> Result<()> {
    let client = ClientBuilder::new(bootstrap.split(',').map(str::to_owned).collect())
        .build()
        .await
        .with_context(|| format!("cannot reach the broker {bootstrap}"))?;
    let topics = client.list_topics().await?;
    if topics.iter().any(|topic| topic.name == name) {
        return Ok(());
    }
    let timeout_ms = 5_000;
    client
        .controller_client()?
        .create_topic(name, i32::from(partitions), copies, timeout_ms)
        .await
        .with_context(|| format!("cannot create the topic {name}"))
}
