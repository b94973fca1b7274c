//! Who hangs up in the middle of an exchange takes nobody's answer with it.
//!
//! workerd ends the Worker's side of a request whose client is gone, and lets the object's side run on. So it holds here even where
//! the visitor's own request drives the exchange, and this test cannot tell that from an object that drives it itself.

use std::time::Duration;

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::{World, json, new_key, within};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{EVENT, assert_line, assert_repeats, enter, numbering, world};

/// Sends an enter and resets the connection while it is under way.
async fn enter_and_go(world: &World, key: &str, stay: Duration) {
    let body = json!({"event": EVENT, "visitor": key}).to_string();
    let request = format!(
        "POST /queue/enter HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        world.authority,
        body.len()
    );
    let mut stream = TcpStream::connect(&world.authority).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("a request");
    tokio::time::sleep(stay).await;
    #[allow(deprecated)] // The successor does not take zero, which is what makes it a reset.
    stream.set_linger(Some(Duration::ZERO)).expect("linger");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_whose_request_started_the_exchange_may_go() {
    let world = world().await;
    for (round, fault) in [Fault::HoldBefore { name: "one" }, Fault::HoldAfter { name: "two" }].into_iter().enumerate()
    {
        let name = ["one", "two"][round];
        world.forget_faults().await;
        world.fault(Rule::line("exchange", fault)).await;
        let key = new_key();
        // Gone before anybody else comes: nothing but the object itself keeps the exchange alive.
        enter_and_go(&world, &key, Duration::from_millis(300)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut others = JoinSet::from_iter((0..5).map(|_| {
            let mut visitor = world.visitor(EVENT);
            async move {
                let answer = enter(&mut visitor).await;
                (answer.status.as_u16(), visitor)
            }
        }));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(others.try_join_next().is_none(), "the exchange is held, and all wait for it");
        world.release(name).await;
        for (status, _) in within("the others", Duration::from_secs(2), others.join_all()).await {
            assert_eq!(status, 201);
        }
        let sent = numbering(&world).await;
        assert_repeats(&sent[..1], 1);
        assert_eq!(sent.len(), 2, "the held one, and one for all the others: none was sent again");
        assert_line(&world, 6 * (round as u64 + 1), 0).await;
    }
}
