//! Compiled kernels: a table of one architecture, several side by side, and two builds compared.

mod comparison;

pub use comparison::comparison;

use super::table::{Column, Screen, Table};
use super::wrap::wrap;
use crate::backend::cuda::compiler::Listing;
use crate::profile::KernelRecord;

/// The kernels as a table, with the meaning of its columns below it.
pub fn table(record: &KernelRecord, screen: Screen) -> String {
    let (archs, nvrtc) = (record.archs(), &record.nvrtc);
    let table = match &archs[..] {
        [arch] => of_one(format!("{arch}, NVRTC {nvrtc}"), &record.kernels),
        _ => side_by_side(format!("registers, occupancy and what limits it, NVRTC {nvrtc}"), &archs, &record.kernels),
    };
    let words = "Registers and spilled bytes are per thread, shared bytes per block, code in KiB; occupancy is resident warps / maximum \
        warps, and what limits it: threads, where no more of them fit.";
    format!("{}{}\n", table.render(screen), wrap(words, screen.columns).join("\n"))
}

fn of_one(title: String, rows: &[Listing]) -> Table {
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
            row.name.clone(),
            row.file.clone(),
            row.threads.to_string(),
            row.registers.to_string(),
            row.shared_bytes.to_string(),
            (u64::from(row.spill_stores) + u64::from(row.spill_loads)).to_string(),
            format!("{:.1}", row.code_bytes as f64 / 1024.0),
            occupancy(row),
            row.flops.clone(),
            row.bytes.clone(),
        ]);
    }
    table
}

/// Part of the warps that are resident, and what limits them. A block that needs more than a multiprocessor has is never
/// launched: another kernel takes its place.
fn occupancy(row: &Listing) -> String {
    if row.resident_blocks == 0 {
        return format!("no fit: {}", row.limiter.word());
    }
    format!("{:.2} {}", row.occupancy, row.limiter.word())
}

/// One row for each kernel and one column for each architecture; the last ones are left out where the screen is too narrow.
fn side_by_side(title: String, archs: &[String], rows: &[Listing]) -> Table {
    let order = |at: usize| u8::try_from(archs.len() - at).unwrap_or(u8::MAX);
    let of_arch = archs.iter().enumerate().map(|(at, arch)| Column::text(arch).optional(order(at)));
    let mut table = Table::new(title, std::iter::once(Column::text("kernel")).chain(of_arch).collect::<Vec<_>>());
    let mut names: Vec<&str> = Vec::new();
    rows.iter().for_each(|row| {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name)
        }
    });
    for name in names {
        let cell = |arch: &String| {
            let row = rows.iter().find(|row| row.arch == *arch && row.name == name);
            row.map_or_else(String::new, |row| format!("{:>3} {}", row.registers, occupancy(row)))
        };
        table.row(std::iter::once(name.to_owned()).chain(archs.iter().map(cell)));
    }
    table
}
