//! Promise 1, one true line: numbers are unique; whoever was answered before somebody's first request was sent has the smaller one;
//! and `voided <= numbers nobody has <= voided + places whose number nobody was told`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::Verdict;
use crate::order::{self, Entry};
use crate::soak::history::{History, Kill, Person, What};

/// What the line counts in the end, of one event.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Numbers given.
    pub entered: u64,
    /// Numbers lost to a crash.
    pub voided: u64,
}

/// What is known of one visitor's way into the line.
#[derive(Default)]
struct Way {
    first_sent: Option<Instant>,
    first_again: Option<Instant>,
    /// Number → when it was first told.
    told: BTreeMap<u64, Instant>,
    /// When the last `again` of unknown outcome was sent.
    again_unknown: Option<Instant>,
    /// When the last request that was answered was sent.
    answered: Option<Instant>,
}

impl Way {
    /// How many numbers it may have that nobody was told. What was asked of a runtime that was then killed has happened or never
    /// will, so that an answer of the next one tells all there is.
    fn untold(&self, kills: &[Kill]) -> u64 {
        let first = self.told.is_empty() && self.first_sent.is_some();
        let again = self.again_unknown.filter(|_| self.told.len() < 2).is_some_and(|sent| {
            let next = kills.get(kills.partition_point(|kill| kill.killed < sent));
            next.is_none_or(|kill| self.answered.is_none_or(|answered| answered < kill.back))
        });
        u64::from(first) + u64::from(again)
    }

    /// The first place by the first request of all, a later one by the first that asked for another place.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        let sent = std::iter::once(self.first_sent).chain(std::iter::repeat(self.first_again));
        self.told.iter().zip(sent).filter_map(|((number, answered), first_sent)| {
            // What nobody asked for is no place of this line; the check of places complains of it.
            Some(Entry { first_sent: first_sent?, answered: *answered, number: *number })
        })
    }
}

/// Goes through all entries; `counts` has one row for each event.
#[must_use]
pub fn line(history: &History, counts: &[Counts]) -> Verdict {
    let mut verdict = Verdict::new("1 one true line");
    let mut ways: BTreeMap<Person, Way> = BTreeMap::new();
    for call in &history.calls {
        if !matches!(call.what, What::Enter { .. }) {
            continue;
        }
        let way = ways.entry(call.person).or_default();
        let earlier = |known: Option<Instant>| Some(known.map_or(call.sent, |known| known.min(call.sent)));
        way.first_sent = earlier(way.first_sent);
        if call.asks_again() {
            way.first_again = earlier(way.first_again);
            way.again_unknown = way.again_unknown.max(call.is_unknown().then_some(call.sent));
        }
        if let Some(number) = call.entered() {
            way.answered = way.answered.max(Some(call.sent));
            let told = way.told.entry(number).or_insert(call.ended);
            *told = (*told).min(call.ended);
        }
    }
    let (mut all, mut missing_in_all, mut voided_in_all, mut untold_in_all) = (0, 0, 0, 0);
    for (index, (event, counts)) in history.events.iter().zip(counts).enumerate() {
        let of_event = ways.range(Person { event: index, id: 0 }..Person { event: index + 1, id: 0 });
        let of_event: Vec<&Way> = of_event.map(|(_, way)| way).collect();
        let entries: Vec<Entry> = of_event.iter().flat_map(|way| way.entries()).collect();
        verdict.broken.extend(order::breaks(&entries).into_iter().map(|broken| format!("{}: {broken}", event.name)));
        let numbers: BTreeSet<u64> = of_event.iter().flat_map(|way| way.told.keys().copied()).collect();
        let untold: u64 = of_event.iter().map(|way| way.untold(&history.kills)).sum();
        let Counts { entered, voided } = *counts;
        if let Some(last) = numbers.last().filter(|last| **last > entered) {
            verdict.broken.push(format!("{}: number {last} of {entered}", event.name));
        }
        let missing = entered.saturating_sub(numbers.len() as u64);
        if missing < voided || missing > voided + untold {
            verdict.broken.push(format!(
                "{}: {missing} numbers of {entered} that nobody has; {voided} were voided, {untold} may not have been told",
                event.name
            ));
        }
        all += entries.len();
        missing_in_all += missing;
        voided_in_all += voided;
        untold_in_all += untold;
    }
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    verdict.looked_at = vec![
        (all, "answered entries"),
        (count(missing_in_all), "numbers nobody has"),
        (count(voided_in_all), "of them voided"),
        (count(untold_in_all), "entries of unknown outcome"),
    ];
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::check::scene::{Scene, place};
    use crate::soak::history::{Outcome, State};

    fn counts(entered: u64, voided: u64) -> [Counts; 1] {
        [Counts { entered, voided }]
    }

    #[test]
    fn a_line_in_order_holds() {
        let mut scene = Scene::new();
        scene.enter(1, 0, 10, place(2, State::Waiting)).enter(2, 5, 20, place(1, State::Waiting));
        scene.enter(3, 21, 30, place(3, State::Waiting));
        let verdict = line(&scene.history(), &counts(3, 0));
        assert!(verdict.holds(), "{verdict}");
    }

    #[test]
    fn a_later_visitor_with_a_smaller_number_is_found() {
        let mut scene = Scene::new();
        scene.enter(1, 0, 10, place(2, State::Waiting)).enter(2, 11, 20, place(1, State::Waiting));
        let verdict = line(&scene.history(), &counts(2, 0));
        assert!(verdict.broken[0].contains("was answered before"), "{verdict}");
    }

    #[test]
    fn a_retry_counts_from_its_first_request() {
        let mut scene = Scene::new();
        scene.enter(1, 5, 10, place(2, State::Waiting));
        scene.enter(2, 0, 20, Outcome::HungUp).enter(2, 30, 40, place(1, State::Waiting));
        assert!(line(&scene.history(), &counts(2, 0)).holds());
    }

    #[test]
    fn a_number_of_two_visitors_is_found() {
        let mut scene = Scene::new();
        scene.enter(1, 0, 10, place(1, State::Waiting)).enter(2, 0, 20, place(1, State::Waiting));
        let verdict = line(&scene.history(), &counts(1, 0));
        assert!(verdict.broken[0].contains("given twice"), "{verdict}");
    }

    #[test]
    fn a_gap_is_found_unless_it_was_voided_or_may_be_somebodys() {
        let mut scene = Scene::new();
        scene.enter(1, 0, 10, place(1, State::Waiting)).enter(2, 0, 20, place(3, State::Waiting));
        let verdict = line(&scene.history(), &counts(3, 0));
        assert!(verdict.broken[0].contains("1 numbers of 3 that nobody has"), "{verdict}");
        assert!(line(&scene.history(), &counts(3, 1)).holds(), "voided");
        scene.enter(3, 0, 5, Outcome::Broken("by a kill".to_owned()));
        assert!(line(&scene.history(), &counts(3, 0)).holds(), "of a visitor that was not told");
    }

    #[test]
    fn an_again_without_an_answer_explains_a_gap_until_a_runtime_after_it_has_told() {
        let mut scene = Scene::new();
        scene.enter(1, 0, 10, place(1, State::Waiting)).leave(1, 1, 11, 12, Outcome::Done);
        scene.again(1, 20, 30, Outcome::HungUp).enter(1, 31, 40, place(1, State::Left));
        assert!(line(&scene.history(), &counts(2, 0)).holds(), "it may still happen");
        scene.kill(50, 60).enter(1, 61, 70, place(1, State::Left));
        assert!(!line(&scene.history(), &counts(2, 0)).holds());
    }

    #[test]
    fn a_voided_number_that_somebody_has_is_found() {
        let mut scene = Scene::new();
        scene.enter(1, 0, 10, place(1, State::Waiting)).enter(2, 0, 20, place(2, State::Waiting));
        assert!(!line(&scene.history(), &counts(2, 1)).holds());
    }

    #[test]
    fn a_second_place_counts_from_the_first_request_for_it() {
        let mut scene = Scene::new();
        scene.enter(1, 0, 10, place(1, State::Waiting)).enter(2, 20, 30, place(3, State::Waiting));
        scene.again(1, 40, 50, place(2, State::Waiting));
        let verdict = line(&scene.history(), &counts(3, 0));
        assert!(verdict.broken[0].contains("was answered before"), "{verdict}");
    }
}
