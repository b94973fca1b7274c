//! SQLite of a Durable Object: rows in, rows out, and one helper through which every write goes.
//!
//! Invariant: all writes of one command are in one [`transaction`], with no await inside. (Coalescing of writes is no rollback: a
//! handler that fails after the first of two statements would leave the first in place.)

use std::cell::RefCell;
use std::rc::Rc;

use ropeline_queue::json::Misread;
use thiserror::Error;
use worker::js_sys::{Function, Reflect};
use worker::wasm_bindgen::prelude::Closure;
use worker::wasm_bindgen::{JsCast, JsValue, intern};
use worker::{SqlCursor, SqlStorage, SqlStorageValue, State};

use super::cost;

/// Storage failed, or holds what this code cannot read. The object must forget its memory.
#[derive(Debug, Error)]
#[error("storage: {0}")]
pub struct SqlError(pub String);

impl From<worker::Error> for SqlError {
    fn from(error: worker::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Misread> for SqlError {
    fn from(error: Misread) -> Self {
        Self(error.to_string())
    }
}

/// A value bound to a `?`.
#[derive(Clone, Debug)]
pub enum Bind<'a> {
    /// NULL.
    Null,
    /// An integer below 2^53.
    Integer(u64),
    /// An integer that may be negative.
    Signed(i64),
    /// Text.
    Text(&'a str),
}

impl From<u64> for Bind<'_> {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl<'a> From<&'a str> for Bind<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl Bind<'_> {
    fn value(self) -> Result<SqlStorageValue, SqlError> {
        Ok(match self {
            Self::Null => SqlStorageValue::Null,
            Self::Integer(value) => {
                let value = i64::try_from(value).map_err(|_| SqlError(format!("{value} is too large")))?;
                SqlStorageValue::try_from_i64(value)?
            }
            Self::Signed(value) => SqlStorageValue::try_from_i64(value)?,
            Self::Text(value) => SqlStorageValue::String(value.to_owned()),
        })
    }
}

/// One row of an answer.
pub struct Row(std::vec::IntoIter<SqlStorageValue>);

impl Row {
    /// The next column, an integer that is not negative.
    pub fn integer(&mut self) -> Result<u64, SqlError> {
        self.maybe_integer()?.ok_or_else(|| SqlError("an integer is missing".to_owned()))
    }

    /// The next column, an integer that is not negative, or NULL.
    pub fn maybe_integer(&mut self) -> Result<Option<u64>, SqlError> {
        match self.0.next() {
            Some(SqlStorageValue::Null) => Ok(None),
            Some(SqlStorageValue::Integer(value)) => {
                u64::try_from(value).map(Some).map_err(|_| SqlError(format!("{value} is negative")))
            }
            _ => Err(SqlError("an integer was expected".to_owned())),
        }
    }

    /// The next column, any integer.
    pub fn signed(&mut self) -> Result<i64, SqlError> {
        match self.0.next() {
            Some(SqlStorageValue::Integer(value)) => Ok(value),
            _ => Err(SqlError("an integer was expected".to_owned())),
        }
    }

    /// The next column, a text.
    pub fn text(&mut self) -> Result<String, SqlError> {
        self.maybe_text()?.ok_or_else(|| SqlError("a text is missing".to_owned()))
    }

    /// The next column, a text or NULL.
    pub fn maybe_text(&mut self) -> Result<Option<String>, SqlError> {
        match self.0.next() {
            Some(SqlStorageValue::Null) => Ok(None),
            Some(SqlStorageValue::String(text)) => Ok(Some(text)),
            _ => Err(SqlError("a text was expected".to_owned())),
        }
    }
}

/// Runs one statement and drains its rows. The statement crosses over to the runtime once per isolate.
pub fn run<'a>(
    sql: &SqlStorage,
    statement: &'static str,
    binds: impl IntoIterator<Item = Bind<'a>>,
) -> Result<Vec<Row>, SqlError> {
    execute(sql, statement, binds)?.raw().map(|row| Ok(Row(row?.into_iter()))).collect()
}

/// Runs one statement that answers no rows.
pub fn write<'a>(
    sql: &SqlStorage,
    statement: &'static str,
    binds: impl IntoIterator<Item = Bind<'a>>,
) -> Result<(), SqlError> {
    execute(sql, statement, binds).map(drop)
}

fn execute<'a>(
    sql: &SqlStorage,
    statement: &'static str,
    binds: impl IntoIterator<Item = Bind<'a>>,
) -> Result<SqlCursor, SqlError> {
    let values = binds.into_iter().map(Bind::value).collect::<Result<Vec<_>, _>>()?;
    let cursor = sql.exec(intern(statement), values)?;
    cost::ran(&cursor);
    Ok(cursor)
}

/// Runs `writes` in one synchronous transaction: all of them or, on an error, none.
///
/// The crate does not wrap `transactionSync`, so it is called by name.
pub fn transaction(
    state: &State,
    writes: impl FnOnce(&SqlStorage) -> Result<(), SqlError> + 'static,
) -> Result<(), SqlError> {
    let storage = state.storage();
    let sql = storage.sql();
    let outcome = Rc::new(RefCell::new(Err(SqlError("the transaction did not run".to_owned()))));
    let slot = Rc::clone(&outcome);
    let closure = Closure::once(move || -> Result<JsValue, JsValue> {
        let done = writes(&sql);
        let thrown = done.as_ref().err().map(|error| JsValue::from(error.to_string()));
        *slot.borrow_mut() = done;
        thrown.map_or(Ok(JsValue::UNDEFINED), Err)
    });
    let raw: &JsValue = storage.as_raw().as_ref();
    let called = Reflect::get(raw, &JsValue::from("transactionSync"))
        .and_then(JsCast::dyn_into::<Function>)
        .and_then(|function| function.call1(raw, closure.as_ref()));
    let outcome = outcome.replace(Ok(()));
    called.map_err(|error| match outcome {
        Err(ours) => ours,
        Ok(()) => SqlError(format!("transaction: {error:?}")),
    })?;
    Ok(())
}
