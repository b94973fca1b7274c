//! An event's way: `scheduled → prequeue → open → ended`, by time and by hand, with and without a draw, over restarts; and what the
//! operator and the origin switch on it.

mod common;
#[path = "common/event.rs"]
mod event;

use common::{SEED, Write, demo};
use event::{END, Event, OPENING, PREQUEUE, claim, drawn, given, refused, roomy, timed};
use ropeline_queue::line::history::Which;
use ropeline_queue::line::{ConfigureError, OverBy, Why};
use ropeline_queue::place::State;
use ropeline_queue::settings::{QueueingMethod, VisitorIdentity};
use ropeline_queue::shuffle::Draw;
use ropeline_queue::wire::{Op, OpAnswer, Paused, Phase, Refusal};
use ropeline_queue::{Number, Position, Seq, Settings, UnixMillis, hex};

#[test]
fn time_alone_moves_an_event_from_scheduled_to_ended() {
    let mut event = Event::new(timed());
    assert_eq!(event.phase(), Phase::Scheduled);
    assert_eq!(refused(&event.enter(1)), Refusal::NotOpen { opens_at: UnixMillis(PREQUEUE) });
    assert_eq!(event.at(PREQUEUE - 1).phase(), Phase::Scheduled);
    assert_eq!(event.at(PREQUEUE).phase(), Phase::Prequeue);
    assert_eq!(given(&event.enter(2)), 1);
    assert_eq!(event.claim(1), OpAnswer::Waiting, "nobody is called before the opening");
    assert_eq!(event.at(OPENING - 1).phase(), Phase::Prequeue);
    assert_eq!(event.at(OPENING).phase(), Phase::Open);
    assert!(matches!(event.claim(1), OpAnswer::Admitted { .. }));
    assert_eq!(event.at(END - 1).phase(), Phase::Open);
    assert_eq!(event.at(END).phase(), Phase::Ended);
    assert_eq!(refused(&event.enter(1)), Refusal::Ended);
    assert_eq!(event.claim(2), OpAnswer::EventEnded);
    assert_eq!(event.ask(Op::Look { number: Number(2) }), OpAnswer::EventEnded);
}

#[test]
fn an_event_without_a_prequeue_gives_places_from_its_opening_on() {
    let mut event = Event::new(Settings { prequeue_start_time: None, ..timed() });
    assert_eq!(refused(&event.at(PREQUEUE).enter(1)), Refusal::NotOpen { opens_at: UnixMillis(OPENING) });
    assert_eq!(given(&event.at(OPENING).enter(1)), 1);
}

#[test]
fn opening_and_end_are_due_for_an_alarm_but_happen_without_it() {
    let mut event = Event::new(timed());
    assert_eq!(event.line.next_due(), Some(UnixMillis(OPENING)));
    let step = event.at(OPENING + 3_600_000).line.tick(UnixMillis(OPENING - 1));
    event.commit(step);
    assert_eq!(event.line.next_due(), Some(UnixMillis(OPENING)), "an alarm that comes early does nothing");
    // An hour late, and only because somebody asks.
    event.at(OPENING + 100_000).phase();
    assert_eq!(event.line.next_due(), Some(UnixMillis(END)));
    for _ in 0..2 {
        let step = event.line.tick(UnixMillis(END + 3_600_000));
        event.commit(step);
    }
    assert_eq!(event.line.next_due(), None);
    let opened = event.rows.course.opened.unwrap();
    assert_eq!((opened.at, opened.count), (UnixMillis(OPENING + 100_000), 0));
    assert_eq!(event.rows.course.ended_at, Some(UnixMillis(END + 3_600_000)));
}

#[test]
fn what_has_opened_or_ended_stays_so_whatever_clocks_and_restarts_do() {
    let mut event = Event::new(timed());
    event.at(OPENING).phase();
    event.at(PREQUEUE).restart();
    assert_eq!(event.phase(), Phase::Open);
    event.at(END).phase();
    event.at(PREQUEUE).restart();
    assert_eq!(event.phase(), Phase::Ended);
}

#[test]
fn an_opening_whose_write_fails_has_not_happened() {
    let mut event = Event::new(drawn());
    event.at(PREQUEUE).enter(5);
    let step = event.at(OPENING).line.board(UnixMillis(OPENING));
    event.rows.commit(&step.changes, Write::FailsBefore).unwrap_err();
    event.at(OPENING - 500).restart();
    assert_eq!(event.phase(), Phase::Prequeue, "nobody was told");
    event.enter(2);
    event.at(OPENING).phase();
    assert_eq!(event.rows.course.opened.map(|opened| opened.count), Some(7));
}

#[test]
fn a_sale_is_opened_and_ended_by_hand() {
    let mut event = Event::new(timed());
    event.at(PREQUEUE).enter(3);
    event.at(PREQUEUE + 5_000).set(|settings| settings.event_start_time = Some(UnixMillis(PREQUEUE + 5_000))).unwrap();
    assert_eq!(
        event.rows.course.opened.map(|opened| opened.count),
        Some(3),
        "in the very step that takes the settings"
    );
    event.at(PREQUEUE + 6_000).set(|settings| settings.event_end_time = Some(UnixMillis(PREQUEUE + 6_000))).unwrap();
    assert_eq!(event.phase(), Phase::Ended);
    event.fixed("event_end_time", |settings| settings.event_end_time = None);
    event.fixed("event_start_time", |settings| settings.event_start_time = Some(UnixMillis(END)));
}

#[test]
fn an_event_that_opened_before_anybody_came_can_be_given_a_time_as_long_as_no_seed_was_shown() {
    let mut event = Event::new(roomy());
    assert_eq!(event.phase(), Phase::Open);
    event.set(|settings| *settings = drawn()).unwrap();
    assert_eq!(event.phase(), Phase::Scheduled);
    event.at(PREQUEUE + 1).restart();
    assert_eq!(event.phase(), Phase::Prequeue);
    assert_eq!(event.at(OPENING).phase(), Phase::Open);
    event.fixed("event_start_time", |settings| settings.event_start_time = Some(UnixMillis(OPENING + 1)));
}

#[test]
fn an_end_long_past_is_a_slip_of_the_pen() {
    let mut event = Event::new(roomy());
    let error = event.at(END).set(|settings| settings.event_end_time = Some(UnixMillis(END - 61_000))).unwrap_err();
    assert!(matches!(error, ConfigureError::Invalid(_)), "{error}");
    assert_eq!(event.phase(), Phase::Open);
}

#[test]
fn what_would_break_a_promise_cannot_change_after_the_first_number() {
    let mut event = Event::new(drawn());
    event.set(|settings| settings.lanes = 8).unwrap();
    event.set(|settings| settings.lanes = 1).unwrap();
    event.fixed("test", |settings| settings.test = true);
    event.fixed("location_hint", |settings| settings.location_hint = Some("apac".into()));
    event.at(PREQUEUE).enter(1);
    event.fixed("lanes", |settings| settings.lanes = 8);
    event.fixed("visitor_identity", |settings| settings.visitor_identity = VisitorIdentity::Asserted);
    event.fixed("audience", |settings| settings.audience = "else".into());
    event.fixed("queueing_method", |settings| settings.queueing_method = QueueingMethod::Passthrough);
    event.fixed("shuffle_at_event_start", |settings| settings.shuffle_at_event_start = false);
    event.fixed("prequeue_start_time", |settings| settings.prequeue_start_time = Some(UnixMillis(OPENING - 1)));
    event.set(|settings| settings.event_start_time = Some(UnixMillis(OPENING + 5_000))).expect("a sale can be put off");
    event.set(|settings| settings.queueing_method = QueueingMethod::Reject).expect("the emergency switch");
    assert_eq!(refused(&event.enter(1)), Refusal::Closed);
    event.set(|settings| settings.queueing_method = QueueingMethod::Fifo).expect("and back");
    assert_eq!(given(&event.enter(1)), 2);
    event.at(OPENING + 5_000).phase();
    event.fixed("event_start_time", |settings| settings.event_start_time = Some(UnixMillis(END - 1)));
}

#[test]
fn an_opening_that_is_due_fixes_the_time_even_for_the_request_that_would_put_it_off() {
    let mut event = Event::new(drawn());
    event.at(PREQUEUE).enter(4);
    event.at(OPENING).fixed("event_start_time", |settings| settings.event_start_time = Some(UnixMillis(END - 1)));
    assert_eq!(
        event.rows.course.opened.map(|opened| opened.count),
        Some(4),
        "stored although the settings were refused"
    );
}

#[test]
fn before_the_cut_a_draw_shows_its_commitment_only_and_after_it_everything() {
    let mut event = Event::new(drawn());
    event.at(PREQUEUE).enter(10);
    let step = event.line.board(UnixMillis(PREQUEUE));
    let before = event.commit(step).shuffle.unwrap();
    assert_eq!((before.seed, before.count, before.cut_at), (None, None, None));
    assert_eq!(event.line.position(Number(3)), None);
    event.at(OPENING).restart();
    let step = event.line.board(UnixMillis(OPENING));
    let board = event.commit(step);
    let after = board.shuffle.unwrap();
    assert_eq!(after.commitment, before.commitment);
    assert_eq!(after.seed, Some(hex::encode(&SEED.0)));
    assert_eq!((after.count, after.cut_at), (Some(10), Some(UnixMillis(OPENING))));
    let draw = Draw::new(&demo(), &SEED.0, 10).unwrap();
    assert_eq!(event.line.position(Number(3)), Some(draw.position(Number(3))));
    let unshuffled = Event::new(timed()).line.board(UnixMillis(OPENING)).answer;
    assert_eq!(unshuffled.shuffle, None);
}

#[test]
fn a_drawn_line_admits_in_the_order_that_anybody_can_compute() {
    for (leaves, restart) in [(vec![], false), (vec![2, 7, 8], false), (vec![1, 40], true)] {
        let mut event = Event::new(drawn());
        event.at(PREQUEUE).enter(30);
        event.enter(10);
        for number in &leaves {
            assert_eq!(event.ask(Op::Leave { number: Number(*number) }), OpAnswer::Done);
        }
        event.at(OPENING);
        if restart {
            event.restart();
        }
        // Who comes after the cut stands where the number says, behind all of them.
        assert_eq!(given(&event.enter(5)), 41);
        if restart {
            event.restart();
        }
        let draw = Draw::new(&demo(), &SEED.0, 40).unwrap();
        let mut expected: Vec<u64> = (1..=40).filter(|number| !leaves.contains(number)).collect();
        expected.sort_by_key(|number| draw.position(Number(*number)));
        expected.extend(41..=45);
        assert_eq!(event.let_all_in(45), expected, "leaves {leaves:?}");
        let stats = event.line.stats(UnixMillis(event.now));
        assert_eq!((stats.waiting, stats.called), (0, 0));
        assert_eq!(stats.entered, stats.voided + stats.left + stats.waiting + stats.called + stats.admitted);
        for admission in event.rows.admissions.values() {
            let position = draw.position(admission.number);
            assert!(admission.record.contains(&format!(r#""position":{position},"#)), "{}", admission.record);
        }
    }
}

#[test]
fn counts_are_right_while_a_drawn_line_moves_and_people_leave_it() {
    let mut event = Event::new(Settings { new_users_per_minute: 40, ..drawn() });
    event.at(PREQUEUE).enter(200);
    let draw = Draw::new(&demo(), &SEED.0, 200).unwrap();
    let mut left = Vec::new();
    for round in 0..40_u64 {
        event.at(OPENING + round * 700);
        let number = 1 + (round * 37) % 200;
        let ops =
            vec![claim(number), claim(1 + (round * 53) % 200), Op::Leave { number: Number(1 + (round * 11) % 200) }];
        event.exchange(0, ops);
        let leaver = Number(1 + (round * 11) % 200);
        if event.rows.why_gone(leaver).is_some() {
            left.push(leaver);
        }
        if round % 7 == 3 {
            event.restart();
        }
        let stats = event.line.stats(UnixMillis(event.now));
        let living = |number: &u64| {
            event.rows.why_gone(Number(*number)).is_none() && !event.rows.by_number.contains_key(&Number(*number))
        };
        let called = |number: &u64| draw.position(Number(*number)).get() <= stats.frontier;
        assert_eq!(stats.called, (1..=200).filter(living).filter(called).count() as u64, "round {round}");
        assert_eq!(stats.waiting, (1..=200).filter(living).filter(|n| !called(n)).count() as u64, "round {round}");
    }
    assert!(left.len() > 10 && event.rows.head.frontier > Position(20));
}

#[test]
fn nobody_is_called_or_admitted_while_the_operator_says_so() {
    type Switch = fn(&mut Settings, bool);
    let switches: [(Switch, Phase, Option<Paused>, OpAnswer); 3] = [
        (|s, on| s.queue_all = on, Phase::Open, Some(Paused::QueueAll), OpAnswer::Called),
        (|s, on| s.sold_out = on, Phase::SoldOut, None, OpAnswer::SoldOut),
        (|s, on| s.suspended = on, Phase::Suspended, None, OpAnswer::Called),
    ];
    for (switch, phase, paused, answer) in switches {
        let mut event = Event::new(roomy());
        event.enter(3);
        assert!(matches!(event.claim(1), OpAnswer::Admitted { .. }));
        event.set(|settings| switch(settings, true)).unwrap();
        assert_eq!((event.phase(), event.paused()), (phase, paused));
        assert_eq!(event.claim(2), answer);
        assert!(matches!(event.claim(1), OpAnswer::Admitted { .. }), "passes live on");
        assert!(matches!(event.ask(Op::Renew { number: Number(1) }), OpAnswer::Admitted { .. }));
        match phase {
            Phase::SoldOut => assert_eq!(refused(&event.enter(1)), Refusal::SoldOut),
            _ => assert_eq!(given(&event.enter(1)), 4),
        }
        event.at(60_000).set(|settings| switch(settings, false)).unwrap();
        assert!(matches!(event.claim(2), OpAnswer::Admitted { .. }), "the place was kept");
    }
}

#[test]
fn who_enters_while_a_moving_line_is_held_is_not_called_ahead() {
    let holds: [fn(&mut Settings); 2] = [|s| s.queue_all = true, |s| s.suspended = true];
    for hold in holds {
        let mut event = Event::new(roomy());
        event.enter(1);
        assert!(matches!(event.claim(1), OpAnswer::Admitted { .. }));
        event.set(hold).unwrap();
        event.enter(50);
        event.exchange(0, Vec::new());
        assert_eq!(event.rows.head.frontier, Position(1), "although somebody was let in within the last minute");
    }
}

#[test]
fn the_origin_slows_the_line_down_but_never_beyond_what_is_configured() {
    let mut event = Event::new(Settings { new_users_per_minute: 100, ..roomy() });
    event.enter(300);
    for (pace, in_force) in [(Some(0), 0), (Some(40), 40), (Some(1_000_000), 100), (None, 100)] {
        let step = event.line.set_pace(UnixMillis(event.now), pace, "origin:test");
        event.commit(step);
        assert_eq!(event.restart().line.paced().in_force, in_force);
        assert_eq!(event.paused(), (pace == Some(0)).then_some(Paused::QueueAll));
        let before = event.rows.admissions.len() as u64;
        for _ in 0..60 {
            event.now += 1_000;
            event.exchange(0, (1..=300).map(claim).collect());
        }
        let admitted = event.rows.admissions.len() as u64 - before;
        assert!(admitted <= in_force, "{admitted} at a pace of {pace:?}");
        assert!(admitted * 10 >= in_force * 8, "{admitted} at a pace of {pace:?}");
        event.now += 60_000;
    }
    let audited: Vec<_> = event.rows.audits.iter().map(|audit| (audit.action, audit.by.as_str())).collect();
    assert_eq!(audited, [("pace", "origin:test"); 4]);
    let step = event.line.set_pace(UnixMillis(event.now), None, "origin:test");
    assert!(step.changes.is_empty(), "the same again changes nothing");
}

#[test]
fn a_pass_is_redeemed_once_and_only_while_its_session_lasts() {
    let mut event = Event::new(roomy());
    event.enter(3);
    for number in 1..=3 {
        event.claim(number);
    }
    let redeem = |event: &mut Event, seq| event.ask(Op::Redeem { seq: Seq(seq) });
    assert_eq!(redeem(&mut event, 1), OpAnswer::Redeemed { first: true });
    assert_eq!(redeem(&mut event, 1), OpAnswer::Redeemed { first: false });
    event.ask(Op::Renew { number: Number(1) });
    assert_eq!(redeem(event.restart(), 1), OpAnswer::Redeemed { first: false }, "a renewed pass is the same pass");
    event.ask(Op::Complete { seq: Seq(2) });
    assert_eq!(redeem(&mut event, 2), OpAnswer::Redeemed { first: false });
    assert_eq!(redeem(&mut event, 9), OpAnswer::Redeemed { first: false });
    event.now += 301_000;
    assert_eq!(redeem(&mut event, 3), OpAnswer::Redeemed { first: false });
    let (_, both) = event.exchange(0, vec![Op::Redeem { seq: Seq(1) }, Op::Redeem { seq: Seq(1) }]);
    assert_eq!(both, [OpAnswer::Redeemed { first: false }; 2]);
}

#[test]
fn two_redeems_in_one_exchange_are_one_first_and_one_not() {
    let mut event = Event::new(roomy());
    event.enter(1);
    event.claim(1);
    let (_, both) = event.exchange(0, vec![Op::Redeem { seq: Seq(1) }, Op::Redeem { seq: Seq(1) }]);
    assert_eq!(both, [OpAnswer::Redeemed { first: true }, OpAnswer::Redeemed { first: false }]);
}

#[test]
fn a_session_ended_by_an_operator_keeps_its_slot_until_no_verifier_accepts_its_pass() {
    let mut event = Event::new(Settings { total_active_users: 1, ..roomy() });
    event.enter(3);
    event.claim(1);
    let end = |event: &mut Event, which| {
        let step = event.line.end_session(&event.rows, UnixMillis(event.now), which, "admin:test").unwrap();
        event.commit(step)
    };
    assert_eq!(end(&mut event, Which::Number(Number(2))), None, "it has no session");
    assert_eq!(end(&mut event, Which::Number(Number(1))), Some(Seq(1)));
    assert_eq!(end(&mut event, Which::Seq(Seq(1))), Some(Seq(1)), "also when repeated");
    assert_eq!(event.rows.audits.len(), 1, "but it was done once");
    assert_eq!(event.claim(1), OpAnswer::Ended);
    assert_eq!(event.ask(Op::Renew { number: Number(1) }), OpAnswer::Ended);
    event.at(1_000 + 329_000);
    assert_eq!(event.claim(2), OpAnswer::Called);
    event.at(1_000 + 330_000);
    assert!(matches!(event.claim(2), OpAnswer::Admitted { .. }));
}

#[test]
fn a_history_tells_what_became_of_a_place() {
    let mut event = Event::new(Settings { total_active_users: 3, ..roomy() });
    event.enter(6);
    for number in 1..=3 {
        event.claim(number);
    }
    event.now += 2_000;
    event.ask(Op::Leave { number: Number(2) });
    event.ask(Op::Leave { number: Number(6) });
    event.ask(Op::Redeem { seq: Seq(3) });
    let mut state = |number| event.history(number).map(|history| history.state);
    assert_eq!((state(0), state(7)), (None, None));
    assert_eq!((state(1), state(2), state(3)), (Some(State::Admitted), Some(State::Ended), Some(State::Admitted)));
    assert_eq!((state(4), state(6)), (Some(State::Called), Some(State::Left)));
    let left = event.history(6).unwrap();
    assert_eq!((left.gone, left.gone_at, left.admission), (Some(Why::Left), Some(UnixMillis(3_000)), None));
    let ended = event.history(2).unwrap();
    assert_eq!(ended.called_at, Some(UnixMillis(1_000)));
    let admission = ended.admission.unwrap();
    assert_eq!((admission.over_at, admission.over_by), (Some(UnixMillis(3_000)), Some(OverBy::Left)));
    assert_eq!((admission.seq, admission.redeemed), (Seq(2), false));
    assert!(admission.record.contains(r#""number":2,"#));
    assert!(event.history(3).unwrap().admission.unwrap().redeemed);
}

#[test]
fn every_change_of_settings_says_who_changed_what() {
    let mut event = Event::new(roomy());
    event.set(|settings| settings.message = "soon".into()).unwrap();
    event.set(|_| {}).unwrap();
    let [audit] = &event.rows.audits[..] else { panic!("{:?}", event.rows.audits) };
    assert_eq!((audit.by.as_str(), audit.action), ("admin:test", "configure"));
    assert_eq!(audit.detail, r#"{"message":{"from":"","to":"soon"}}"#);
}

#[test]
fn sessions_run_out_after_the_end_and_are_not_renewed() {
    let mut event = Event::new(Settings { event_end_time: Some(UnixMillis(50_000)), ..roomy() });
    event.enter(2);
    event.claim(1);
    event.at(50_000);
    assert!(matches!(event.claim(1), OpAnswer::Admitted { .. }));
    assert_eq!(event.ask(Op::Renew { number: Number(1) }), OpAnswer::EventEnded);
    assert_eq!(event.claim(2), OpAnswer::EventEnded);
    event.at(301_000);
    assert_eq!(event.claim(1), OpAnswer::Ended);
}

#[test]
fn a_passthrough_event_never_moves() {
    let mut event = Event::new(Settings { queueing_method: QueueingMethod::Passthrough, ..roomy() });
    event.enter(2);
    assert_eq!(event.claim(1), OpAnswer::Waiting);
    assert_eq!(event.rows.head.frontier, Position(0));
}
