//! `ropeline keys new`, `list` and `rotate`: on this machine alone; nothing is sent.
//!
//! Invariant: a secret goes to standard output, and only where it was asked for; never to standard error.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ropeline_keys::Keys as Fresh;
use ropeline_keys::document::{Document, Role, Row};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::options::{Global, role};
use crate::output;

/// `ropeline keys`
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Prints fresh secrets for a deployment, on standard output
    New,
    /// Lists what is in one of the Worker's key documents, without a secret
    List(Source),
    /// Adds a key to one of the Worker's key documents, or drops one; prints the new document and the new secret
    Rotate(Rotate),
}

/// Which document.
#[derive(Debug, Args)]
pub struct Source {
    /// A file with ROPELINE_KEYS, ROPELINE_SIGNING_KEYS or ROPELINE_MAC_KEYS; '-' is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    document: PathBuf,
}

/// `ropeline keys rotate`
#[derive(Debug, Args)]
pub struct Rotate {
    /// admin, origin, relay, metrics, signing or mac
    #[arg(value_parser = role)]
    role: Role,
    #[command(flatten)]
    source: Source,
    /// Drop the key that begins like this (hash or kid), and add none
    #[arg(long, value_name = "PREFIX", conflicts_with = "promote")]
    drop: Option<String>,
    /// Let the signing or mac key that begins like this be the first, which signs; add none
    #[arg(long, value_name = "PREFIX")]
    promote: Option<String>,
}

/// One of them.
pub fn run(global: &Global, keys: &Keys) -> Result<(), Failure> {
    match keys {
        Keys::New => new(global),
        Keys::List(source) => list(global, &read(&source.document, None)?),
        Keys::Rotate(options) => rotate(global, options),
    }
}

fn new(global: &Global) -> Result<(), Failure> {
    let keys = Fresh::generate().map_err(|error| Failure::Failed(error.to_string()))?;
    if global.json {
        let worker: Map<String, Value> =
            keys.worker_secrets().into_iter().map(|(name, value)| (name, value.into())).collect();
        let bearers: Map<String, Value> =
            keys.bearers().iter().map(|(role, secret)| ((*role).to_owned(), (*secret).into())).collect();
        return output::json(&json!({"worker": worker, "bearers": bearers}));
    }
    eprintln!("{}", Fresh::advice());
    output::write(&keys.told())
}

fn list(global: &Global, documents: &[Document]) -> Result<(), Failure> {
    let rows: Vec<Row> = documents.iter().flat_map(Document::rows).collect();
    if global.json {
        let keys: Vec<Value> =
            rows.iter().map(|row| json!({"role": row.role.as_str(), "key": row.name, "does": row.does})).collect();
        return output::json(&json!({"keys": keys}));
    }
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| vec![row.role.as_str().to_owned(), row.name, row.does.to_owned()]).collect();
    output::say(output::table(&["role", "key", "what it does"], &rows))
}

fn rotate(global: &Global, options: &Rotate) -> Result<(), Failure> {
    let role = options.role;
    let mut documents = read(&options.source.document, Some(role))?;
    let Some(mut document) = documents.pop() else { return Err(Failure::usage("there is no document")) };
    let wrong = |error: ropeline_keys::document::DocumentError| Failure::usage(error.to_string());
    let (action, secret, next) = match (&options.drop, &options.promote) {
        (Some(prefix), _) => {
            let name = document.drop(role, prefix).map_err(wrong)?;
            (format!("dropped {name}"), None, "deploy this document: the key is refused from then on")
        }
        (None, Some(prefix)) => {
            let name = document.promote(role, prefix).map_err(wrong)?;
            let next = "deploy this document; drop the old key when nothing made with it can live: 24 hours later";
            (format!("promoted {name}"), None, next)
        }
        (None, None) => {
            let random = ropeline_keys::random().map_err(|error| Failure::Failed(error.to_string()))?;
            let secret = document.add(role, random).map_err(wrong)?;
            ("added".to_owned(), secret, next_step(role))
        }
    };
    let variable = document.variable();
    if global.json {
        return output::json(&json!({
            "document": variable, "role": role.as_str(), "action": action, "value": document.to_json(), "secret": secret,
        }));
    }
    eprintln!("{}: {action}; {next} (npx wrangler secret put {variable})", role.as_str());
    let secret = secret.map(|secret| format!("{}={secret}\n", role.as_str())).unwrap_or_default();
    output::write(&format!("{variable}={}\n{secret}", document.to_json()))
}

const fn next_step(role: Role) -> &'static str {
    match role {
        Role::Signing => {
            "deploy this document, and after 15 minutes --promote the new key: origins have fetched it by then"
        }
        Role::Mac => "deploy this document, and --promote the new key when it is deployed everywhere",
        _ => "deploy this document, give the new secret to whoever uses it, then --drop the old key",
    }
}

/// What is in a file: a document itself, or lines `NAME=document` as `keys new` prints them. Of several, the one that has the role.
fn read(path: &Path, role: Option<Role>) -> Result<Vec<Document>, Failure> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let name = path.display();
    let text = text.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let documents: Result<Vec<_>, _> = texts(&text, role).into_iter().map(Document::read).collect();
    documents.map_err(|error| Failure::usage(format!("{name}: {error}")))
}

fn texts(text: &str, role: Option<Role>) -> Vec<&str> {
    let mut variables: Vec<&str> = Role::ALL.into_iter().map(Role::variable).collect();
    variables.dedup();
    let named = |line: &'_ str| variables.iter().position(|name| line.starts_with(&format!("{name}=")));
    let wanted = |at: usize| role.is_none_or(|role| variables[at] == role.variable());
    let lines = text.lines().filter(|line| named(line).is_some_and(wanted));
    let found: Vec<&str> = lines.filter_map(|line| line.split_once('=').map(|(_, document)| document)).collect();
    if found.is_empty() { vec![text] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_stands_alone_or_among_the_lines_of_keys_new() {
        let keys = Fresh::generate().unwrap();
        let (all, roles) = (keys.told(), keys.roles());
        assert_eq!(texts(&roles, Some(Role::Admin)), [roles.as_str()]);
        assert_eq!(texts(&all, Some(Role::Relay)), [roles.as_str()]);
        assert_eq!(texts(&all, Some(Role::Mac)), [keys.mac.as_str()]);
        assert_eq!(texts(&all, None).len(), 3);
        assert_eq!(texts("nothing", None), ["nothing"]);
    }
}
