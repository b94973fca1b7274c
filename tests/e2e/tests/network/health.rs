//! The health check of the relay in its container, `ops/relay/health`: content with one that answers, the end of one that hangs.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use xtask::process::{Output, Process, port_answers};
use xtask::{bundle, free_port, paths};

/// What process 1 is in a container: it has the relay as its child, and something else.
const INIT: &str = "sleep 600 & \"$0\" run & wait";

fn children(of: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).expect("the kernel tells children");
    text.split_whitespace().map(|pid| pid.parse().expect("a process")).collect()
}

fn is_relay(pid: &u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "ropeline-relay")
}

fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn check(init: u32, port: u16) -> bool {
    let mut check = Command::new(paths::root().join("ops/relay/health"));
    check.env("ROPELINE_RELAY_INIT", init.to_string()).env("ROPELINE_RELAY_HEALTH_PORT", port.to_string());
    check.status().expect("the check").success()
}

#[test]
fn a_relay_that_hangs_is_killed_and_one_that_answers_is_left_alone() {
    let port = free_port().unwrap();
    let mut command = Command::new("bash");
    // Neither Worker nor Kafka is there: it lives all the same.
    command
        .args(["-c", INIT])
        .arg(bundle::Programs::built().relay)
        .env("ROPELINE_RELAY_WORKER_URL", "http://127.0.0.1:1")
        .env("ROPELINE_RELAY_KAFKA_BOOTSTRAP", "127.0.0.1:1")
        .env("ROPELINE_RELAY_KEY", "a-key")
        .env("ROPELINE_RELAY_HEALTH_LISTEN", format!("127.0.0.1:{port}"));
    let log = paths::target().join("e2e/network-health.log");
    let mut init = Process::spawn("bash", &mut command, Output::Log(Path::new(&log))).unwrap();
    init.wait_until(Duration::from_secs(20), || port_answers(port)).unwrap_or_else(|error| panic!("{error:#}"));
    let (relays, others): (Vec<u32>, Vec<u32>) = children(init.id()).into_iter().partition(is_relay);
    let ([relay], [other]) = (&relays[..], &others[..]) else { panic!("{relays:?} {others:?}") };

    assert!(check(init.id(), port), "it answers");
    assert!(runs(*relay));

    kill_process(Pid::from_raw(i32::try_from(*relay).unwrap()).unwrap(), Signal::STOP).unwrap();
    let began = Instant::now();
    assert!(!check(init.id(), port), "it hangs");
    assert!(
        began.elapsed() < Duration::from_secs(25),
        "within the bound that the compose file sets: {:?}",
        began.elapsed()
    );
    let until = Instant::now() + Duration::from_secs(5);
    while runs(*relay) {
        assert!(Instant::now() < until, "it was not killed");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(runs(*other), "nothing else was");
}
