//! What loadrun itself uses, and the machine it runs on, as the system tells.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::outcome::Environment;

/// What this process has used.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    cpu: Duration,
}

impl Usage {
    /// Up to now.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Self { cpu: Duration::new(time.tv_sec as u64, time.tv_nsec as u32) }
    }

    /// CPU time.
    pub fn cpu(self) -> Duration {
        self.cpu
    }

    /// From `before` to `self`.
    pub fn since(self, before: &Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(before.cpu) }
    }
}

/// The machine.
pub fn environment() -> Environment {
    Environment {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        cpu: field("/proc/cpuinfo", "model name").map(|name| name.trim().to_owned()),
        memory: field("/proc/meminfo", "MemTotal").and_then(|text| kibibytes(&text)),
    }
}

/// Lets the largest resident memory be that of the run that begins; one process may make several.
pub fn forget_peak() {
    // Where the system refuses, an earlier run's peak may be shown: too much, never too little.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Largest resident memory of this process in bytes, where the system tells.
pub fn peak_memory() -> Option<u64> {
    field("/proc/self/status", "VmHWM").and_then(|text| kibibytes(&text))
}

/// What stands behind `name:` in a file of lines.
fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.to_owned())
}

fn kibibytes(text: &str) -> Option<u64> {
    text.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
