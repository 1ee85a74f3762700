//! What a process costs, as the kernel counts it.

use std::fs;
use std::path::Path;

use crate::Result;

const MIB: f64 = 1024.0 * 1024.0;

/// CPU time so far, in seconds, of all threads that still run: finer than the ticks of `/proc/PID/stat`.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(stat) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        nanoseconds += first_number(&stat);
    }
    Ok(nanoseconds / 1e9)
}

/// Resident memory now, in MiB.
pub fn resident(pid: u32) -> Result<f64> {
    field(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// Resident memory at its peak, in MiB.
pub fn peak(pid: u32) -> Result<f64> {
    field(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// The peak begins anew.
pub fn reset_peak(pid: u32) -> Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// Proportional memory, in MiB: pages of the program's file that others map too count in part.
pub fn proportional(pid: u32) -> Result<f64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// A file's size, in MiB.
pub fn file_size(path: &Path) -> Result<f64> {
    Ok(fs::metadata(path)?.len() as f64 / MIB)
}

fn field(file: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.ok_or_else(|| format!("{file} has no {name}"))?;
    Ok(first_number(kibibytes) / 1024.0)
}

fn first_number(text: &str) -> f64 {
    text.split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}
