//! The kernels behind the operations, on devices that launch any.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Phase, Profile, Row, Span};
use crate::backend::KernelLaunch;
use crate::backend::cuda::compiler::{Arch, Compiler, Resources};
use crate::backend::cuda::{File, KERNELS, Nvtx};

/// The architecture whose registers are told where nothing is compiled for the device itself: the emulator.
const USUAL_ARCH: &str = "sm_90a";

/// One kernel of one operation, layer and phase, at one size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
pub(super) fn kernel_rows(steps: &[Vec<Span>], rows: &[Row]) -> Vec<KernelRow> {
    let rank: BTreeMap<_, _> =
        rows.iter().enumerate().map(|(rank, row)| ((row.phase, row.op.as_str(), row.layer.as_str()), rank)).collect();
    let mut found: Vec<(usize, KernelRow)> = Vec::new();
    for span in steps.iter().flatten() {
        let rank = rank.get(&(span.phase, span.op, span.layer.as_str())).copied().unwrap_or(usize::MAX);
        for launch in &span.kernels {
            match found.iter_mut().find(|(other, row)| *other == rank && row.is_of(launch)) {
                Some((_, row)) => row.launches += 1,
                None => found.push((rank, KernelRow::new(span, launch))),
            }
        }
    }
    found.sort_by_key(|(rank, _)| *rank);
    // Every step does the same.
    found.into_iter().map(|(_, row)| KernelRow { launches: row.launches / steps.len().max(1), ..row }).collect()
}

impl KernelRow {
    fn new(span: &Span, launch: &KernelLaunch) -> Self {
        let &KernelLaunch { kernel, grid, block, dynamic_shared } = launch;
        Self {
            kernel: kernel.to_owned(),
            op: span.op.to_owned(),
            layer: span.layer.clone(),
            phase: span.phase,
            launches: 1,
            grid,
            block,
            dynamic_shared,
            static_shared: None,
            registers: None,
        }
    }

    fn is_of(&self, launch: &KernelLaunch) -> bool {
        self.kernel == launch.kernel && self.grid == launch.grid && self.block == launch.block
    }

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
            let mut own = KERNELS.iter().copied().flatten().filter(|kernel| kernel.file.name == file.name);
            own.any(|kernel| self.kernels.iter().any(|row| row.kernel == kernel.name))
        };
        let files = crate::backend::cuda::compiler::files().into_iter().filter(|file| is_used(file));
        let images = files.map(|file| Compiler::usual().image(file, arch));
        Ok(images.collect::<crate::Result<Vec<_>>>()?.into_iter().flat_map(|image| image.kernels).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Peaks, Work, rows::rows};
    use super::*;

    fn span(op: &'static str, layer: &str, seconds: f64, kernels: &[(&'static str, u32)]) -> Span {
        let launch = |&(kernel, blocks): &(&'static str, u32)| KernelLaunch {
            kernel,
            grid: [blocks, 1, 1],
            block: [256, 1, 1],
            dynamic_shared: 64,
        };
        Span {
            op,
            layer: layer.into(),
            phase: Phase::Forward,
            work: Work::default(),
            kernels: kernels.iter().map(launch).collect(),
            start: 0.0,
            seconds,
            host: [0.0; 2],
        }
    }

    #[test]
    fn launches_of_a_step_are_counted_by_kernel_and_size() {
        let peaks = Peaks { machine: String::new(), copy: 1e9, fma: None, matrix: None };
        let step = vec![
            span("add", "", 1e-3, &[("add", 1)]),
            span("conv2d", "e1", 5e-3, &[("pack", 2), ("product", 3)]),
            span("conv2d", "e1", 5e-3, &[("pack", 2), ("product", 4)]),
            span("copy", "", 1e-4, &[]),
        ];
        let steps = vec![step; 3];
        let found = kernel_rows(&steps, &rows(&steps, &peaks));
        let seen: Vec<_> = found.iter().map(|row| (row.kernel.as_str(), row.grid[0], row.launches)).collect();
        assert_eq!(seen, [("pack", 2, 2), ("product", 3, 1), ("product", 4, 1), ("add", 1, 1)]);
        assert_eq!((found[0].dynamic_shared, found[0].shared(), found[0].registers), (64, None, None));
        assert_eq!(KernelRow { static_shared: Some(8), ..found[0].clone() }.shared(), Some(72));
    }
}
