//! Scrapers beside the visitors: some that ask each second, some that ask and never read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const EVERY: Duration = Duration::from_secs(1);
/// How soon a scraper sees that it is to end.
const GLANCE: Duration = Duration::from_millis(50);

/// They scrape until they are dropped.
pub(super) struct Scrapers {
    end: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
    _hanging: Vec<TcpStream>,
}

impl Scrapers {
    /// `asking` of them ask each second, `hanging` of them ask once and read nothing.
    ///
    /// # Errors
    /// When there is no connection.
    pub(super) fn start(server: &str, key: &str, asking: usize, hanging: usize) -> Result<Self> {
        let request = format!(
            "GET /queue/metrics HTTP/1.1\r\nHost: {server}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
        );
        let (end, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let hanging = (0..hanging).map(|_| ask(server, &request)).collect::<Result<_>>()?;
        let scraper = |_| {
            let (server, request) = (server.to_owned(), request.clone());
            let (end, answers) = (Arc::clone(&end), Arc::clone(&answers));
            std::thread::spawn(move || {
                while !end.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let mut text = String::new();
                    let read = ask(&server, &request).map(|mut stream| stream.read_to_string(&mut text));
                    let well = read.is_ok() && text.contains("ropeline_live_events");
                    answers.fetch_add(u64::from(well), Ordering::Relaxed);
                    while began.elapsed() < EVERY && !end.load(Ordering::Relaxed) {
                        std::thread::sleep(GLANCE);
                    }
                }
            })
        };
        let threads = (0..asking).map(scraper).collect();
        Ok(Self { end, answers, threads, _hanging: hanging })
    }

    /// Good answers so far.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

impl Drop for Scrapers {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn ask(server: &str, request: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(server).with_context(|| format!("no connection to {server}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}
