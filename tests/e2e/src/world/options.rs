//! What a world is made of.

use super::World;

/// What a world is made of.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    pub(super) vars: Vec<(String, String)>,
    pub(super) faults: bool,
    pub(super) services: Vec<(&'static str, u16)>,
    pub(super) signing: Option<String>,
    pub(super) two_isolates: bool,
}

impl Default for WorldOptions {
    fn default() -> Self {
        let vars = vec![("ROPELINE_TRACE".to_owned(), "true".to_owned())];
        Self { vars, faults: false, services: Vec::new(), signing: None, two_isolates: false }
    }
}

impl WorldOptions {
    /// Sets a variable of the Worker.
    #[must_use]
    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Signs with these keys, a private JWK Set, in place of fresh ones.
    #[must_use]
    pub fn signing(mut self, keys: &str) -> Self {
        self.signing = Some(keys.to_owned());
        self
    }

    /// Puts doubles between the Worker and its objects; see [`crate::faults`].
    #[must_use]
    pub fn faults(mut self) -> Self {
        self.faults = true;
        self
    }

    /// A shop on this port of 127.0.0.1, for the gate to stand before.
    #[must_use]
    pub fn shop(self, port: u16) -> Self {
        self.service("ORIGIN", port)
    }

    /// A service on this port of 127.0.0.1, bound under this name.
    #[must_use]
    pub fn service(mut self, binding: &'static str, port: u16) -> Self {
        self.services.push((binding, port));
        self
    }

    /// The Worker runs in two isolates, see [`World::second`].
    #[must_use]
    pub fn two_isolates(mut self) -> Self {
        self.two_isolates = true;
        self
    }

    /// Starts it; comes back when the Worker answers.
    ///
    /// # Panics
    /// When something is missing or does not come up.
    #[must_use]
    pub fn start(self) -> World {
        World::start_with(&self)
    }
}
