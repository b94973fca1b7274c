//! What a path, a query or a field names: event ids, visitor keys, subjects, times, the `jti` of a pass. Each has one text, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropeline_queue::{EventId, Subject, UnixMillis, hex};
use ropeline_ticket::{parse_pass_jti, pass_jti};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(event) = EventId::parse(text) {
        assert_eq!(event.to_string(), text);
        assert!(
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        );
    }
    if let Ok(subject) = Subject::of_visitor(&[7; 32], text) {
        assert_eq!(Subject::parse(&subject.to_string()), Ok(subject));
        assert!((22..=128).contains(&text.len()) && text.is_ascii());
    }
    if let Ok(subject) = Subject::parse(text) {
        assert_eq!(subject.to_string(), text);
    }
    if let Some((event, seq)) = parse_pass_jti(text) {
        assert_eq!(pass_jti(event, seq), text);
        assert!(seq > 0 && EventId::parse(event).is_ok());
    }
    if let Some(time) = UnixMillis::parse_rfc3339(text) {
        assert_eq!(UnixMillis::parse_rfc3339(&time.rfc3339()), Some(time), "{text}");
    }
    if let Some(bytes) = hex::decode::<32>(text) {
        assert!(hex::encode(&bytes).eq_ignore_ascii_case(text));
    }
});
