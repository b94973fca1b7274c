//! A client that hangs up takes nobody's answer with it, and has (or gets) one place.

use std::collections::BTreeSet;
use std::time::Duration;

use ropeline_e2e::seed::Random;
use ropeline_e2e::{Visitor, World, json, new_key, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const EVENT: &str = "hangup";
const OTHERS: usize = 12;

/// How a client goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The whole request, then close.
    Close,
    /// The whole request, then a reset.
    Reset,
    /// The whole request, then only its own half is closed, and then all.
    HalfClose,
    /// Head and half of the body, then close.
    HalfBody,
    /// The head alone, then a reset.
    HeadOnly,
}

/// A reset is what the runtime notices at once, so most of them go that way.
const WAYS: [Way; 7] = [Way::Reset, Way::Close, Way::Reset, Way::HalfClose, Way::Reset, Way::HalfBody, Way::HeadOnly];

/// Sends (a part of) an enter and is gone.
async fn hang_up_entering(authority: &str, key: &str, way: Way, stay: Duration) {
    let body = json!({"event": EVENT, "visitor": key}).to_string();
    let head = format!(
        "POST /queue/enter HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let sent = match way {
        Way::HeadOnly => head,
        Way::HalfBody => head + &body[..body.len() / 2],
        _ => head + &body,
    };
    hang_up(authority, &sent, way, stay).await;
}

/// Sends this and is gone after `stay`, whatever there was to read.
async fn hang_up(authority: &str, sent: &str, way: Way, stay: Duration) {
    let mut stream = TcpStream::connect(authority).await.expect("a connection");
    stream.set_nodelay(true).expect("nodelay");
    stream.write_all(sent.as_bytes()).await.expect("a request");
    tokio::time::sleep(stay).await;
    match way {
        Way::Reset | Way::HeadOnly => {
            // Closing with something unread in our buffer, or with zero linger, is a reset.
            #[allow(deprecated)]
            stream.set_linger(Some(Duration::ZERO)).expect("linger");
        }
        Way::HalfClose => {
            let _ = stream.shutdown().await;
            let mut byte = [0];
            let _ = tokio::time::timeout(Duration::from_millis(5), stream.read(&mut byte)).await;
        }
        Way::Close | Way::HalfBody => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_a_batch_hangs_up_and_all_others_are_answered() {
    let mut random = Random::seeded();
    let world = World::start();
    world.create(EVENT, &json!({"lanes": 1})).await;
    let mut numbers = BTreeSet::new();
    let mut gone: Vec<(String, Way)> = Vec::new();
    for round in 0..140 {
        let way = WAYS[round % WAYS.len()];
        let stay = Duration::from_micros(random.below(5_000));
        let leaders: Vec<String> = (0..1 + round % 3).map(|_| new_key()).collect();
        let mut hanging = JoinSet::new();
        for key in &leaders {
            let (authority, key) = (world.authority.clone(), key.clone());
            hanging.spawn(async move { hang_up_entering(&authority, &key, way, stay).await });
        }
        // Either behind the one that goes, or together with it.
        if round % 2 == 0 {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        let others = JoinSet::from_iter((0..OTHERS).map(|_| {
            let mut visitor = world.visitor(EVENT);
            async move {
                let answer = visitor.enter().await.unwrap_or_else(|error| panic!("{way:?}: {error:#}"));
                assert_eq!(answer.status, 201, "{way:?} {stay:?}: {}", answer.text());
                visitor.number()
            }
        }));
        // Before the bound of a waiter (8 s): an answer that came by a time-out is no answer.
        let answered = within("the others", Duration::from_secs(6), others.join_all()).await;
        for number in answered {
            assert!(numbers.insert(number), "number {number} was given twice");
        }
        within("the one who goes", Duration::from_secs(5), hanging.join_all()).await;
        gone.extend(leaders.into_iter().map(|key| (key, way)));
    }

    let before = world.stats(EVENT).await["entered"].as_u64().unwrap();
    let placed = before - numbers.len() as u64;
    let whole = gone.iter().filter(|(_, way)| !matches!(way, Way::HalfBody | Way::HeadOnly)).count();
    println!("{placed} of {} who went had a place, {whole} sent their request whole", gone.len());
    assert!(placed > 0, "nobody hung up in the middle of a batch");
    assert!(placed <= whole as u64, "half a request made a place");

    for (key, way) in &gone {
        let mut visitor = Visitor::with_key(&world.authority, EVENT, key);
        let number = visitor.must_enter().await;
        assert!(numbers.insert(number), "{way:?}: number {number} is somebody else's");
        assert_eq!(visitor.must_enter().await, number);
    }
    let stats = world.stats(EVENT).await;
    assert_eq!(stats["entered"], numbers.len(), "one place each: {stats}");
    assert_eq!(stats["voided"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_hang_up_while_they_look_do_not_stop_the_board_for_others() {
    let mut random = Random::seeded();
    let world = World::start();
    let events: Vec<String> = (0..20).map(|index| format!("look-{index}")).collect();
    for event in &events {
        world.create(event, &json!({"lanes": 1})).await;
        world.visitor(event).must_enter().await;
    }
    for _ in 0..5 {
        // Every copy is too old by now: those who come first are those who fetch a new one.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let mut hanging = JoinSet::new();
        for event in &events {
            let stay = Duration::from_micros(random.below(8_000));
            let (authority, way) = (world.authority.clone(), Way::Reset);
            let request = format!("GET /queue/events/{event} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
            hanging.spawn(async move { hang_up(&authority, &request, way, stay).await });
        }
        within("those who go", Duration::from_secs(5), hanging.join_all()).await;
    }
    for event in &events {
        let number = world.visitor(event).must_enter().await;
        world.board_until(event, "that the last visitor is called", |board| board["frontier"] == number).await;
    }
}
