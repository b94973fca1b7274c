//! A Worker's relay routes with made-up admissions, to try the relay against a real Kafka without a Worker:
//!
//! ```text
//! cargo run -p ropeline-relay --example fake_worker -- 127.0.0.1:18787 demo=2000 other=500+50
//! ROPELINE_RELAY_KEY=relay-key-of-the-tests ROPELINE_RELAY_WORKER_URL=http://127.0.0.1:18787 \
//!   ROPELINE_RELAY_KAFKA_BOOTSTRAP=127.0.0.1:9092 cargo run -p ropeline-relay -- run
//! ```
//!
//! `other=500+50` starts with 500 entries and gets 50 more a second. Once a second it prints what each event has and
//! what is acked.

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use support::Line;
use support::http::FakeWorker;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("an address, then event=entries …")?;
    let lines = arguments
        .map(|argument| {
            let (name, head) = argument.split_once('=').ok_or("event=entries")?;
            let (head, growth) = head.split_once('+').unwrap_or((head, "0"));
            Ok((Line::new(name, head.parse()?), growth.parse::<u64>()?))
        })
        .collect::<Result<Vec<_>, Box<dyn std::error::Error>>>()?;
    let (lines, growth): (Vec<Line>, Vec<u64>) = lines.into_iter().unzip();
    let growth: BTreeMap<_, _> = lines.iter().map(|line| line.event.clone()).zip(growth).collect();
    let worker = FakeWorker::new(lines);
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let router = worker.router();
    tokio::spawn(async move {
        loop {
            worker.with(|lines| {
                for line in lines.values_mut() {
                    line.head += growth.get(&line.event).copied().unwrap_or(0);
                    println!(
                        "{}: head {} drained {} acked {} epoch {} owner {:?} {:?}",
                        line.event, line.head, line.drained, line.acked, line.epoch, line.owner, line.pin
                    );
                }
            });
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    axum::serve(listener, router).await?;
    Ok(())
}
