//! The body of PUT and PATCH: an event's settings. What is taken can be written and is taken again, as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropeline_queue::settings::Settings;
use ropeline_queue::{EventId, UnixMillis};
use serde_json::{Map, Value};

fuzz_target!(|data: &[u8]| {
    let Ok(body) = serde_json::from_slice::<Map<String, Value>>(data) else { return };
    let Ok(event) = EventId::parse("demo") else { return };
    match Settings::defaults(&event).with(&event, &body) {
        Ok(settings) => {
            let _ = settings.check_times(UnixMillis(1_795_374_000_000));
            let written = serde_json::to_value(&settings).expect("JSON");
            let written = written.as_object().expect("an object");
            let again = Settings::defaults(&event).with(&event, written).expect("what was written");
            assert_eq!(again, settings);
        }
        // The problem names the field, and shows it.
        Err(error) => assert!(!error.to_string().is_empty() && error.field().len() <= data.len()),
    }
});
