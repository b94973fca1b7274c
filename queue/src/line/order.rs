//! From numbers to positions and back: the same under `fifo`, a published permutation for those who came before the opening of an
//! event with `shuffle_at_event_start`.

use std::collections::BTreeMap;

use super::gone::{Gone, Walk};
use crate::shuffle::Draw;
use crate::types::{Number, Position};

/// The most positions looked at in one step of the frontier through the drawn part: a look costs some 12 to 51 HMACs.
const MOST_LOOKS: u64 = 2_000;
/// The most positions remembered: those of visitors who ask over and over.
const MOST_KNOWN: usize = 20_000;

/// The order of admission.
#[derive(Clone, Debug, Default)]
pub enum Order {
    /// As they came.
    #[default]
    Fifo,
    /// A draw is still to come: no number has a position.
    Hidden,
    /// Drawn up to the draw's count, and as they came after that.
    Drawn {
        /// The permutation.
        draw: Box<Draw>,
        /// Positions computed already.
        known: BTreeMap<Number, Position>,
    },
}

impl Order {
    /// After the cut.
    #[must_use]
    pub fn drawn(draw: Draw) -> Self {
        Self::Drawn { draw: Box::new(draw), known: BTreeMap::new() }
    }

    /// The position of this number; none while a draw is still to come.
    #[must_use]
    pub fn position(&self, number: Number) -> Option<Position> {
        match self {
            Self::Fifo => Some(number.position()),
            Self::Hidden => None,
            Self::Drawn { draw, known } => Some(known.get(&number).copied().unwrap_or_else(|| draw.position(number))),
        }
    }

    /// The same, remembered.
    pub fn learn(&mut self, number: Number) -> Option<Position> {
        let position = self.position(number);
        if let (Self::Drawn { draw, known }, Some(position)) = (self, position)
            && number.get() <= draw.count()
        {
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(number, position);
        }
        position
    }

    /// How many of the numbers `first ..= last` have positions up to the frontier.
    #[must_use]
    pub fn passed(&self, first: Number, last: Number, frontier: Position) -> u64 {
        match self {
            Self::Fifo => (last.get().min(frontier.get()) + 1).saturating_sub(first.get()),
            Self::Hidden => 0,
            Self::Drawn { draw, .. } => {
                let drawn = (first.get()..=last.get().min(draw.count())).map(Number);
                let drawn = drawn.filter(|number| draw.position(*number) <= frontier).count() as u64;
                let rest = first.get().max(draw.count() + 1);
                drawn + (last.get().min(frontier.get()) + 1).saturating_sub(rest)
            }
        }
    }

    /// Where a frontier comes to that calls up to `want` more living positions, but none beyond `last`.
    #[must_use]
    pub fn advance(&self, gone: &Gone, from: Position, want: u64, last: Position) -> Walk {
        let mut walk = Walk { to: from.get(), living: 0 };
        match self {
            Self::Hidden => return walk,
            Self::Fifo => {}
            Self::Drawn { draw, .. } => {
                let drawn = draw.count().min(last.get());
                let most = from.get() + MOST_LOOKS;
                while walk.to < drawn.min(most) && walk.living < want {
                    walk.to += 1;
                    walk.living += u64::from(!gone.contains(draw.number(Position(walk.to))));
                }
                if walk.to < drawn {
                    return walk;
                }
            }
        }
        let rest = gone.walk(walk.to, want - walk.living, last.get());
        Walk { to: rest.to, living: walk.living + rest.living }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::EventId;

    const LAST: u64 = 30;

    fn draw(count: u64) -> Draw {
        Draw::new(&EventId::parse("demo").unwrap(), &[7; 32], count).unwrap()
    }

    /// Without a draw, with one that nobody takes part in, with one of some, and with one of all.
    fn orders() -> [Order; 4] {
        [Order::Fifo, Order::drawn(draw(0)), Order::drawn(draw(12)), Order::drawn(draw(LAST))]
    }

    fn position(order: &Order, number: u64) -> u64 {
        order.position(Number(number)).unwrap().get()
    }

    /// Of the numbers `1 ..= LAST`, in their order.
    fn positions(order: &Order) -> Vec<u64> {
        (1..=LAST).map(|number| position(order, number)).collect()
    }

    #[test]
    fn what_has_passed_the_frontier_is_counted_number_by_number() {
        for order in orders() {
            let positions = positions(&order);
            for (first, last) in [(1, 1), (1, LAST), (3, 12), (4, 13), (12, 12), (13, 13), (13, 20), (5, 25)] {
                for frontier in 0..=LAST {
                    let numbers = &positions[first as usize - 1..last as usize];
                    let passed = numbers.iter().filter(|position| **position <= frontier).count();
                    let counted = order.passed(Number(first), Number(last), Position(frontier));
                    assert_eq!(counted, passed as u64, "{first}..={last} up to {frontier}");
                }
            }
        }
        assert_eq!(Order::Hidden.passed(Number(1), Number(9), Position(9)), 0);
    }

    #[test]
    fn the_frontier_passes_as_many_of_the_living_as_are_wanted() {
        let mut gone = Gone::default();
        for (first, last) in [(2, 2), (5, 9), (12, 14), (21, 21)] {
            gone.insert(Number(first), Number(last));
        }
        for order in orders() {
            let positions = (1..).zip(positions(&order));
            let living: Vec<u64> = positions.filter(|(n, _)| !gone.contains(Number(*n))).map(|(_, p)| p).collect();
            for (from, last) in [(0, LAST), (0, 13), (3, 12), (4, 21), (11, 25), (12, LAST), (13, 14), (20, 20)] {
                // As numbers are given, a draw is never larger than their count.
                if matches!(&order, Order::Drawn { draw, .. } if draw.count() > last) {
                    continue;
                }
                let up_to = |to: u64| living.iter().filter(|p| (from + 1..=to).contains(*p)).count() as u64;
                for want in 0..=LAST {
                    let walk = order.advance(&gone, Position(from), want, Position(last));
                    let what = format!("{want} from {from}, up to {last}");
                    assert_eq!(walk.living, want.min(up_to(last)), "{what}");
                    assert_eq!(up_to(walk.to), walk.living, "{what}");
                    assert!((from..=last).contains(&walk.to), "{what}");
                }
            }
        }
        assert_eq!(Order::Hidden.advance(&gone, Position(0), 9, Position(LAST)), Walk { to: 0, living: 0 });
    }

    #[test]
    fn one_step_through_a_draw_looks_at_a_bounded_number_of_positions() {
        let (count, last) = (2 * MOST_LOOKS + 500, 2 * MOST_LOOKS + 600);
        let order = Order::drawn(draw(count));
        let mut frontier = 0;
        for to in [MOST_LOOKS, 2 * MOST_LOOKS, last] {
            let walk = order.advance(&Gone::default(), Position(frontier), u64::MAX, Position(last));
            assert_eq!(walk, Walk { to, living: to - frontier });
            frontier = to;
        }
    }

    #[test]
    fn positions_that_are_asked_for_again_are_remembered_up_to_a_bound() {
        let mut order = Order::drawn(draw(20));
        for number in [3, 4, 21] {
            assert_eq!(order.learn(Number(number)).map(Position::get), Some(position(&order, number)));
        }
        let Order::Drawn { known, .. } = &mut order else { panic!("{order:?}") };
        assert_eq!(known.keys().copied().collect::<Vec<_>>(), [Number(3), Number(4)], "21 needs no computing");
        known.extend((100..).map(|number| (Number(number), Position(number))).take(MOST_KNOWN - 2));
        assert_eq!(known.len(), MOST_KNOWN);
        order.learn(Number(5));
        let Order::Drawn { known, .. } = &order else { panic!("{order:?}") };
        assert_eq!(known.len(), 1);
    }
}
