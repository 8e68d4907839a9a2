//! Elementwise operations on arrays larger than the caches, compared with a copy of the same length.
//!
//! ```sh
//! cargo bench --bench memory
//! ```
//!
//! Every round times the copy and then each operation once. Rates count each operand once, as the profiler does; the ratio to the
//! copy is taken within a round, because the bandwidth of a shared machine changes. Printed are medians over the rounds, with
//! minimum and maximum.

use std::time::Instant;

use orthoscope::Result;
use orthoscope::backend::{Cpu, Storage};
use orthoscope::ops::{Backend, Ccm, Pointwise};
use orthoscope::profile::Observed;
use rayon::prelude::*;

/// Elements of each array: 128 MiB.
const LEN: usize = 1 << 25;
/// Elements of one task of the copy.
const PIECE: usize = 1 << 18;
const ROUNDS: usize = 15;

type Buffer = <Cpu as Storage>::Buffer;
type Operation = fn(&Observed<Cpu>, &[Buffer; 3], &mut Buffer) -> Result<()>;

const OPERATIONS: [(&str, Operation); 7] = [
    ("add", |b, [x, z, _], y| b.run(Pointwise::Add { a: x, b: z, y })),
    ("sub", |b, [x, z, _], y| b.run(Pointwise::Sub { a: x, b: z, y })),
    ("mul", |b, [x, z, _], y| b.run(Pointwise::Mul { a: x, b: z, y })),
    ("mul_add", |b, [x, z, _], y| b.run(Pointwise::MulAdd { a: x, b: z, y })),
    ("affine", |b, [x, ..], y| b.run(Pointwise::Affine { alpha: 0.5, beta: 1.0, x, y })),
    ("axpy", |b, [x, ..], y| b.run(Pointwise::Axpy { alpha: 0.5, x, y })),
    ("convex combination", |b, [s, u, beta], y| b.run(Ccm::Combination { beta, s, u, y })),
];

fn main() -> Result<()> {
    let backend = Observed::new(Cpu::default());
    let source: Vec<f32> = (0..LEN).map(|i| (i % 4093) as f32 / 4093.0).collect();
    let arrays = [backend.upload(&source)?, backend.upload(&source)?, backend.upload(&source)?];
    let (mut y, mut target) = (backend.zeros(LEN)?, vec![0.0; LEN]);
    let mut rates = vec![Vec::new(); OPERATIONS.len() + 1];
    for round in 0..=ROUNDS {
        let start = Instant::now();
        target.par_chunks_mut(PIECE).zip(source.par_chunks(PIECE)).for_each(|(to, from)| to.copy_from_slice(from));
        let copied = 8.0 * LEN as f64 / start.elapsed().as_secs_f64();
        for (index, (_, operation)) in OPERATIONS.iter().enumerate() {
            backend.begin()?;
            let start = Instant::now();
            operation(&backend, &arrays, &mut y)?;
            let seconds = start.elapsed().as_secs_f64();
            let bytes: u64 = backend.take()?.iter().map(|span| span.work.bytes).sum();
            // The first round touches the memory for the first time.
            if round > 0 {
                rates[index + 1].push(bytes as f64 / seconds / copied);
            }
        }
        if round > 0 {
            rates[0].push(copied / 1e9);
        }
    }
    let summary = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        format!("{:5.2} ({:.2}–{:.2})", values[values.len() / 2], values[0], values[values.len() - 1])
    };
    println!("{:<20} {} GB/s; the others as multiples of it", "copy", summary(&mut rates[0]));
    for ((name, _), rates) in OPERATIONS.iter().zip(&mut rates[1..]) {
        println!("{name:<20} {}", summary(rates));
    }
    Ok(())
}
