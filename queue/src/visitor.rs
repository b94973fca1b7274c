//! Who asks: a visitor who keeps a secret of its own, or an account that the shop vouches for.

use core::fmt;

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::Subject;
use crate::json::{FromJson, Misread};

/// The longest account, characters.
pub const MAX_ACCOUNT: usize = 128;

/// The name of an account at the shop: 1 to 128 visible ASCII characters but `"` and `\`, so that it stands as it is in headers and
/// in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Account(String);

/// Why a text is no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an account is 1 to {MAX_ACCOUNT} visible ASCII characters without '\"' and '\\'")]
pub struct AccountError;

impl Account {
    /// Takes the name of an account.
    ///
    /// # Errors
    /// [`AccountError`] when it is too long, empty, or has other characters.
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let fits = (1..=MAX_ACCOUNT).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
        if fits { Ok(Self(text.to_owned())) } else { Err(AccountError) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromJson for Account {
    fn from_json(value: &mut Value) -> Result<Self, Misread> {
        let account = value.as_str().and_then(|text| Self::parse(text).ok());
        account.ok_or(Misread::expected("an account"))
    }
}

/// A visitor of one event. As text it is what tickets, passes and records name: the account or, without one, the keyed hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Visitor {
    /// The keyed hash: it finds the lane, and the place there.
    pub sub: Subject,
    /// The account, where the shop has vouched for one.
    pub account: Option<Account>,
}

impl From<Subject> for Visitor {
    fn from(sub: Subject) -> Self {
        Self { sub, account: None }
    }
}

impl fmt::Display for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => f.write_str(account.as_str()),
            None => self.sub.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_stands_as_it_is_in_headers_and_json() {
        for good in ["7", "auth0|5f7c8ec7c33c6c004bbafe82", "somebody@example.com", "{'a':[1]}", &"x".repeat(128)] {
            let account = Account::parse(good).unwrap();
            assert_eq!(crate::json::write(&account), format!("\"{good}\""));
            assert_eq!(crate::json::read::<Account>(&format!("\"{good}\"")), Ok(account));
        }
        for bad in ["", " ", "a b", "a\"b", "a\\b", "a\nb", "a\u{7f}", "\u{e9}", &"x".repeat(129)] {
            assert_eq!(Account::parse(bad), Err(AccountError), "{bad:?}");
        }
    }

    #[test]
    fn a_visitor_is_named_by_the_account_or_else_by_the_hash() {
        let account = Account::parse("customer-7").unwrap();
        let sub = Subject::of_account(&[7; 32], &account);
        assert_eq!(Visitor { sub, account: Some(account) }.to_string(), "customer-7");
        assert_eq!(Visitor::from(sub).to_string(), sub.to_string());
    }
}
