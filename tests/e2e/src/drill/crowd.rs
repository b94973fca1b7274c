//! Visitors who come one after the other, are let in at once, and go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use xtask::http::Client;

use crate::lock;
use crate::scene::enter;

/// They come until it is dropped.
pub(super) struct Crowd {
    /// When somebody entered, and how long that took.
    took: Arc<Mutex<Vec<(Instant, Duration)>>>,
    over: Arc<AtomicBool>,
}

impl Crowd {
    pub(super) fn start(authority: &str) -> Self {
        let crowd = Self { took: Arc::default(), over: Arc::default() };
        for _ in 0..4 {
            let (authority, over, took) = (authority.to_owned(), Arc::clone(&crowd.over), Arc::clone(&crowd.took));
            tokio::spawn(async move {
                let mut client = Client::new(&authority).patience(Duration::from_secs(5));
                while !over.load(Ordering::Relaxed) {
                    let at = Instant::now();
                    if enter(&mut client).await {
                        lock(&took).push((at, at.elapsed()));
                    } else {
                        client = Client::new(&authority).patience(Duration::from_secs(5));
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
        }
        crowd
    }

    /// The slowest hundredth of the enters that were answered in this time, and how many there were.
    pub(super) fn p99(&self, from: Instant, to: Instant) -> (Duration, usize) {
        let log = lock(&self.took);
        let mut took: Vec<_> = log.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, took)| *took).collect();
        took.sort_unstable();
        (took.get(took.len() * 99 / 100).copied().unwrap_or_default(), took.len())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
