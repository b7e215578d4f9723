//! One reading of `/proc` each. What cannot be read, because it has ended or is not ours to see,
//! is none.

use std::collections::BTreeMap;
use std::time::Duration;

use procfs::process::{Process, all_processes};
use procfs::{CurrentSI as _, KernelStats, page_size, ticks_per_second};

use super::{Memory, Processors, Stat, Traffic};

/// Every process with its parent.
pub(super) fn parents() -> Vec<(u32, u32)> {
    let found = all_processes().into_iter().flatten().flatten();
    let pairs = found.filter_map(|process| {
        let stat = process.stat().ok()?;
        Some((u32::try_from(stat.pid).ok()?, u32::try_from(stat.ppid).ok()?))
    });
    pairs.collect()
}

fn process(pid: u32) -> Option<Process> {
    Process::new(pid.try_into().ok()?).ok()
}

/// One that has ended and is only remembered is none.
pub(super) fn stat(pid: u32) -> Option<Stat> {
    let stat = process(pid)?.stat().ok().filter(|stat| !"ZXx".contains(stat.state))?;
    let waited = u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
    let ticks = stat.utime + stat.stime + waited;
    let cpu = Duration::from_secs_f64(ticks as f64 / ticks_per_second() as f64);
    Some(Stat { began: stat.starttime, cpu })
}

pub(super) fn memory(pid: u32) -> Option<Memory> {
    let pages = process(pid)?.statm().ok()?;
    let page = page_size();
    Some(Memory { resident: pages.resident * page, shared: pages.shared * page })
}

/// Of another user's process only root is told.
pub(super) fn disk(pid: u32) -> Option<Traffic> {
    let io = process(pid)?.io().ok()?;
    Some(Traffic { came: io.read_bytes, went: io.write_bytes })
}

/// What the processors of this machine did since it began.
pub fn processors() -> Option<Processors> {
    let time = KernelStats::current().ok()?.total;
    let rest = [time.iowait, time.irq, time.softirq, time.steal];
    let rest: u64 = rest.into_iter().flatten().sum();
    let all = time.user + time.nice + time.system + time.idle + rest;
    Some(Processors { stolen: time.steal?, all })
}

/// What went through each network interface since it is there; those nothing ever went through
/// are left out.
pub fn interfaces() -> BTreeMap<String, Traffic> {
    let found = procfs::net::dev_status().unwrap_or_default().into_values();
    let used = found.filter(|interface| interface.recv_bytes + interface.sent_bytes > 0);
    let traffic = |came, went| Traffic { came, went };
    used.map(|i| (i.name.clone(), traffic(i.recv_bytes, i.sent_bytes))).collect()
}
