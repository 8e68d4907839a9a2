//! How busy the processors are with what others do, where the system tells.

/// Ticks of all processors since the system began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticks {
    /// All.
    all: u64,
    /// Those in which something ran, here or in another guest of the same host.
    busy: u64,
    /// Those of this process.
    own: u64,
}

impl Ticks {
    /// Until now; None where the system does not say.
    pub(super) fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?, &std::fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// From the first line of the one, `cpu user nice system idle iowait irq softirq steal …`, and from the other, which has user and
    /// system as fields 14 and 15; the name, field 2, may have spaces in it.
    fn parse(system: &str, process: &str) -> Option<Self> {
        let line = system.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // Guests, the last two of ten, are in user and nice already.
        let kinds: Vec<u64> = line.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
        let idle: u64 = kinds.get(3)? + kinds.get(4)?;
        let mut own = process.rsplit_once(')')?.1.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
        let own = own.next()?? + own.next()??;
        let all: u64 = kinds.iter().sum();
        Some(Self { all, busy: all - idle, own })
    }

    /// What others had of all processors from here to `later`, in percent; None of no time.
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
    fn what_others_took_is_what_was_busy_and_not_ours() {
        let ticks = |system: &str, process: &str| Ticks::parse(system, process).unwrap();
        let process = |user: u64, system: u64| format!("7 (a (b) c) R 1 2 3 4 5 6 7 8 9 10 {user} {system} 0 0 20");
        let before = ticks("cpu  100 0 50 800 10 0 0 0 0 0\ncpu0 1 2 3", &process(5, 1));
        assert_eq!(before, Ticks { all: 960, busy: 150, own: 6 });
        // 100 more: 40 idle, 60 busy of which 8 were taken by the host, 45 of them ours.
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
    fn this_system_tells_if_it_is_linux() {
        let known = Ticks::now().is_some_and(|ticks| ticks.all > ticks.busy);
        assert!(known || cfg!(not(target_os = "linux")) || !std::path::Path::new("/proc/stat").exists());
    }
}
