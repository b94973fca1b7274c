//! Visitors: what the page does, and what people do to it. They retry, hang up, come back with the same key, open a second tab,
//! hide the tab, give up, cheat, or never return.

use ropeline_queue::place::{self, State};
use ropeline_queue::wire::{OpAnswer, Refusal};
use ropeline_queue::{Number, Position, Seq, Subject};

use crate::isolate::Told;
use crate::message::{CallId, Client, Entered, Outcome, Request, To};
use crate::plan::{Habits, MINUTE, Ms, SECOND};
use crate::random::Random;
use crate::world::{Event, World};

const CALL_BOUND_MS: Ms = 10_000;
/// A Worker repeats a call that the stub calls retryable.
const REPEATS: u32 = 2;

/// What a tab does next, or is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Enter { again: bool },
    Poll,
    Claim,
    Renew,
    Leave,
}

/// One tab of a visitor's browser.
#[derive(Clone, Debug)]
pub(crate) struct Tab {
    pub(crate) number: Option<Number>,
    /// Its position, once that is known.
    pub(crate) position: Option<Position>,
    pub(crate) next: Doing,
    /// Counts its timers; an older one does nothing.
    turn: u64,
    call: Option<CallId>,
    request: Option<(To, Request)>,
    repeats: u32,
    /// The `ahead` it shows.
    shown: Option<u64>,
    /// What it has sent along as `seen`.
    pub(crate) sent_seen: u64,
}

/// One visitor.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) habits: Habits,
    pub(crate) sub: Subject,
    pub(crate) tabs: [Tab; 2],
    seen: u64,
    /// Whether it still wants to be let in.
    pub(crate) wants: bool,
    /// Its newest place: another tab may still know an older one.
    newest: Option<Number>,
    admitted: Option<Number>,
    renewals: u64,
    agains: u64,
}

/// A subject that spreads over lanes as a hash does.
pub(crate) fn subject(index: usize) -> Subject {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = Random::new(index as u64);
    let mut text: String = (0..21).map(|_| char::from(ALPHABET[random.index(64)])).collect();
    // The last character carries two bits only: `A`, none of them set, keeps the text canonical.
    text.push('A');
    match Subject::parse(&text) {
        Ok(subject) => subject,
        Err(error) => unreachable!("{text}: {error}"),
    }
}

impl Visitor {
    pub(crate) fn new(index: usize, habits: Habits) -> Self {
        let tab = Tab {
            number: None,
            position: None,
            next: Doing::Enter { again: false },
            turn: 0,
            call: None,
            request: None,
            repeats: 0,
            shown: None,
            sent_seen: 0,
        };
        Self {
            habits,
            sub: subject(index),
            tabs: [tab.clone(), tab],
            seen: 0,
            wants: !habits.no_show,
            newest: None,
            admitted: None,
            renewals: 0,
            agains: 0,
        }
    }
}

impl World {
    fn next_turn(&mut self, visitor: usize, tab: usize, next: Doing, after: Ms) {
        let hidden = self.visitors[visitor].habits.hidden;
        let after = if hidden { after.max(MINUTE - SECOND + self.random.below(2 * SECOND)) } else { after };
        let it = &mut self.visitors[visitor].tabs[tab];
        it.next = next;
        it.turn += 1;
        it.call = None;
        let turn = it.turn;
        self.schedule_in(after, Event::Tab { visitor, tab, turn });
    }

    /// A tab's timer has come.
    pub(crate) fn tab_turn(&mut self, visitor: usize, tab: usize, turn: u64) {
        let it = &self.visitors[visitor];
        if it.tabs[tab].turn != turn {
            return;
        }
        let habits = it.habits;
        let mut next = it.tabs[tab].next;
        if matches!(next, Doing::Poll | Doing::Claim) {
            let is_in = it.admitted.is_some() && it.admitted == it.tabs[tab].number;
            // Who asked for a place once more, hung up and came back may be told the old one: it goes on until it hears that it is over.
            if habits.no_show || (is_in && !it.wants) {
                return;
            }
            if habits.gives_up_at.is_some_and(|at| at <= self.now) {
                next = Doing::Leave;
            }
        }
        if !self.is_calm() && self.random.chance(habits.cheats) {
            self.mischief(visitor, tab);
        }
        let number = self.visitors[visitor].tabs[tab].number;
        match (next, number) {
            (Doing::Enter { again }, _) => self.enters(visitor, tab, again),
            (_, None) => self.enters(visitor, tab, false),
            (Doing::Poll, Some(_)) => {
                let it = &mut self.visitors[visitor];
                it.tabs[tab].sent_seen = it.seen;
                it.tabs[tab].next = Doing::Poll;
                self.poll(visitor, tab);
            }
            (Doing::Claim, Some(number)) => {
                let sub = self.visitors[visitor].sub;
                self.asks(visitor, tab, Doing::Claim, Request::Claim { sub, number });
            }
            (Doing::Renew, Some(number)) => {
                let sub = self.visitors[visitor].sub;
                self.asks(visitor, tab, Doing::Renew, Request::Renew { sub, number });
            }
            (Doing::Leave, Some(number)) => {
                let sub = self.visitors[visitor].sub;
                self.asks(visitor, tab, Doing::Leave, Request::Leave { sub, number });
            }
        }
    }

    fn enter_request(&mut self, visitor: usize, again: bool) -> (To, Request) {
        let isolate = self.random.index(self.isolates.len());
        let lanes = self.lanes_listed(isolate);
        let it = &self.visitors[visitor];
        let (sub, claim) = (it.sub, it.habits.claims_at_enter);
        self.checks.order.asks(visitor, again);
        (To::Lane(usize::from(sub.lane(lanes).0)), Request::Enter { sub, lanes, claim, again })
    }

    fn enters(&mut self, visitor: usize, tab: usize, again: bool) {
        let (to, request) = self.enter_request(visitor, again);
        if again {
            self.want(visitor, true);
        }
        self.sends(visitor, tab, Doing::Enter { again }, to, request);
    }

    fn lane_of(&mut self, sub: Subject) -> To {
        let isolate = self.random.index(self.isolates.len());
        To::Lane(usize::from(sub.lane(self.lanes_listed(isolate)).0))
    }

    fn asks(&mut self, visitor: usize, tab: usize, doing: Doing, request: Request) {
        let to = self.lane_of(self.visitors[visitor].sub);
        self.sends(visitor, tab, doing, to, request);
    }

    fn sends(&mut self, visitor: usize, tab: usize, doing: Doing, to: To, request: Request) {
        let call = self.call(Client::Tab { visitor, tab }, to, request.clone(), CALL_BOUND_MS);
        let it = &mut self.visitors[visitor].tabs[tab];
        it.next = doing;
        it.call = Some(call);
        it.request = Some((to, request));
        it.repeats = 0;
        let hangs_up = self.visitors[visitor].habits.hangs_up;
        if !self.is_calm() && self.random.chance(hangs_up) {
            // Closes the browser and comes back: the key is kept, all else is forgotten.
            self.visitors[visitor].tabs[tab].number = None;
            self.visitors[visitor].tabs[tab].shown = None;
            let after = self.random.between(100, 10 * SECOND);
            self.next_turn(visitor, tab, Doing::Enter { again: false }, after);
        }
    }

    pub(crate) fn tab_answered(&mut self, visitor: usize, tab: usize, call: CallId, outcome: &Outcome) {
        if self.visitors[visitor].tabs[tab].call != Some(call) {
            return;
        }
        self.note(|| format!("visitor {visitor} tab {tab}: {outcome:?}"));
        let it = &mut self.visitors[visitor].tabs[tab];
        let doing = it.next;
        match outcome {
            Outcome::Entered { entered: Entered::Place { number, state, .. }, .. } => {
                let number = *number;
                if it.number != Some(number) {
                    it.shown = None;
                    it.position = None;
                }
                it.number = Some(number);
                let it = &mut self.visitors[visitor];
                it.newest = it.newest.max(Some(number));
                self.place_is(visitor, tab, *state);
            }
            Outcome::Entered { entered: Entered::Refused(refusal), .. } => {
                let after = match refusal {
                    Refusal::Moved => self.random.between(500, 2 * SECOND),
                    // It is over: nobody comes back for that.
                    Refusal::Ended => return self.want(visitor, false),
                    _ => self.random.between(5, 30) * SECOND,
                };
                self.next_turn(visitor, tab, doing, after);
            }
            Outcome::Asked { answer: None, .. } => {
                it.number = None;
                self.next_turn(visitor, tab, Doing::Enter { again: false }, SECOND);
            }
            Outcome::Asked { answer: Some(OpAnswer::Called), in_ms: Some(in_ms), .. } if doing == Doing::Claim => {
                let after = (place::poll_after_turn(*in_ms) * 1_000.0) as Ms;
                self.next_turn(visitor, tab, Doing::Claim, after);
            }
            Outcome::Asked { answer: Some(answer), .. } => match doing {
                Doing::Leave => self.place_over(visitor, tab),
                _ => self.place_is(visitor, tab, *answer),
            },
            Outcome::Unavailable if it.repeats < REPEATS => {
                it.repeats += 1;
                let repeats = it.repeats;
                if let Some((to, request)) = it.request.clone() {
                    let call = self.call(Client::Tab { visitor, tab }, to, request, CALL_BOUND_MS);
                    let it = &mut self.visitors[visitor].tabs[tab];
                    it.call = Some(call);
                    it.repeats = repeats;
                }
            }
            _ => {
                let after = self.random.between(SECOND, 5 * SECOND);
                self.next_turn(visitor, tab, doing, after);
            }
        }
    }

    /// What the line says of the place.
    fn place_is(&mut self, visitor: usize, tab: usize, answer: OpAnswer) {
        match answer {
            OpAnswer::Waiting => {
                let after = self.random.between(SECOND, 5 * SECOND);
                self.next_turn(visitor, tab, Doing::Poll, after);
            }
            OpAnswer::Called => {
                let after = self.random.between(1_200, 1_800);
                self.next_turn(visitor, tab, Doing::Claim, after);
            }
            OpAnswer::Admitted { seq, .. } => self.is_in(visitor, tab, seq),
            // The place is kept; what is sold out may not be for ever.
            OpAnswer::SoldOut => {
                let after = self.random.between(5, 60) * SECOND;
                self.next_turn(visitor, tab, Doing::Poll, after);
            }
            _ => self.place_over(visitor, tab),
        }
    }

    fn is_in(&mut self, visitor: usize, tab: usize, seq: Seq) {
        let duration = self.line.disk.rows.configured.settings.session_duration_seconds * SECOND;
        let it = &mut self.visitors[visitor];
        if it.tabs[tab].number != it.newest {
            return;
        }
        if it.admitted != it.newest {
            it.admitted = it.newest;
            if it.habits.completes {
                let after = self.random.below(duration);
                self.schedule_in(after, Event::Completes { seq: seq.get() });
            }
            if !self.plan.speaks_golden() && self.random.chance(200) {
                let after = self.random.below(duration);
                self.schedule_in(after, Event::Redeems { seq: seq.get() });
            }
        }
        self.want(visitor, false);
        let it = &mut self.visitors[visitor];
        if it.renewals < it.habits.renewals {
            it.renewals += 1;
            // Some are too late.
            let after = self.random.below(duration * 5 / 4);
            self.next_turn(visitor, tab, Doing::Renew, after);
        } else if it.habits.leaves_session {
            it.habits.leaves_session = false;
            let after = self.random.below(duration);
            self.next_turn(visitor, tab, Doing::Leave, after);
        }
    }

    fn place_over(&mut self, visitor: usize, tab: usize) {
        let it = &mut self.visitors[visitor];
        if it.tabs[tab].number != it.newest {
            return;
        }
        it.tabs[tab].shown = None;
        self.want(visitor, false);
        let it = &mut self.visitors[visitor];
        if it.habits.again && it.agains < 2 {
            it.agains += 1;
            it.habits.gives_up_at = None;
            let after = self.random.between(100, 5 * SECOND);
            self.next_turn(visitor, tab, Doing::Enter { again: true }, after);
        }
    }

    pub(crate) fn want(&mut self, visitor: usize, wants: bool) {
        let it = &mut self.visitors[visitor];
        if it.wants != wants && !it.habits.no_show {
            it.wants = wants;
            self.checks.rest.wants(wants);
        }
    }

    /// What a poll was told; `None`: nothing.
    pub(crate) fn poll_told(&mut self, visitor: usize, tab: usize, told: Option<Told>) {
        let it = &mut self.visitors[visitor];
        if it.tabs[tab].next != Doing::Poll || it.tabs[tab].call.is_some() {
            return;
        }
        let Some(told) = told else {
            let after = self.random.between(SECOND, 5 * SECOND);
            return self.next_turn(visitor, tab, Doing::Poll, after);
        };
        it.seen = it.seen.max(told.frontier);
        let number = it.tabs[tab].number;
        if let (Some(number), Some(ahead)) = (number, told.ahead) {
            let before = it.tabs[tab].shown.replace(ahead);
            self.checks.shown(number, before, ahead);
            self.check_true_ahead(number);
        }
        match told.state {
            State::Called => self.next_turn(visitor, tab, Doing::Claim, 0),
            State::Ended => self.place_over(visitor, tab),
            // No queue: some go on at once, others would rather wait.
            State::Passthrough if self.random.chance(500) => self.want(visitor, false),
            _ => self.next_turn(visitor, tab, Doing::Poll, told.poll_after),
        }
    }

    /// Somebody tries what the page never does. Nothing is waited for; what is answered is checked as it leaves the lane.
    fn mischief(&mut self, visitor: usize, tab: usize) {
        let others = self.line.disk.rows.head.last_number.get() + 3;
        let foreign = Number(self.random.below(others));
        let it = &self.visitors[visitor];
        let (sub, own) = (it.sub, it.tabs[tab].number.unwrap_or(foreign));
        let (to, request) = match self.random.below(9) {
            0 => (self.lane_of(sub), Request::Claim { sub, number: foreign }),
            1 => (self.lane_of(sub), Request::Leave { sub, number: foreign }),
            2 => (self.lane_of(sub), Request::Renew { sub, number: foreign }),
            3 | 4 => self.enter_request(visitor, true),
            5 => (self.lane_of(sub), Request::Claim { sub, number: own }),
            6 => (self.lane_of(sub), Request::Renew { sub, number: own }),
            7 => {
                let to = self.lane_of(sub);
                self.call(Client::Nobody, to, Request::Leave { sub, number: own }, CALL_BOUND_MS);
                (to, Request::Claim { sub, number: own })
            }
            // A Worker with an old idea of how many lanes there are.
            _ => {
                let lanes = 8;
                self.checks.order.asks(visitor, true);
                let to = To::Lane(usize::from(sub.lane(lanes).0));
                (to, Request::Enter { sub, lanes, claim: true, again: true })
            }
        };
        self.call(Client::Nobody, to, request, CALL_BOUND_MS);
    }
}
