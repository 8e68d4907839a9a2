//! The load of other processes, where the system reports it.

/// Processor time since the system started, in ticks, over all processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticks {
    /// All ticks.
    all: u64,
    /// Ticks in which something ran, here or in another guest of the same host.
    busy: u64,
    /// Ticks of this process.
    own: u64,
}

impl Ticks {
    /// The counts now; None where the system does not provide them.
    pub(super) fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?, &std::fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// `system` starts with `cpu user nice system idle iowait irq softirq steal …`; `process` has user and system time as fields
    /// 14 and 15, and its field 2, the name, may contain spaces.
    fn parse(system: &str, process: &str) -> Option<Self> {
        let line = system.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // The last two of ten, guests, are included in user and nice.
        let kinds: Vec<u64> = line.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
        let idle: u64 = kinds.get(3)? + kinds.get(4)?;
        let mut own = process.rsplit_once(')')?.1.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
        let own = own.next()?? + own.next()??;
        let all: u64 = kinds.iter().sum();
        Some(Self { all, busy: all - idle, own })
    }

    /// Share of all processors that other processes used between here and `later`, in percent; None if no time passed.
    pub(super) fn others(&self, later: &Self) -> Option<f64> {
        let since = |of: fn(&Self) -> u64| of(later).saturating_sub(of(self)) as f64;
        let all = since(|ticks| ticks.all);
        let others = since(|ticks| ticks.busy) - since(|ticks| ticks.own);
        (all > 0.0).then(|| (100.0 * others / all).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_used_what_was_busy_and_not_ours() {
        let ticks = |system: &str, process: &str| Ticks::parse(system, process).unwrap();
        let process = |user: u64, system: u64| format!("7 (a (b) c) R 1 2 3 4 5 6 7 8 9 10 {user} {system} 0 0 20");
        let before = ticks("cpu  100 0 50 800 10 0 0 0 0 0\ncpu0 1 2 3", &process(5, 1));
        assert_eq!(before, Ticks { all: 960, busy: 150, own: 6 });
        // 100 ticks more: 40 idle and 60 busy, of which the host took 8 and we used 45.
        let after = ticks("cpu  140 0 62 835 15 0 0 8 30 0", &process(40, 11));
        assert_eq!(before.others(&after), Some(15.0));
        assert_eq!(before.others(&before), None);
        let ours = Ticks { own: before.own + 200, ..after };
        assert_eq!(before.others(&ours), Some(0.0), "ticks are coarse");
        for (system, process) in
            [("", "7 (a) R"), ("cpu 1 2", "7 (a) R"), ("cpu 1 2 3 4 5 6 7 8", "nothing"), ("cpu 1 2 3 4 5", "1 (a) R 1")]
        {
            assert_eq!(Ticks::parse(system, process), None, "{system} {process}");
        }
    }

    #[test]
    fn linux_provides_the_counts() {
        let known = Ticks::now().is_some_and(|ticks| ticks.all > ticks.busy);
        assert!(known || cfg!(not(target_os = "linux")) || !std::path::Path::new("/proc/stat").exists());
    }
}
