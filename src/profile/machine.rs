//! Facts about this machine and process that the system provides.

use std::time::SystemTime;

/// Fields of `/proc/cpuinfo` that tell processors of one name apart, and what they are called here. The first three are those of
/// x86, the others those of ARM, which often has no name at all.
const DETAILS: [(&str, &str); 6] = [
    ("cpu family", "family"),
    ("model", "model"),
    ("stepping", "stepping"),
    ("CPU implementer", "implementer"),
    ("CPU variant", "variant"),
    ("CPU part", "part"),
];

/// The processor, e.g. `AMD EPYC (family 25 model 17 stepping 1)`: virtual machines shorten the name, the numbers still tell
/// generations apart. The architecture where the system does not name it.
pub fn processor() -> String {
    described(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
}

/// The first processor of `/proc/cpuinfo`.
fn described(cpuinfo: &str) -> String {
    let name = value(cpuinfo, "model name").unwrap_or(std::env::consts::ARCH);
    let details = DETAILS.iter().filter_map(|(key, word)| Some(format!("{word} {}", value(cpuinfo, key)?)));
    match details.collect::<Vec<_>>().join(" ") {
        details if details.is_empty() => name.to_owned(),
        details => format!("{name} ({details})"),
    }
}

/// Whether two processors, or machines that begin with one, may be the same. Records of earlier versions lack the stepping, which
/// is not compared then.
pub(super) fn may_be_same(a: &str, b: &str) -> bool {
    a == b || without_stepping(a) == b || a == without_stepping(b)
}

fn without_stepping(machine: &str) -> String {
    let Some((before, after)) = machine.split_once(" stepping ") else { return machine.to_owned() };
    format!("{before}{}", after.trim_start_matches(|character: char| character.is_ascii_digit()))
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
    value(&std::fs::read_to_string(path).ok()?, name).map(str::to_owned)
}

/// The value of the first line `name : value` of a text.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_names_a_processor_and_a_day() {
        assert!(!processor().is_empty() && today().len() == "2026-11-26".len());
        assert!(cfg!(not(target_os = "linux")) || peak_bytes() > 1 << 20);
    }

    #[test]
    fn processors_of_one_name_are_told_apart_by_their_numbers() {
        let x86 = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\n\nprocessor\t: 1\nmodel\t: 2\n";
        assert_eq!(described(x86), "AMD EPYC (family 25 model 17 stepping 1)");
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\n";
        assert_eq!(described(arm), format!("{} (implementer 0x41 variant 0x3 part 0xd0c)", std::env::consts::ARCH));
        assert_eq!(described("model name : A Chip\n"), "A Chip");
        assert_eq!(described(""), std::env::consts::ARCH);
    }

    #[test]
    fn a_missing_stepping_is_not_compared() {
        let machine = |numbers: &str| format!("AMD EPYC (family 25 {numbers}), AVX-512, 2 threads");
        let full = machine("model 17 stepping 1");
        assert!(
            may_be_same(&full, &full) && may_be_same(&full, &machine("model 17")) && may_be_same(&machine("model 17"), &full)
        );
        for other in ["model 17 stepping 2", "model 1", "model 1 stepping 1"] {
            assert!(!may_be_same(&full, &machine(other)), "{other}");
        }
        assert!(!may_be_same("AMD EPYC", &full));
    }
}
