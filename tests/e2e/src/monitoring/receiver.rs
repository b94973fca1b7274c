//! What stands where Slack, the dead man's switch and systemd's socket would be: it keeps what it gets, and starts the recovery.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;

use crate::lock;

/// One message as it came.
#[derive(Debug, Clone)]
pub struct Message {
    /// When.
    pub at: Instant,
    /// What it was posted to: `/slack`, `/watchdog`.
    pub path: String,
    /// What it says.
    pub body: Value,
}

impl Message {
    /// All that a person would read.
    #[must_use]
    pub fn text(&self) -> String {
        let attachment = &self.body["attachments"][0];
        let parts = [&self.body["text"], &attachment["title"], &attachment["text"]];
        parts.iter().filter_map(|part| part.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// A server that keeps what is posted to it.
#[derive(Debug)]
pub struct Receiver {
    /// Where it is.
    pub port: u16,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    /// Starts one, which ends with the process.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let messages = Arc::<Mutex<Vec<Message>>>::default();
        let kept = Arc::clone(&messages);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || keep(stream, &kept));
            }
        });
        Self { port, messages }
    }

    /// All messages, or those from a moment on.
    #[must_use]
    pub fn since(&self, from: Instant) -> Vec<Message> {
        lock(&self.messages).iter().filter(|message| message.at >= from).cloned().collect()
    }

    /// The first message from `from` on that is meant.
    #[must_use]
    pub fn first(&self, from: Instant, is_meant: impl Fn(&Message) -> bool) -> Option<Message> {
        self.since(from).into_iter().find(is_meant)
    }
}

fn keep(stream: TcpStream, kept: &Mutex<Vec<Message>>) {
    let read = || -> std::io::Result<(String, Vec<u8>)> {
        let mut reader = BufReader::new(&stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")?;
        Ok((path, body))
    };
    if let Ok((path, body)) = read() {
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        lock(kept).push(Message { at: Instant::now(), path, body });
    }
}

/// `ops/recovery/ropeline-recover` behind a port, started for each connection as systemd's socket unit does.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// Its settings, by their names in the environment.
    pub settings: Vec<(&'static str, String)>,
    /// What it says.
    pub log: PathBuf,
}

impl Recovery {
    /// Starts it, to end with the process; where it is.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(self) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let this = self.clone();
                std::thread::spawn(move || this.handle(stream));
            }
        });
        port
    }

    fn handle(&self, stream: TcpStream) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log).expect("a log");
        let output = stream.try_clone().expect("the connection");
        let status = Command::new("/bin/sh")
            .arg(xtask::paths::root().join("ops/recovery/ropeline-recover"))
            .envs(self.settings.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::from(OwnedFd::from(stream)))
            .stdout(Stdio::from(OwnedFd::from(output)))
            .stderr(log)
            .status();
        status.expect("ops/recovery/ropeline-recover needs a POSIX shell, curl, awk and flock");
    }
}
