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
