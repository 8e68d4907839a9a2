//! What this machine is, as far as the system tells.

/// The processor's name, e.g. `AMD EPYC 9R14`; `unknown` where the system does not say.
pub(super) fn processor() -> String {
    field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// Most bytes of memory that this process has had; 0 where the system does not say.
pub(super) fn peak_bytes() -> u64 {
    let kibibytes = field("/proc/self/status", "VmHWM").and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
}

/// The value of the first line `name : value` of a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == name));
    value.map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_system_tells_something() {
        assert!(!super::processor().is_empty());
        assert!(cfg!(not(target_os = "linux")) || super::peak_bytes() > 1 << 20);
    }
}
