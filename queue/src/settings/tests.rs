use serde_json::json;

use super::*;
use crate::json;

fn demo() -> EventId {
    EventId::parse("demo").unwrap()
}

fn with(body: Value) -> Result<Settings, SettingsError> {
    Settings::defaults(&demo()).with(&demo(), body.as_object().unwrap())
}

#[test]
fn what_is_missing_is_defaulted() {
    let settings = with(json!({})).unwrap();
    assert_eq!((settings.name.as_str(), settings.audience.as_str()), ("demo", "demo"));
    assert_eq!((settings.total_active_users, settings.lanes, settings.max_unacked), (200, 4, 1_000_000));
}

#[test]
fn what_was_read_can_be_written_back() {
    let settings = with(json!({
        "name": "Seoul, 20:00", "total_active_users": 1000, "lanes": 8, "return_url": "http://127.0.0.1:8788/enter-shop",
        "allowed_origins": ["https://shop.example", "http://[::1]:8080"], "topic": "sale.admissions", "location_hint": "apac",
    }))
    .unwrap();
    let body = serde_json::to_value(&settings).unwrap();
    assert_eq!(with(body).unwrap(), settings);
}

#[test]
fn null_gives_the_default_back() {
    let set = with(json!({"new_users_per_minute": 7, "message": "hello", "topic": "t"})).unwrap();
    let back = json!({"new_users_per_minute": null, "message": null, "topic": null});
    assert_eq!(set.with(&demo(), back.as_object().unwrap()).unwrap(), Settings::defaults(&demo()));
}

#[test]
fn every_value_out_of_bounds_is_refused_by_name() {
    for (field, bad) in [
        ("name", json!("")),
        ("name", json!("tab\there")),
        ("name", json!(5)),
        ("total_active_users", json!(0)),
        ("total_active_users", json!(1_000_001)),
        ("total_active_users", json!(1.5)),
        ("new_users_per_minute", json!("200")),
        ("new_users_per_minute", json!(-1)),
        ("session_duration_seconds", json!(9)),
        ("session_duration_seconds", json!(1801)),
        ("disable_session_renewal", json!("yes")),
        ("queueing_method", json!("random")),
        ("queueing_method", json!(1)),
        ("queueing_status_code", json!(500)),
        ("lanes", json!(3)),
        ("lanes", json!(512)),
        ("location_hint", json!("moon")),
        ("max_line_length", json!(0)),
        ("max_unacked", json!(1_000_001)),
        ("audience", json!("")),
        ("return_url", json!("javascript:alert(1)")),
        ("return_url", json!("https://shop.example/\"><script>")),
        ("return_url", json!("//shop.example")),
        ("return_url", json!("https://user@shop.example/")),
        ("allowed_origins", json!("https://shop.example")),
        ("allowed_origins", json!(["https://shop.example/"])),
        ("allowed_origins", json!(["*"])),
        ("message", json!("x".repeat(1_001))),
        ("page", json!("<!doctype html>")),
        ("brand", json!("#2350d8")),
        ("brand.accent", json!({"accent": "#ffd400"})),
        ("public_counts", json!(1)),
        ("queue_all", json!("no")),
        ("suspended", json!(0)),
        ("sold_out", json!([])),
        ("shuffle_at_event_start", json!("true")),
        ("test", json!(1)),
        ("event_start_time", json!("tomorrow")),
        ("event_start_time", json!(1_795_376_024_000_u64)),
        ("prequeue_start_time", json!("2026-11-22T20:00:00")),
        ("event_end_time", json!("20260-11-22T20:00:00Z")),
        ("event_end_time", json!("2100-01-01T00:00:00Z")),
        ("topic", json!("")),
        ("topic", json!(".")),
        ("topic", json!("..")),
        ("topic", json!("x".repeat(250))),
        ("topic", json!("a b")),
    ] {
        let error = with(json!({ field.split('.').next().unwrap(): bad })).unwrap_err();
        assert!(matches!(&error, SettingsError::Invalid { field: named, .. } if named == field), "{field}: {error}");
    }
}

#[test]
fn a_door_is_none_unless_it_is_said_and_settings_from_before_there_were_doors_have_none() {
    assert_eq!(with(json!({"door": "turnstile"})).unwrap().door, Door::Turnstile);
    assert_eq!(with(json!({"door": null})).unwrap().door, Door::None);
    let error = with(json!({"door": "revolving"})).unwrap_err();
    assert_eq!(error.to_string(), "'door' must be one of 'none', 'turnstile'");
    let mut stored: Value = json::read(&json::write(&with(json!({})).unwrap())).unwrap();
    assert_eq!(stored.as_object_mut().unwrap().remove("door"), Some(json!("none")));
    assert_eq!(json::read::<Settings>(&stored.to_string()).unwrap(), with(json!({})).unwrap());
}

#[test]
fn accounts_need_the_keys_of_whoever_vouches_for_them() {
    let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43), "kid": "one"}]});
    let asserted = with(json!({"visitor_identity": "asserted", "visitor_keys": keys})).unwrap();
    assert_eq!(asserted.visitor_identity, VisitorIdentity::Asserted);
    assert_eq!(json::read::<Settings>(&json::write(&asserted)).unwrap(), asserted);
    let again =
        asserted.clone().with(&demo(), json!({"visitor_identity": null, "visitor_keys": null}).as_object().unwrap());
    assert_eq!(again.unwrap(), with(json!({})).unwrap());
    for (body, error) in [
        (json!({"visitor_identity": "asserted"}), "'visitor_identity' 'asserted' needs visitor_keys"),
        (json!({"visitor_keys": keys}), "'visitor_keys' have no meaning without"),
        (json!({"visitor_identity": "e-mail"}), "'visitor_identity' must be one of 'secret', 'asserted'"),
        (json!({"visitor_identity": "asserted", "visitor_keys": []}), "'visitor_keys' must be null or an object with"),
        (
            json!({"visitor_identity": "asserted", "visitor_keys": {"keys": [{"kty": "RSA"}]}}),
            "'visitor_keys.keys[0].kty' must be",
        ),
    ] {
        let told = with(body).unwrap_err().to_string();
        assert!(told.starts_with(error), "{told}");
    }
    let mut stored: Value = json::read(&json::write(&with(json!({})).unwrap())).unwrap();
    stored.as_object_mut().unwrap().remove("visitor_identity");
    stored.as_object_mut().unwrap().remove("visitor_keys");
    assert_eq!(json::read::<Settings>(&stored.to_string()).unwrap(), with(json!({})).unwrap());
}

#[test]
fn a_setting_that_there_is_not_is_refused_by_name() {
    assert!(matches!(with(json!({"nmae": "x"})).unwrap_err(), SettingsError::Unknown { field } if field == "nmae"));
}

#[test]
fn settings_that_contradict_each_other_are_refused_by_name() {
    let (early, late) = ("2026-11-22T19:00:00Z", "2026-11-22T20:00:00Z");
    for (field, body) in [
        ("prequeue_start_time", json!({"prequeue_start_time": early})),
        ("prequeue_start_time", json!({"prequeue_start_time": late, "event_start_time": early})),
        ("prequeue_start_time", json!({"prequeue_start_time": late, "event_start_time": late})),
        ("event_end_time", json!({"event_start_time": late, "event_end_time": early})),
        ("event_end_time", json!({"event_start_time": late, "event_end_time": late})),
        ("shuffle_at_event_start", json!({"shuffle_at_event_start": true})),
        ("shuffle_at_event_start", json!({"shuffle_at_event_start": true, "event_start_time": late})),
        (
            "shuffle_at_event_start",
            json!({"shuffle_at_event_start": true, "prequeue_start_time": early, "event_start_time": late,
                "queueing_method": "passthrough"}),
        ),
        ("suspended", json!({"suspended": true, "sold_out": true})),
        ("suspended", json!({"suspended": true, "queue_all": true})),
    ] {
        let error = with(body.clone()).unwrap_err();
        assert!(
            matches!(&error, SettingsError::Contradiction { field: named, .. } if *named == field),
            "{body}: {error}"
        );
        assert!(error.to_string().contains(&format!("'{field}'")));
    }
    with(
        json!({"prequeue_start_time": early, "event_start_time": late, "event_end_time": "2026-11-23T05:00:00+09:00"}),
    )
    .unwrap_err();
    with(json!({"prequeue_start_time": early, "event_start_time": late, "shuffle_at_event_start": true})).unwrap();
}

#[test]
fn an_event_can_be_ended_now_but_not_by_a_slip_of_the_pen() {
    let settings = with(json!({"event_end_time": "2026-11-22T20:00:00Z"})).unwrap();
    let end = settings.event_end_time.unwrap();
    settings.check_times(UnixMillis(end.get() - 1)).unwrap();
    settings.check_times(end.plus(PAST_END_MS)).unwrap();
    assert_eq!(settings.check_times(end.plus(PAST_END_MS + 1)).unwrap_err().field(), "event_end_time");
}

#[test]
fn settings_stored_by_an_earlier_version_are_read_with_the_defaults_of_what_is_new() {
    let mut stored = serde_json::to_value(Settings::defaults(&demo())).unwrap();
    for new in [
        "queue_all",
        "suspended",
        "sold_out",
        "prequeue_start_time",
        "event_start_time",
        "event_end_time",
        "shuffle_at_event_start",
        "gate",
        "brand",
        "page",
        "test",
    ] {
        assert!(stored.as_object_mut().unwrap().remove(new).is_some(), "{new}");
    }
    assert_eq!(json::read::<Settings>(&stored.to_string()), Ok(Settings::defaults(&demo())));
}

#[test]
fn every_queueing_method_can_be_set_and_taken_back() {
    for (text, method) in [
        ("fifo", QueueingMethod::Fifo),
        ("passthrough", QueueingMethod::Passthrough),
        ("reject", QueueingMethod::Reject),
    ] {
        let set = with(json!({ "queueing_method": text })).unwrap();
        assert_eq!(set.queueing_method, method);
        let back = set.with(&demo(), json!({ "queueing_method": null }).as_object().unwrap()).unwrap();
        assert_eq!(back.queueing_method, QueueingMethod::Fifo);
    }
}

#[test]
fn each_of_the_switches_that_contradict_each_other_can_be_set_alone() {
    for switch in ["suspended", "sold_out", "queue_all"] {
        with(json!({ switch: true })).unwrap();
    }
    with(json!({"sold_out": true, "queue_all": true})).unwrap();
}

#[test]
fn a_gate_is_merged_taken_away_and_refused_by_its_part() {
    let set = with(json!({"gate": {"hosts": ["shop.example"], "protect": ["/checkout"]}})).unwrap();
    let change = |gate: Value| set.clone().with(&demo(), json!({ "gate": gate }).as_object().unwrap());
    let merged = change(json!({"open_paths": ["/healthz"]})).unwrap().gate.unwrap();
    assert_eq!((merged.hosts.len(), merged.protect.len(), merged.open_paths.len()), (1, 1, 1));
    assert_eq!(change(json!(null)).unwrap().gate, None);
    assert_eq!(change(json!({"hosts": ["*"]})).unwrap_err().field(), "gate.hosts");
    assert_eq!(change(json!("shop.example")).unwrap_err().field(), "gate");
}

#[test]
fn an_origin_is_a_host_and_perhaps_a_port() {
    for good in [
        "https://shop.example",
        "http://shop-2.example:8080",
        "http://[::1]",
        "http://[::ffff:127.0.0.1]",
        "http://[2001:db8::1]:65535",
    ] {
        assert_eq!(with(json!({ "allowed_origins": [good] })).unwrap().allowed_origins, [good]);
    }
    for bad in [
        "https://",
        "https://:443",
        "https://shop.example:0",
        "https://shop.example:65536",
        "https://shop.example:",
        "https://Shop.example",
        "http://[]",
        "http://[zz]",
        "http://[::1",
        "ftp://shop.example",
    ] {
        assert_eq!(with(json!({ "allowed_origins": [bad] })).unwrap_err().field(), "allowed_origins", "{bad}");
    }
}
