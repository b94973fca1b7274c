//! Two isolates of one deployment, as a visitor's polls meet them: each has a copy of the board, and the copies differ in age.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ropeline_e2e::{Client, Method, Value, WorldOptions, json};
use xtask::http::bearer;

#[tokio::test]
async fn a_number_never_grows_whichever_isolate_answers_a_client_that_says_what_it_has_seen() {
    const LINE: usize = 200;
    let world = WorldOptions::default().two_isolates().start();
    let settings = json!({"total_active_users": 1_000, "new_users_per_minute": 1_200, "queue_all": true});
    world.create("sale", &settings).await;
    let mut visitor = world.visitor("sale");
    let mut others = VecDeque::new();
    for _ in 1..LINE {
        let mut other = world.visitor("sale");
        other.enter().await.expect("an answer");
        others.push_back(other);
    }
    visitor.enter().await.expect("an answer");
    world.patch("sale", &json!({"queue_all": false})).await;

    let mut isolates = [&world.authority, world.second.as_ref().expect("a second isolate")].map(Client::new);
    let authorization = bearer(visitor.ticket.as_deref().expect("a ticket"));
    let (mut seen, mut least, mut behind) = (0, u64::MAX, 0);
    let until = Instant::now() + Duration::from_secs(60);
    let mut other_asked = Instant::now();
    loop {
        assert!(Instant::now() < until, "the line does not move: {least} ahead");
        // The first is asked all the time; the other now and then, while it still has its copy, which it keeps for a second.
        let is_others_turn = other_asked.elapsed() > Duration::from_millis(500);
        if is_others_turn {
            other_asked = Instant::now();
        }
        let isolate = &mut isolates[usize::from(is_others_turn)];
        let mut ask = async |seen: u64| -> Value {
            let path = format!("/queue/status?event=sale&seen={seen}");
            isolate
                .send(Method::GET, &path, &[("authorization", &authorization)], None)
                .await
                .expect("an answer")
                .json()
        };
        // What this isolate knows by itself, for comparison.
        behind += usize::from(ask(0).await["frontier"].as_u64().expect("a frontier") < seen);
        let place = ask(seen).await;
        let (ahead, frontier) = (place["ahead"].as_u64(), place["frontier"].as_u64().expect("a frontier"));
        let ahead = ahead.expect("a number");
        assert!(ahead <= least && frontier >= seen, "{ahead} after {least}, frontier {frontier} after {seen}");
        (seen, least) = (frontier, ahead);
        if ahead == 0 {
            break;
        }
        // Those ahead go in: the frontier moves all the time, not in a few leaps for those who did not come.
        if let Some(mut next) = others.pop_front_if(|next| next.number() <= seen)
            && next.claim().await.expect("an answer").status != 200
        {
            others.push_front(next);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{behind} answers were of an older board");
    assert!(behind > 0, "no isolate was ever behind: this has shown nothing");
}
