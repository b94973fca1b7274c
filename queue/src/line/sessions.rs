//! Slots in use, by the time at which each is free again.

use std::collections::BTreeMap;

use crate::types::UnixMillis;

/// `used` = sessions with `release_at > clk`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sessions {
    by_release: BTreeMap<UnixMillis, u64>,
    used: u64,
}

impl Sessions {
    /// Frees what is due.
    pub fn advance(&mut self, clk: UnixMillis) {
        while let Some(entry) = self.by_release.first_entry() {
            if *entry.key() > clk {
                break;
            }
            self.used -= entry.remove();
        }
    }

    /// Takes a slot until `release_at`.
    pub fn take(&mut self, release_at: UnixMillis) {
        *self.by_release.entry(release_at).or_default() += 1;
        self.used += 1;
    }

    /// Frees a slot that was taken until `release_at`; nothing when that is past and the slot free already.
    pub fn free(&mut self, release_at: UnixMillis) {
        if let Some(count) = self.by_release.get_mut(&release_at) {
            *count -= 1;
            self.used -= 1;
            if *count == 0 {
                self.by_release.remove(&release_at);
            }
        }
    }

    /// (when, how many): what will be freed, the next first.
    pub fn releases(&self) -> impl Iterator<Item = (UnixMillis, u64)> + '_ {
        self.by_release.iter().map(|(at, count)| (*at, *count))
    }

    /// Slots in use.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_used_until_its_release_and_freed_once() {
        let mut sessions = Sessions::default();
        for at in [10, 10, 20] {
            sessions.take(UnixMillis(at));
        }
        sessions.advance(UnixMillis(9));
        assert_eq!(sessions.used(), 3);
        sessions.free(UnixMillis(10));
        sessions.advance(UnixMillis(10));
        assert_eq!(sessions.used(), 1);
        sessions.free(UnixMillis(10));
        assert_eq!(sessions.used(), 1, "what was free already is not freed again");
        sessions.advance(UnixMillis(20));
        assert_eq!(sessions.used(), 0);
    }

    #[test]
    fn what_will_be_freed_is_known_in_order() {
        let mut sessions = Sessions::default();
        for at in [20, 10, 30, 10] {
            sessions.take(UnixMillis(at));
        }
        sessions.free(UnixMillis(30));
        assert_eq!(sessions.releases().collect::<Vec<_>>(), [(UnixMillis(10), 2), (UnixMillis(20), 1)]);
    }
}
