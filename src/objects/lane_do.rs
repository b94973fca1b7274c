//! A lane as a Durable Object: a shell around [`ropeline_queue::Lane`].
//!
//! Requests look their visitor up in storage, join the open batch and wait. One pump, driven by the object itself and not by
//! any visitor's request, sends exchanges as long as there is something to say: a client that hangs up takes nobody's answer
//! with it. Waits are bounded: a waiter 8 s, one exchange 5 s.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use ropeline_queue::lane::{self as engine, LaneChange, LaneStep, WaiterId, Wake};
use ropeline_queue::wire::{Board, Exchange, ExchangeReply, Op, OpAnswer};
use ropeline_queue::{EventId, LaneId, Number, Subject, UnixMillis, Visitor, json};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::{Request, Response};
use worker::worker_sys::DurableObjectState;
use worker::{Delay, Env, State};

use super::call::{Address, Answer, CallError, Message, call_once};
use super::command::{Asked, Entered, LaneCommand, LineCommand, StoredVisitor};
use super::cost;
use super::lane_store;
use super::reply::{self, Refused};
use super::sql::{Database, SqlError};
use super::tally::Tally;
use crate::clock::{age_ms, now_ms};

const WAITER_BOUND_MS: f64 = 8_000.0;
const EXCHANGE_BOUND: Duration = Duration::from_secs(5);
const OVERLOADED_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE_MS: u64 = 2_000;
const BOARD_FRESH_MS: f64 = 1_000.0;
/// As long as one request may ask for a newer board, the others get the last one, if it is no older than this.
const BOARD_USABLE_MS: f64 = 5_000.0;
/// All lanes of an event together make at most this many exchanges a second.
const EXCHANGES_PER_SECOND: f64 = 250.0;

/// The Durable Object class `Lane`.
#[wasm_bindgen]
pub struct Lane {
    inner: Rc<Inner>,
}

struct Inner {
    state: State,
    sql: Database,
    env: Env,
    memory: RefCell<Option<Memory>>,
    /// Who waits, and since when.
    waiters: RefCell<HashMap<WaiterId, (f64, oneshot::Sender<Wake>)>>,
    next_waiter: Cell<WaiterId>,
    pumping: Cell<bool>,
    /// How many lanes the event has, as the last visitor's Worker said: for the pace of exchanges only.
    lanes: Cell<u16>,
    board: RefCell<Option<(f64, Board)>>,
    /// Since when a request asks for a newer board. A request may be cancelled while it asks.
    refreshing: Cell<f64>,
    tally: Tally,
}

struct Memory {
    event: EventId,
    lane: engine::Lane,
}

#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
impl Lane {
    /// Called by the runtime when the object starts.
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: Env) -> Result<Self, JsValue> {
        cost::begin(&env);
        let inner = Inner {
            sql: Database::of(&state)?,
            state: State::from(state),
            env,
            memory: RefCell::new(None),
            waiters: RefCell::default(),
            next_waiter: Cell::new(0),
            pumping: Cell::new(false),
            lanes: Cell::new(1),
            board: RefCell::new(None),
            refreshing: Cell::new(f64::NEG_INFINITY),
            tally: Tally::start(),
        };
        Ok(Self { inner: Rc::new(inner) })
    }

    /// Called by the runtime with a `LaneCommand`.
    pub async fn fetch(&self, request: Request) -> Result<Response, JsValue> {
        let outcome = match reply::command(&request).await {
            Ok(command) => Inner::handle(&self.inner, command).await,
            Err(refused) => Err(refused),
        };
        reply::response("lane", outcome)
    }
}

impl Inner {
    async fn handle(this: &Rc<Self>, command: LaneCommand) -> Result<String, Refused> {
        let is_asked = command.is_about_a_place();
        let outcome = Self::answer(this, command).await;
        if is_asked {
            this.tally.asked(&outcome);
        }
        outcome
    }

    async fn answer(this: &Rc<Self>, command: LaneCommand) -> Result<String, Refused> {
        match command {
            LaneCommand::Create { event, lane } => this.create(&event, lane),
            LaneCommand::Enter { sub, account, lanes, claim, again } => {
                let (began, visitor) = (now_ms(), Visitor { sub, account });
                let entered = Self::enter(this, &visitor, lanes, claim, again).await;
                this.tally.entered(began, &entered);
                Ok(json::write(&entered?))
            }
            LaneCommand::Known { sub, account, claim, again } => {
                let began = now_ms();
                let found = Self::found(this, &Visitor { sub, account }, claim, again).await;
                let entered = found.map(|place| place.unwrap_or(Entered::Unknown));
                this.tally.entered(began, &entered);
                Ok(json::write(&entered?))
            }
            LaneCommand::Claim { sub, account, number } => {
                let visitor = Visitor { sub, account };
                Self::about(this, sub, number, |row| claim_of(&visitor, number, row.entered_at)).await
            }
            LaneCommand::Renew { sub, number } => Self::about(this, sub, number, |_| Op::Renew { number }).await,
            LaneCommand::Leave { sub, number } => {
                this.load()?;
                // Written first: whoever asked to leave never finds the place waiting again, whatever happens on the way.
                lane_store::leave(&this.sql, sub, number)?;
                Self::about(this, sub, number, |_| Op::Leave { number }).await
            }
            LaneCommand::Complete { seq } => {
                let answer = Self::ask(this, Op::Complete { seq }).await?;
                Ok(json::write(&Asked::Answer { answer, in_ms: None }))
            }
            LaneCommand::Redeem { seq } => {
                let answer = Self::ask(this, Op::Redeem { seq }).await?;
                Ok(json::write(&Asked::Answer { answer, in_ms: None }))
            }
            LaneCommand::Find { number } => {
                this.load()?;
                Ok(json::write(&lane_store::find(&this.sql, number)?))
            }
            LaneCommand::Board => Ok(json::write(&this.board().await?)),
            LaneCommand::Tally => this.with(|memory| json::write(&this.tally.read(memory.lane.pending()))),
            LaneCommand::Purge => this.purge().await,
        }
    }

    fn create(&self, event: &EventId, lane: LaneId) -> Result<String, Refused> {
        lane_store::create(&self.sql, event, lane)?;
        Ok(json::write(&true))
    }

    async fn purge(&self) -> Result<String, Refused> {
        self.forget();
        self.state.storage().delete_all().await.map_err(SqlError::from)?;
        self.forget();
        Ok(json::write(&true))
    }

    /// Drops the memory. Those who wait get no outcome and ask again.
    fn forget(&self) {
        self.memory.replace(None);
        self.board.replace(None);
        self.waiters.borrow_mut().clear();
    }

    fn load(&self) -> Result<(), Refused> {
        if self.memory.borrow().is_none() {
            let stored = lane_store::load(&self.sql)?;
            let (event, id, meta) = stored.ok_or(Refused::Absent)?;
            self.memory.replace(Some(Memory { event, lane: engine::Lane::restore(id, meta) }));
        }
        Ok(())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> Result<T, Refused> {
        self.load()?;
        self.memory.borrow_mut().as_mut().map(work).ok_or(Refused::Absent)
    }

    fn stored(&self, sub: Subject) -> Result<Option<StoredVisitor>, Refused> {
        Ok(lane_store::visitor(&self.sql, sub)?)
    }

    /// The place that this visitor has; with `again` only while it is not over.
    async fn found(this: &Rc<Self>, visitor: &Visitor, claim: bool, again: bool) -> Result<Option<Entered>, Refused> {
        this.load()?;
        let Some(row) = this.stored(visitor.sub)? else { return Ok(None) };
        let place = |number, state| Ok(Some(Entered::Place { number, new: false, state, commitment: None }));
        let number = row.number;
        if !again {
            return place(number, Self::known(this, visitor, &row, claim).await?);
        }
        // Only when the line confirms that the old place is over may there be another one.
        let op = if row.left { Op::Leave { number } } else { Op::Look { number } };
        match Self::ask(this, op).await? {
            OpAnswer::Left | OpAnswer::Ended | OpAnswer::Done => {}
            state => return place(number, state),
        }
        // Another call may have made the new place meanwhile.
        match this.stored(visitor.sub)?.filter(|row| row.number != number) {
            Some(row) => place(row.number, Self::known(this, visitor, &row, claim).await?),
            None => Ok(None),
        }
    }

    /// A place for this visitor, or the one it has.
    async fn enter(
        this: &Rc<Self>,
        visitor: &Visitor,
        lanes: u16,
        claim: bool,
        again: bool,
    ) -> Result<Entered, Refused> {
        this.load()?;
        this.lanes.set(lanes.max(1));
        if let Some(place) = Self::found(this, visitor, claim, again).await? {
            return Ok(place);
        }
        match Self::wait(this, |lane, waiter| lane.join(visitor.sub, lanes, waiter)).await? {
            Wake::Place { number, entered_at, called, commitment } => {
                let state = match (called, claim) {
                    (false, _) => OpAnswer::Waiting,
                    (true, false) => OpAnswer::Called,
                    // The place is stored by now: only then may it be claimed.
                    (true, true) => Self::ask(this, claim_of(visitor, number, entered_at)).await?,
                };
                Ok(Entered::Place { number, new: true, state, commitment })
            }
            Wake::Refused(reason) => Ok(Entered::Refused { reason }),
            Wake::Op { .. } | Wake::Unavailable => Err(Refused::Overloaded),
        }
    }

    /// What the place of a known visitor is.
    async fn known(this: &Rc<Self>, visitor: &Visitor, row: &StoredVisitor, claim: bool) -> Result<OpAnswer, Refused> {
        if row.left {
            return Self::given_up(this, row.number).await;
        }
        let StoredVisitor { number, entered_at, .. } = *row;
        if claim {
            return Self::ask(this, claim_of(visitor, number, entered_at)).await;
        }
        if this.with(|memory| memory.lane.is_waiting(&memory.event, number))? {
            // By the newest frontier this lane has heard. If it has moved on, the next poll says so.
            return Ok(OpAnswer::Waiting);
        }
        Self::ask(this, Op::Look { number }).await
    }

    /// What became of a place whose holder asked to give it up: left, or a session that is over. The line is told again first,
    /// should it not have heard.
    async fn given_up(this: &Rc<Self>, number: Number) -> Result<OpAnswer, Refused> {
        Self::ask(this, Op::Leave { number }).await?;
        Self::ask(this, Op::Look { number }).await
    }

    /// An op about a place that the caller has a ticket for.
    async fn about(
        this: &Rc<Self>,
        sub: Subject,
        number: Number,
        op: impl FnOnce(&StoredVisitor) -> Op,
    ) -> Result<String, Refused> {
        this.load()?;
        let Some(row) = this.stored(sub)?.filter(|row| row.number == number) else {
            return Ok(json::write(&Asked::Unknown));
        };
        let op = op(&row);
        if row.left && !matches!(op, Op::Leave { .. }) {
            let answer = Self::given_up(this, number).await?;
            return Ok(json::write(&Asked::Answer { answer, in_ms: None }));
        }
        let (answer, in_ms) = Self::ask_when(this, op).await?;
        Ok(json::write(&Asked::Answer { answer, in_ms }))
    }

    async fn ask(this: &Rc<Self>, op: Op) -> Result<OpAnswer, Refused> {
        Ok(Self::ask_when(this, op).await?.0)
    }

    /// The line's answer, and for a called place in how many milliseconds there will be room, where that is soon.
    async fn ask_when(this: &Rc<Self>, op: Op) -> Result<(OpAnswer, Option<u64>), Refused> {
        match Self::wait(this, |lane, waiter| lane.submit(op, waiter)).await? {
            Wake::Op { answer, in_ms } => Ok((answer, in_ms)),
            _ => Err(Refused::Overloaded),
        }
    }

    /// Joins the open batch and waits for what becomes of it.
    async fn wait(
        this: &Rc<Self>,
        join: impl FnOnce(&mut engine::Lane, WaiterId) -> Result<(), engine::Overloaded>,
    ) -> Result<Wake, Refused> {
        let waiter = this.next_waiter.get();
        this.next_waiter.set(waiter + 1);
        this.with(|memory| join(&mut memory.lane, waiter))?.map_err(|_| Refused::Overloaded)?;
        let (sender, receiver) = oneshot::channel();
        this.waiters.borrow_mut().insert(waiter, (now_ms(), sender));
        if !this.pumping.replace(true) {
            let pump = Rc::clone(this);
            this.state.wait_until(async move {
                pump.pump().await;
                pump.pumping.set(false);
            });
        }
        Ok(receiver.await.unwrap_or(Wake::Unavailable))
    }

    /// Sends exchanges as long as there is something to say.
    async fn pump(&self) {
        loop {
            let began = now_ms();
            match self.cycle().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    worker::console_error!("lane: {error}");
                    self.forget();
                    return;
                }
            }
            // Paced under load; the first exchange after a rest goes at once. A clock that stepped back lengthens no pause.
            let pause = f64::from(self.lanes.get()) * 1_000.0 / EXCHANGES_PER_SECOND - (now_ms() - began).max(0.0);
            if pause >= 1.0 {
                Delay::from(Duration::from_millis(pause as u64)).await;
            }
        }
    }

    /// One exchange until it is answered. False: there was nothing to say.
    async fn cycle(&self) -> Result<bool, SqlError> {
        let Some((exchange, changes)) = self.next_exchange() else { return Ok(false) };
        if !changes.is_empty() {
            lane_store::apply(&self.sql, &changes)?;
        }
        let Some(event) = self.memory.borrow().as_ref().map(|memory| memory.event.clone()) else { return Ok(false) };
        let command = LineCommand::Exchange(exchange.clone());
        for attempt in 0_u32.. {
            let line = Address::line(event.as_str());
            let answer = call_once(&self.env, line, Message::of(&command), EXCHANGE_BOUND).await;
            let error = match answer.and_then(Answer::read::<ExchangeReply>) {
                Ok(reply) if reply.answers(&exchange) => {
                    self.settle(&reply)?;
                    return Ok(true);
                }
                Ok(_) => CallError::Unavailable("the answer to another exchange".to_owned()),
                Err(error) => error,
            };
            if !matches!(error, CallError::Absent) {
                self.tally.exchange_failed();
            }
            let pause = match error {
                // The event was purged: nobody of the batch has a place any more.
                CallError::Absent => {
                    self.forget();
                    return Ok(false);
                }
                CallError::Overloaded => {
                    self.wake(self.with_lane(engine::Lane::give_up_waiting).unwrap_or_default());
                    OVERLOADED_PAUSE
                }
                CallError::Unavailable(detail) => {
                    worker::console_warn!("lane: exchange {attempt} with the line of {event} failed: {detail}");
                    Duration::from_millis((50_u64 << attempt.min(6)).min(LONGEST_PAUSE_MS))
                }
            };
            self.tell_those_who_waited_long(pause);
            Delay::from(pause).await;
            if self.memory.borrow().is_none() {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Nobody waits longer than the bound: whoever would, should the next attempt take all its time, is told now. A timer for
    /// each waiter would do the same at the price of a timer for each waiter.
    fn tell_those_who_waited_long(&self, pause: Duration) {
        let ahead = (pause + EXCHANGE_BOUND).as_secs_f64() * 1_000.0;
        let latest = now_ms() + ahead - WAITER_BOUND_MS;
        let late =
            |(waiter, (since, _)): (&WaiterId, &(f64, _))| (*since < latest).then_some((*waiter, Wake::Unavailable));
        let late: Vec<_> = self.waiters.borrow().iter().filter_map(late).collect();
        self.wake(late);
    }

    fn with_lane<T>(&self, work: impl FnOnce(&mut engine::Lane) -> T) -> Option<T> {
        self.memory.borrow_mut().as_mut().map(|memory| work(&mut memory.lane))
    }

    fn next_exchange(&self) -> Option<(Exchange, Vec<LaneChange>)> {
        self.with_lane(engine::Lane::exchange).flatten()
    }

    /// Stores what the line answered, and only then wakes those who wait for it.
    fn settle(&self, reply: &ExchangeReply) -> Result<(), SqlError> {
        let LaneStep { changes, wakes, abort } = self.with_lane(|lane| lane.reply(reply)).unwrap_or_default();
        if !changes.is_empty() {
            lane_store::apply(&self.sql, &changes)?;
        }
        self.saw(&reply.board);
        self.wake(wakes);
        if let Some(abort) = abort {
            worker::console_error!("lane: this instance ends: {abort:?}");
            self.forget();
            self.abort();
        }
        Ok(())
    }

    fn wake(&self, wakes: Vec<(WaiterId, Wake)>) {
        let mut waiters = self.waiters.borrow_mut();
        for (waiter, wake) in wakes {
            if let Some((_, sender)) = waiters.remove(&waiter) {
                // Who has gone needs no answer; the place is stored.
                let _gone = sender.send(wake);
            }
        }
    }

    /// Ends this instance; the next call starts a new one. The crate does not wrap `abort`, so it is called by name.
    fn abort(&self) {
        let raw = self.state.as_raw();
        let called = worker::js_sys::Reflect::get(raw, &"abort".into())
            .and_then(JsCast::dyn_into::<worker::js_sys::Function>)
            .and_then(|abort| abort.call1(raw, &"a newer instance of this lane has spoken".into()));
        if let Err(error) = called {
            worker::console_error!("lane: abort: {error:?}");
        }
    }

    fn saw(&self, board: &Board) {
        let newer = self.board.borrow().as_ref().is_none_or(|(_, known)| known.version <= board.version);
        if newer {
            self.board.replace(Some((now_ms(), board.clone())));
        }
    }

    /// The lane's copy of the board, asked for anew at most once a second. One request asks; the others get the last one.
    async fn board(&self) -> Result<Board, Refused> {
        let event = self.with(|memory| memory.event.clone())?;
        let copy = self.board.borrow().clone();
        let others = age_ms(self.refreshing.get()) < BOARD_USABLE_MS;
        if let Some((at, board)) = copy
            && age_ms(at) < if others { BOARD_USABLE_MS } else { BOARD_FRESH_MS }
        {
            return Ok(board);
        }
        self.refreshing.set(now_ms());
        let line = Address::line(event.as_str());
        let answer = call_once(&self.env, line, Message::of(&LineCommand::Board), EXCHANGE_BOUND).await;
        let fresh = answer.and_then(Answer::read::<Board>);
        self.refreshing.set(f64::NEG_INFINITY);
        match fresh {
            Ok(board) => {
                self.saw(&board);
                self.with(|memory| memory.lane.saw(&board))?;
                Ok(board)
            }
            Err(CallError::Absent) => Err(Refused::Absent),
            Err(error) => {
                worker::console_warn!("lane: no board: {error}");
                Err(Refused::Overloaded)
            }
        }
    }
}

fn claim_of(visitor: &Visitor, number: Number, entered_at: UnixMillis) -> Op {
    Op::Claim { number, sub: visitor.sub, entered_at, account: visitor.account.clone() }
}
