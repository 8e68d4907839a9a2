//! The kernels that operations launch, on devices that have kernels.

use serde::{Deserialize, Serialize};

use super::rows::grouped;
use super::{KernelSpan, Peaks, Profile, Row, Span};
use crate::backend::KernelLaunch;
use crate::backend::cuda::compiler::{Arch, Compiler, Resources, files};
use crate::backend::cuda::{File, KERNELS, Nvtx};

/// The emulator has no registers: those of this architecture are shown for it.
const USUAL_ARCH: &str = "sm_90a";

/// One kernel, launched by one operation of one layer in one phase, at one grid and block size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelRow {
    /// Name of the kernel.
    pub kernel: String,
    /// The operation that launched it; time and work are those of the kernel, the work by the formulas in its header.
    #[serde(flatten)]
    pub row: Row,
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y, z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory per block.
    pub dynamic_shared: u32,
    /// Bytes of static shared memory per block, as compiled; None where that is not known.
    pub static_shared: Option<u32>,
    /// Registers per thread, as compiled; None where that is not known.
    pub registers: Option<u32>,
}

/// The kernels of these steps, in the order of the operations that launched them: those of the longest operation first.
pub(super) fn kernel_rows(steps: &[Vec<Span>], rows: &[Row], peaks: &Peaks) -> Vec<KernelRow> {
    let groups = grouped(steps, |span| {
        span.kernels.iter().map(|KernelSpan { launch, seconds, .. }| {
            let &KernelLaunch { kernel, grid, block, dynamic_shared, work } = launch;
            ((span.key(), kernel, grid, block, dynamic_shared), *seconds, work)
        })
    });
    let total = rows.iter().map(|row| row.measure.ms.median).sum::<f64>() / 1e3;
    let groups = groups.into_iter().map(|((operation, kernel, grid, block, dynamic_shared), sums)| KernelRow {
        kernel: kernel.to_owned(),
        row: Row::new(operation, sums.measure(total, peaks)),
        grid,
        block,
        dynamic_shared,
        static_shared: None,
        registers: None,
    });
    let mut kernels: Vec<KernelRow> = groups.collect();
    kernels.sort_by_cached_key(|kernel| rows.iter().position(|row| row.key() == kernel.row.key()));
    kernels
}

impl KernelRow {
    /// Bytes of shared memory per block, static and dynamic; None where the static part is not known.
    pub fn shared(&self) -> Option<u32> {
        self.static_shared.map(|bytes| bytes.saturating_add(self.dynamic_shared))
    }
}

impl Profile {
    /// Adds registers and static shared memory as compiled for `arch`; None is the emulator. Notes give the source of these
    /// numbers or why they are missing, and whether NVIDIA's tools see the names of operations.
    pub fn describe_kernels(&mut self, arch: Option<&'static Arch>) {
        match Arch::named(USUAL_ARCH).map(|usual| arch.unwrap_or(usual)).and_then(|arch| Ok((arch, self.compiled(arch)?))) {
            Ok((arch, compiled)) => {
                for row in &mut self.kernels {
                    let known = compiled.iter().find(|known| known.name == row.kernel);
                    (row.registers, row.static_shared) = (known.map(|k| k.registers), known.map(|k| k.shared_bytes));
                }
                self.notes.push(format!("registers and static shared memory are those of the kernels compiled for {arch}"));
            }
            Err(error) => self.notes.push(format!("registers and static shared memory are not known: {error}")),
        }
        self.notes.push(match Nvtx::global() {
            Ok(nvtx) => format!("nsys and ncu see operations as ranges LAYER/PHASE/OPERATION, through {}", nvtx.path().display()),
            Err(reason) => format!("nsys and ncu do not see operation names, because NVTX was not found: {reason}"),
        });
    }

    /// Registers and shared memory of these kernels.
    fn compiled(&self, arch: &'static Arch) -> crate::Result<Vec<Resources>> {
        let is_used = |file: &File| {
            let mut own = KERNELS.iter().filter(|kernel| kernel.file.name == file.name);
            own.any(|kernel| self.kernels.iter().any(|row| row.kernel == kernel.name))
        };
        let used = files().into_iter().filter(|file| is_used(file));
        let cubins = used.map(|file| Compiler::global().cubin(file, arch)).collect::<crate::Result<Vec<_>>>()?;
        Ok(cubins.into_iter().flat_map(|cubin| cubin.kernels).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bound, Unit, Work, rows::rows, span::sample};
    use super::*;

    fn span(op: &'static str, layer: &str, seconds: f64, kernels: &[(&'static str, u32)]) -> Span {
        let kernel = |&(kernel, blocks): &(&'static str, u32)| {
            let work = Work { matrix: if kernel == "product" { 8_000_000 } else { 0 }, ..Work::new(8_000_000, 1_000_000) };
            let launch = KernelLaunch { kernel, grid: [blocks, 1, 1], block: [256, 1, 1], dynamic_shared: 64, work };
            KernelSpan { launch, start: 0.0, seconds: 0.4 * seconds }
        };
        let work = Work { matrix: if op == "conv2d" { 8_000_000 } else { 0 }, ..Work::new(8_000_000, 0) };
        Span { kernels: kernels.iter().map(kernel).collect(), ..sample(op, layer, seconds, work) }
    }

    #[test]
    fn launches_of_a_step_are_summed_by_kernel_and_size() {
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
        let seen: Vec<_> = found.iter().map(|row| (row.kernel.as_str(), row.grid[0], row.row.measure.launches)).collect();
        assert_eq!(seen, [("pack", 2, 2), ("product", 3, 1), ("product", 4, 1), ("add", 1, 1)]);
        let pack = &found[0];
        assert_eq!((pack.dynamic_shared, pack.shared(), pack.registers), (64, None, None));
        assert_eq!(KernelRow { static_shared: Some(8), ..pack.clone() }.shared(), Some(72));
        let pack = &pack.row.measure;
        assert_eq!((pack.work.flops, pack.work.bytes, pack.rates.intensity), (16_000_000, 2_000_000, Some(8.0)));
        assert!((pack.ms.median - 4.0).abs() < 1e-12 && (pack.ms.p99 - 12.0).abs() < 1e-12);
        // 16 MFLOP in 4 ms are 4 GFLOP/s, twice the peak of multiply-adds; all operations take 11.1 ms.
        assert!((pack.rates.gflop_per_second - 4.0).abs() < 1e-12 && (pack.rates.percent_of_peak - 200.0).abs() < 1e-9);
        assert!((pack.percent_of_time - 400.0 / 11.1).abs() < 1e-9);
        // 8 MFLOP in 2 ms are the peak of the matrix unit.
        let product = &found[1].row.measure;
        assert_eq!((product.unit, product.rates.bound), (Unit::Matrix, Bound::Compute));
        assert!((product.rates.percent_of_peak - 100.0).abs() < 1e-9);
        // 16 MFLOP in 10 ms, 40 % of 4 GFLOP/s.
        assert!((rows[0].measure.rates.percent_of_peak - 40.0).abs() < 1e-9);
    }
}
