//! The product's cookies: their names carry purpose and event, so that two sales never collide.

use crate::deployment::Deployment;

/// What a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The ticket.
    Ticket,
    /// The pass.
    Pass,
    /// The visitor key.
    Visitor,
    /// The shop's word for an account; the shop sets it.
    Assertion,
    /// The highest frontier the client was told; the page reads and writes it.
    Seen,
    /// The language that was chosen on the page; it reads and writes it, too.
    Language,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Pass => "pass",
            Self::Visitor => "visitor",
            Self::Assertion => "assertion",
            Self::Seen => "seen",
            Self::Language => "language",
        }
    }
}

/// The name of a cookie.
pub fn name(deployment: &Deployment, purpose: Purpose, event: &str) -> String {
    let prefix = if deployment.insecure_cookies { "" } else { "__Host-" };
    format!("{prefix}ropeline-{}-{event}", purpose.as_str())
}

/// A `Set-Cookie` value that lasts for `max_age_seconds`; 0 takes the cookie away.
pub fn set(deployment: &Deployment, purpose: Purpose, event: &str, value: &str, max_age_seconds: u64) -> String {
    let name = name(deployment, purpose, event);
    let secure = if deployment.insecure_cookies { "" } else { "; Secure" };
    let http_only = if matches!(purpose, Purpose::Seen | Purpose::Language) { "" } else { "; HttpOnly" };
    format!("{name}={value}; Path=/; Max-Age={max_age_seconds}; SameSite=Lax{secure}{http_only}")
}
