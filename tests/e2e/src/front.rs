//! What stands before the runtime where Cloudflare does not: nginx with `ops/nginx/worker.conf`, of which only the addresses are changed.

use std::path::Path;
use std::time::Duration;

use xtask::process::{Output, Process, port_answers};
use xtask::tools::proxies::Proxies;
use xtask::ui::Ui;
use xtask::{free_port, paths};

/// nginx, running.
#[derive(Debug)]
pub struct Front {
    /// Where visitors come, `host:port`.
    pub authority: String,
    _nginx: Process,
}

impl Front {
    /// Starts it before the Worker at `worker`, in `dir`.
    ///
    /// # Panics
    /// When it does not come up, or its configuration is not what is expected.
    #[must_use]
    pub fn start(worker: &str, dir: &Path) -> Self {
        let proxies = Proxies::ensure(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}"));
        let port = free_port().expect("a port");
        let mut text = std::fs::read_to_string(paths::root().join("ops/nginx/worker.conf")).expect("a file of ops/");
        for (from, to) in [("127.0.0.1:8080", format!("127.0.0.1:{port}")), ("127.0.0.1:8787", worker.to_owned())] {
            assert!(text.contains(from), "worker.conf has no {from}");
            text = text.replace(from, &to);
        }
        let dir = dir.join("front");
        std::fs::create_dir_all(&dir).expect("a directory");
        let file = dir.join("nginx.conf");
        std::fs::write(&file, text).expect("a file");
        let nginx = Process::spawn("nginx", &mut proxies.nginx(&file, &dir), Output::Log(&dir.join("log")));
        let mut nginx = nginx.unwrap_or_else(|error| panic!("{error:#}"));
        nginx.wait_until(Duration::from_secs(10), || port_answers(port)).unwrap_or_else(|error| panic!("{error:#}"));
        Self { authority: format!("127.0.0.1:{port}"), _nginx: nginx }
    }
}
