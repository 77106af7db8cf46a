//! The memory of the programs, as the kernel counts it: proc_pid_status(5).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::Instant;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks at the memory of one process until it is dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    samples: Arc<Mutex<Vec<Sample>>>,
    _looking: JoinSet<()>,
}

/// What a process had in a stretch of time, in MiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Resident {
    pub(crate) median_mib: f64,
    pub(crate) max_mib: f64,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    resident_mib: f64,
}

/// The most memory that a process ever had, in MiB.
///
/// # Errors
/// When there is no such process.
pub(crate) fn peak_mib(pid: i32) -> anyhow::Result<f64> {
    read_mib(pid, "VmHWM:")
}

impl Memory {
    /// Starts to look.
    pub(crate) fn watch(pid: i32) -> Self {
        let samples = Arc::default();
        let mut looking = JoinSet::new();
        looking.spawn(look(pid, Arc::clone(&samples)));
        Self { samples, _looking: looking }
    }

    /// What was resident between two moments; none when nobody looked or the process was gone.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Option<Resident> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        resident(samples.iter().filter(|sample| from <= sample.at && sample.at < to))
    }
}

async fn look(pid: i32, samples: Arc<Mutex<Vec<Sample>>>) {
    loop {
        if let Ok(resident_mib) = read_mib(pid, "VmRSS:") {
            let sample = Sample { at: Instant::now(), resident_mib };
            samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn resident<'a>(samples: impl Iterator<Item = &'a Sample>) -> Option<Resident> {
    let mut all: Vec<f64> = samples.map(|sample| sample.resident_mib).collect();
    all.sort_by(f64::total_cmp);
    Some(Resident { median_mib: *all.get(all.len() / 2)?, max_mib: *all.last()? })
}

fn read_mib(pid: i32, line: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let figure =
        status.lines().find_map(|text| text.strip_prefix(line)?.trim().strip_suffix(" kB")?.parse().ok());
    let kib: f64 = figure.with_context(|| format!("no {line} in /proc/{pid}/status"))?;
    Ok(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_memory_of_this_process_is_seen_while_it_is_watched() {
        let begin = Instant::now();
        let pid = i32::try_from(std::process::id()).unwrap();
        let memory = Memory::watch(pid);
        let seen = loop {
            if let Some(seen) = memory.between(begin, Instant::now()) {
                break seen;
            }
            tokio::task::yield_now().await;
        };
        assert!(seen.median_mib > 0.0 && seen.median_mib <= seen.max_mib);
        assert!(peak_mib(pid).unwrap() >= seen.max_mib);
        assert_eq!(memory.between(begin, begin), None);
    }
}
