//! How a command ends when it does not go well: what is said, with what to do, and the exit code.

use std::io::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

/// Every exit code with what it means; `docs/cli.md` says the same.
pub const EXIT_CODES: [(u8, &str); 6] = [
    (0, "done; also when there was nothing to do"),
    (1, "it failed, a check has a FAIL, or a draw's proof does not hold"),
    (2, "the command line, an event file or a key cannot be used: nothing was sent"),
    (3, "the Worker refuses it: the problem is shown"),
    (4, "somebody else has changed the event meanwhile: nothing was changed"),
    (5, "no answer from the Worker, or one that is not Ropeline's"),
];

/// What a Worker says about a refusal (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The end of `type`.
    pub slug: String,
    /// In short.
    pub title: String,
    /// What was wrong and what to do.
    pub detail: String,
    /// Which field was wrong.
    pub field: Option<String>,
}

impl Problem {
    /// Reads a body of `application/problem+json`.
    #[must_use]
    pub fn read(status: u16, body: &Value) -> Option<Self> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let slug = text("type")?.strip_prefix("urn:ropeline:problem:")?.to_owned();
        Some(Self { status, slug, title: text("title")?, detail: text("detail")?, field: text("field") })
    }

    /// What to do beyond what the detail says.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self.slug.as_str() {
            "unauthorized" => {
                "the Worker does not know this key: give the secret whose SHA-256 stands under \"admin\" in ROPELINE_KEYS, in \
                 ROPELINE_ADMIN_KEY or with --key-file"
            }
            "forbidden" => "this key is one of another role: give the one of the role \"admin\"",
            "unknown-event" => "`ropeline events list` shows the events there are",
            "precondition-failed" => "look at what is there now, and give the command again",
            _ => return None,
        })
    }
}

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It was tried, and did not succeed.
    #[error("{0}")]
    Failed(String),
    /// What was given cannot be used; nothing was sent.
    #[error("{0}")]
    Usage(String),
    /// The Worker refuses.
    #[error("{}: {}", .0.title, .0.detail)]
    Refused(Problem),
    /// The event is at another version than the one that was shown.
    #[error("{}: {}", .0.title, .0.detail)]
    Changed(Problem),
    /// No answer, or none of Ropeline's.
    #[error("{at}: {cause}")]
    Unreachable {
        /// Where.
        at: String,
        /// Why.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Whoever reads standard output has seen enough.
    #[error("standard output was closed")]
    Closed,
}

impl Failure {
    /// A [`Failure::Usage`].
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// By which scripts tell them apart; see [`EXIT_CODES`].
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::Changed(_) => 4,
            Self::Unreachable { .. } => 5,
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Failed(_) => "failed",
            Self::Usage(_) => "usage",
            Self::Refused(_) => "refused",
            Self::Changed(_) => "changed",
            Self::Unreachable { .. } => "unreachable",
        }
    }

    /// What to do, where the text does not say it.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Refused(problem) | Self::Changed(problem) => problem.remedy(),
            Self::Unreachable { remedy, .. } => Some(remedy),
            _ => None,
        }
    }

    /// `{"error": {"kind", "exit_code", "message", "remedy", "problem"}}`
    #[must_use]
    pub fn to_json(&self) -> Value {
        let problem = match self {
            Self::Refused(problem) | Self::Changed(problem) => Some(problem),
            _ => None,
        };
        json!({"error": {
            "kind": self.kind(), "exit_code": self.exit_code(), "message": self.to_string(), "remedy": self.remedy(),
            "problem": problem,
        }})
    }

    fn to_text(&self) -> String {
        let mut text = format!("ropeline: {self}");
        match self {
            Self::Refused(problem) => {
                let field = problem.field.as_ref().map(|field| format!("\n  field: {field}")).unwrap_or_default();
                text += &format!("{field}\n  refused with {} {}; nothing was changed", problem.status, problem.slug);
            }
            Self::Changed(_) => text += "\n  somebody else has changed the event meanwhile; nothing was changed",
            _ => {}
        }
        if let Some(remedy) = self.remedy() {
            text += &format!("\n  {remedy}");
        }
        text
    }

    /// Says it on standard error, as one JSON line or for people.
    pub fn tell(&self, json: bool) {
        if matches!(self, Self::Closed) {
            return;
        }
        let text = if json { self.to_json().to_string() } else { crate::output::lines(&self.to_text()) };
        // There is nowhere to say that standard error cannot be written.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(slug: &str) -> Problem {
        let body = json!({"type": format!("urn:ropeline:problem:{slug}"), "title": "No", "detail": "do this", "field": "lanes"});
        Problem::read(409, &body).unwrap()
    }

    #[test]
    fn every_failure_has_a_documented_exit_code_of_its_own() {
        let unreachable = Failure::Unreachable { at: "x".to_owned(), cause: "y".to_owned(), remedy: "z" };
        let all = [
            Failure::Failed(String::new()),
            Failure::usage(""),
            Failure::Refused(problem("conflict")),
            Failure::Changed(problem("precondition-failed")),
            unreachable,
        ];
        let codes: Vec<u8> = all.iter().map(Failure::exit_code).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5]);
        assert_eq!(EXIT_CODES.map(|(code, _)| code), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_refusal_is_told_with_field_and_what_to_do() {
        let text = Failure::Refused(problem("unknown-event")).to_text();
        for part in ["No: do this", "field: lanes", "409 unknown-event", "ropeline events list"] {
            assert!(text.contains(part), "{text}");
        }
        let told = Failure::Refused(problem("conflict")).to_json();
        assert_eq!(told["error"]["problem"]["field"], "lanes");
        assert_eq!((&told["error"]["exit_code"], &told["error"]["kind"]), (&json!(3), &json!("refused")));
    }

    #[test]
    fn what_is_no_problem_of_ropeline_is_not_taken_for_one() {
        assert_eq!(Problem::read(404, &json!({"type": "about:blank", "title": "a", "detail": "b"})), None);
        assert_eq!(Problem::read(404, &Value::Null), None);
    }
}
