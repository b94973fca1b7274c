//! How many connections may wait to be accepted, and what becomes of those beyond.

use std::collections::BTreeMap;
use std::time::Duration;

use ropeline_e2e::hosts::{Lan, project};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use xtask::keys::Keys;
use xtask::paths;

use crate::scene::{self, KAFKA, RELAY, Scene, WORKER};

/// Connections at once, while the Worker is busy with something else.
const BURST: usize = 600;

/// Before the first repeat of a SYN, which comes after a second.
const AT_ONCE: Duration = Duration::from_millis(900);

/// A burst that comes while the Worker does not accept.
#[derive(Debug)]
struct Outcome {
    /// As the kernel has it: the smaller of what the Worker's runtime asks for and what the machine allows.
    backlog: u64,
    /// Connected without a repeated SYN.
    connected: usize,
    /// `ListenOverflows` of the Worker's machine.
    overflows: u64,
}

fn burst(somaxconn: u32) -> Outcome {
    let on = |role: &str| (role.to_owned(), vec!["load".to_owned()]);
    let lan = Lan::new(&BTreeMap::from([on("k6"), on("worker")]), None);
    let machine = lan.machine("worker");
    machine.sysctl("net.core.somaxconn", &somaxconn.to_string());
    let dir = paths::target().join("e2e").join(format!("network-backlog-{somaxconn}"));
    let _ = std::fs::remove_dir_all(&dir);
    let worker = scene::worker(&lan, dir, &Keys::generate().expect("keys"));
    let pid = Pid::from_raw(i32::try_from(worker.id()).expect("an id")).expect("an id");
    kill_process(pid, Signal::STOP).expect("it stands still");
    let before = machine.counter("ListenOverflows");
    let to = (lan.route("k6", "worker").expect("a way"), WORKER);
    let connected = lan.machine("k6").within(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut connecting = JoinSet::new();
            for _ in 0..BURST {
                connecting.spawn(tokio::time::timeout(AT_ONCE, TcpStream::connect(to)));
            }
            // All stay open until the last one is through.
            let done = connecting.join_all().await;
            done.iter().filter(|outcome| matches!(outcome, Ok(Ok(_)))).count()
        })
    });
    let overflows = machine.counter("ListenOverflows") - before;
    Outcome { backlog: machine.backlog(WORKER), connected, overflows }
}

#[test]
fn a_burst_overflows_a_small_backlog_and_finds_room_in_the_one_of_the_compose_file() {
    let small = burst(16);
    println!("{small:?}");
    assert_eq!(small.backlog, 16);
    // The kernel lets one more wait than it was told.
    assert!(small.connected <= 17 && small.overflows > 0, "{small:?}");
    let ours = project::ours();
    let somaxconn = ours["services"]["relay"]["sysctls"]["net.core.somaxconn"].as_str().expect("a setting");
    let large = burst(somaxconn.parse().expect("a number"));
    println!("{large:?}");
    assert_eq!((large.connected, large.overflows), (BURST, 0), "{large:?}");
}

#[test]
fn every_listener_has_the_backlog_that_it_is_given() {
    let scene = Scene::start("backlog", &project::plan(&project::ours()), None);
    let somaxconn = 8_192;
    assert_eq!(scene.lan.machine("kafka").backlog(KAFKA), somaxconn, "socket.listen.backlog.size is 50 by default");
    // It serves 64 at a time.
    let relay = scene.lan.machine("relay").backlog(RELAY);
    assert!(relay >= 64, "{relay}");
    let prometheus = scene.monitoring.port;
    assert_eq!(scene.lan.machine("prometheus").backlog(prometheus), somaxconn);
}
