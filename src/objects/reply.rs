//! How an object reads its command and answers: 200 with JSON, or a status that says why not.
//!
//! A short answer goes into the status text, behind [`ANSWER`], instead of the body: reading a body costs a stream and a promise, a
//! header a set of headers on each side.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ropeline_queue::json::{self, FromJson};
use worker::js_sys::JsString;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{Request, Response, ResponseInit};

use super::cost;
use super::sql::SqlError;

/// How a status text begins that is an answer.
pub const ANSWER: char = '=';
const MOST_IN_STATUS: usize = 1_024;

/// Why an object cannot answer.
#[derive(Debug)]
pub enum Refused {
    /// It was never created, or has been purged.
    Absent,
    /// It has too much to do.
    Overloaded,
    /// The command is not known to this version.
    UnknownCommand(String),
    /// Storage failed.
    Storage(SqlError),
}

impl From<SqlError> for Refused {
    fn from(error: SqlError) -> Self {
        Self::Storage(error)
    }
}

/// Reads the command of a request.
pub async fn command<C: FromJson>(request: &Request) -> Result<C, Refused> {
    let unreadable = |what: &str| Refused::UnknownCommand(what.to_owned());
    let url = request.url();
    if let Some((_, query)) = url.split_once('?') {
        let json = URL_SAFE_NO_PAD.decode(query).map_err(|_| unreadable("the address is not base64url"))?;
        let json = String::from_utf8(json).map_err(|_| unreadable("the address is not UTF-8"))?;
        return read(&json);
    }
    let promise = request.text().map_err(|_| unreadable("no body"))?;
    let text = JsFuture::from(promise).await.map_err(|_| unreadable("the body broke off"))?;
    let text = text.dyn_into::<JsString>().map_err(|_| unreadable("no text"))?;
    read(&String::from(text))
}

fn read<C: FromJson>(json: &str) -> Result<C, Refused> {
    json::read(json).map_err(|error| Refused::UnknownCommand(error.to_string()))
}

/// The response for an outcome.
pub fn response(object: &str, outcome: Result<String, Refused>) -> Result<Response, JsValue> {
    cost::answered(object);
    let (status, body) = match outcome {
        Ok(body) => (200, body),
        Err(Refused::Absent) => (404, String::new()),
        Err(Refused::Overloaded) => (503, String::new()),
        Err(Refused::UnknownCommand(detail)) => (501, detail),
        Err(Refused::Storage(error)) => {
            worker::console_error!("{object}: {error}");
            (500, error.to_string())
        }
    };
    let init = ResponseInit::new();
    init.set_status(status);
    if status == 200 && body.len() <= MOST_IN_STATUS && body.is_ascii() {
        init.set_status_text(&format!("{ANSWER}{body}"));
        return Response::new_with_opt_str_and_init(None, &init);
    }
    Response::new_with_opt_str_and_init(Some(&body), &init)
}
