//! Machines of their own on this one: network namespaces ([`Machine`]), joined by bridges as containers are ([`Lan`]).
//!
//! Whatever is started inside [`Machine::within`] is in that machine: sockets, programs, and the threads they start. The bridges are in a
//! namespace, too, so that nothing here has an interface, an address or a route on the machine that runs the tests.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

mod lan;
pub mod project;

pub use lan::{Lan, Rate};

/// How all that we make is called, and by which process.
const PREFIX: &str = "ropeline-test-";

/// Where `ip netns` keeps them.
const NAMESPACES: &str = "/run/netns";

/// What to do when namespaces cannot be made.
const HOW_TO_MAY: &str = "these tests put programs into network namespaces. That needs Linux and the rights CAP_SYS_ADMIN and \
     CAP_NET_ADMIN: `cargo xtask test e2e` has them run in a user namespace, `sudo -E cargo test …` as root";

/// A network namespace, with its loopback up. Gone when dropped; what was started in it should be gone before.
#[derive(Debug)]
pub struct Machine {
    name: String,
}

impl Machine {
    /// A new one.
    ///
    /// # Panics
    /// When it cannot be made, with what is needed for that.
    #[must_use]
    pub fn new(role: &str) -> Self {
        sweep();
        let name = format!("{PREFIX}{}-{}-{role}", std::process::id(), count());
        ip(&["netns", "add", &name]);
        let machine = Self { name };
        machine.ip(&["link", "set", "lo", "up"]);
        machine
    }

    /// Does `work` there, in a thread of its own.
    ///
    /// # Panics
    /// When `work` does, or the namespace cannot be entered.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let space = std::fs::File::open(Path::new(NAMESPACES).join(&self.name)).expect("the namespace");
        let inside = || {
            let entered = move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network));
            entered.unwrap_or_else(|error| panic!("cannot enter {}: {error}; {HOW_TO_MAY}", self.name));
            work()
        };
        std::thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Sets a kernel parameter of its network: `net.core.somaxconn`.
    ///
    /// # Panics
    /// When the kernel does not take it.
    pub fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        self.within(|| std::fs::write(&path, value)).unwrap_or_else(|error| panic!("{name} = {value}: {error}"));
    }

    /// A counter of its `/proc/net/netstat`, such as `ListenOverflows` of `TcpExt`.
    ///
    /// # Panics
    /// When there is none of this name.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        // Not /proc/net: that is the network of the process, whatever thread asks.
        let text = self.within(|| std::fs::read_to_string("/proc/thread-self/net/netstat")).expect("netstat");
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let value = lines.chunks(2).find_map(|pair| {
            let [names, values] = pair else { return None };
            let at = names.iter().position(|found| *found == name)?;
            values.get(at)?.parse().ok()
        });
        value.unwrap_or_else(|| panic!("the kernel does not count {name}"))
    }

    /// How many connections may wait to be accepted by whoever listens on this port of it, as the kernel has it.
    ///
    /// # Panics
    /// When nobody listens there.
    #[must_use]
    pub fn backlog(&self, port: u16) -> u64 {
        let filter = format!("sport = :{port}");
        let text = self.within(|| run("ss", &["--no-header", "--listening", "--tcp", "--numeric", &filter]));
        // State, received, sent, …: of a listener the second number is the backlog.
        let found = text.lines().next().and_then(|line| line.split_whitespace().nth(2)?.parse().ok());
        found.unwrap_or_else(|| panic!("nobody listens on port {port} of {}: {text}", self.name))
    }

    fn ip(&self, words: &[&str]) {
        ip(&[&["-n", &self.name], words].concat());
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Takes away what processes left that were killed.
fn sweep() {
    for entry in std::fs::read_dir(NAMESPACES).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            remove(&name);
        }
    }
}

fn remove(name: &str) {
    // Another process may have swept it.
    let _ = Command::new("ip").args(["netns", "del", name]).output();
}

fn count() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

fn ip(words: &[&str]) {
    run("ip", words);
}

/// A program of iproute2.
fn run(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| {
        panic!("{program}: {error}; it is part of iproute2: Debian and Ubuntu `apt install iproute2`; {HOW_TO_MAY}")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {}; {HOW_TO_MAY}", words.join(" "), said.trim());
    String::from_utf8_lossy(&output.stdout).into_owned()
}
