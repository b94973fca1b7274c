//! The machine that k6 runs on: what must be there, and what keeps k6 from being measured as the servers.

use anyhow::{Result, bail};
use rustix::process::{Resource, getrlimit};

/// Open files of k6 beside its connections.
const OTHER_FILES: u64 = 200;

/// Go's own settings for k6: with thousands of visitors to collect its garbage takes seconds of all cores, amid the burst, and is measured as
/// the servers' time. So it does not before most of the memory that is free here is taken. Who has settings of their own keeps them.
pub(crate) fn collect_late() -> Option<[(&'static str, String); 2]> {
    let free = available_memory().filter(|_| std::env::var_os("GOGC").is_none())?;
    Some([("GOGC", "off".to_owned()), ("GOMEMLIMIT", (free / 4 * 3).to_string())])
}

/// Bytes that programs may still take, where the system tells (Linux, `/proc/meminfo`).
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    kib.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Whether a process here may have so many connections. k6 raises what it may have now to the most by itself.
///
/// # Errors
/// When it may not: how to raise it.
pub(crate) fn allow_connections(connections: u64) -> Result<()> {
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    enough(connections, most)
}

fn enough(connections: u64, most: u64) -> Result<()> {
    let needed = connections.saturating_add(OTHER_FILES);
    if most < needed {
        bail!(
            "{connections} visitors at once need {needed} open files, the limit here is {most}: `ulimit -Hn {needed}` as root, \
             LimitNOFILE= / limits.conf, or fewer with --set VISITORS"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_open_files_are_told_before_visitors_break() {
        assert!(enough(7_600, 20_000).is_ok());
        let error = enough(21_000, 20_000).unwrap_err().to_string();
        assert!(error.contains("21000 visitors") && error.contains("20000") && error.contains("VISITORS"), "{error}");
    }
}
