//! Programs that never outlive us, and ports.
//!
//! Every child gets its own process group and no stdin. It is killed on drop,
//! on SIGINT and SIGTERM (once [`stop_children_on_signals`] was called), and by
//! a watchdog even when we are killed with SIGKILL: the watchdog is a shell that
//! reads a pipe which only we hold open, and kills the group at its end.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// Process groups that are ours and alive.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A signal to us and one to our group, from the same press of Ctrl-C or the same `timeout`.
const ONE_PRESS: Duration = Duration::from_secs(1);

/// A running program with its whole process group.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    watchdog: Child,
    log: Option<PathBuf>,
}

/// Where a program's output goes.
#[derive(Debug, Clone, Copy)]
pub enum Output<'a> {
    /// Ours: the person at the terminal sees it.
    Inherit,
    /// stdout can be taken by the caller, stderr is ours.
    Piped,
    /// Both are appended to a file.
    Log(&'a Path),
}

impl Process {
    /// Starts `command` in a group of its own, without stdin.
    ///
    /// # Errors
    /// When the program cannot be started or its log cannot be opened.
    pub fn spawn(name: &str, command: &mut Command, output: Output<'_>) -> Result<Self> {
        command.stdin(Stdio::null()).process_group(0);
        let mut log = None;
        match output {
            Output::Inherit => {}
            Output::Piped => {
                command.stdout(Stdio::piped());
            }
            Output::Log(path) => {
                let file = open_log(path)?;
                command.stdout(file.try_clone()?).stderr(file);
                log = Some(path.to_path_buf());
            }
        }
        let program = command.get_program().to_os_string();
        let child = command.spawn().with_context(|| format!("cannot start {name} ({})", program.to_string_lossy()))?;
        let group = group_of(&child);
        register(group);
        let watchdog = watchdog(group)?;
        Ok(Self { name: name.to_owned(), child, watchdog, log })
    }

    /// The program's process id; also the id of its group.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Takes stdout, when it was started with [`Output::Piped`].
    pub fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait()?;
        self.forget();
        Ok(status)
    }

    /// SIGKILL to the whole group, at once, as a power cut would.
    pub fn kill9(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        self.forget();
    }

    /// SIGTERM, then SIGKILL when it is still there after `patience`. Returns
    /// how it ended.
    ///
    /// # Errors
    /// When the system cannot tell how it ended.
    pub fn stop(&mut self, patience: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                // Whatever it had started goes with it.
                self.signal_group(Signal::KILL);
                self.forget();
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill9();
        Ok(self.child.wait()?)
    }

    /// Sends a signal to the group, unless the program has already ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            self.signal_group(signal);
        }
    }

    fn signal_group(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(group_of(&self.child)) {
            let _ = kill_process_group(group, signal);
        }
    }

    /// Waits until `ready` says so; fails when the program ends before, or when
    /// `patience` is over, with the last lines of its log.
    ///
    /// # Errors
    /// See above.
    pub fn wait_until(&mut self, patience: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let until = Instant::now() + patience;
        loop {
            let ready = ready();
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at once ({status})\n{}", self.name, self.tail());
            }
            if ready {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("{} did not answer within {} s\n{}", self.name, patience.as_secs(), self.tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The last lines of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        let Some(path) = &self.log else {
            return String::new();
        };
        let text = std::fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(20);
        format!("--- {} ---\n{}", path.display(), lines.get(from..).unwrap_or_default().join("\n"))
    }

    /// The group is gone: no signal may ever be sent to its id again.
    fn forget(&mut self) {
        unregister(group_of(&self.child));
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// Runs a program to its end with our output; fails unless it succeeds.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn run(name: &str, command: &mut Command) -> Result<()> {
    let status = Process::spawn(name, command, Output::Inherit)?.wait()?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// Runs a program to its end with its output in a file, which is shown only
/// when it fails.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn run_logged(name: &str, command: &mut Command, log: &Path) -> Result<()> {
    let _ = std::fs::remove_file(log);
    let mut process = Process::spawn(name, command, Output::Log(log))?;
    let status = process.wait()?;
    if !status.success() {
        bail!("{name} failed ({status})\n{}", process.tail());
    }
    Ok(())
}

/// What a short program prints; fails unless it succeeds.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn output(name: &str, command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{name} failed ({})\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    if text.is_empty() {
        text = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    Ok(text)
}

/// Tells a command that stops in order that it was asked to.
#[derive(Debug, Clone, Default)]
pub struct StopSignal {
    inner: Arc<StopState>,
}

#[derive(Debug, Default)]
struct StopState {
    orderly: AtomicBool,
    asked: Notify,
}

impl StopSignal {
    /// Until here a signal killed everything at once. From now on the first one
    /// only ends this wait; the second one kills again.
    pub async fn asked(&self) {
        self.inner.orderly.store(true, Ordering::SeqCst);
        self.inner.asked.notified().await;
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP kill every child and end this program
/// with 130, unless somebody waits on the [`StopSignal`].
///
/// # Errors
/// When the handlers cannot be installed.
pub fn stop_children_on_signals() -> Result<StopSignal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stop = StopSignal::default();
    let state = Arc::clone(&stop.inner);
    let (mut interrupt, mut terminate, mut hangup) = {
        let _context = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?)
    };
    std::thread::spawn(move || {
        let mut asked_at: Option<Instant> = None;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                if asked_at.is_some_and(|at| at.elapsed() < ONE_PRESS) {
                    continue;
                }
                if !state.orderly.swap(false, Ordering::SeqCst) {
                    break;
                }
                asked_at = Some(Instant::now());
                state.asked.notify_one();
            }
        });
        kill_all();
        std::process::exit(130);
    });
    Ok(stop)
}

/// Kills every process group that is still ours.
pub fn kill_all() {
    let groups = GROUPS.lock().map(|groups| groups.clone());
    for group in groups.unwrap_or_default() {
        if let Some(group) = Pid::from_raw(group) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// A port of this machine that nobody listens on, and that this process has given to nobody else: between here and the moment when
/// its program listens, the system would hand it out again.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    for _ in 0..1_000 {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
    bail!("this machine has no free port left")
}

/// Whether we could listen on this port.
#[must_use]
pub fn port_is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok()
}

/// Whether somebody listens on this port of this machine.
#[must_use]
pub fn port_answers(port: u16) -> bool {
    std::net::TcpStream::connect_timeout(
        &std::net::SocketAddr::from(([127, 0, 0, 1], port)),
        Duration::from_millis(500),
    )
    .is_ok()
}

/// Memory that a process has in use, in KiB (proc(5), `VmRSS`).
///
/// # Errors
/// When it does not run, or the system does not say.
pub fn resident_kib(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")).and_then(|kib| kib.trim().parse().ok());
    kib.with_context(|| format!("no VmRSS in {path}"))
}

/// The full path of a program on the PATH.
#[must_use]
pub fn find_program(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name.as_ref())).find(|candidate| candidate.is_file())
}

fn open_log(path: &Path) -> Result<File> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot open the log {}", path.display()))
}

/// A group has the id of its first process.
fn group_of(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap_or(0)
}

fn register(group: i32) {
    if let Ok(mut groups) = GROUPS.lock() {
        groups.insert(group);
    }
}

fn unregister(group: i32) {
    if let Ok(mut groups) = GROUPS.lock() {
        groups.remove(&group);
    }
}

fn watchdog(group: i32) -> Result<Child> {
    Command::new("/bin/sh")
        .arg("-c")
        .arg("while read -r _; do :; done; kill -s KILL -- -\"$1\" 2>/dev/null")
        .arg("watchdog")
        .arg(group.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start the watchdog (/bin/sh)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exists(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[test]
    fn a_dropped_process_takes_its_children_with_it() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 60 & echo $!; wait"]);
        let mut process = Process::spawn("sleeper", &mut command, Output::Piped).unwrap();
        let mut line = String::new();
        let stdout = process.take_stdout().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let grandchild: u32 = line.trim().parse().unwrap();
        assert!(exists(grandchild));
        drop(process);
        let until = Instant::now() + Duration::from_secs(5);
        while exists(grandchild) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!exists(grandchild));
    }

    #[test]
    fn the_watchdog_kills_the_group_when_its_pipe_closes() {
        let mut command = Command::new("/bin/sleep");
        command.arg("60");
        let mut process = Process::spawn("sleeper", &mut command, Output::Inherit).unwrap();
        drop(process.watchdog.stdin.take());
        let status = process.child.wait().unwrap();
        assert!(!status.success());
    }

    #[test]
    fn a_program_that_ends_at_once_is_reported_with_its_log() {
        let log = std::env::temp_dir().join(format!("xtask-process-{}.log", std::process::id()));
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo the reason; exit 3"]);
        let mut process = Process::spawn("failing", &mut command, Output::Log(&log)).unwrap();
        let error = process.wait_until(Duration::from_secs(5), || false).unwrap_err().to_string();
        assert!(error.contains("the reason"), "{error}");
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn no_port_is_given_out_twice() {
        let ports: BTreeSet<u16> = (0..2_000).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 2_000, "tests that start side by side would find each other's Workers");
    }

    #[test]
    fn a_taken_port_is_not_free() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!port_is_free(port));
        assert!(port_answers(port));
    }
}
