//! A predicted step: its record, and its rows by kernel, layer and phase.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::compiled::{Compiled, KernelFacts};
use super::counts::{Counted, Counts};
use super::model::{Resource, Times, predict};
use super::plan::Plan;
use super::{Calibration, Hardware};
use crate::backend::Phase;
use crate::backend::cuda::Mode;
use crate::backend::cuda::compiler::Arch;
use crate::error::{Error, Result};
use crate::profile::Settings;

/// What one kernel does for one operation of one layer in one phase, in all its launches of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedRow {
    /// Name of the kernel, or `(zeros)` or `(copy)`.
    pub kernel: String,
    /// The operation that launches it.
    pub op: String,
    /// The layer; empty where there is none.
    pub layer: String,
    /// The phase.
    pub phase: Phase,
    /// Its time and what it needs.
    #[serde(flatten)]
    pub cost: Cost,
}

/// Time and needs of some launches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Launches, fills and copies.
    pub launches: usize,
    /// Predicted milliseconds.
    pub predicted_ms: f64,
    /// The resource that binds for the largest part of that time.
    pub bound: Resource,
    /// Time of the resources that bind, divided by the predicted time.
    pub share_of_bound: f64,
    /// Milliseconds by formula at the card's highest rates: every byte from DRAM, every product of the formula.
    pub floor_ms: f64,
    /// Bytes of DRAM.
    pub dram_bytes: f64,
    /// FLOPs by formula.
    pub flops: u64,
    /// Milliseconds by resource, each as if it were the only one.
    pub times_ms: Times,
    /// Accesses of its launches; those that could not be counted are left out. None if none was.
    pub counts: Option<Counts>,
}

/// A predicted step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Milliseconds of a step.
    pub predicted_ms: f64,
    /// Milliseconds by formula at the card's highest rates.
    pub floor_ms: f64,
    /// Images per second.
    pub images_per_second: f64,
    /// Bytes of DRAM in a step.
    pub dram_bytes: f64,
    /// FLOPs by formula in a step.
    pub flops: u64,
    /// Launches, fills and copies in a step.
    pub launches: usize,
    /// Most bytes of device memory alive at a time.
    pub memory_bytes: usize,
    /// Version and commit of the program.
    pub version: String,
    /// The architecture.
    pub arch: String,
    /// f32 or bf16.
    pub precision: String,
    /// What a step does; number of steps, warm-up and seed mean nothing here.
    pub settings: Settings,
    /// The rates that were used.
    pub hardware: Hardware,
    /// The measured ones among them.
    pub calibration: Option<Calibration>,
    /// Version of NVRTC.
    pub compiler: Option<String>,
    /// Path of the disassembler.
    pub disassembler: Option<String>,
    /// What is left out, in clauses.
    pub left_out: Vec<String>,
    /// What to know of the measured peaks, in sentences.
    pub notes: Vec<String>,
    /// Rows by kernel, layer and phase, the longest first.
    pub rows: Vec<PredictedRow>,
    /// The kernels as compiled, in the order of their time.
    pub kernels: Vec<KernelFacts>,
}

/// Predicts a step of `settings` on a GPU of architecture `arch`.
///
/// # Errors
/// No network has these settings; measured peaks of another architecture; compiled kernels of another version.
pub fn predict_step(
    settings: &Settings,
    arch: &'static Arch,
    mode: Mode,
    calibration: Option<Calibration>,
) -> Result<Prediction> {
    let assumed = Hardware::of(arch).ok_or_else(|| Error::argument(format!("no card of architecture {arch} is known")))?;
    let applied = calibration.as_ref().map(|own| own.apply(arch, &assumed, env!("CARGO_PKG_VERSION"))).transpose()?;
    let (hardware, notes) = applied.unwrap_or((assumed, Vec::new()));
    let plan = Plan::of(settings, arch, mode)?;
    let counted = Counted::of(&plan);
    let compiled = Compiled::of(&plan, counted.items.iter().any(Option::is_some), arch)?;
    let left_out = [&compiled.left_out[..], &counted.left_out, &[always_left_out(&plan)]].concat();
    let rows = rows(&plan, &compiled, &counted, &hardware);
    let total = total(&rows);
    Ok(Prediction {
        predicted_ms: total.predicted_ms,
        floor_ms: total.floor_ms,
        images_per_second: settings.batch as f64 / total.predicted_ms * 1e3,
        dram_bytes: total.dram_bytes,
        flops: total.flops,
        launches: total.launches,
        memory_bytes: plan.memory,
        version: format!("{} commit {}", env!("CARGO_PKG_VERSION"), crate::run::COMMIT),
        arch: arch.name.into(),
        precision: if mode == Mode::Bf16 { "bf16" } else { "f32" }.into(),
        settings: settings.clone(),
        hardware,
        calibration,
        compiler: compiled.compiler.map(|version| version.to_string()),
        disassembler: compiled.disassembler.clone(),
        left_out,
        notes,
        kernels: by_time(&rows, &compiled),
        rows,
    })
}

/// What no prediction has.
fn always_left_out(plan: &Plan) -> String {
    format!(
        "misses in L1, loops without arithmetic (their instructions count once), {:.1} MB between host and device",
        plan.host_bytes as f64 / 1e6
    )
}

fn rows(plan: &Plan, compiled: &Compiled, counted: &Counted, hardware: &Hardware) -> Vec<PredictedRow> {
    let mut groups: IndexMap<(&str, &str, &str, Phase), Vec<Cost>> = IndexMap::new();
    for (item, counts) in plan.items.iter().zip(&counted.items) {
        let found = predict(item, compiled.kernels.get(item.kernel), counts.as_ref(), hardware);
        let cost = Cost {
            launches: 1,
            predicted_ms: found.ms,
            bound: found.bound,
            share_of_bound: found.times.of(found.bound) / found.ms,
            floor_ms: found.floor,
            dram_bytes: found.dram_bytes,
            flops: item.work.flops,
            times_ms: found.times,
            counts: *counts,
        };
        groups.entry((item.kernel, item.op, &item.layer, item.phase)).or_default().push(cost);
    }
    let row = |((kernel, op, layer, phase), costs): ((&str, &str, &str, Phase), Vec<Cost>)| PredictedRow {
        kernel: kernel.into(),
        op: op.into(),
        layer: layer.into(),
        phase,
        cost: Cost::sum(&costs),
    };
    let mut rows: Vec<PredictedRow> = groups.into_iter().map(row).collect();
    rows.sort_by(|a, b| b.cost.predicted_ms.total_cmp(&a.cost.predicted_ms));
    rows
}

fn total(rows: &[PredictedRow]) -> Cost {
    Cost::sum(rows.iter().map(|row| &row.cost))
}

/// The facts of the kernels, those first that take the longest.
fn by_time(rows: &[PredictedRow], compiled: &Compiled) -> Vec<KernelFacts> {
    let groups = grouped(rows, |row| row.kernel.clone());
    groups.iter().filter_map(|(kernel, _)| compiled.kernels.get(kernel.as_str()).cloned()).collect()
}

/// Rows with the same key together, the longest first.
pub fn grouped<K: std::hash::Hash + Eq + Clone>(rows: &[PredictedRow], key: impl Fn(&PredictedRow) -> K) -> Vec<(K, Cost)> {
    let mut groups: IndexMap<K, Vec<&Cost>> = IndexMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(&row.cost);
    }
    let mut sums: Vec<(K, Cost)> = groups.into_iter().map(|(key, costs)| (key, Cost::sum(costs))).collect();
    sums.sort_by(|a, b| b.1.predicted_ms.total_cmp(&a.1.predicted_ms));
    sums
}

impl Cost {
    /// Everything together. Counts saturate: those of a record may be anything.
    pub fn sum<'a>(costs: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut by_bound: IndexMap<Resource, f64> = IndexMap::new();
        let mut sum = Self {
            launches: 0,
            predicted_ms: 0.0,
            bound: Resource::Launch,
            share_of_bound: 0.0,
            floor_ms: 0.0,
            dram_bytes: 0.0,
            flops: 0,
            times_ms: Times::default(),
            counts: None,
        };
        let mut binding = 0.0;
        for cost in costs {
            sum.launches = sum.launches.saturating_add(cost.launches);
            sum.predicted_ms += cost.predicted_ms;
            sum.floor_ms += cost.floor_ms;
            sum.dram_bytes += cost.dram_bytes;
            sum.flops = sum.flops.saturating_add(cost.flops);
            sum.times_ms = sum.times_ms.plus(&cost.times_ms);
            sum.counts = [sum.counts, cost.counts].into_iter().flatten().reduce(|a, b| a.plus(&b));
            binding += cost.share_of_bound * cost.predicted_ms;
            *by_bound.entry(cost.bound).or_default() += cost.predicted_ms;
        }
        let longest = by_bound.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        sum.bound = longest.map_or(Resource::Launch, |(resource, _)| resource);
        sum.share_of_bound = if sum.predicted_ms > 0.0 { binding / sum.predicted_ms } else { 0.0 };
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(predicted_ms: f64, bound: Resource, share_of_bound: f64) -> Cost {
        let times_ms = Times { dram: 1.0, ..Times::default() };
        Cost {
            launches: 2,
            predicted_ms,
            bound,
            share_of_bound,
            floor_ms: 0.5,
            dram_bytes: 3.0,
            flops: 4,
            times_ms,
            counts: None,
        }
    }

    #[test]
    fn the_bound_of_several_rows_is_that_of_the_longest_time() {
        let costs = [cost(3.0, Resource::L2, 0.5), cost(2.0, Resource::Dram, 0.75), cost(2.0, Resource::Dram, 0.75)];
        let sum = Cost::sum(&costs);
        assert_eq!((sum.bound, sum.launches, sum.flops, sum.times_ms.dram), (Resource::Dram, 6, 12, 3.0));
        assert!((sum.share_of_bound - 4.5 / 7.0).abs() < 1e-12 && (sum.predicted_ms - 7.0).abs() < 1e-12);
        assert_eq!(Cost::sum(&[]).share_of_bound, 0.0);
    }

    #[test]
    fn sums_of_absurd_counts_of_a_record_saturate() {
        let counts = Some(Counts { sectors: u64::MAX, ..Counts::default() });
        let absurd = Cost { launches: usize::MAX, flops: u64::MAX, counts, ..cost(1.0, Resource::L2, 0.5) };
        let sum = Cost::sum(&[absurd.clone(), absurd.clone()]);
        assert_eq!((sum.launches, sum.flops, sum.counts), (absurd.launches, absurd.flops, absurd.counts));
    }

    #[test]
    fn rows_are_grouped_the_longest_first() {
        let row = |kernel: &str, layer: &str, ms| PredictedRow {
            kernel: kernel.into(),
            op: "conv2d".into(),
            layer: layer.into(),
            phase: Phase::Forward,
            cost: cost(ms, Resource::Dram, 0.75),
        };
        let rows = [row("a", "e1", 1.0), row("b", "e1", 1.5), row("a", "e2", 1.0)];
        let names =
            |groups: Vec<(String, Cost)>| groups.into_iter().map(|(name, cost)| (name, cost.predicted_ms)).collect::<Vec<_>>();
        assert_eq!(names(grouped(&rows, |row| row.kernel.clone())), [("a".to_owned(), 2.0), ("b".to_owned(), 1.5)]);
        assert_eq!(names(grouped(&rows, |row| row.layer.clone())), [("e1".to_owned(), 2.5), ("e2".to_owned(), 1.0)]);
    }
}
