//! Does Kafka answer? While events are worked on, their calls tell; else, as on a standby, somebody must ask.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::broker::{Broker, BrokerClient};
use crate::machine::BrokerFailure;
use crate::task::Shared;

/// Kafka is asked when it has not answered anybody for so long, and again after this time.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Asks Kafka for its topics whenever nobody else has had an answer for a while. Never ends.
pub async fn watch_broker<W, B: Broker>(shared: Arc<Shared<W, B>>) {
    loop {
        let silent = shared.health.broker_silent();
        if silent.is_none_or(|silent| silent >= ASK_EVERY) {
            let answer = match timeout(shared.kafka_timeout, ask(&shared)).await {
                Ok(answer) => answer,
                Err(_) => Err(BrokerFailure::Unknown { cause: format!("no answer within {:?}", shared.kafka_timeout) }),
            };
            shared.health.broker(answer.as_ref().map(drop));
        }
        sleep(ASK_EVERY).await;
    }
}

async fn ask<W, B: Broker>(shared: &Shared<W, B>) -> Result<(), BrokerFailure> {
    let client = shared.broker.connect().await?;
    client.partitions(&shared.rules.topic).await.map(drop)
}
