//! Addresses and answers.

use serde_json::json;

use super::*;

fn global(url: &str, prefix: &str) -> Global {
    Global { url: Some(url.to_owned()), prefix: prefix.to_owned(), key_file: None, json: false, timeout: 1 }
}

#[test]
fn an_address_a_key_must_not_go_to_is_refused() {
    for good in
        ["https://queue.example.com", "https://queue.example.com:8443/", "http://localhost:8787", "http://[::1]:1"]
    {
        assert!(Client::public(&global(good, "/queue")).is_ok(), "{good}");
    }
    for bad in [
        "",
        "queue.example.com",
        "ftp://a",
        "http://queue.example.com",
        "https://a/queue",
        "https://a?b",
        "https://u:p4ss@a",
    ] {
        let failure = Client::public(&global(bad, "/queue")).unwrap_err();
        assert_eq!(failure.exit_code(), 2, "{bad}");
        assert!(!failure.to_string().contains("p4ss"), "{failure}");
    }
    for bad in ["queue", "/", "", "/queue/", "/Queue", "/a/../b"] {
        assert_eq!(Client::public(&global("https://a", bad)).unwrap_err().exit_code(), 2, "{bad}");
    }
    assert_eq!(Client::public(&global("https://a/", "/q")).unwrap().base(), "https://a/q");
}

#[test]
fn what_answers_is_told_apart() {
    let problem = |slug: &str| json!({"type": format!("urn:ropeline:problem:{slug}"), "title": "t", "detail": "d"});
    let code = |status: u16, kind: &'static str, body: Value| {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        refusal("https://a/queue/x", StatusCode::from_u16(status).unwrap(), &headers, &body).exit_code()
    };
    assert_eq!(code(404, "application/problem+json", problem("unknown-event")), 3);
    assert_eq!(code(412, "application/problem+json", problem("precondition-failed")), 4);
    assert_eq!(code(503, "application/problem+json", problem("overloaded")), 5);
    assert_eq!(code(404, "text/html", Value::Null), 5);
    assert_eq!(code(404, "application/json", problem("unknown-event")), 5);
    assert_eq!(code(302, "text/html", Value::Null), 5);
}

#[test]
fn debug_shows_no_key() {
    let path = std::env::temp_dir().join(format!("ropeline-client-{}", std::process::id()));
    std::fs::write(&path, "5ecret\n").unwrap();
    let client = Client::admin(&Global { key_file: Some(path.clone()), ..global("https://a", "/queue") }).unwrap();
    std::fs::remove_file(path).unwrap();
    assert!(client.bearer.is_some());
    assert!(!format!("{client:?}").contains("5ecret"));
}
