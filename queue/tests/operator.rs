//! What operators change and see of a line: versions of its settings, which of them are fixed since when, and what became of a
//! place.

mod common;

use common::{MemoryLine, StoreFailed, Write, demo, subject};
use ropeline_queue::line::log::{Drain, LogError};
use ropeline_queue::line::{ConfigureError, Step};
use ropeline_queue::place::State;
use ropeline_queue::settings::QueueingMethod;
use ropeline_queue::wire::{Exchange, Op};
use ropeline_queue::{LaneId, Line, Number, Seq, Settings, UnixMillis};

const OPENING: u64 = 100_000;
const END: u64 = 200_000;

struct Desk {
    line: Line,
    rows: MemoryLine,
    now: UnixMillis,
    k: u64,
}

impl Desk {
    fn new(settings: Settings) -> Self {
        let rows = MemoryLine::new(settings);
        let now = UnixMillis(1_000);
        Self { line: rows.restore(now), rows, now, k: 0 }
    }

    fn at(&mut self, now: u64) -> &mut Self {
        self.now = UnixMillis(now);
        let step = self.line.tick(self.now);
        self.commit(step);
        self
    }

    fn commit<T>(&mut self, step: Step<T>) -> T {
        self.rows.commit(&step.changes, Write::Works).unwrap();
        step.answer
    }

    fn enter(&mut self, count: u64, ops: Vec<Op>) {
        let (stored_k, lanes) = (self.k, self.rows.configured.settings.lanes);
        self.k += u64::from(count > 0);
        let m = Exchange { lane: LaneId(0), inc: 1, k: self.k, count, stored_k, lanes, ops };
        let step = self.line.exchange(&self.rows, self.now, &m).unwrap();
        self.commit(step);
    }

    fn claim(&mut self, number: u64) {
        let claim = Op::Claim { number: Number(number), sub: subject(number), entered_at: self.now, account: None };
        self.enter(0, vec![claim]);
    }

    fn drain(&mut self) {
        let step: Result<_, LogError<StoreFailed>> = self.line.lease(&self.rows, self.now, "relay");
        let epoch = self.commit(step.unwrap()).epoch;
        let (topic, partition, next_offset) = (Some("sale".to_owned()), Some(0), Some(0));
        let drain = Drain { epoch, after: Seq(0), limit: 10, topic, partition, next_offset, ack: None };
        let step = self.line.drain(&self.rows, self.now, &drain).unwrap();
        self.commit(step);
    }

    /// The version there is then.
    fn set_if(&mut self, version: Option<u64>, change: impl FnOnce(&mut Settings)) -> Result<u64, ConfigureError> {
        let mut settings = self.rows.configured.settings.clone();
        change(&mut settings);
        let step = self.line.configure(self.now, settings, version, "admin:test");
        self.commit(step).map(|configured| configured.version)
    }

    fn set(&mut self, change: impl FnOnce(&mut Settings)) -> Result<u64, ConfigureError> {
        self.set_if(None, change)
    }

    fn state(&mut self, number: u64) -> State {
        self.line.history(&self.rows, self.now, Number(number)).unwrap().unwrap().state
    }
}

fn drawn() -> Settings {
    Settings {
        prequeue_start_time: Some(UnixMillis(0)),
        event_start_time: Some(UnixMillis(OPENING)),
        event_end_time: Some(UnixMillis(END)),
        shuffle_at_event_start: true,
        total_active_users: 2,
        ..Settings::defaults(&demo())
    }
}

fn fixed(outcome: Result<u64, ConfigureError>) -> &'static str {
    match outcome {
        Err(ConfigureError::Fixed { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_two_operators_who_change_the_same_version_one_is_told_of_the_other() {
    let mut desk = Desk::new(drawn());
    assert_eq!(desk.set_if(Some(1), |settings| settings.message = "one".into()), Ok(2));
    let late = desk.set_if(Some(1), |settings| settings.message = "other".into());
    assert_eq!(late, Err(ConfigureError::Changed { current: 2 }));
    assert_eq!(desk.rows.configured.settings.message, "one");
    assert_eq!(desk.set_if(Some(2), |settings| settings.message = "other".into()), Ok(3));
    assert_eq!(desk.set(|_| {}), Ok(3), "the same again is no new version");
    assert_eq!(desk.line.configured(), &desk.rows.configured);
}

#[test]
fn a_page_has_its_own_way_in_and_a_version_that_is_never_used_again() {
    let mut desk = Desk::new(Settings::defaults(&demo()));
    let first = desk.rows.configured.version;
    let set = |desk: &mut Desk, page: Option<&str>, if_version| {
        let step = desk.line.set_page(desk.now, page.map(str::to_owned), if_version, "admin 1234");
        desk.commit(step).map(|configured| configured.settings.page)
    };
    assert_eq!(set(&mut desk, None, None), Ok(None), "there was none to take away");
    assert_eq!((desk.rows.configured.version, desk.rows.audits.len()), (first, 0));
    assert_eq!(set(&mut desk, Some("<one>"), None), Ok(Some(first + 1)));
    assert_eq!(desk.rows.page.as_deref(), Some("<one>"));
    // Settings neither set it nor take it away, whatever they say.
    desk.set(|settings| (settings.page, settings.message) = (None, "hello".to_owned())).unwrap();
    desk.set(|settings| settings.page = Some(77)).unwrap();
    assert_eq!(desk.rows.configured.settings.page, Some(first + 1));
    assert_eq!(set(&mut desk, Some("<two>"), Some(first)), Err(ConfigureError::Changed { current: first + 1 }));
    assert_eq!(desk.rows.page.as_deref(), Some("<one>"));
    assert_eq!(set(&mut desk, Some("<two>"), Some(first + 1)), Ok(Some(first + 3)));
    assert_eq!(set(&mut desk, None, None), Ok(None));
    assert_eq!(desk.rows.page, None);
    assert_eq!(set(&mut desk, None, Some(first + 3)), Err(ConfigureError::Changed { current: 0 }));
    assert_eq!(set(&mut desk, Some("<one>"), None), Ok(Some(first + 5)));
    let said: Vec<_> = desk.rows.audits.iter().filter(|audit| audit.action == "page").collect();
    assert_eq!(said.len(), 4);
    assert_eq!(
        (said[1].by.as_str(), said[1].detail.as_str()),
        ("admin 1234", r#"{"page":{"from":2,"to":4},"bytes":5}"#)
    );
    desk.line = desk.rows.restore(desk.now);
    assert_eq!(desk.line.configured().settings.page, Some(first + 5));
}

#[test]
fn until_something_hangs_on_it_every_setting_but_those_of_creation_can_change() {
    let mut desk = Desk::new(drawn());
    let changes: [fn(&mut Settings); 6] = [
        |settings| settings.audience = "shop".into(),
        |settings| settings.queueing_method = QueueingMethod::Passthrough,
        |settings| settings.prequeue_start_time = None,
        |settings| settings.event_start_time = Some(UnixMillis(OPENING + 1)),
        |settings| settings.event_end_time = Some(UnixMillis(END + 1)),
        |settings| settings.topic = Some("sale".into()),
    ];
    for (version, change) in (2..).zip(changes) {
        assert_eq!(desk.set(change), Ok(version));
    }
}

#[test]
fn an_opening_is_taken_back_by_a_later_time_only() {
    let mut desk = Desk::new(Settings::defaults(&demo()));
    let opened = desk.rows.course.opened;
    assert!(opened.is_some());
    desk.set(|settings| settings.event_start_time = Some(UnixMillis(1_000))).unwrap();
    assert_eq!(desk.rows.course.opened, opened, "now is not later");
    desk.set(|settings| settings.event_start_time = Some(UnixMillis(1_001))).unwrap();
    assert_eq!(desk.rows.course.opened, None);
}

#[test]
fn a_seed_that_was_shown_fixes_the_opening_although_nobody_came() {
    let mut desk = Desk::new(drawn());
    desk.at(OPENING);
    let put_off = desk.set(|settings| settings.event_start_time = Some(UnixMillis(END - 1)));
    assert_eq!(fixed(put_off), "event_start_time");
}

#[test]
fn what_is_fixed_fixes_nothing_else() {
    let mut desk = Desk::new(Settings { topic: Some("sale".into()), ..drawn() });
    desk.enter(5, Vec::new());
    desk.at(OPENING);
    let (course, position) = (desk.rows.course, desk.line.position(Number(3)));
    desk.enter(5, Vec::new());
    desk.set(|settings| settings.message = "open".into()).unwrap();
    assert_eq!((desk.rows.course, desk.line.position(Number(3))), (course, position), "the cut stays what it was");
    desk.set(|settings| settings.topic = Some("else".into())).unwrap();
    desk.set(|settings| settings.topic = Some("sale".into())).unwrap();
    desk.drain();
    assert_eq!(fixed(desk.set(|settings| settings.topic = None)), "topic");
    desk.set(|settings| settings.message = "drained".into()).unwrap();
    desk.at(END);
    assert_eq!(fixed(desk.set(|settings| settings.event_end_time = None)), "event_end_time");
    desk.set(|settings| settings.message = "over".into()).unwrap();
}

#[test]
fn a_history_follows_the_event_from_before_its_opening_to_after_its_end() {
    let mut desk = Desk::new(Settings { shuffle_at_event_start: false, new_users_per_minute: 1, ..drawn() });
    desk.enter(200, Vec::new());
    assert_eq!((desk.state(1), desk.state(200)), (State::Prequeue, State::Prequeue));
    desk.at(OPENING);
    assert_eq!((desk.state(1), desk.state(200)), (State::Called, State::Waiting));
    desk.claim(1);
    desk.enter(0, vec![Op::Leave { number: Number(200) }]);
    assert_eq!((desk.state(1), desk.state(2), desk.state(200)), (State::Admitted, State::Called, State::Left));
    desk.now = UnixMillis(END - 1);
    desk.enter(0, vec![Op::Renew { number: Number(1) }]);
    desk.at(END);
    assert_eq!((desk.state(1), desk.state(2), desk.state(100)), (State::Admitted, State::Ended, State::Ended));
    assert_eq!(desk.state(200), State::Left);
}
