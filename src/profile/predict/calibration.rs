//! A file of peaks measured on a card, which replace what is assumed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Hardware;
use crate::backend::cuda::compiler::Arch;
use crate::disk::bounded;
use crate::error::{Error, Result};

/// Rates further than this factor from the assumed ones are no measurement of such a card.
const MAX_RATIO: f64 = 10.0;

/// Measured peaks of a card, as `examples/calibrate.rs` writes them. A field that is missing was not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The card, by its driver's name.
    pub device: String,
    /// The day of the measurement, as 2026-11-26.
    pub date: String,
    /// The version of the program that measured.
    #[serde(default)]
    pub version: Option<String>,
    /// Streaming multiprocessors.
    #[serde(default)]
    pub multiprocessors: Option<u32>,
    /// DRAM in 10⁹ bytes per second: a copy by a kernel between arrays larger than L2; reads and writes both count.
    #[serde(default)]
    pub dram_gb_s: Option<f64>,
    /// L2 in 10⁹ bytes per second, delivered to loads that pass L1 by.
    #[serde(default)]
    pub l2_gb_s: Option<f64>,
    /// L1 in bytes per clock and multiprocessor. No prediction uses it.
    #[serde(default)]
    pub l1_bytes_per_clock: Option<f64>,
    /// Shared memory in bytes per clock and multiprocessor.
    #[serde(default)]
    pub shared_bytes_per_clock: Option<f64>,
    /// f32 multiply-adds in 10¹² FLOP/s.
    #[serde(default)]
    pub ffma_tflop_s: Option<f64>,
    /// bf16 products by `mma.sync` in 10¹² FLOP/s.
    #[serde(default)]
    pub mma_bf16_tflop_s: Option<f64>,
    /// bf16 products by `wgmma` in 10¹² FLOP/s.
    #[serde(default)]
    pub wgmma_bf16_tflop_s: Option<f64>,
    /// Microseconds between two kernels in a stream.
    #[serde(default)]
    pub launch_us: Option<f64>,
    /// The same in a graph, as in training; without it, that in a stream stands for it.
    #[serde(default)]
    pub graph_launch_us: Option<f64>,
    /// Clock under load in MHz.
    #[serde(default)]
    pub clock_mhz: Option<f64>,
}

impl Calibration {
    /// Reads a file, and says what of it is not used.
    ///
    /// # Errors
    /// The file cannot be read, is no JSON of this form, or a rate or the date is impossible.
    pub fn read(path: &Path) -> Result<(Self, Vec<String>)> {
        let bytes = bounded::read(path, bounded::TEXT)?;
        let mut unknown = Vec::new();
        let mut source = serde_json::Deserializer::from_slice(&bytes);
        let read =
            serde_ignored::deserialize(&mut source, |key| unknown.push(format!("{} has an unknown field {key}", path.display())));
        let calibration: Self = read.map_err(|error| Error::file(path, format!("is not a file of measured peaks: {error}")))?;
        match calibration.fault() {
            Some(fault) => Err(Error::file(path, fault)),
            None => Ok((calibration, unknown)),
        }
    }

    fn rates(&self) -> [(&'static str, Option<f64>); 11] {
        [
            ("multiprocessors", self.multiprocessors.map(f64::from)),
            ("dram_gb_s", self.dram_gb_s),
            ("l2_gb_s", self.l2_gb_s),
            ("l1_bytes_per_clock", self.l1_bytes_per_clock),
            ("shared_bytes_per_clock", self.shared_bytes_per_clock),
            ("ffma_tflop_s", self.ffma_tflop_s),
            ("mma_bf16_tflop_s", self.mma_bf16_tflop_s),
            ("wgmma_bf16_tflop_s", self.wgmma_bf16_tflop_s),
            ("launch_us", self.launch_us),
            ("graph_launch_us", self.graph_launch_us),
            ("clock_mhz", self.clock_mhz),
        ]
    }

    /// What is impossible, as a clause.
    fn fault(&self) -> Option<String> {
        let day = |text: &str| humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).is_ok();
        if !day(&self.date) {
            return Some(format!("its date must be a day such as 2026-11-26, got {:?}", self.date));
        }
        let wrong =
            |(name, rate): (&'static str, Option<f64>)| Some((name, rate.filter(|rate| !(rate.is_finite() && *rate > 0.0))?));
        self.rates().into_iter().find_map(wrong).map(|(name, rate)| format!("{name} must be positive, got {rate}"))
    }

    /// The assumed rates of `arch` with the measured ones in their place, and sentences on what does not quite fit.
    ///
    /// # Errors
    /// The card has another compute capability than `arch`, or a rate is impossible for it.
    pub fn apply(&self, arch: &Arch, assumed: &Hardware, version: &str) -> Result<(Hardware, Vec<String>)> {
        let capability = Hardware::capability(&self.device);
        if let Some((major, minor)) = capability.filter(|capability| *capability != arch.capability) {
            let reason =
                format!("the peaks were measured on {}, which has compute capability {major}.{minor}; {arch} has", self.device);
            let (major, minor) = arch.capability;
            return Err(Error::argument(format!("{reason} {major}.{minor}")));
        }
        let hardware = self.replace(assumed);
        let pairs = [("DRAM", assumed.dram, hardware.dram), ("L2", assumed.l2, hardware.l2), ("f32", assumed.fma, hardware.fma)];
        let all = pairs.into_iter().chain([
            ("mma.sync", assumed.matrix, hardware.matrix),
            ("clock", assumed.clock, hardware.clock),
            ("wgmma", assumed.matrix_peak, hardware.matrix_peak),
            ("shared memory", assumed.shared, hardware.shared),
            ("launches", assumed.launch, hardware.launch),
        ]);
        if let Some((name, ..)) = all.into_iter().find(|(_, a, b)| a.max(*b) > MAX_RATIO * a.min(*b)) {
            let reason =
                format!("the measured rate of {name} is more than {MAX_RATIO} times away from that of a {}", assumed.card);
            return Err(Error::argument(format!("{reason}; check its unit")));
        }
        let unknown = capability.is_none().then(|| format!("which architecture {} has is not known", self.device));
        let other = self.version.as_ref().filter(|own| *own != version);
        let stale =
            other.map(|own| format!("the peaks were measured by orthoscope {own}, this is {version}: measure them again"));
        Ok((hardware, [unknown, stale].into_iter().flatten().collect()))
    }

    fn replace(&self, assumed: &Hardware) -> Hardware {
        let or = |measured: Option<f64>, unit: f64, assumed: f64| measured.map_or(assumed, |value| unit * value);
        Hardware {
            card: self.device.clone(),
            multiprocessors: self.multiprocessors.unwrap_or(assumed.multiprocessors),
            clock: or(self.clock_mhz, 1e6, assumed.clock),
            dram: or(self.dram_gb_s, 1e9, assumed.dram),
            l2: or(self.l2_gb_s, 1e9, assumed.l2),
            shared: or(self.shared_bytes_per_clock, 1.0, assumed.shared),
            fma: or(self.ffma_tflop_s, 1e12, assumed.fma),
            matrix: or(self.mma_bf16_tflop_s, 1e12, assumed.matrix),
            matrix_peak: or(self.wgmma_bf16_tflop_s, 1e12, assumed.matrix_peak),
            launch: or(self.graph_launch_us.or(self.launch_us), 1e-6, assumed.launch),
            ..assumed.clone()
        }
    }

    /// The names of the fields that were measured.
    pub fn measured(&self) -> Vec<&'static str> {
        self.rates().into_iter().filter_map(|(name, rate)| rate.map(|_| name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h100() -> (&'static Arch, Hardware) {
        let arch = Arch::named("sm_90a").unwrap();
        (arch, Hardware::of(arch).unwrap())
    }

    fn sample() -> Calibration {
        let (device, date) = ("NVIDIA H100 80GB HBM3".to_owned(), "2026-11-26".to_owned());
        Calibration { device, date, dram_gb_s: Some(3100.0), launch_us: Some(2.0), ..Calibration::default() }
    }

    fn read(text: &str) -> Result<(Calibration, Vec<String>)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Calibration::read(file.path())
    }

    #[test]
    fn measured_rates_replace_the_assumed_ones() {
        let (arch, assumed) = h100();
        let (hardware, notes) = sample().apply(arch, &assumed, "1").unwrap();
        assert_eq!((hardware.dram, hardware.launch, hardware.l2), (3.1e12, 2e-6, assumed.l2));
        assert!(notes.is_empty() && hardware.card == "NVIDIA H100 80GB HBM3", "{notes:?}");
        assert_eq!(sample().measured(), ["dram_gb_s", "launch_us"]);
        let graph = Calibration { graph_launch_us: Some(1.0), multiprocessors: Some(114), ..sample() };
        let (hardware, _) = graph.apply(arch, &assumed, "1").unwrap();
        assert_eq!((hardware.launch, hardware.multiprocessors), (1e-6, 114), "a training step is a graph");
    }

    #[test]
    fn peaks_of_another_card_are_refused_and_stale_ones_noticed() {
        let (arch, assumed) = h100();
        let other = Calibration { device: "NVIDIA A100-SXM4-80GB".into(), ..sample() };
        let error = other.apply(arch, &assumed, "1").unwrap_err().to_string();
        assert!(error.contains("NVIDIA A100-SXM4-80GB, which has compute capability 8.0; sm_90a has 9.0"), "{error}");
        let odd = Calibration { dram_gb_s: Some(3.1), ..sample() };
        assert!(odd.apply(arch, &assumed, "1").unwrap_err().to_string().contains("rate of DRAM is more than 10 times away"));
        let in_nanoseconds = Calibration { launch_us: Some(2000.0), ..sample() };
        assert!(in_nanoseconds.apply(arch, &assumed, "1").unwrap_err().to_string().contains("rate of launches is more than 10"));
        let stale = Calibration { version: Some("0".into()), device: "a prototype".into(), ..sample() };
        let (_, notes) = stale.apply(arch, &assumed, "1").unwrap();
        assert!(notes[0].contains("a prototype") && notes[1].contains("by orthoscope 0, this is 1"), "{notes:?}");
    }

    #[test]
    fn files_with_impossible_values_are_refused() {
        let (good, notes) = read(r#"{"device": "NVIDIA H100", "date": "2026-11-26", "clock_mhz": 1755, "sms": 132}"#).unwrap();
        assert!(good.clock_mhz == Some(1755.0) && notes[0].ends_with("has an unknown field sms"), "{notes:?}");
        for (text, reason) in [
            ("", "is not a file of measured peaks"),
            (r#"{"date": "2026-11-26"}"#, "missing field `device`"),
            (r#"{"device": "a", "date": "yesterday"}"#, "its date must be a day such as 2026-11-26, got \"yesterday\""),
            (r#"{"device": "a", "date": "2026-13-45"}"#, "its date must be a day"),
            (r#"{"device": "a", "date": "2026-11-26", "l2_gb_s": -1}"#, "l2_gb_s must be positive, got -1"),
            (r#"{"device": "a", "date": "2026-11-26", "l2_gb_s": "fast"}"#, "invalid type"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
