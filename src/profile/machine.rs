//! Facts about this machine and process that the system provides.

use std::time::SystemTime;

/// The processor, e.g. `AMD EPYC (family 25 model 17)`: virtual machines shorten the name, family and model still tell generations
/// apart. The architecture where the system does not say.
pub fn processor() -> String {
    let [name, family, model] = ["model name", "cpu family", "model"].map(|key| field("/proc/cpuinfo", key));
    match (name, family.zip(model)) {
        (Some(name), Some((family, model))) => format!("{name} (family {family} model {model})"),
        (name, _) => name.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
    }
}

/// Peak memory of this process in bytes; 0 where the system does not say.
pub(super) fn peak_bytes() -> u64 {
    let kibibytes = field("/proc/self/status", "VmHWM").and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
}

/// Today in UTC, as 2026-11-26.
pub(super) fn today() -> String {
    let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    date(passed.as_secs() / 86_400)
}

/// The date so many days after 1970-01-01. Years begin in March here, so that a leap day is their last day.
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    format!("{:04}-{month:02}-{day:02}", 400 * era + year)
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
    fn days_have_dates() {
        let dates = [0, 59, 789, 11_016, 20_783, 20_512].map(super::date);
        assert_eq!(dates, ["1970-01-01", "1970-03-01", "1972-02-29", "2000-02-29", "2026-11-26", "2026-02-28"]);
        assert_eq!(super::today().len(), 10);
    }

    #[test]
    fn the_system_names_a_processor() {
        assert!(!super::processor().is_empty());
        assert!(cfg!(not(target_os = "linux")) || super::peak_bytes() > 1 << 20);
    }
}
