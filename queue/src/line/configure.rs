//! New settings for a line: what may still change, and a note of who changed what.

use serde_json::{Map, Value};
use thiserror::Error;

use super::store::{Audit, Change};
use super::{Changes, Line, Step, phases};
use crate::json;
use crate::settings::{QueueingMethod, Settings, SettingsError};
use crate::types::UnixMillis;
use crate::wire::Configured;

/// Why settings are not taken. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigureError {
    /// The caller changed another version than the one there is.
    #[error("the settings are at version {current} by now")]
    Changed {
        /// The version there is.
        current: u64,
    },
    /// The setting cannot change any more.
    #[error("'{field}' cannot change any more")]
    Fixed {
        /// Which.
        field: &'static str,
        /// Since when it is fixed.
        since: &'static str,
    },
    /// It does not fit the time.
    #[error(transparent)]
    Invalid(SettingsError),
}

impl Line {
    /// The event's settings with their version.
    #[must_use]
    pub const fn configured(&self) -> &Configured {
        &self.configured
    }

    /// Takes new settings. The same again change nothing. `if_version`: only if that is the version there is. `by`: whose key.
    ///
    /// The answer says why they are not taken ([`ConfigureError`]); what time has brought by `now` is to be stored even then.
    pub fn configure(
        &mut self,
        now: UnixMillis,
        settings: Settings,
        if_version: Option<u64>,
        by: &str,
    ) -> Step<Result<Configured, ConfigureError>> {
        self.catch_up(now);
        let mut changes = Vec::new();
        // First, since an opening that is due fixes settings, too.
        self.turn(&mut changes);
        // The page has its own way in.
        let page = self.configured.settings.page;
        let answer = self.take(Settings { page, ..settings }, if_version, by, &mut changes);
        self.seal(&mut changes);
        Step { answer, changes }
    }

    /// Takes a waiting page of the operator's own, or gives ours back. `if_version`: only if the page there is has that version. To
    /// take away what is not there changes nothing.
    pub fn set_page(
        &mut self,
        now: UnixMillis,
        page: Option<String>,
        if_version: Option<u64>,
        by: &str,
    ) -> Step<Result<Configured, ConfigureError>> {
        self.catch_up(now);
        let mut changes = Vec::new();
        let Configured { version, settings } = &mut self.configured;
        let before = settings.page;
        if if_version.is_some() && if_version != before {
            return Step { answer: Err(ConfigureError::Changed { current: before.unwrap_or_default() }), changes };
        }
        if page.is_some() || before.is_some() {
            *version += 1;
            settings.page = page.as_ref().map(|_| *version);
            let detail = json::object(&[
                ("page", &json::Raw(&json::object(&[("from", &before), ("to", &settings.page)]))),
                ("bytes", &page.as_ref().map(String::len)),
            ]);
            changes.push(Change::Audit(Audit { at: self.head.clk, by: by.to_owned(), action: "page", detail }));
            changes.push(Change::Page(page));
            changes.push(Change::Configured(Box::new(self.configured.clone())));
        }
        self.seal(&mut changes);
        Step { answer: Ok(self.configured.clone()), changes }
    }

    fn take(
        &mut self,
        settings: Settings,
        if_version: Option<u64>,
        by: &str,
        changes: &mut Changes,
    ) -> Result<Configured, ConfigureError> {
        let Configured { version: current, settings: old } = &self.configured;
        if if_version.is_some_and(|wanted| wanted != *current) {
            return Err(ConfigureError::Changed { current: *current });
        }
        if let Some((field, since)) = self.fixed(&settings) {
            return Err(ConfigureError::Fixed { field, since });
        }
        if old.event_end_time != settings.event_end_time {
            settings.check_times(self.head.clk).map_err(ConfigureError::Invalid)?;
        }
        if *old != settings {
            let detail = difference(old, &settings);
            let at = self.head.clk;
            changes.push(Change::Audit(Audit { at, by: by.to_owned(), action: "configure", detail }));
            let is_later = settings.event_start_time.is_some_and(|start| start > self.head.clk);
            self.configured = Configured { version: current + 1, settings };
            changes.push(Change::Configured(Box::new(self.configured.clone())));
            if is_later && self.course.opened.take().is_some() {
                changes.push(Change::Course(self.course));
            }
            self.order = phases::order(&self.event, &self.course, self.configured.settings.shuffle_at_event_start);
            self.turn(changes);
        }
        Ok(self.configured.clone())
    }

    /// The first setting that differs and cannot any more, and since when.
    fn fixed(&self, new: &Settings) -> Option<(&'static str, &'static str)> {
        const CREATED: &str = "the event was created";
        const NUMBERED: &str = "the first number was given";
        const OPENED: &str = "the event opened";
        let old = &self.configured.settings;
        let numbered = self.head.last_number.get() > 0;
        // Without a number, and without a seed that has been shown, an opening can still be taken back.
        let opened = self.course.opened.is_some() && (numbered || old.shuffle_at_event_start);
        // `reject` is the emergency switch: to it and from it at any time.
        let method = old.queueing_method != new.queueing_method
            && old.queueing_method != QueueingMethod::Reject
            && new.queueing_method != QueueingMethod::Reject;
        let rules = [
            ("location_hint", CREATED, old.location_hint != new.location_hint),
            ("test", CREATED, old.test != new.test),
            ("lanes", NUMBERED, numbered && old.lanes != new.lanes),
            ("visitor_identity", NUMBERED, numbered && old.visitor_identity != new.visitor_identity),
            ("audience", NUMBERED, numbered && old.audience != new.audience),
            ("queueing_method", NUMBERED, numbered && method),
            ("shuffle_at_event_start", NUMBERED, numbered && old.shuffle_at_event_start != new.shuffle_at_event_start),
            ("prequeue_start_time", NUMBERED, numbered && old.prequeue_start_time != new.prequeue_start_time),
            ("event_start_time", OPENED, opened && old.event_start_time != new.event_start_time),
            (
                "event_end_time",
                "the event ended",
                self.course.ended_at.is_some() && old.event_end_time != new.event_end_time,
            ),
            ("topic", "the first entry was drained", self.relay.target.is_some() && old.topic != new.topic),
        ];
        rules.into_iter().find(|(.., changed)| *changed).map(|(field, since, _)| (field, since))
    }
}

/// `{"field": {"from": …, "to": …}}` for every setting that differs.
fn difference(old: &Settings, new: &Settings) -> String {
    let fields = |settings: &Settings| json::read::<Map<String, Value>>(&json::write(settings)).unwrap_or_default();
    let (old, new) = (fields(old), fields(new));
    let changed = new.into_iter().filter_map(|(field, to)| {
        let from = old.get(&field).cloned().unwrap_or_default();
        let change = || [("from".to_owned(), from.clone()), ("to".to_owned(), to.clone())];
        (from != to).then(|| (field, Value::Object(change().into_iter().collect())))
    });
    json::write(&Value::Object(changed.collect()))
}
