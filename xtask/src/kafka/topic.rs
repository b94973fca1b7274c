//! Making and deleting a topic, with no JVM.

use std::time::Duration;

use anyhow::{Context, Result};
use rskafka::client::{Client, ClientBuilder};

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
    wait_for(async move { make_topic(&bootstrap, &name, partitions, copies).await })
}

/// Deletes a topic of any broker, with all it holds; comes back when it is gone.
///
/// # Errors
/// When the broker does not answer or refuses.
pub fn delete_topic(bootstrap: &str, name: &str) -> Result<()> {
    let (bootstrap, name) = (bootstrap.to_owned(), name.to_owned());
    wait_for(async move {
        let client = client(&bootstrap).await?;
        client.controller_client()?.delete_topic(&name, 5_000).await?;
        while client.list_topics().await?.iter().any(|topic| topic.name == name) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    })
}

/// Does `work` in a thread of its own: whoever calls us may be in a runtime already.
fn wait_for(work: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    let done = std::thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // The client itself waits for ever; a broker that just started needs a moment.
        let within = async { tokio::time::timeout(START, work).await };
        runtime.block_on(within).context("no answer from the broker")?
    });
    done.join().map_err(|_| anyhow::anyhow!("the Kafka client panicked"))?
}

async fn client(bootstrap: &str) -> Result<Client> {
    let addresses = bootstrap.split(',').map(str::to_owned).collect();
    ClientBuilder::new(addresses).build().await.with_context(|| format!("cannot reach the broker {bootstrap}"))
}

async fn make_topic(bootstrap: &str, name: &str, partitions: u16, copies: i16) -> Result<()> {
    let client = client(bootstrap).await?;
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
