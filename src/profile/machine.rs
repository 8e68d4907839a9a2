//! Facts about this machine and process that the system provides.

use std::time::SystemTime;

/// The processor, e.g. `AMD EPYC (family 25 model 17)`: virtual machines shorten the name, family and model still tell generations
/// apart. The architecture where the system does not name it.
pub fn processor() -> String {
    let [name, family, model] = ["model name", "cpu family", "model"].map(|key| field("/proc/cpuinfo", key));
    match (name, family.zip(model)) {
        (Some(name), Some((family, model))) => format!("{name} (family {family} model {model})"),
        (name, _) => name.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
    }
}

/// Peak memory of this process in bytes; 0 where the system does not report it.
pub(super) fn peak_bytes() -> u64 {
    let kibibytes = field("/proc/self/status", "VmHWM").and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
}

/// Today in UTC, as 2026-11-26.
pub(super) fn today() -> String {
    let now = humantime::format_rfc3339(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
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
    fn the_system_names_a_processor_and_a_day() {
        assert!(!super::processor().is_empty() && super::today().len() == "2026-11-26".len());
        assert!(cfg!(not(target_os = "linux")) || super::peak_bytes() > 1 << 20);
    }
}
