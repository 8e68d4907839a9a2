//! The record of `kernels --json`, and what changed between two of them.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backend::cuda::compiler::{Arch, Cubin, Listing, list};
use crate::disk::bounded;
use crate::error::{Error, Result};

/// The version of the record's form. Programs read this one only.
pub const SCHEMA: u64 = 1;

/// The kernels of one build, as compiled for one architecture or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelRecord {
    /// The form of the record, 1 today.
    pub schema: u64,
    /// Version and commit of the program.
    pub version: String,
    /// Version of NVRTC; several, separated by commas, if precompiled kernels are of different ones.
    pub nvrtc: String,
    /// One for each kernel and architecture.
    pub kernels: Vec<Listing>,
}

impl KernelRecord {
    /// The kernels of these files.
    ///
    /// # Errors
    /// The compiler's log did not mention a kernel.
    pub fn of(cubins: &[Cubin]) -> Result<Self> {
        Ok(Self {
            schema: SCHEMA,
            version: format!("{} commit {}", env!("CARGO_PKG_VERSION"), crate::run::COMMIT),
            nvrtc: distinct(cubins.iter().map(|cubin| cubin.version.to_string())).join(", "),
            kernels: cubins.iter().map(list).collect::<Result<Vec<_>>>()?.concat(),
        })
    }

    /// Reads a file of `kernels --json`.
    ///
    /// # Errors
    /// It cannot be read, is no such record, has another schema, has no kernels, or has one twice.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = bounded::read(path, bounded::TEXT)?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if let Some(fault) = fault(&value) {
            return Err(Error::file(path, fault));
        }
        let damaged = |reason: String| Error::file(path, format!("is a damaged record of kernels --json: {reason}"));
        let record: Self = serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
        if record.kernels.is_empty() {
            return Err(Error::file(path, "is a record of kernels --json without kernels"));
        }
        match record.damage() {
            Some(reason) => Err(damaged(reason)),
            None => Ok(record),
        }
    }

    /// What no compiler can have written.
    fn damage(&self) -> Option<String> {
        let mut seen = HashSet::new();
        self.kernels.iter().find_map(|Listing { name, arch, occupancy, .. }| {
            if !seen.insert((name, arch)) {
                return Some(format!("{name} is there twice for {arch}"));
            }
            (!(0.0..=1.0).contains(occupancy)).then(|| format!("{name} has an occupancy of {occupancy} for {arch}"))
        })
    }

    /// Names of its architectures, in their order.
    pub fn archs(&self) -> Vec<String> {
        distinct(self.kernels.iter().map(|kernel| kernel.arch.clone()))
    }

    /// Its architectures, for compiling the same again.
    ///
    /// # Errors
    /// This program has no such architecture.
    pub fn known_archs(&self) -> Result<Vec<&'static Arch>> {
        self.archs().iter().map(|name| Arch::named(name)).collect()
    }

    fn find(&self, arch: &str, name: &str) -> Option<&Listing> {
        self.kernels.iter().find(|kernel| kernel.arch == arch && kernel.name == name)
    }
}

/// Why this is not a record that can be read, as the end of a sentence. Before there was a schema, records were arrays.
fn fault(value: &Value) -> Option<String> {
    if value.as_array().is_some_and(|rows| rows.iter().any(|row| row.get("registers").is_some())) {
        return Some(format!("is a record of an older kernels --json without a schema; this program reads schema {SCHEMA}"));
    }
    match value.get("schema").and_then(Value::as_u64).filter(|_| value.get("kernels").is_some()) {
        None => Some("is not a record of kernels --json".to_owned()),
        Some(SCHEMA) => None,
        Some(other) => Some(format!("has schema {other} of kernels --json; this program reads schema {SCHEMA}")),
    }
}

fn distinct(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    values.for_each(|value| {
        if !found.contains(&value) {
            found.push(value)
        }
    });
    found
}

/// The value of a property.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// A number of registers, threads, blocks or bytes.
    Count(u64),
    /// A share in 0..=1.
    Share(f64),
    /// A word.
    Word(&'static str),
}

impl Amount {
    fn number(self) -> Option<f64> {
        match self {
            Self::Count(count) => Some(count as f64),
            Self::Share(share) => Some(share),
            Self::Word(_) => None,
        }
    }
}

/// A property of compiled kernels.
#[derive(Debug)]
pub struct Property {
    /// Its name for tables.
    pub name: &'static str,
    /// Its value for a kernel.
    pub of: fn(&Listing) -> Amount,
    /// Whether more of it is better; None where that depends on the rest.
    more_is_better: Option<bool>,
}

/// What two builds are compared by.
pub static PROPERTIES: [Property; 9] = [
    property("registers", |kernel| Amount::Count(kernel.registers.into()), None),
    property("shared bytes", |kernel| Amount::Count(kernel.shared_bytes.into()), None),
    property(
        "spilled bytes",
        |kernel| Amount::Count(u64::from(kernel.spill_stores) + u64::from(kernel.spill_loads)),
        Some(false),
    ),
    property("stack bytes", |kernel| Amount::Count(kernel.stack.into()), Some(false)),
    property("code bytes", |kernel| Amount::Count(kernel.code_bytes), None),
    property("threads", |kernel| Amount::Count(kernel.threads.into()), None),
    property("resident blocks", |kernel| Amount::Count(kernel.resident_blocks.into()), None),
    property("occupancy", |kernel| Amount::Share(kernel.occupancy), Some(true)),
    property("limited by", |kernel| Amount::Word(kernel.limiter.word()), None),
];

const fn property(name: &'static str, of: fn(&Listing) -> Amount, more_is_better: Option<bool>) -> Property {
    Property { name, of, more_is_better }
}

impl Property {
    /// Whether `b` is better than `a`; None where they are equal, or neither is better as such.
    pub fn improves(&self, a: Amount, b: Amount) -> Option<bool> {
        let (a, b) = a.number().zip(b.number())?;
        self.more_is_better.filter(|_| a != b).map(|more| (b > a) == more)
    }
}

/// One kernel that differs between two builds; None on the side that does not have it.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelChange {
    /// Its architecture.
    pub arch: String,
    /// Its name.
    pub name: String,
    /// Both sides, at least one of which has it.
    pub sides: [Option<Listing>; 2],
}

impl KernelChange {
    /// The properties that differ, with both values; none if a side lacks the kernel.
    pub fn properties(&self) -> Vec<(&'static Property, [Amount; 2])> {
        let [Some(a), Some(b)] = &self.sides else { return Vec::new() };
        let both = PROPERTIES.iter().map(|property| (property, [(property.of)(a), (property.of)(b)]));
        both.filter(|(_, [a, b])| a != b).collect()
    }

    /// By how much occupancy and code size change, to sort by. A kernel of one side only comes last.
    fn size(&self) -> (f64, f64) {
        let [Some(a), Some(b)] = &self.sides else { return (-1.0, 0.0) };
        ((a.occupancy - b.occupancy).abs(), a.code_bytes.abs_diff(b.code_bytes) as f64)
    }
}

/// Two builds compared.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelComparison {
    /// The kernels that differ, by architecture; first those whose occupancy changes most, then those whose code does, and last
    /// those that only one side has.
    pub changes: Vec<KernelChange>,
    /// How many are equal.
    pub equal: usize,
}

/// Compares two builds, kernel by kernel.
///
/// # Errors
/// They are for different architectures.
pub fn compare_kernels(a: &KernelRecord, b: &KernelRecord) -> Result<KernelComparison> {
    let archs = a.archs();
    let [mut own, mut other] = [archs.clone(), b.archs()];
    own.sort_unstable();
    other.sort_unstable();
    if own != other {
        let (a, b) = (archs.join(", "), b.archs().join(", "));
        return Err(Error::argument(format!("these cannot be compared: A is compiled for {a}, B for {b}")));
    }
    let only_in_b = b.kernels.iter().filter(|kernel| a.find(&kernel.arch, &kernel.name).is_none());
    let all: Vec<KernelChange> = a.kernels.iter().chain(only_in_b).map(|kernel| change(a, b, kernel)).collect();
    let (same, mut changes): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|change| change.sides.iter().all(Option::is_some) && change.properties().is_empty());
    let place = |change: &KernelChange| archs.iter().position(|arch| *arch == change.arch);
    changes.sort_by(|x, y| {
        let ((x_share, x_code), (y_share, y_code)) = (x.size(), y.size());
        place(x).cmp(&place(y)).then(y_share.total_cmp(&x_share)).then(y_code.total_cmp(&x_code))
    });
    Ok(KernelComparison { changes, equal: same.len() })
}

fn change(a: &KernelRecord, b: &KernelRecord, kernel: &Listing) -> KernelChange {
    let (arch, name) = (kernel.arch.clone(), kernel.name.clone());
    let sides = [a, b].map(|side| side.find(&arch, &name).cloned());
    KernelChange { arch, name, sides }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cuda::compiler::Limiter;

    fn kernel(arch: &str, name: &str) -> Listing {
        Listing {
            name: name.into(),
            arch: arch.into(),
            file: "a.cu".into(),
            threads: 256,
            registers: 64,
            shared_bytes: 1024,
            spill_stores: 0,
            spill_loads: 0,
            stack: 0,
            occupancy: 0.5,
            resident_blocks: 4,
            limiter: Limiter::Registers,
            code_bytes: 4096,
            flops: "len".into(),
            bytes: "4 len".into(),
        }
    }

    fn record(kernels: &[Listing]) -> KernelRecord {
        KernelRecord { schema: SCHEMA, version: "1".into(), nvrtc: "13.0".into(), kernels: kernels.to_vec() }
    }

    fn read(text: &str) -> Result<KernelRecord> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        KernelRecord::read(file.path())
    }

    #[test]
    fn only_what_differs_is_listed_and_the_largest_loss_of_occupancy_comes_first() {
        let [add, pool, product, old, new] = ["add", "pool", "product", "old", "new"].map(|name| kernel("sm_80", name));
        let larger = Listing { code_bytes: 4224, ..add.clone() };
        let spilling = Listing { spill_stores: 8, spill_loads: 12, occupancy: 0.25, limiter: Limiter::Shared, ..product.clone() };
        let found =
            compare_kernels(&record(&[add, pool.clone(), product, old]), &record(&[new, larger, pool, spilling])).unwrap();
        let names: Vec<&str> = found.changes.iter().map(|change| change.name.as_str()).collect();
        assert_eq!((names, found.equal), (vec!["product", "add", "old", "new"], 1));
        let seen: Vec<_> = found.changes[0].properties().into_iter().map(|(property, values)| (property.name, values)).collect();
        let expected = [
            ("spilled bytes", [Amount::Count(0), Amount::Count(20)]),
            ("occupancy", [Amount::Share(0.5), Amount::Share(0.25)]),
            ("limited by", [Amount::Word("registers"), Amount::Word("shared")]),
        ];
        assert_eq!(seen, expected);
        let improves: Vec<_> =
            found.changes[0].properties().into_iter().map(|(property, [a, b])| property.improves(a, b)).collect();
        assert_eq!(improves, [Some(false), Some(false), None]);
        assert!(found.changes[2].sides[1].is_none() && found.changes[3].sides[0].is_none());
        assert!(found.changes[2].properties().is_empty());
    }

    #[test]
    fn every_property_of_a_listing_is_compared() {
        let a = kernel("sm_80", "add");
        let different = [
            Listing { threads: 128, ..a.clone() },
            Listing { registers: 65, ..a.clone() },
            Listing { shared_bytes: 0, ..a.clone() },
            Listing { spill_loads: 4, ..a.clone() },
            Listing { stack: 4, ..a.clone() },
            Listing { occupancy: 1.0, ..a.clone() },
            Listing { resident_blocks: 5, ..a.clone() },
            Listing { limiter: Limiter::Blocks, ..a.clone() },
            Listing { code_bytes: 1, ..a.clone() },
        ];
        assert_eq!(different.len(), PROPERTIES.len());
        for b in different {
            let found = compare_kernels(&record(std::slice::from_ref(&a)), &record(&[b])).unwrap();
            assert!(found.changes.len() == 1 && found.changes[0].properties().len() == 1, "{found:?}");
        }
        // What is written about a kernel is no property of its code.
        let renamed = Listing { file: "b.cu".into(), flops: "2 len".into(), ..a.clone() };
        assert_eq!(compare_kernels(&record(&[a]), &record(&[renamed])).unwrap().equal, 1);
    }

    #[test]
    fn architectures_are_compared_with_themselves_only() {
        let of = |archs: &[&str]| record(&archs.iter().map(|arch| kernel(arch, "add")).collect::<Vec<_>>());
        let error = compare_kernels(&of(&["sm_80", "sm_90a"]), &of(&["sm_90a"])).unwrap_err().to_string();
        assert_eq!(error, "these cannot be compared: A is compiled for sm_80, sm_90a, B for sm_90a");
        assert_eq!(compare_kernels(&of(&["sm_80", "sm_90a"]), &of(&["sm_90a", "sm_80"])).unwrap().equal, 2);
        assert!(of(&["sm_999"]).known_archs().unwrap_err().to_string().contains("sm_999"));
    }

    #[test]
    fn files_that_are_no_such_records_are_refused() {
        let good = record(&[kernel("sm_80", "add")]);
        let text = serde_json::to_string(&good).unwrap();
        assert_eq!(read(&text).unwrap(), good);
        assert_eq!(read(&text.replacen('{', r#"{"later": [], "#, 2)).unwrap(), good, "unknown keys are left out");
        let twice = record(&[kernel("sm_80", "add"), kernel("sm_80", "add")]);
        for (text, reason) in [
            ("", "is not a record of kernels --json"),
            ("{}", "is not a record of kernels --json"),
            (r#"{"schema": 1, "rows": []}"#, "is not a record of kernels --json"),
            (r#"{"kernels": []}"#, "is not a record of kernels --json"),
            (r#"[{"name": "add", "registers": 3}]"#, "is a record of an older kernels --json without a schema"),
            (&text.replace("\"schema\":1", "\"schema\":2"), "has schema 2 of kernels --json; this program reads schema 1"),
            (&text.replace("\"registers\":64", "\"registers\":-64"), "is a damaged record of kernels --json: "),
            (r#"{"schema": 1, "version": "1", "nvrtc": "13.0", "kernels": []}"#, "without kernels"),
            (&text.replace("\"occupancy\":0.5", "\"occupancy\":50.0"), "--json: add has an occupancy of 50 for sm_80"),
            (&serde_json::to_string(&twice).unwrap(), "is a damaged record of kernels --json: add is there twice for sm_80"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
