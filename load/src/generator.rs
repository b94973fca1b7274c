//! The machine that k6 runs on: what must be there, and what keeps k6 from being measured as the servers.

use anyhow::{Result, bail};
use rustix::process::{Resource, getrlimit};

/// Open files of k6 beside its connections.
const OTHER_FILES: u64 = 200;

/// What a container may have, in the second and the first version of control groups; no number, or a very large one, where it may have all.
const CONTAINER: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// Go's own settings for k6: with thousands of visitors to collect its garbage takes seconds of all cores, amid the burst, and is measured as
/// the servers' time. So it does not before half of the memory that is free here is taken: the rest is for what runs beside it. Who has
/// settings of their own keeps them, and where the system does not tell what is free (other than Linux) Go's stay.
pub(crate) fn collect_late() -> Option<[(&'static str, String); 2]> {
    if ["GOGC", "GOMEMLIMIT"].iter().any(|name| std::env::var_os(name).is_some()) {
        return None;
    }
    let containers = CONTAINER.map(|file| std::fs::read_to_string(file).unwrap_or_default());
    let free = available_memory(&std::fs::read_to_string("/proc/meminfo").ok()?, &containers)?;
    Some([("GOGC", "off".to_owned()), ("GOMEMLIMIT", (free / 2).to_string())])
}

/// Bytes that programs may still take: on this machine (`/proc/meminfo`), but not more than a container may have.
fn available_memory(meminfo: &str, containers: &[String]) -> Option<u64> {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = kib.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)?;
    Some(containers.iter().filter_map(|limit| limit.trim().parse().ok()).fold(machine, u64::min))
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
    fn free_memory_is_the_machines_but_no_more_than_the_containers() {
        let meminfo = "MemTotal:       24683520 kB\nMemAvailable:    8388608 kB\n";
        let free = |limits: [&str; 2]| available_memory(meminfo, &limits.map(str::to_owned));
        assert_eq!(free(["", ""]), Some(8 << 30));
        assert_eq!(free(["max\n", ""]), Some(8 << 30));
        assert_eq!(free(["2147483648\n", ""]), Some(2 << 30));
        assert_eq!(free(["", "9223372036854771712\n"]), Some(8 << 30));
        assert_eq!(available_memory("MemTotal: 1 kB\n", &[]), None);
    }

    #[test]
    fn too_few_open_files_are_told_before_visitors_break() {
        assert!(enough(7_600, 20_000).is_ok());
        let error = enough(21_000, 20_000).unwrap_err().to_string();
        assert!(error.contains("21000 visitors") && error.contains("20000") && error.contains("VISITORS"), "{error}");
    }
}
