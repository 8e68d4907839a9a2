//! The kernels behind the operations, on devices that launch any.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{KernelSpan, Peaks, Phase, Profile, Quantiles, Rates, Row, Span, Unit, Work};
use crate::backend::KernelLaunch;
use crate::backend::cuda::compiler::{Arch, Compiler, Resources};
use crate::backend::cuda::{File, KERNELS, Nvtx};

/// The architecture whose registers are told where nothing is compiled for the device itself: the emulator.
const USUAL_ARCH: &str = "sm_90a";

/// One kernel of one operation, layer and phase, at one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelRow {
    /// Name of the kernel.
    pub kernel: String,
    /// The operation that launched it, as in [`Row`].
    pub op: String,
    /// Its layer.
    pub layer: String,
    /// What for.
    pub phase: Phase,
    /// Launches in a step.
    pub launches: usize,
    /// Milliseconds of all of them in a step, over the steps.
    pub ms: Quantiles,
    /// Operations and bytes of all of them, by the formulas in the kernel's header.
    pub work: Work,
    /// What does the arithmetic.
    pub unit: Unit,
    /// How fast it is at the median.
    #[serde(flatten)]
    pub rates: Rates,
    /// Part of all operations' time, in percent.
    pub percent_of_time: f64,
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y, z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory of a block.
    pub dynamic_shared: u32,
    /// Bytes of static shared memory of a block, as compiled; None where that is not known.
    pub static_shared: Option<u32>,
    /// Registers of a thread, as compiled; None where that is not known.
    pub registers: Option<u32>,
}

/// Rows of these steps: kernels of the operations that take the longest first, those of one operation as they follow each other.
pub(super) fn kernel_rows(steps: &[Vec<Span>], rows: &[Row], peaks: &Peaks) -> Vec<KernelRow> {
    let rank: BTreeMap<_, _> =
        rows.iter().enumerate().map(|(rank, row)| ((row.phase, row.op.as_str(), row.layer.as_str()), rank)).collect();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (step, spans) in steps.iter().enumerate() {
        for span in spans {
            let rank = rank.get(&(span.phase, span.op, span.layer.as_str())).copied().unwrap_or(usize::MAX);
            for kernel in &span.kernels {
                let known = groups.iter().position(|group| group.rank == rank && group.is_of(&kernel.launch));
                let known = known.unwrap_or_else(|| {
                    groups.push(Group::new(rank, span, &kernel.launch, steps.len()));
                    groups.len() - 1
                });
                groups[known].add(step, kernel);
            }
        }
    }
    groups.sort_by_key(|group| group.rank);
    let total: f64 = rows.iter().map(|row| row.ms.median).sum();
    groups.into_iter().map(|group| group.row(steps.len(), total, peaks)).collect()
}

/// The launches of one kernel at one size by one operation.
struct Group<'a> {
    rank: usize,
    span: &'a Span,
    launch: &'a KernelLaunch,
    count: usize,
    work: Work,
    /// An entry for each step.
    seconds: Vec<f64>,
}

impl<'a> Group<'a> {
    fn new(rank: usize, span: &'a Span, launch: &'a KernelLaunch, steps: usize) -> Self {
        Self { rank, span, launch, count: 0, work: Work::default(), seconds: vec![0.0; steps] }
    }

    fn is_of(&self, launch: &KernelLaunch) -> bool {
        let own = self.launch;
        (own.kernel, own.grid, own.block) == (launch.kernel, launch.grid, launch.block)
    }

    fn add(&mut self, step: usize, kernel: &KernelSpan) {
        self.count += 1;
        self.work = self.work + kernel.launch.work;
        self.seconds[step] += kernel.seconds;
    }

    /// Every step does the same, so that means are exact. `total` is the milliseconds of all operations.
    fn row(self, steps: usize, total: f64, peaks: &Peaks) -> KernelRow {
        let &KernelLaunch { kernel, grid, block, dynamic_shared, .. } = self.launch;
        let (launches, seconds) = (self.count / steps.max(1), Quantiles::of(&self.seconds));
        let work = self.work.per(steps);
        KernelRow {
            kernel: kernel.to_owned(),
            op: self.span.op.to_owned(),
            layer: self.span.layer.clone(),
            phase: self.span.phase,
            launches,
            ms: seconds.scaled(1e3),
            work,
            unit: work.unit(),
            rates: Rates::of(&work, launches, seconds.median, peaks),
            percent_of_time: if total > 0.0 { 1e5 * seconds.median / total } else { 0.0 },
            grid,
            block,
            dynamic_shared,
            static_shared: None,
            registers: None,
        }
    }
}

impl KernelRow {
    /// Bytes of shared memory of a block, static and dynamic; None where the first is not known.
    pub fn shared(&self) -> Option<u32> {
        self.static_shared.map(|bytes| bytes.saturating_add(self.dynamic_shared))
    }
}

impl Profile {
    /// Adds what the compiler knows of the kernels, as compiled for `arch` (the emulator has none of its own), and says where that
    /// comes from, or why it is missing, and whether tools beside see the operations' names.
    pub fn describe_kernels(&mut self, arch: Option<&'static Arch>) {
        match Arch::named(USUAL_ARCH).map(|usual| arch.unwrap_or(usual)).and_then(|arch| Ok((arch, self.compiled(arch)?))) {
            Ok((arch, compiled)) => {
                for row in &mut self.kernels {
                    let known = compiled.iter().find(|known| known.name == row.kernel);
                    (row.registers, row.static_shared) = (known.map(|k| k.registers), known.map(|k| k.shared_bytes));
                }
                self.notes.push(format!("registers and static shared memory are those of the kernels as compiled for {arch}"));
            }
            Err(error) => self.notes.push(format!("registers and static shared memory are not known: {error}")),
        }
        self.notes.push(match Nvtx::usual() {
            Ok(nvtx) => format!("nsys and ncu see operations as ranges LAYER/PHASE/OPERATION, by {}", nvtx.path().display()),
            Err(reason) => format!("nsys and ncu see no names of operations, NVTX was not found: {reason}"),
        });
    }

    /// What the files of these kernels need.
    fn compiled(&self, arch: &'static Arch) -> crate::Result<Vec<Resources>> {
        let is_used = |file: &File| {
            let mut own = KERNELS.iter().copied().filter(|kernel| kernel.file.name == file.name);
            own.any(|kernel| self.kernels.iter().any(|row| row.kernel == kernel.name))
        };
        let files = crate::backend::cuda::compiler::files().into_iter().filter(|file| is_used(file));
        let images = files.map(|file| Compiler::usual().image(file, arch));
        Ok(images.collect::<crate::Result<Vec<_>>>()?.into_iter().flat_map(|image| image.kernels).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bound, rows::rows};
    use super::*;

    fn span(op: &'static str, layer: &str, seconds: f64, kernels: &[(&'static str, u32)]) -> Span {
        let launch = |&(kernel, blocks): &(&'static str, u32)| KernelLaunch {
            kernel,
            grid: [blocks, 1, 1],
            block: [256, 1, 1],
            dynamic_shared: 64,
            work: Work { matrix: if kernel == "product" { 8_000_000 } else { 0 }, ..Work::new(8_000_000, 1_000_000) },
        };
        let kernel = |kernel| KernelSpan { launch: launch(kernel), start: 0.0, seconds: 0.4 * seconds };
        Span {
            op,
            layer: layer.into(),
            phase: Phase::Forward,
            work: Work { matrix: if op == "conv2d" { 8_000_000 } else { 0 }, ..Work::new(8_000_000, 0) },
            kernels: kernels.iter().map(kernel).collect(),
            start: 0.0,
            seconds,
            host: [0.0; 2],
        }
    }

    #[test]
    fn launches_of_a_step_are_added_up_by_kernel_and_size() {
        let peaks = Peaks { machine: String::new(), copy: 1e9, fma: Some(2e9), matrix: Some(4e9) };
        let step = |factor: f64| {
            vec![
                span("add", "", 1e-3 * factor, &[("add", 1)]),
                span("conv2d", "e1", 5e-3 * factor, &[("pack", 2), ("product", 3)]),
                span("conv2d", "e1", 5e-3 * factor, &[("pack", 2), ("product", 4)]),
                span("copy", "", 1e-4 * factor, &[]),
            ]
        };
        let steps = [step(1.0), step(3.0), step(1.0)];
        let rows = rows(&steps, &peaks);
        let found = kernel_rows(&steps, &rows, &peaks);
        let seen: Vec<_> = found.iter().map(|row| (row.kernel.as_str(), row.grid[0], row.launches)).collect();
        assert_eq!(seen, [("pack", 2, 2), ("product", 3, 1), ("product", 4, 1), ("add", 1, 1)]);
        let pack = &found[0];
        assert_eq!((pack.dynamic_shared, pack.shared(), pack.registers), (64, None, None));
        assert_eq!(KernelRow { static_shared: Some(8), ..pack.clone() }.shared(), Some(72));
        assert_eq!((pack.work.flops, pack.work.bytes, pack.rates.intensity), (16_000_000, 2_000_000, Some(8.0)));
        assert!((pack.ms.median - 4.0).abs() < 1e-12 && (pack.ms.p99 - 12.0).abs() < 1e-12);
        // 16 MFLOP in 4 ms are 4 GFLOP/s, the multiply-adds' peak is half of that; 11.1 ms are all operations.
        assert!((pack.rates.gflop_per_second - 4.0).abs() < 1e-12 && (pack.rates.percent_of_peak - 200.0).abs() < 1e-9);
        assert!((pack.percent_of_time - 400.0 / 11.1).abs() < 1e-9);
        // 8 MFLOP in 2 ms on the matrix unit are all that it can do.
        assert_eq!((found[1].unit, found[1].rates.bound), (Unit::Matrix, Bound::Compute));
        assert!((found[1].rates.percent_of_peak - 100.0).abs() < 1e-9);
        // 16 MFLOP in 10 ms, 40 % of 4 GFLOP/s.
        assert!((rows[0].percent_of_peak - 40.0).abs() < 1e-9, "{}", rows[0].percent_of_peak);
    }
}
