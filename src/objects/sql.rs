//! SQLite of a Durable Object: rows in, rows out, and one helper through which every write goes.
//!
//! Invariant: all writes of one command are in one [`Writes`], which is one transaction. (Coalescing of writes is no rollback: a
//! handler that fails after the first of two statements would leave the first in place.)
//!
//! A statement's values and rows, and all statements of a transaction, cross over to the runtime as one text (`sql.js`).

use ropeline_queue::json::{self, Misread};
use serde::{Serialize, Serializer};
use serde_json::Value;
use thiserror::Error;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{self, JsValue, intern};
use worker::worker_sys::types::{DurableObjectState, DurableObjectStorage};

/// Storage failed, or holds what this code cannot read. The object must forget its memory.
#[derive(Debug, Error)]
#[error("storage: {0}")]
pub struct SqlError(pub String);

impl From<worker::Error> for SqlError {
    fn from(error: worker::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<JsValue> for SqlError {
    fn from(error: JsValue) -> Self {
        Self(format!("{error:?}"))
    }
}

impl From<Misread> for SqlError {
    fn from(error: Misread) -> Self {
        Self(error.to_string())
    }
}

#[wasm_bindgen(module = "/src/objects/sql.js")]
extern "C" {
    /// The rows as a JSON list of lists.
    #[wasm_bindgen(catch)]
    fn query(storage: &DurableObjectStorage, statement: &str, binds: &str) -> Result<String, JsValue>;
    /// Runs a JSON list of (statement, values) in one synchronous transaction.
    #[wasm_bindgen(catch)]
    fn transact(storage: &DurableObjectStorage, statements: &str) -> Result<(), JsValue>;
    /// Rows written since it was called last.
    #[wasm_bindgen(js_name = rowsWritten)]
    pub fn rows_written() -> f64;
}

/// A value bound to a `?`.
#[derive(Clone, Copy, Debug)]
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

/// The first integer that the runtime, whose numbers are floats, does not hold exactly.
const TOO_LARGE: u64 = 1 << 53;

impl Bind<'_> {
    const fn is_exact(&self) -> bool {
        match self {
            Self::Integer(value) => *value < TOO_LARGE,
            Self::Signed(value) => value.unsigned_abs() < TOO_LARGE,
            Self::Null | Self::Text(_) => true,
        }
    }
}

impl Serialize for Bind<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Integer(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Text(value) => serializer.serialize_str(value),
        }
    }
}

fn written(binds: &[Bind<'_>]) -> Result<String, SqlError> {
    if !binds.iter().all(Bind::is_exact) {
        return Err(SqlError("an integer is too large".to_owned()));
    }
    Ok(json::write(binds))
}

/// One row of an answer.
pub struct Row(std::vec::IntoIter<Value>);

impl Row {
    /// The next column, an integer that is not negative.
    pub fn integer(&mut self) -> Result<u64, SqlError> {
        self.maybe_integer()?.ok_or_else(|| SqlError("an integer is missing".to_owned()))
    }

    /// The next column, an integer that is not negative, or NULL.
    pub fn maybe_integer(&mut self) -> Result<Option<u64>, SqlError> {
        self.column("an integer", Value::as_u64)
    }

    /// The next column, any integer.
    pub fn signed(&mut self) -> Result<i64, SqlError> {
        self.column("an integer", Value::as_i64)?.ok_or_else(|| SqlError("an integer is missing".to_owned()))
    }

    /// The next column, a text.
    pub fn text(&mut self) -> Result<String, SqlError> {
        self.maybe_text()?.ok_or_else(|| SqlError("a text is missing".to_owned()))
    }

    /// The next column, a text or NULL.
    pub fn maybe_text(&mut self) -> Result<Option<String>, SqlError> {
        self.column("a text", |value| value.as_str().map(str::to_owned))
    }

    fn column<T>(&mut self, expected: &str, read: impl FnOnce(&Value) -> Option<T>) -> Result<Option<T>, SqlError> {
        let wrong = || SqlError(format!("{expected} was expected"));
        match self.0.next() {
            Some(Value::Null) => Ok(None),
            Some(value) => read(&value).map(Some).ok_or_else(wrong),
            None => Err(wrong()),
        }
    }
}

/// The database of one object.
pub struct Database(DurableObjectStorage);

impl Database {
    /// That of the object with this state.
    pub fn of(state: &DurableObjectState) -> Result<Self, JsValue> {
        state.storage().map(Self)
    }

    /// Runs one statement and reads its rows. The statement crosses over to the runtime once per isolate.
    pub fn run(&self, statement: &'static str, binds: &[Bind<'_>]) -> Result<Vec<Row>, SqlError> {
        let rows = query(&self.0, intern(statement), &written(binds)?)?;
        let rows: Vec<Vec<Value>> = json::read(&rows)?;
        Ok(rows.into_iter().map(|row| Row(row.into_iter())).collect())
    }

    /// The same, of which the first row counts.
    pub fn first(&self, statement: &'static str, binds: &[Bind<'_>]) -> Result<Option<Row>, SqlError> {
        Ok(self.run(statement, binds)?.into_iter().next())
    }

    /// Whether there is a table of this name.
    pub fn has_table(&self, name: &str) -> Result<bool, SqlError> {
        let statement = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?";
        Ok(self.first(statement, &[Bind::Text(name)])?.is_some())
    }

    /// Writes all of it or, on an error, nothing.
    pub fn write(&self, writes: Writes) -> Result<(), SqlError> {
        Ok(transact(&self.0, &json::list(&writes.0?))?)
    }
}

/// What one transaction writes, in order.
pub struct Writes(Result<Vec<String>, SqlError>);

impl Writes {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(Ok(Vec::new()))
    }

    /// One more statement. What cannot be bound fails the transaction.
    pub fn add(&mut self, statement: &'static str, binds: &[Bind<'_>]) {
        if let Ok(statements) = &mut self.0 {
            match written(binds) {
                Ok(binds) => {
                    statements.push(json::list(&[json::write(statement), binds]));
                }
                Err(error) => self.0 = Err(error),
            }
        }
    }
}
