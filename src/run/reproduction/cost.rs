use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::json::{read_json, write_json};
use crate::error::Result;

/// File name of what a run cost.
pub const COST_FILE: &str = "cost.json";

/// Time between two writes of the cost of a running attempt. A kill loses at most this much of the count.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// Clock ticks per second in `/proc/self/stat`, the same on all Linux systems.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a run cost, summed over all attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// How often the run was begun or continued.
    pub attempts: u64,
    /// Time that it took.
    pub wall_seconds: f64,
    /// Processor time of all threads; none where the system does not tell.
    pub cpu_seconds: Option<f64>,
    /// Peak memory of the process, in bytes; that of earlier runs of the same process counts. None where the system does not
    /// tell.
    pub peak_bytes: Option<u64>,
}

impl Cost {
    /// The cost in the folder of a run; zero if it has none.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(COST_FILE);
        if path.exists() { read_json(&path) } else { Ok(Self::default()) }
    }
}

/// The cost of an attempt while it runs.
pub(super) struct Meter {
    path: PathBuf,
    before: Cost,
    start: Instant,
    cpu_at_start: Option<f64>,
    written: Instant,
}

impl Meter {
    /// Starts an attempt in the folder of a run, which must exist.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let (before, now) = (Cost::read(folder)?, Instant::now());
        let own = Self { path: folder.join(COST_FILE), before, start: now, cpu_at_start: cpu_seconds(), written: now };
        own.write()?;
        Ok(own)
    }

    /// Writes the cost until now, but not too often.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn tick(&mut self) -> Result<()> {
        if self.written.elapsed() < WRITE_EVERY {
            return Ok(());
        }
        self.written = Instant::now();
        self.write()
    }

    /// Writes the cost until now.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self) -> Result<()> {
        let Cost { attempts, wall_seconds, cpu_seconds: cpu_before, peak_bytes: peak_before } = self.before;
        let own_cpu = cpu_seconds().zip(self.cpu_at_start).map(|(now, start)| now - start);
        let cost = Cost {
            attempts: attempts + 1,
            wall_seconds: wall_seconds + self.start.elapsed().as_secs_f64(),
            cpu_seconds: own_cpu.map(|own| own + cpu_before.unwrap_or(0.0)),
            peak_bytes: peak_bytes().max(peak_before),
        };
        write_json(&self.path, &cost)
    }
}

/// Processor time of this process until now, user and system.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name in parentheses, which may hold spaces; the times are fields 14 and 15.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// Peak resident memory of this process.
pub fn peak_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * line.split_whitespace().next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let earlier = Cost { attempts: 2, wall_seconds: 1000.0, cpu_seconds: Some(500.0), peak_bytes: Some(u64::MAX) };
        write_json(&folder.path().join(COST_FILE), &earlier).unwrap();
        let mut meter = Meter::start(folder.path()).unwrap();
        // Something for the processor to do.
        let busy = Instant::now();
        while busy.elapsed() < Duration::from_millis(50) {}
        meter.tick().unwrap();
        meter.write().unwrap();
        let cost = Cost::read(folder.path()).unwrap();
        assert_eq!((cost.attempts, cost.peak_bytes), (3, Some(u64::MAX)));
        assert!(cost.wall_seconds >= 1000.05 && cost.wall_seconds < 1050.0, "{cost:?}");
        assert!(cfg!(not(target_os = "linux")) || cost.cpu_seconds.is_some_and(|seconds| seconds >= 500.02), "{cost:?}");
    }

    #[test]
    fn a_new_run_starts_at_zero_and_counts_its_attempt_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Cost::read(folder.path()).unwrap(), Cost::default());
        Meter::start(folder.path()).unwrap();
        let cost = Cost::read(folder.path()).unwrap();
        assert_eq!(cost.attempts, 1);
        assert!(cfg!(not(target_os = "linux")) || cost.peak_bytes.is_some_and(|bytes| bytes > 1 << 20), "{cost:?}");
    }
}
