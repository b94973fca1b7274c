//! `docs/openapi.yaml` as a judge of real answers.
//!
//! An answer fits when its status, media type, headers and body are those of its operation, and the body has no field that the
//! file does not name: clients must ignore unknown fields, but this version may not send any. What was seen is noted, so that at
//! the end everything documented has been seen.

use std::collections::BTreeSet;

use jsonschema::{Draft, Validator};
use ropeline_e2e::{Answer, Method, Value, json};

/// Headers of the transport, and those that the file's description tells for all routes (CORS).
const EVERYWHERE: [&str; 8] = [
    "access-control-allow-origin",
    "access-control-expose-headers",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "transfer-encoding",
    "vary",
];

/// Problems that pass by themselves: they say when to ask again.
const TEMPORARY: [&str; 6] = ["lease-held", "line-full", "not-open-yet", "not-your-turn", "overloaded", "queue-closed"];

/// What was seen, or should be: operation, status, media type or problem.
pub type Sight = (String, String, String);

/// The file.
pub struct Spec {
    document: Value,
    seen: BTreeSet<Sight>,
}

impl Spec {
    /// Reads the file. Objects of answers are closed here: the file leaves them open for later versions.
    pub fn load() -> Self {
        let path = xtask::paths::root().join("docs/openapi.yaml");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut document: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("openapi.yaml: {error}"));
        assert_eq!(document["openapi"], "3.1.0");
        for schema in document["components"]["schemas"].as_object_mut().expect("schemas").values_mut() {
            if schema["type"] == "object" && schema.get("properties").is_some() {
                let object = schema.as_object_mut().expect("a schema");
                object.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Self { document, seen: BTreeSet::new() }
    }

    /// The version that the file is about.
    pub fn version(&self) -> String {
        self.document["info"]["version"].as_str().unwrap_or_default().to_owned()
    }

    /// Everything under a component group, such as `schemas`.
    pub fn component(&self, group: &str, name: &str) -> &Value {
        &self.document["components"][group][name]
    }

    /// Every path with its methods, in the file's spelling.
    pub fn paths(&self) -> Vec<(String, BTreeSet<Method>)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let methods = |item: &Value| {
            let keys = item.as_object().expect("a path item").keys();
            keys.filter(|key| *key != "parameters").map(|key| key.to_uppercase().parse().expect("a method")).collect()
        };
        paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
    }

    /// The file's path for a request's path; a literal segment goes before a parameter.
    pub fn path_of(&self, path: &str) -> Option<String> {
        let path = path.split('?').next().unwrap_or(path);
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |template: &&String| {
            let parts: Vec<&str> = template.split('/').collect();
            parts.len() == segments.len()
                && parts.iter().zip(&segments).all(|(part, segment)| part.starts_with('{') || part == segment)
        };
        let paths = self.document["paths"].as_object().expect("paths");
        paths.keys().filter(fits).min_by_key(|template| template.matches('{').count()).cloned()
    }

    /// Everything that the file says may be answered.
    pub fn promised(&self) -> BTreeSet<Sight> {
        let mut all = BTreeSet::new();
        for (path, methods) in self.paths() {
            for method in methods {
                let operation = &self.document["paths"][&path][method.as_str().to_lowercase()];
                for (status, response) in operation["responses"].as_object().expect("responses") {
                    let response = self.resolve(response);
                    for kind in kinds(&response) {
                        all.insert((format!("{method} {path}"), status.clone(), kind));
                    }
                }
            }
        }
        all
    }

    /// Everything that was seen.
    pub fn seen(&self) -> &BTreeSet<Sight> {
        &self.seen
    }

    /// Holds an answer to the file. Routes that the file does not know, and methods a path does not have, are judged by
    /// the rules for all routes.
    ///
    /// # Panics
    /// With everything that does not fit.
    #[track_caller]
    pub fn judge(&mut self, method: &Method, path: &str, body: Option<&Value>, answer: &Answer) {
        let mut faults = Vec::new();
        self.judge_rules(answer, &mut faults);
        if let Some(template) = self.path_of(path) {
            let pointer = format!("/paths/{}/{}", template.replace('/', "~1"), method.as_str().to_lowercase());
            match self.document.pointer(&pointer).cloned() {
                Some(operation) => {
                    self.judge_response(&format!("{method} {template}"), &operation, answer, &mut faults);
                    self.judge_request(&operation, body, answer, &mut faults);
                }
                None => {
                    let response = self.component("responses", "MethodNotAllowed").clone();
                    if answer.status != 405 {
                        faults.push(format!("{method} is not documented for {template}"));
                    }
                    self.judge_content(&response, answer, &mut faults);
                }
            }
        } else if answer.status != 404 {
            faults.push("the path is not documented".to_owned());
        }
        assert!(
            faults.is_empty(),
            "{method} {path} → {} {:?}\n{}\n  - {}",
            answer.status,
            answer.headers,
            answer.text(),
            faults.join("\n  - ")
        );
    }

    /// The rules that hold for all routes.
    fn judge_rules(&self, answer: &Answer, faults: &mut Vec<String>) {
        for name in ["x-request-id", "cache-control"] {
            if answer.header(name).is_none() {
                faults.push(format!("every answer has {name}"));
            }
        }
        let status = answer.status.as_u16();
        if status >= 400 && media(answer) == "application/problem+json" {
            if answer.json()["status"] != status {
                faults.push("the problem's status is another one".to_owned());
            }
            let slug = slug(answer);
            if TEMPORARY.contains(&slug.as_str()) && answer.header("retry-after").is_none() {
                faults.push(format!("{slug} passes: Retry-After is missing"));
            }
        }
        let place = answer.json();
        if let Some(state) = place.get("state").filter(|_| status < 300 && place.get("poll_after_seconds").is_some()) {
            let after = answer.header("retry-after").and_then(|text| text.parse::<f64>().ok());
            let told = place["poll_after_seconds"].as_f64().unwrap_or_default();
            let expected = (state == "prequeue" || state == "waiting" || state == "called").then(|| told.ceil());
            if after != expected {
                faults
                    .push(format!("Retry-After is {after:?} where poll_after_seconds is {told} and the state {state}"));
            }
            if (told * 10.0).fract().abs() > 1e-6 {
                faults.push(format!("poll_after_seconds has more than one decimal: {told}"));
            }
        }
    }

    fn judge_response(&mut self, operation_id: &str, operation: &Value, answer: &Answer, faults: &mut Vec<String>) {
        let status = answer.status.as_u16();
        let responses = &operation["responses"];
        let key = [status.to_string(), format!("{}XX", status / 100)].into_iter().find(|k| responses.get(k).is_some());
        let Some(key) = key else {
            faults.push(format!("status {status} is not documented"));
            return;
        };
        let response = self.resolve(&responses[&key]);
        self.judge_content(&response, answer, faults);
        let kind = if media(answer) == "application/problem+json" { slug(answer) } else { media(answer) };
        if !kinds(&response).contains(&kind) {
            faults.push(format!("'{kind}' is not documented for {status}"));
        }
        self.seen.insert((operation_id.to_owned(), key, kind));
    }

    fn judge_content(&self, response: &Value, answer: &Answer, faults: &mut Vec<String>) {
        match response.get("content") {
            None if !answer.body.is_empty() || answer.header("content-type").is_some() => {
                faults.push("there should be no body".to_owned());
            }
            None => {}
            Some(content) => {
                let media = media(answer);
                match content.get(&media) {
                    None => faults.push(format!("media type '{media}' is not documented")),
                    Some(of) if media.ends_with("json") => self.judge_json(&of["schema"], &answer.json(), faults),
                    Some(_) => {}
                }
            }
        }
        let named = response["headers"].as_object().cloned().unwrap_or_default();
        for name in answer.headers.keys() {
            let known = named.keys().any(|known| known.eq_ignore_ascii_case(name.as_str()));
            if !known && !EVERYWHERE.contains(&name.as_str()) {
                faults.push(format!("header '{name}' is not documented"));
            }
        }
        for (name, header) in &named {
            let header = self.resolve(header);
            let values: Vec<_> = answer.headers.get_all(name.as_str()).iter().collect();
            if values.is_empty() && header["required"] == true {
                faults.push(format!("header '{name}' is missing"));
            }
            for value in values {
                let value = json!(value.to_str().unwrap_or_default());
                for error in self.validator(&header["schema"]).iter_errors(&value) {
                    faults.push(format!("header '{name}': {error}"));
                }
            }
        }
    }

    fn judge_json(&self, schema: &Value, body: &Value, faults: &mut Vec<String>) {
        for error in self.validator(schema).iter_errors(body) {
            faults.push(format!("body at '{}': {error}", error.instance_path));
        }
    }

    /// What the Worker takes the file allows, and a field that the Worker refuses the file refuses, too.
    fn judge_request(&self, operation: &Value, body: Option<&Value>, answer: &Answer, faults: &mut Vec<String>) {
        let Some(body) = body else { return };
        let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") else {
            if answer.status.is_success() {
                faults.push("a body is not documented".to_owned());
            }
            return;
        };
        let allowed = self.validator(schema).is_valid(body);
        if answer.status.is_success() && !allowed {
            faults.push("the Worker takes a body that the file does not allow".to_owned());
        }
        let problem = answer.json();
        // 'event' must also be the path's: the file cannot say that.
        let field = problem["field"].as_str().filter(|field| *field != "event" && body.get(field).is_some());
        if answer.status == 400 && field.is_some() && allowed {
            faults.push(format!("the Worker refuses '{}', the file allows it", field.unwrap_or_default()));
        }
    }

    /// A validator for a schema of the file, with the file's components at hand.
    pub fn validator(&self, schema: &Value) -> Validator {
        let whole = json!({ "allOf": [schema], "components": self.document["components"] });
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        options.build(&whole).unwrap_or_else(|error| panic!("openapi.yaml: {error} in {schema}"))
    }

    /// Follows a reference; what stands beside it goes before what it leads to.
    fn resolve(&self, value: &Value) -> Value {
        let Some(reference) = value["$ref"].as_str() else { return value.clone() };
        let pointer = reference.strip_prefix('#').expect("a reference within the file");
        let found = self.document.pointer(pointer);
        let mut found = found.unwrap_or_else(|| panic!("openapi.yaml: {reference} leads nowhere")).clone();
        for (key, over) in value.as_object().into_iter().flatten().filter(|(key, _)| *key != "$ref") {
            found[key] = over.clone();
        }
        found
    }
}

/// `Content-Type` without its parameters; empty without a body.
pub fn media(answer: &Answer) -> String {
    let kind = answer.header("content-type").unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_owned()
}

/// Which problem an answer is.
pub fn slug(answer: &Answer) -> String {
    let body = answer.json();
    let kind = body["type"].as_str().unwrap_or_default();
    kind.strip_prefix("urn:ropeline:problem:").unwrap_or_default().to_owned()
}

/// What a response may be: its media types or, for problems, the slugs in its description.
fn kinds(response: &Value) -> Vec<String> {
    match response["content"].as_object() {
        None => vec![String::new()],
        Some(content) if content.contains_key("application/problem+json") => {
            let description = response["description"].as_str().unwrap_or_default();
            let slugs: Vec<_> = description.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            assert!(!slugs.is_empty(), "openapi.yaml: no problem is named in '{description}'");
            slugs
        }
        Some(content) => content.keys().cloned().collect(),
    }
}
