//! Promise 8, as far as clients see it: no call hangs, "later" is an honest 503 with `Retry-After` (another answer is taken down as
//! [`Outcome::Wrong`]), and connections break around a kill only.

use std::time::Duration;

use super::Verdict;
use crate::soak::history::{Call, History, Outcome};

/// Longer than any bound of the product: a waiter 8 s, a call of an object 10 s.
const LONGEST: Duration = Duration::from_secs(15);

/// A connection that broke with a kill may be met this long after it.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Goes through all calls.
#[must_use]
pub fn manners(history: &History) -> Verdict {
    let mut verdict = Verdict::new("8 no hang, honest errors");
    let around_a_kill = |call: &Call| {
        let next = history.kills.partition_point(|kill| kill.back + AFTERMATH < call.sent);
        history.kills.get(next).is_some_and(|kill| kill.killed <= call.ended)
    };
    let (mut later, mut broken, mut hung_up) = (0, 0, 0);
    for call in &history.calls {
        let took = call.ended - call.sent;
        if took > LONGEST {
            verdict.broken.push(format!("{} s for {:?}: {:?}", took.as_secs(), call.what, call.outcome));
        }
        match &call.outcome {
            Outcome::Wrong(why) => verdict.broken.push(format!("{:?} of {}: {why}", call.what, call.person)),
            Outcome::Broken(why) if !around_a_kill(call) => {
                verdict.broken.push(format!("{:?}, and nothing was killed: {why}", call.what));
            }
            Outcome::Broken(_) => broken += 1,
            Outcome::Later => later += 1,
            Outcome::HungUp => hung_up += 1,
            _ => {}
        }
    }
    verdict.looked_at = vec![
        (history.calls.len(), "calls"),
        (later, "answered 503"),
        (broken, "broken by a kill"),
        (hung_up, "hung up by the client"),
    ];
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::check::scene::{Scene, place};
    use crate::soak::history::State;

    #[test]
    fn a_hang_is_found() {
        let mut scene = Scene::new();
        scene.enter(1, 0, 15_001, place(1, State::Waiting));
        assert!(manners(&scene.history()).broken[0].starts_with("15 s"));
    }

    #[test]
    fn a_connection_may_break_around_a_kill_and_at_no_other_time() {
        let broken = || Outcome::Broken("reset".to_owned());
        let mut scene = Scene::new();
        scene.kill(100, 200).kill(5_000, 5_100);
        scene.enter(1, 90, 101, broken()).enter(2, 150, 151, broken()).enter(3, 650, 690, broken());
        assert!(manners(&scene.history()).holds());
        for (sent, ended) in [(80, 90), (800, 900), (6_000, 6_001)] {
            let mut scene = Scene::new();
            scene.kill(100, 200).kill(5_000, 5_100).enter(1, sent, ended, broken());
            assert!(!manners(&scene.history()).holds(), "{sent}");
        }
    }

    #[test]
    fn a_wrong_answer_is_found() {
        let mut scene = Scene::new();
        scene.enter(1, 0, 1, Outcome::Wrong("500".to_owned()));
        assert!(!manners(&scene.history()).holds());
    }
}
