//! As much of the registry as relays need: is the event busy?

use crate::message::{CallId, Out, Outcome, Request};
use crate::world::World;

/// What the registry has heard. Only the newest stamp counts.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) busy: bool,
    stamp: u64,
}

impl World {
    pub(crate) fn registry_hears(&mut self, call: CallId, request: &Request) {
        let Request::Busy { busy, stamp } = *request else { return };
        if stamp >= self.registry.stamp {
            self.registry.busy = busy;
            self.registry.stamp = stamp;
        }
        self.release(Out::Answer(call, Outcome::Told));
    }
}
