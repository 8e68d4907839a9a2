//! A whole training step and inference of Model II, on the CPU.
//!
//! ```sh
//! cargo bench --bench step                               # all, about three minutes on two cores
//! cargo bench --bench step -- 'training step/'           # or what a regular expression finds
//! ```
//!
//! Groups are `work/size`. A training step is forward pass, objective, backward pass, Adam and the moving average of the weights, on a
//! batch that is there; making the batch and both together stand beside it. Inference goes from host to host. The size `latency` is one
//! image at w = 16 and 128 px. Elements per second are FLOPs by formula, two per multiply-add.

use std::process::ExitCode;

use criterion::Criterion;
use orthoscope::Result;
use orthoscope::backend::{Cpu, Storage};
use orthoscope::profile::Work;

mod common;
#[path = "common/sampling.rs"]
mod sampling;

use common::{Bench, LATENCY, SIZES, Size, network};
use sampling::Sampling;

const SAMPLING: Sampling = Sampling { count: 10, seconds: 2.0, rate: 30e9 };

fn main() -> ExitCode {
    // As the command does: on a thread of the pool, so that a loop need not wake one.
    common::exit(rayon::scope(|_| run()))
}

fn run() -> Result<()> {
    let mut criterion = sampling::criterion();
    for size in SIZES {
        with(&mut criterion, size, |bench| {
            network::training(bench)?;
            network::inference(bench)
        })?;
    }
    with(&mut criterion, LATENCY, network::inference)?;
    criterion.final_summary();
    Ok(())
}

fn with(criterion: &mut Criterion, size: Size, work: impl FnOnce(&mut Bench<'_, '_, Cpu>) -> Result<()>) -> Result<()> {
    let backend = Cpu::default();
    let mut clock = |name: &str, call: &mut dyn FnMut() -> Result<()>| {
        let group = format!("{name}/{}", size.name);
        sampling::measure(criterion, [&group, backend.name()], SAMPLING, cost(name, size)?, call)
    };
    work(&mut Bench { backend: &backend, size, clock: &mut clock })
}

/// FLOPs of the network; of a batch its bytes, which are corrupted and plain pictures and the region.
fn cost(name: &str, size: Size) -> Result<Work> {
    let [inference, training] = network::flops(size)?;
    Ok(match name {
        "inference" => Work::new(inference, 0),
        "batch on the host" => Work::traffic(4 * size.images(0, 7)?.len() as u64),
        _ => Work::new(training, 0),
    })
}
