use std::path::PathBuf;

use crate::backend::cuda::compiler::{Arch, Compiler, Cubin, Listing, Precompiled, list};
use crate::data::check_output_folder;
use crate::report::table::{Column, Table};
use crate::report::wrap::wrap;

use super::output::{say, screen};

/// Arguments of `kernels`.
#[derive(clap::Args)]
#[command(
    after_help = "Kernels come from the folder ORTHOSCOPE_KERNELS_DIR if it is set, from the cache, or from NVRTC, NVIDIA's \
    compiler library. NVRTC is searched for in the folders ORTHOSCOPE_NVRTC_DIR, the active Python environment, the loader's \
    path and /usr/local/cuda*; `pip install nvidia-cuda-nvrtc` provides it. --out makes a folder for machines without NVRTC: set \
    ORTHOSCOPE_KERNELS_DIR to it there."
)]
pub struct Arguments {
    /// Architectures, separated by commas: sm_80, sm_86, sm_89, sm_90, sm_90a, sm_100, sm_120
    #[arg(long, value_name = "ARCH,...", default_value = "sm_90a", value_delimiter = ',', value_parser = Arch::named)]
    arch: Vec<&'static Arch>,
    /// Write DIR/ARCH/FILE.cubin and DIR/kernels.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print a JSON array instead of tables, with one object per kernel and architecture
    #[arg(long)]
    json: bool,
}

/// Lists the kernels, and writes them with --out.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut archs: Vec<&'static Arch> = Vec::new();
    for &arch in &arguments.arch {
        if !archs.contains(&arch) {
            archs.push(arch);
        }
    }
    let cubins = match &arguments.out {
        Some(folder) => {
            check_output_folder(folder)?;
            // Kernels written earlier must not be read back from this folder.
            let mut compiler = Compiler::from_environment();
            compiler.precompiled = None;
            let cubins = compiler.cubins(&archs)?;
            Precompiled::new(folder.clone()).write(&cubins)?;
            cubins
        }
        None => Compiler::global().cubins(&archs)?,
    };
    if arguments.json {
        return say(serde_json::to_string_pretty(&rows(cubins.iter())?)?);
    }
    let version = cubins.first().map_or(String::new(), |cubin| format!(", NVRTC {}", cubin.version));
    let rows = rows(cubins.iter())?;
    let table = match &archs[..] {
        [arch] => table(format!("{arch}{version}"), &rows),
        _ => side_by_side(format!("registers, occupancy and what limits it{version}"), &archs, &rows),
    };
    say(table.render(screen()))?;
    let words = "Registers and spilled bytes are per thread, shared bytes per block, code in KiB; occupancy is resident warps / maximum \
        warps, and what limits it: threads, where no more of them fit.";
    say(wrap(words, screen().columns).join("\n"))?;
    match &arguments.out {
        Some(folder) => say(format_args!("wrote {} CUBINs and kernels.json to {}", cubins.len(), folder.display())),
        None => Ok(()),
    }
}

fn rows<'a>(cubins: impl Iterator<Item = &'a Cubin>) -> crate::Result<Vec<Listing>> {
    Ok(cubins.map(list).collect::<crate::Result<Vec<_>>>()?.concat())
}

fn table(title: String, rows: &[Listing]) -> Table {
    let columns = [
        Column::text("kernel"),
        Column::text("file").optional(3),
        Column::number("threads").optional(4),
        Column::number("registers"),
        Column::number("shared"),
        Column::number("spills"),
        Column::number("code").optional(5),
        Column::text("occupancy"),
        Column::wrapped("FLOPs").optional(2),
        Column::wrapped("bytes").optional(1),
    ];
    let mut table = Table::new(title, columns);
    for row in rows {
        table.row([
            row.name.to_owned(),
            row.file.to_owned(),
            row.threads.to_string(),
            row.registers.to_string(),
            row.shared_bytes.to_string(),
            (row.spill_stores + row.spill_loads).to_string(),
            format!("{:.1}", row.code_bytes as f64 / 1024.0),
            format!("{:.2} {}", row.occupancy, row.limiter.word()),
            row.flops.to_owned(),
            row.bytes.to_owned(),
        ]);
    }
    table
}

/// One row for each kernel and one column for each architecture; the last ones are left out where the screen is too narrow.
fn side_by_side(title: String, archs: &[&Arch], rows: &[Listing]) -> Table {
    let order = |at: usize| u8::try_from(archs.len() - at).unwrap_or(u8::MAX);
    let of_arch = archs.iter().enumerate().map(|(at, arch)| Column::text(arch.name).optional(order(at)));
    let mut table = Table::new(title, std::iter::once(Column::text("kernel")).chain(of_arch).collect::<Vec<_>>());
    for first in rows.iter().filter(|row| row.arch == archs[0].name) {
        let cell = |arch: &&Arch| {
            let row = rows.iter().find(|row| row.arch == arch.name && row.name == first.name);
            row.map_or_else(String::new, |row| format!("{:>3} {:.2} {}", row.registers, row.occupancy, row.limiter.word()))
        };
        table.row(std::iter::once(first.name.to_owned()).chain(archs.iter().map(cell)));
    }
    table
}
