//! The engine's messages as JSON, in the form that the side which sends or reads them speaks.
//!
//! The golden messages were captured from an earlier version. Code of that version knows their fields and no others: what it
//! sends has no others, and what it reads of a newer message is no more.

use std::sync::LazyLock;

use ropeline_queue::json::{self, FromJson};
use serde::Serialize;
use serde_json::Value;

use crate::plan::Dialect;

/// A kind of message that has a golden form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Exchange,
    ExchangeReply,
    Board,
    Lease,
    Drain,
}

/// The golden messages of the first version.
const GOLDEN: [(&str, Kind); 5] = [
    (include_str!("../golden/0.1.0/exchange.json"), Kind::Exchange),
    (include_str!("../golden/0.1.0/exchange_reply.json"), Kind::ExchangeReply),
    (include_str!("../golden/0.1.0/board.json"), Kind::Board),
    (include_str!("../golden/0.1.0/lease.json"), Kind::Lease),
    (include_str!("../golden/0.1.0/drain.json"), Kind::Drain),
];

static PARSED: LazyLock<Vec<(Value, Kind)>> = LazyLock::new(|| {
    let parse = |(text, kind): &(&str, Kind)| (serde_json::from_str(text).unwrap_or_default(), *kind);
    GOLDEN.iter().map(parse).collect()
});

/// A message on its way from one side to the other.
pub(crate) fn encode<T: Serialize>(kind: Kind, from: Dialect, to: Dialect, message: &T) -> String {
    let plain = || serde_json::to_string(message).unwrap_or_default();
    if from == Dialect::Now && to == Dialect::Now {
        return plain();
    }
    let mut value = serde_json::to_value(message).unwrap_or_default();
    if from == Dialect::Golden || to == Dialect::Golden {
        let golden = PARSED.iter().find(|(_, of)| *of == kind);
        if let Some((golden, _)) = golden {
            prune(&mut value, golden);
        }
    }
    if from == Dialect::Later {
        add_unknown(&mut value);
    }
    value.to_string()
}

/// Reads a message.
///
/// # Errors
/// What is wrong with it: two versions do not understand each other.
pub(crate) fn decode<T: FromJson>(text: &str) -> Result<T, String> {
    json::read(text).map_err(|error| format!("{error}: {text}"))
}

/// Keeps the fields that the golden message has. What is no object on both sides stays as it is: a list's items and an enum's
/// variants are the same in both versions, or the message would not be understood at all.
fn prune(value: &mut Value, golden: &Value) {
    let (Value::Object(fields), Value::Object(known)) = (value, golden) else { return };
    fields.retain(|name, _| known.contains_key(name));
    for (name, field) in fields {
        if name != "numbering"
            && let Some(golden) = known.get(name)
        {
            prune(field, golden);
        }
    }
}

/// A later version has fields that this one does not know.
fn add_unknown(value: &mut Value) {
    let Value::Object(fields) = value else { return };
    for name in ["board"] {
        if let Some(field) = fields.get_mut(name) {
            add_unknown(field);
        }
    }
    fields.insert("of_a_later_version".to_owned(), serde_json::json!({ "nobody": ["knows", 1.5] }));
}

#[cfg(test)]
mod tests {
    use ropeline_queue::line::log::{Drain, Lease};
    use ropeline_queue::wire::{Board, Exchange, ExchangeReply};

    use super::*;

    fn is_read<T: FromJson + Serialize>(kind: Kind) {
        let (text, _) = GOLDEN.iter().find(|(_, of)| *of == kind).unwrap();
        let message: T = decode(text).unwrap();
        let old = encode(kind, Dialect::Golden, Dialect::Now, &message);
        // The first version has a default for what is no longer said.
        let mut expected: Value = decode(text).unwrap();
        for board in ["/board", ""] {
            if let Some(Value::Object(fields)) = expected.pointer_mut(board) {
                fields.remove("free_per_minute");
            }
        }
        assert_eq!(decode::<Value>(&old).unwrap(), expected, "what the old version sent comes back");
        let later: T = decode(&encode(kind, Dialect::Later, Dialect::Now, &message)).unwrap();
        assert_eq!(serde_json::to_value(later).unwrap(), serde_json::to_value(message).unwrap());
    }

    #[test]
    fn golden_messages_are_understood_and_so_are_those_of_a_later_version() {
        is_read::<Exchange>(Kind::Exchange);
        is_read::<ExchangeReply>(Kind::ExchangeReply);
        is_read::<Board>(Kind::Board);
        is_read::<Lease>(Kind::Lease);
        is_read::<Drain>(Kind::Drain);
    }
}
