use std::path::PathBuf;

use crate::backend::cuda::compiler::{Arch, Compiler, Cubin, Precompiled};
use crate::data::check_output_folder;
use crate::profile::{KernelRecord, compare_kernels};
use crate::report::kernels as report;
use anyhow::Context;

use super::lists::Trimmed;
use super::output::{print, say, say_json, screen};

/// Arguments of `kernels`.
#[derive(clap::Args)]
#[command(
    after_help = "Kernels come from the folder ORTHOSCOPE_KERNELS_DIR if it is set, from the cache, or from NVRTC, NVIDIA's \
    compiler library. NVRTC is searched for in the folders ORTHOSCOPE_NVRTC_DIR, the active Python environment, the loader's \
    path and /usr/local/cuda*; `pip install nvidia-cuda-nvrtc` provides it. --out makes a folder for machines without NVRTC: set \
    ORTHOSCOPE_KERNELS_DIR to it there. --diff of two records needs no compiler."
)]
pub struct Arguments {
    /// Architectures, separated by commas: sm_80, sm_86, sm_89, sm_90, sm_90a, sm_100, sm_120
    #[arg(long, value_name = "ARCH,...", default_value = "sm_90a", value_delimiter = ',', value_parser = Trimmed(Arch::named))]
    arch: Vec<&'static Arch>,
    /// Write DIR/ARCH/FILE.cubin and DIR/kernels.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files in the output folder that `kernels` did not write, or that were changed since
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// Print a record as JSON instead of tables, for --diff and scripts
    #[arg(long)]
    json: bool,
    /// Compare two records of --json, or one with the kernels of this program, for the architectures of the record
    #[arg(long, value_names = ["A.json", "B.json"], num_args = 1..=2, conflicts_with_all = ["arch", "out", "json"])]
    diff: Option<Vec<PathBuf>>,
}

/// Lists the kernels, and writes them with --out; or compares two builds.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(paths) = &arguments.diff {
        return diff(paths);
    }
    let mut archs: Vec<&'static Arch> = Vec::new();
    for &arch in &arguments.arch {
        if !archs.contains(&arch) {
            archs.push(arch);
        }
    }
    let cubins = cubins(&archs, arguments.out.as_ref(), arguments.overwrite)?;
    let record = KernelRecord::of(&cubins)?;
    if arguments.json {
        return say_json(&record);
    }
    print(report::table(&record, screen()))?;
    match &arguments.out {
        Some(folder) => say(format_args!("wrote {} CUBINs and kernels.json to {}", cubins.len(), folder.display())),
        None => Ok(()),
    }
}

/// Compiled kernels, written to the folder `out` if there is one.
fn cubins(archs: &[&'static Arch], out: Option<&PathBuf>, overwrite: bool) -> anyhow::Result<Vec<Cubin>> {
    let Some(folder) = out else { return Ok(Compiler::global().cubins(archs)?) };
    check_output_folder(folder)?;
    let place = Precompiled::new(folder.clone());
    place.check(archs, overwrite)?;
    // Kernels written earlier must not be read back from this folder.
    let mut compiler = Compiler::from_environment();
    compiler.precompiled = None;
    let cubins = compiler.cubins(archs)?;
    place.write(&cubins, overwrite)?;
    Ok(cubins)
}

/// Compares the records in one or two files; without a second, side B is this program.
fn diff(paths: &[PathBuf]) -> anyhow::Result<()> {
    let Some((first, others)) = paths.split_first() else { return Ok(()) };
    let a = KernelRecord::read(first)?;
    let b = match others.first() {
        Some(second) => KernelRecord::read(second)?,
        None => {
            let archs = a.known_archs().with_context(|| first.display().to_string())?;
            KernelRecord::of(&Compiler::global().cubins(&archs)?)?
        }
    };
    let found = compare_kernels(&a, &b)?;
    if a.nvrtc != b.nvrtc {
        log::warn!("A is compiled by NVRTC {} and B by {}: what differs may be due to the compiler", a.nvrtc, b.nvrtc);
    }
    print(report::comparison([&a, &b], &found, screen()))
}
