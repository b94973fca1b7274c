//! Each key that is given, in its role: by a call that changes nothing.

use reqwest::Method;
use ropeline_report::{Level, Line};
use serde_json::{Value, json};

use super::Keys;
use crate::client::Client;
use crate::failure::Failure;
use crate::secret::{ADMIN, METRICS, ORIGIN, RELAY, Secret};

/// Tries each; answers the events, too, where the admin key opens them.
pub async fn check(client: &Client, keys: &Keys) -> (Vec<Line>, Option<Vec<Value>>) {
    let mut lines = Vec::new();
    let mut events = None;
    match &keys.admin {
        None => lines.push(absent("admin", ADMIN)),
        Some(secret) => {
            let answer = client.with(secret).get("/admin/events").await;
            if let Ok(answer) = &answer {
                events = answer.body.get("events").and_then(Value::as_array).cloned();
            }
            lines.push(judge("admin", answer.map(|_| ())));
        }
    }
    lines.push(tried("origin", ORIGIN, keys.origin.as_ref(), |secret| origin(client.with(secret))).await);
    let relay = |secret: &Secret| get_text(client.with(secret), "/relay/events");
    lines.push(tried("relay", RELAY, keys.relay.as_ref(), relay).await);
    let metrics = |secret: &Secret| get_text(client.with(secret), "/metrics");
    lines.push(match keys.metrics.as_ref() {
        None => absent("metrics", METRICS),
        Some(secret) => match metrics(secret).await {
            Err(Failure::Refused(problem)) if problem.status == 404 => {
                let remedy = "nothing is to be done: this version of the Worker has no metrics";
                Line::new(Level::Note, "key", "metrics", "not looked at: there is no /metrics", remedy)
            }
            answer => judge("metrics", answer),
        },
    });
    (lines, events)
}

async fn get_text(client: Client, path: &str) -> Result<(), Failure> {
    client.get_text(path).await
}

/// The key is looked at first, and a body without an event changes nothing: 400 says that the key is accepted.
async fn origin(client: Client) -> Result<(), Failure> {
    match client.call(Method::POST, "/pace", &[], Some(&json!({}))).await {
        Err(Failure::Refused(problem)) if problem.slug == "malformed-request" => Ok(()),
        other => other.map(|_| ()),
    }
}

async fn tried<'a, F: Future<Output = Result<(), Failure>>>(
    role: &'static str,
    variable: &str,
    secret: Option<&'a Secret>,
    call: impl FnOnce(&'a Secret) -> F,
) -> Line {
    match secret {
        None => absent(role, variable),
        Some(secret) => judge(role, call(secret).await),
    }
}

fn absent(role: &'static str, variable: &str) -> Line {
    let remedy = format!("give it in {variable} to have it looked at");
    Line::new(Level::Note, "key", role, "not looked at: it is not given", remedy)
}

fn judge(role: &'static str, answer: Result<(), Failure>) -> Line {
    let failed = |found: String, remedy: &str| Line::new(Level::Fail, "key", role, found, remedy);
    match answer {
        Ok(_) => Line::ok("key", role, "accepted"),
        Err(Failure::Refused(problem)) if problem.slug == "unauthorized" => {
            let remedy = format!(
                "put its SHA-256 (printf %s \"$KEY\" | sha256sum) under \"{role}\" in ROPELINE_KEYS, or give the key whose hash is there"
            );
            failed("the Worker does not know this key".to_owned(), &remedy)
        }
        Err(Failure::Refused(problem)) if problem.slug == "forbidden" => {
            failed("this key is one of another role".to_owned(), &format!("give the one of the role \"{role}\""))
        }
        Err(failure) => {
            let remedy = failure.remedy().unwrap_or("look into the Worker's log").to_owned();
            failed(failure.to_string(), &remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Problem;

    #[test]
    fn a_key_that_is_unknown_and_one_of_another_role_are_told_apart() {
        let refused = |slug: &str| {
            let body = json!({"type": format!("urn:ropeline:problem:{slug}"), "title": "t", "detail": "d"});
            judge("relay", Err(Failure::Refused(Problem::read(401, &body).unwrap())))
        };
        let (unknown, other) = (refused("unauthorized"), refused("forbidden"));
        assert!(
            unknown.found.contains("does not know") && unknown.remedy.unwrap().contains("\"relay\" in ROPELINE_KEYS")
        );
        assert!(other.found.contains("another role"));
        assert_eq!((unknown.level, other.level, refused("internal").level), (Level::Fail, Level::Fail, Level::Fail));
    }
}
