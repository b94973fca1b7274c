//! Ways around a gate, and rules as operators write them.

use serde_json::json;

use super::*;

fn gate(body: &Value) -> Gate {
    Gate::default().with(body.as_object().unwrap()).unwrap()
}

fn shop() -> Gate {
    gate(&json!({
        "hosts": ["shop.example"],
        "open_paths": ["/healthz", "/static/*", "/hooks/stripe", "/공연/*"],
    }))
}

/// Whether a request with this path gets to the shop without a pass.
fn gets_through(gate: &Gate, path: &str) -> bool {
    PlainPath::of(path).is_ok_and(|path| gate.protects(&path).is_none() || gate.opens(&path))
}

#[test]
fn open_paths_are_open() {
    let shop = shop();
    for path in [
        "/healthz",
        "/healthz/",
        "/HealthZ",
        "//healthz",
        "/./healthz",
        "/x/../healthz",
        "/static",
        "/static/",
        "/static/app.js",
        "/static/a/b/..",
        "/%73tatic/app.js",
        "/static/with%20space.png",
        "/static/a;v=1",
        "/hooks/stripe",
        "/%EA%B3%B5%EC%97%B0/1",
        "/static/100%25.png",
    ] {
        assert!(gets_through(&shop, path), "{path}");
    }
}

#[test]
fn no_way_of_writing_a_path_gets_around() {
    let shop = shop();
    for path in [
        "/",
        "",
        "/checkout",
        "/healthzz",
        "/healthz/more",
        "/healthz.json",
        "/staticx",
        "/static.html",
        "/hooks",
        "/hooks/stripe/../paypal",
        "/hooks/stripe2",
        "/static/../checkout",
        "/static/./../checkout",
        "/static//../checkout",
        "/static/a/../../checkout",
        "/static/%2e%2e/checkout",
        "/static/%2E%2E/checkout",
        "/static/.%2e/checkout",
        "/static/%2e./checkout",
        "/static/..%2fcheckout",
        "/static/..%2Fcheckout",
        "/static%2f..%2fcheckout",
        "/static/..%5ccheckout",
        "/static/..%5Ccheckout",
        "/static/..\\checkout",
        "\\checkout",
        "/static/%252e%252e/checkout",
        "/static/%252E%252E%252Fcheckout",
        "/static/..%252fcheckout",
        "/static/..%255ccheckout",
        "/static/%25%32%65%25%32%65/checkout",
        "/static/..;/checkout",
        "/static/..;a=b/checkout",
        "/static/.;/../checkout",
        "/checkout/..;/static/app.js",
        "/checkout/..;a=b/static/app.js",
        "/static/;/../../checkout",
        "/static/%3b/../../checkout",
        "/static/..%3b/checkout",
        "/;/static/../checkout",
        // To an origin without path parameters the semicolon is part of the name, and this is not below /static.
        "/static;v=1/orders",
        "/static%3bv=1/orders",
        "/static%3b",
        "/static/..%00/checkout",
        "/static/app.js%00/../../checkout",
        "/static/a%0d%0aX: y",
        "/static/%c0%ae%c0%ae/checkout",
        "/static/%c0%af../checkout",
        "/static/%ff",
        "/static/%u002e%u002e/checkout",
        "/static/%",
        "/static/%2",
        "/static/%zz",
        "/checkout/../static/../checkout",
        "/checkout;/static/",
        "/checkout/static/app.js",
        "/checkout?/static/",
        "/CHECKOUT",
        "/%63heckout",
        "//checkout",
        "/./checkout",
        "/static/../static/../checkout",
        "/../checkout",
        "/static/%2e%2e%2fcheckout",
    ] {
        assert!(!gets_through(&shop, path), "{path}");
    }
}

#[test]
fn listed_paths_are_protected_however_they_are_written_and_whatever_follows() {
    let shop = gate(
        &json!({"hosts": ["shop.example"], "protect": ["/checkout", "/Api/Orders/"], "open_paths": ["/checkout/terms"]}),
    );
    for path in [
        "/checkout",
        "/checkout/",
        "/checkout/pay",
        "/CHECKOUT",
        "/%63heckout",
        "//checkout",
        "/./checkout",
        "/a/../checkout",
        "/checkout.json",
        "/checkout;jsessionid=1",
        "/checkout/terms/more",
        "/api/orders",
        "/api//orders/1",
        "/API/ORDERS",
    ] {
        assert!(!gets_through(&shop, path), "{path}");
    }
    for path in ["/", "/about", "/checkout/terms", "/api", "/check", "/x/checkout"] {
        assert!(gets_through(&shop, path), "{path}");
    }
}

#[test]
fn the_longest_rule_says_which_event_it_is() {
    let all = shop();
    let some = gate(&json!({"hosts": ["shop.example"], "protect": ["/a", "/a/b"]}));
    let path = PlainPath::of("/a/b/c").unwrap();
    assert_eq!((all.protects(&path), some.protects(&path)), (Some(0), Some(4)));
    assert_eq!(some.protects(&PlainPath::of("/b").unwrap()), None);
}

#[test]
fn hosts_are_names() {
    let shop = shop();
    assert!(shop.has_host("shop.example") && shop.has_host("SHOP.example"));
    for other in ["shop.example.", "shop.example:80", "www.shop.example", "shop.example.evil", ""] {
        assert!(!shop.has_host(other), "{other}");
    }
}

#[test]
fn a_part_of_a_gate_can_be_changed_alone_and_taken_back() {
    let with = |gate: Gate, body: Value| gate.with(body.as_object().unwrap()).unwrap();
    let open = with(shop(), json!({"when_unsure": "open", "open_paths": null}));
    assert_eq!(open, Gate { when_unsure: WhenUnsure::Open, open_paths: Vec::new(), ..shop() });
    for closed in [json!("closed"), json!(null)] {
        assert_eq!(with(open.clone(), json!({"when_unsure": closed})).when_unsure, WhenUnsure::Closed);
    }
}

#[test]
fn an_open_path_may_be_written_with_a_slash_at_its_end_and_be_the_root() {
    let shop = gate(&json!({"hosts": ["my-shop2.example"], "open_paths": ["/healthz/", "/"]}));
    assert!(["/healthz", "/healthz/", "/"].iter().all(|path| gets_through(&shop, path)));
    assert!(["/healthz/x", "/x", "/health"].iter().all(|path| !gets_through(&shop, path)));
}

#[test]
fn what_is_wrong_with_a_gate_is_said_by_its_part() {
    for (part, body) in [
        ("hosts", json!({})),
        ("hosts", json!({"hosts": []})),
        ("hosts", json!({"hosts": "shop.example"})),
        ("hosts", json!({"hosts": ["https://shop.example"]})),
        ("hosts", json!({"hosts": ["shop.example:8080"]})),
        ("hosts", json!({"hosts": ["*.example"]})),
        ("hosts", json!({"hosts": ["-a.example"]})),
        ("hosts", json!({"hosts": vec!["a"; MOST_HOSTS + 1]})),
        ("protect", json!({"hosts": ["a"], "protect": ["checkout"]})),
        ("protect", json!({"hosts": ["a"], "protect": ["/a/*"]})),
        ("protect", json!({"hosts": ["a"], "protect": [7]})),
        ("open_paths", json!({"hosts": ["a"], "open_paths": ["/a/../b"]})),
        ("open_paths", json!({"hosts": ["a"], "open_paths": ["/a*"]})),
        ("open_paths", json!({"hosts": ["a"], "open_paths": ["/*/b"]})),
        ("open_paths", json!({"hosts": ["a"], "open_paths": ["/%61"]})),
        ("open_paths", json!({"hosts": ["a"], "open_paths": [format!("/{}", "a".repeat(LONGEST_PATH))]})),
        ("when_unsure", json!({"hosts": ["a"], "when_unsure": "maybe"})),
        ("paths", json!({"hosts": ["a"], "paths": []})),
    ] {
        let (named, expected) = Gate::default().with(body.as_object().unwrap()).unwrap_err();
        assert_eq!(named, format!("gate.{part}"), "{body}");
        assert!(!expected.is_empty());
    }
}

#[test]
fn a_path_that_is_another_one_when_it_is_decoded_late_or_twice_is_refused() {
    for path in [
        "/secret/%2e%2e/static/app.js",
        "/secret/.%2e/static/app.js",
        "/static/%2e/app.js",
        "/%2563heckout",
        "/static/%2541",
        "/%252563heckout",
        "/static/%25%36%33heckout",
    ] {
        assert_eq!(PlainPath::of(path), Err(Ambiguous), "{path}");
    }
    for path in ["/static/100%25.png", "/static/100%25", "/static/%25zz"] {
        assert!(PlainPath::of(path).is_ok(), "{path}");
    }
}
