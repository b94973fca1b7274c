//! Objects that never answer, answer nonsense, or do not know the command: bounded waits, and never a false success.

use std::time::{Duration, Instant};

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::json;

use super::{EVENT, assert_come_back, assert_line, assert_repeats, enter, numbering, world};

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_never_answer_cost_their_visitors_a_bounded_wait() {
    tokio::join!(a_lane_that_never_answers(), a_line_that_never_answers());
}

/// Costs ten seconds.
async fn a_lane_that_never_answers() {
    let world = world().await;
    world.fault(Rule::lane("enter", Fault::Hang)).await;
    let mut visitor = world.visitor(EVENT);
    let began = Instant::now();
    assert_come_back(&enter(&mut visitor).await);
    let waited = began.elapsed();
    assert!((9_900..11_500).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(world.calls("LANE", "enter").await.len(), 1);
    assert_eq!(visitor.must_enter().await, 1);
}

/// Costs at most eight seconds: the lane knows who waits.
async fn a_line_that_never_answers() {
    let world = world().await;
    world.fault(Rule::line("exchange", Fault::Hang).times(2)).await;
    let mut first = world.visitor(EVENT);
    let mut second = world.visitor(EVENT);
    let began = Instant::now();
    let (first_told, second_told) = tokio::join!(
        async {
            let answer = enter(&mut first).await;
            (answer, began.elapsed())
        },
        async {
            tokio::time::sleep(Duration::from_millis(4_000)).await;
            let began = Instant::now();
            let answer = enter(&mut second).await;
            (answer, began.elapsed())
        }
    );
    for (answer, waited) in [first_told, second_told] {
        assert_come_back(&answer);
        assert!(waited < Duration::from_millis(8_500), "{waited:?}");
    }
    // The third time it is answered; the batch was the same all the time, and the places are there.
    let until = Instant::now() + Duration::from_secs(8);
    while numbering(&world).await.last().is_none_or(|call| call.answer.is_none()) {
        assert!(Instant::now() < until, "never sent again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let calls = numbering(&world).await;
    assert_repeats(&calls[..3], 3);
    for pair in calls[..3].windows(2) {
        assert!((4_900..8_500).contains(&(pair[1].at - pair[0].at)), "one exchange is bounded by 5 s");
    }
    assert_eq!(enter(&mut first).await.status, 200);
    assert_eq!((first.number(), second.must_enter().await), (1, 2));
    assert_line(&world, 2, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_read_is_no_answer() {
    let world = world().await;
    let nonsense = [
        Fault::answer(200, "<html>no such object</html>"),
        Fault::answer(200, ""),
        Fault::answer(200, "null"),
        Fault::answer(200, r#"{"place":{"number":7}}"#),
        Fault::answer(200, r#"{"seat":{"number":7,"new":true,"state":"waiting"}}"#),
        Fault::answer(500, "storage: disk full"),
        Fault::answer(501, "unknown variant `enter`"),
        Fault::answer(302, ""),
        Fault::Answer { status: 200, text: "={\"place\"".to_owned(), in_status: true },
    ];
    let mut visitor = world.visitor(EVENT);
    for fault in nonsense {
        world.forget_faults().await;
        world.fault(Rule::lane("enter", fault.clone())).await;
        assert_come_back(&enter(&mut visitor).await);
        assert_eq!(world.calls("LANE", "enter").await.len(), 1, "{fault:?}");
        assert!(visitor.ticket.is_none(), "{fault:?}");
    }
    assert_eq!(visitor.must_enter().await, 1);

    // To the lane: whatever the line's answer was, the same batch goes again until one can be read.
    let mut expected = 1;
    for fault in [
        Fault::answer(200, "<html>"),
        Fault::answer(200, r#"{"numbering":{"range":{"first":99}}}"#),
        Fault::answer(200, r#"{"numbering":"perhaps","ops":[],"board":{}}"#),
        Fault::answer(500, "storage: disk full"),
        Fault::answer(501, "unknown variant `exchange`"),
    ] {
        world.forget_faults().await;
        world.fault(Rule::line("exchange", fault.clone())).await;
        let mut visitor = world.visitor(EVENT);
        expected += 1;
        assert_eq!(enter(&mut visitor).await.status, 201, "{fault:?}");
        assert_eq!(visitor.number(), expected, "{fault:?}");
        assert_repeats(&numbering(&world).await, 2);
    }
    assert_line(&world, expected, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_command_is_501_and_changes_nothing() {
    let world = world().await;
    assert_eq!(world.visitor(EVENT).must_enter().await, 1);
    for (binding, object) in [("REGISTRY", "registry"), ("LANE", "faults:0"), ("LINE", EVENT)] {
        for text in [r#""tidy_up""#, r#"{"tidy_up":{"event":"faults"}}"#, "{}", "[1]", "7"] {
            assert_eq!(world.send_to(binding, object, text).await.status, 501, "{binding} {text}");
        }
    }
    assert_eq!(world.visitor(EVENT).must_enter().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_go_on_for_a_minute_without_a_registry() {
    let world = world().await;
    let mut visitor = world.visitor(EVENT);
    visitor.must_enter().await;
    world.clock_ahead(30_000).await;
    world.forget_faults().await;
    world.fault(Rule::registry("list", Fault::OVERLOADED).times(100)).await;
    assert_eq!(enter(&mut visitor).await.status, 200);
    assert_eq!(world.calls("REGISTRY", "list").await.len(), 1, "one question, not repeated");
    // Beyond that nobody knows which events there are, and says so.
    world.clock_ahead(62_000).await;
    assert_come_back(&enter(&mut visitor).await);
    world.forget_faults().await;
    assert_eq!(enter(&mut visitor).await.status, 200);
    assert_eq!(visitor.place["number"], json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_another_exchange_is_not_listened_to() {
    let world = world().await;
    assert_eq!(world.visitor(EVENT).must_enter().await, 1);
    // The range of the first batch once more, as the answer to the second.
    world.fault(Rule::line("exchange", Fault::Old).times(2)).await;
    let mut second = world.visitor(EVENT);
    let began = Instant::now();
    assert_eq!(enter(&mut second).await.status, 201);
    assert_eq!(second.number(), 2);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let sent = numbering(&world).await;
    assert_eq!(sent.iter().map(|call| call.fault.as_str()).collect::<Vec<_>>(), ["none", "old", "old", "none"]);
    assert_repeats(&sent[1..], 3);
    assert_line(&world, 2, 0).await;

    // Nothing but such answers: the visitor is told in time, and the place is there as soon as the line is heard.
    world.forget_faults().await;
    world.fault(Rule::line("exchange", Fault::Old).times(1_000)).await;
    let mut third = world.visitor(EVENT);
    let began = Instant::now();
    assert_come_back(&enter(&mut third).await);
    assert!(began.elapsed() < Duration::from_millis(8_500), "{:?}", began.elapsed());
    let sent = world.calls("LINE", "exchange").await.len();
    assert!(sent < 20, "{sent} exchanges: a pause grows with each");
    world.forget_faults().await;
    assert_eq!(third.must_enter().await, 3);
    assert_line(&world, 3, 0).await;
}
