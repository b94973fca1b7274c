//! The line of one event as a Durable Object: a shell around [`ropeline_queue::Line`].
//!
//! Every step runs without an await: engine, then its changes in one transaction, then the answer, which the runtime's output
//! gate holds back until the transaction is on disk. If either fails the memory is dropped and read again from storage.
//!
//! Two things the registry must hear: the settings, and whether entries wait for Kafka. What it has heard is stored; as long as it
//! differs from the truth, an alarm set in the same turn as the change repeats the telling. The same alarm opens and ends the event
//! on time when nobody asks. It may come late, twice or never: every command catches up by itself and sees that it is set.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ropeline_queue::json::{self, ToJson};
use ropeline_queue::line::log::LogError;
use ropeline_queue::line::{self as engine, Audit, ConfigureError, Paced, Step};
use ropeline_queue::settings::SettingsError;
use ropeline_queue::wire::{Configured, Exchange};
use ropeline_queue::{EventId, Settings};
use worker::js_sys::Object;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::web_sys::{Request, Response};
use worker::worker_sys::DurableObjectState;
use worker::{Env, State};

use super::call::{Address, Answer, Message, call_once};
use super::command::{Configuring, LineCommand, Pace, PageRow, RegistryCommand, Told, Undone, write_log};
use super::cost;
use super::line_store::{self, SqlLine, ToldRow};
use super::reply::{self, Refused};
use super::sql::{Database, SqlError};
use super::trace;
use crate::clock::{age_ms, now, now_ms};

const TELL_BOUND: Duration = Duration::from_secs(5);
const TELL_AGAIN_MS: f64 = 1_000.0;

/// The Durable Object class `Line`.
#[wasm_bindgen]
pub struct Line {
    inner: Rc<Inner>,
}

struct Inner {
    state: State,
    sql: Database,
    env: Env,
    line: RefCell<Option<engine::Line>>,
    event: RefCell<Option<EventId>>,
    /// What the registry has heard, as stored.
    told: Cell<Option<ToldRow>>,
    /// Whether the registry may have heard something else since, from a call whose answer was lost: so after every start.
    unsure: Cell<bool>,
    /// For when the alarm is set, as far as this instance knows. Milliseconds since 1970.
    armed: Cell<Option<f64>>,
    /// Since when the registry is being told. The request that does may be cancelled.
    telling: Cell<f64>,
    trace: bool,
}

#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
impl Line {
    /// Called by the runtime when the object starts.
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: Env) -> Result<Self, JsValue> {
        cost::begin(&env);
        let trace = env.var("ROPELINE_TRACE").is_ok_and(|value| value.to_string() == "true");
        let inner = Inner {
            sql: Database::of(&state)?,
            state: State::from(state),
            env,
            line: RefCell::new(None),
            event: RefCell::new(None),
            told: Cell::new(None),
            unsure: Cell::new(true),
            armed: Cell::new(None),
            telling: Cell::new(f64::NEG_INFINITY),
            trace,
        };
        Ok(Self { inner: Rc::new(inner) })
    }

    /// Called by the runtime with a `LineCommand`.
    pub async fn fetch(&self, request: Request) -> Result<Response, JsValue> {
        let outcome = match reply::command(&request).await {
            Ok(command) => self.inner.handle(command).await,
            Err(refused) => Err(refused),
        };
        if let Err(error) = self.inner.keep_armed() {
            worker::console_error!("line: {error}");
        }
        Inner::tell_soon(&self.inner);
        reply::response("line", outcome)
    }

    /// Called by the runtime when the alarm is due: does what time brings, and tells the registry what it has not heard.
    pub async fn alarm(&self) -> Result<(), JsValue> {
        self.inner.remind().await.map_err(|error| JsValue::from(error.to_string()))
    }
}

impl Inner {
    async fn remind(&self) -> Result<(), SqlError> {
        self.armed.set(None);
        if self.event()?.is_some() {
            self.keep_armed()?;
            self.step(|line, _| Ok::<_, SqlError>(line.tick(now())))?;
            self.keep_armed()?;
            self.tell().await?;
        }
        Ok(())
    }

    async fn handle(&self, command: LineCommand) -> Result<String, Refused> {
        match command {
            LineCommand::Create { event, settings, by } => {
                let answer = self.create(&event, settings, &by)?;
                self.tell().await?;
                Ok(json::write(&answer))
            }
            LineCommand::Configure { settings, if_version, by } => {
                let answer = self.configure(settings, if_version, &by)?;
                self.tell().await?;
                Ok(json::write(&answer))
            }
            LineCommand::Pace { pace, sold_out, by } => {
                let answer = self.pace(pace, sold_out, &by)?;
                self.tell().await?;
                Ok(json::write(&answer))
            }
            LineCommand::Brake { cause, by } => {
                self.step(|line, _| Ok::<_, SqlError>(line.brake(now(), cause, &by)))?.as_json()
            }
            LineCommand::EndSession { which, by } => {
                self.step(|line, store| line.end_session(store, now(), which, &by))?.as_json()
            }
            LineCommand::History { number } => {
                let history = self.with(|line, store| line.history(store, now(), number))?.ok_or(Refused::Absent)?;
                Ok(json::write(&history))
            }
            LineCommand::Audit => {
                let audits = self.with(|_, store| store.audits())?.ok_or(Refused::Absent)?;
                Ok(json::write(&audits))
            }
            LineCommand::SetPage { page, if_version, by } => {
                let answer = self.step(|line, _| Ok::<_, SqlError>(line.set_page(now(), page, if_version, &by)))?;
                let answer = configuring(answer)?;
                self.tell().await?;
                Ok(json::write(&answer))
            }
            LineCommand::Page => {
                let page = self.with(|line, store| {
                    let html = store.page()?.zip(line.configured().settings.page);
                    Ok::<_, SqlError>(html.map(|(html, version)| PageRow { version, html }))
                })?;
                Ok(json::write(&page.ok_or(Refused::Absent)?))
            }
            LineCommand::Configured => self.read(|line| line.configured().clone()),
            LineCommand::Exchange(exchange) => self.exchange(&exchange),
            LineCommand::Board => self.step(|line, _| Ok::<_, SqlError>(line.board(now())))?.as_json(),
            LineCommand::Stats => {
                // What is due by now has happened, so that the counts fit the phase.
                self.step(|line, _| Ok::<_, SqlError>(line.tick(now())))?;
                self.read(|line| line.stats(now()))
            }
            LineCommand::Purge => self.purge().await,
            LineCommand::Lease { relay } => self.log(|line, store| Ok(written(line.lease(store, now(), &relay)?))),
            LineCommand::Replay { relay, replay, by } => {
                self.log(|line, store| Ok(written(line.replay(store, now(), &relay, replay, &by)?)))
            }
            LineCommand::LogState => {
                let state = self.with(|line, store| line.log_state(store, now()))?.ok_or(Refused::Absent)?;
                Ok(json::write(&state))
            }
            LineCommand::RenewLease { epoch } => self.log(|line, _| Ok(written(line.renew_lease(now(), epoch)?))),
            LineCommand::ReleaseLease { epoch } => self.log(|line, _| Ok(written(line.release_lease(now(), epoch)?))),
            LineCommand::Ack { epoch, ack } => self.log(|line, _| Ok(written(line.ack(now(), epoch, ack)?))),
            LineCommand::Drain(drain) => self.log(|line, store| {
                let Step { answer, changes } = line.drain(store, now(), &drain)?;
                let entries = json::list(&answer.entries);
                let answer = json::object(&[("entries", &json::Raw(&entries)), ("head", &answer.head)]);
                Ok(Step { answer, changes })
            }),
        }
    }

    fn event(&self) -> Result<Option<EventId>, SqlError> {
        if self.event.borrow().is_none() {
            self.event.replace(line_store::open(&self.sql)?);
        }
        Ok(self.event.borrow().clone())
    }

    /// Runs `work` on the line, restored if it is not in memory.
    fn with<T, E: From<SqlError>>(
        &self,
        work: impl FnOnce(&mut engine::Line, &SqlLine<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let Some(event) = self.event()? else { return Ok(None) };
        let store = SqlLine(&self.sql);
        let mut slot = self.line.borrow_mut();
        let line = match slot.as_mut() {
            Some(line) => line,
            None => slot.insert(engine::Line::restore(event, store.snapshot()?, now())),
        };
        work(line, &store).map(Some)
    }

    fn read<T: ToJson>(&self, work: impl FnOnce(&mut engine::Line) -> T) -> Result<String, Refused> {
        let answer = self.with(|line, _| Ok::<_, SqlError>(work(line)))?.ok_or(Refused::Absent)?;
        Ok(json::write(&answer))
    }

    /// One step of the engine and its changes, in one turn. On failure the memory is dropped: it is ahead of the truth.
    fn step<T, E: From<SqlError>>(
        &self,
        work: impl FnOnce(&mut engine::Line, &SqlLine<'_>) -> Result<Step<T>, E>,
    ) -> Result<Stepped<T>, E> {
        let Some(step) = self.with(work)? else { return Ok(Stepped::Absent) };
        if !step.changes.is_empty()
            && let Err(error) = line_store::apply(&self.sql, &step.changes).and_then(|()| self.keep_armed())
        {
            self.line.replace(None);
            return Err(error.into());
        }
        Ok(Stepped::Is(step.answer))
    }

    fn create(&self, event: &EventId, settings: Settings, by: &str) -> Result<Configuring, Refused> {
        if self.event()?.is_some() {
            return self.configure(settings, None, by);
        }
        let at = now();
        if let Err(error) = settings.check_times(at) {
            return Ok(invalid(&error));
        }
        let detail = json::write(&settings);
        let configured = Configured { version: 1, settings };
        let audit = Audit { at, by: by.to_owned(), action: "create", detail };
        line_store::create(&self.sql, event, configured.clone(), audit)?;
        self.keep_armed()?;
        Ok(Configuring::Done { configured })
    }

    fn configure(&self, settings: Settings, if_version: Option<u64>, by: &str) -> Result<Configuring, Refused> {
        let answer = self.step(|line, _| Ok::<_, SqlError>(line.configure(now(), settings, if_version, by)))?;
        configuring(answer)
    }

    /// What the origin asks: a slower pace, or that everybody is told that it is sold out.
    fn pace(&self, pace: Option<Pace>, sold_out: Option<bool>, by: &str) -> Result<Paced, Refused> {
        if let Some(pace) = pace {
            let pace = match pace {
                Pace::Lifted => None,
                Pace::AtMost(limit) => Some(limit),
            };
            self.step(|line, _| Ok::<_, SqlError>(line.set_pace(now(), pace, by)))?;
        }
        let settings = self.with(|line, _| Ok::<_, SqlError>(line.configured().settings.clone()))?;
        let settings = settings.ok_or(Refused::Absent)?;
        if let Some(sold_out) = sold_out.filter(|sold_out| *sold_out != settings.sold_out) {
            // Sold out is sold out for everybody, also where there was no queue.
            let suspended = settings.suspended && !sold_out;
            let Configuring::Done { .. } = self.configure(Settings { sold_out, suspended, ..settings }, None, by)?
            else {
                return Err(Refused::Storage(SqlError("'sold_out' was not taken".to_owned())));
            };
        }
        self.with(|line, _| Ok::<_, SqlError>(line.paced()))?.ok_or(Refused::Absent)
    }

    fn exchange(&self, exchange: &Exchange) -> Result<String, Refused> {
        let at = now();
        let answer = self.step(|line, store| line.exchange(store, at, exchange));
        if answer.is_err() {
            self.line.replace(None);
        }
        if let (true, Ok(Stepped::Is(reply))) = (self.trace, &answer) {
            trace::exchange(self.event.borrow().as_ref(), exchange, reply);
        }
        answer?.as_json()
    }

    /// `work` answers JSON.
    fn log(
        &self,
        work: impl FnOnce(&mut engine::Line, &SqlLine<'_>) -> Result<Step<String>, LogError<SqlError>>,
    ) -> Result<String, Refused> {
        let log = match self.step(|line, store| work(line, store).map_err(LogFailure)) {
            Ok(Stepped::Absent) => return Err(Refused::Absent),
            Ok(Stepped::Is(answer)) => Ok(answer),
            Err(LogFailure(LogError::Held { for_ms })) => Err(Undone::Held { for_ms }),
            Err(LogFailure(LogError::StaleEpoch { .. })) => Err(Undone::StaleEpoch),
            Err(LogFailure(LogError::Conflict(detail))) => Err(Undone::Conflict { detail: detail.to_owned() }),
            Err(LogFailure(LogError::Store(error))) => {
                self.line.replace(None);
                return Err(Refused::Storage(error));
            }
            Err(LogFailure(other)) => return Err(Refused::Storage(SqlError(other.to_string()))),
        };
        Ok(write_log(&log))
    }

    fn forget(&self) {
        self.line.replace(None);
        self.event.replace(None);
        self.told.set(None);
        self.unsure.set(true);
        self.armed.set(None);
    }

    async fn purge(&self) -> Result<String, Refused> {
        self.forget();
        let storage = self.state.storage();
        storage.delete_alarm().await.map_err(SqlError::from)?;
        storage.delete_all().await.map_err(SqlError::from)?;
        // A command may have come in while storage was emptied.
        self.forget();
        Ok(json::write(&true))
    }

    /// What the registry should have heard and has not: (heard, truth).
    fn untold(&self) -> Result<Option<(ToldRow, ToldRow)>, SqlError> {
        let truth = self.with(|line, store| {
            let told = match self.told.get() {
                Some(told) => told,
                None => line_store::told(store.0)?,
            };
            self.told.set(Some(told));
            let truth = ToldRow {
                config_version: line.configured().version,
                busy: line.is_busy(),
                // Grows with everything that can make it busy or idle.
                stamp: line.version(),
            };
            let same = told.config_version == truth.config_version && told.busy == truth.busy;
            Ok::<_, SqlError>((!same || self.unsure.get()).then_some((told, truth)))
        })?;
        Ok(truth.flatten())
    }

    /// Sees that the alarm is set for what is due next. It is set in this very turn, so that it is stored together with the change
    /// it follows.
    fn keep_armed(&self) -> Result<(), SqlError> {
        let now = now_ms();
        let due = self.with(|line, _| Ok::<_, SqlError>(line.next_due()))?.flatten();
        let again = self.untold()?.map(|_| now + TELL_AGAIN_MS);
        let wanted = due.map(|due| due.get() as f64).into_iter().chain(again).reduce(f64::min);
        // One that should have rung by now is late, or will never ring.
        match (wanted, self.armed.get().filter(|armed| *armed > now)) {
            (Some(wanted), None) => self.arm(wanted),
            (Some(wanted), Some(armed)) if wanted < armed => self.arm(wanted),
            _ => Ok(()),
        }
    }

    fn arm(&self, at: f64) -> Result<(), SqlError> {
        let date = worker::js_sys::Date::new(&at.into());
        let storage = self.state.storage();
        let promise = storage.as_raw().set_alarm(date, Object::new()).map_err(worker::Error::from)?;
        worker::wasm_bindgen_futures::spawn_local(async move {
            if let Err(error) = worker::wasm_bindgen_futures::JsFuture::from(promise).await {
                worker::console_error!("line: the alarm could not be set: {error:?}");
            }
        });
        self.armed.set(Some(at));
        Ok(())
    }

    /// Tells the registry after the answer has left.
    fn tell_soon(inner: &Rc<Self>) {
        if inner.is_telling() || !inner.untold().is_ok_and(|untold| untold.is_some()) {
            return;
        }
        let this = Rc::clone(inner);
        inner.state.wait_until(async move {
            if let Err(error) = this.tell().await {
                worker::console_error!("line: {error}; the alarm tells again");
            }
        });
    }

    /// Tells the registry until it knows all there is. What cannot be told now, the alarm tells again.
    async fn tell(&self) -> Result<(), SqlError> {
        if self.is_telling() {
            return Ok(());
        }
        self.telling.set(now_ms());
        let done = self.tell_all().await;
        self.telling.set(f64::NEG_INFINITY);
        done
    }

    fn is_telling(&self) -> bool {
        // Two commands at most, each within its bound.
        age_ms(self.telling.get()) < 2.0 * TELL_BOUND.as_secs_f64() * 1_000.0
    }

    async fn tell_all(&self) -> Result<(), SqlError> {
        while let Some((heard, truth)) = self.untold()? {
            let Some(event) = self.event()? else { return Ok(()) };
            let mut commands = Vec::new();
            if heard.config_version != truth.config_version {
                let configured = self.with(|line, _| Ok::<_, SqlError>(line.configured().clone()))?;
                let told =
                    |configured| RegistryCommand::Tell { event: event.clone(), configured: Box::new(configured) };
                commands.extend(configured.map(told));
            }
            if heard.busy != truth.busy || self.unsure.get() {
                commands.push(RegistryCommand::Busy { event, busy: truth.busy, stamp: truth.stamp });
            }
            self.unsure.set(true);
            for command in commands {
                let message = Message::of(&command);
                let heard = call_once(&self.env, Address::REGISTRY, message, TELL_BOUND).await;
                if let Err(error) = heard.and_then(Answer::read::<Told>) {
                    worker::console_warn!("line: the registry could not be told: {error}");
                    return Ok(());
                }
            }
            if self.event()?.is_none() {
                return Ok(());
            }
            if (heard.config_version, heard.busy) != (truth.config_version, truth.busy) {
                line_store::keep_told(&self.sql, truth)?;
            }
            self.told.set(Some(truth));
            self.unsure.set(false);
        }
        Ok(())
    }
}

/// A step whose answer is JSON.
fn written<T: ToJson>(step: Step<T>) -> Step<String> {
    Step { answer: json::write(&step.answer), changes: step.changes }
}

/// What became of settings or a page, as it is told.
fn configuring(answer: Stepped<Result<Configured, ConfigureError>>) -> Result<Configuring, Refused> {
    let Stepped::Is(answer) = answer else { return Err(Refused::Absent) };
    match answer {
        Ok(configured) => Ok(Configuring::Done { configured }),
        Err(ConfigureError::Changed { current }) => Ok(Configuring::Changed { current }),
        Err(ConfigureError::Fixed { field, since }) => {
            Ok(Configuring::Fixed { field: field.to_owned(), since: since.to_owned() })
        }
        Err(ConfigureError::Invalid(error)) => Ok(invalid(&error)),
        Err(other) => Err(Refused::Storage(SqlError(other.to_string()))),
    }
}

fn invalid(error: &SettingsError) -> Configuring {
    Configuring::Invalid { field: error.field().to_owned(), detail: error.to_string() }
}

enum Stepped<T> {
    Absent,
    Is(T),
}

impl<T: ToJson> Stepped<T> {
    fn as_json(&self) -> Result<String, Refused> {
        match self {
            Self::Absent => Err(Refused::Absent),
            Self::Is(answer) => Ok(json::write(answer)),
        }
    }
}

struct LogFailure(LogError<SqlError>);

impl From<SqlError> for LogFailure {
    fn from(error: SqlError) -> Self {
        Self(LogError::Store(error))
    }
}
