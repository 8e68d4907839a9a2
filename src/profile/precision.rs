//! Whether bf16 pays on a processor.

use std::time::{Duration, Instant};

use crate::backend::{Cpu, Storage};
use crate::error::Result;
use crate::ops::{Backend, Ccm, CcmSpec, CcmWeights};

/// Size of the module that is timed: that of the second level of a network with w = 32 on images of 128 pixels.
const ROWS: usize = 4096;
const CHANNELS: usize = 64;
/// Repetitions; the shortest time of each precision counts.
const ROUNDS: usize = 5;

/// Time of the convex combination module in f32 divided by its time in bf16 on this processor: above 1 where bf16 is faster. It
/// is the part of the network that uses bf16 most, forward and backward. Takes some hundredths of a second.
///
/// # Errors
/// Out of memory.
pub fn bf16_speedup(cpu: &Cpu) -> Result<f64> {
    let (single, half) = (module(cpu.with_f32())?, module(cpu.with_bf16())?);
    let mut best = [Duration::MAX; 2];
    // Alternating, so that a slow moment of a shared machine affects both.
    for _ in 0..ROUNDS {
        best = [single()?.min(best[0]), half()?.min(best[1])];
    }
    Ok(best[0].as_secs_f64() / best[1].as_secs_f64())
}

/// A function that times the forward and backward pass of one module.
fn module(cpu: Cpu) -> Result<impl Fn() -> Result<Duration>> {
    let filled = |len: usize| cpu.upload(&(0..len).map(|i| (i % 23) as f32 / 23.0 - 0.5).collect::<Vec<_>>());
    let (spec, len, c) = (CcmSpec { rows: ROWS as u32, c: CHANNELS as u32 }, ROWS * CHANNELS, CHANNELS);
    let [s, u, dy] = [filled(len)?, filled(len)?, filled(len)?];
    let [w_mix, b_mix, w_gate, b_gate] = [filled(3 * c * c)?, filled(c)?, filled(c * c)?, filled(c)?];
    Ok(move || {
        let weights = CcmWeights { w_mix: &w_mix, b_mix: &b_mix, w_gate: &w_gate, b_gate: &b_gate };
        let [mut dw_mix, mut db_mix, mut dw_gate, mut db_gate] =
            [cpu.zeros(3 * c * c)?, cpu.zeros(c)?, cpu.zeros(c * c)?, cpu.zeros(c)?];
        let [mut h, mut beta, mut y] = [cpu.alloc(len)?, cpu.alloc(len)?, cpu.alloc(len)?];
        let [mut ds, mut du] = [cpu.zeros(len)?, cpu.zeros(len)?];
        let start = Instant::now();
        cpu.run(Ccm::Forward { spec: &spec, s: &s, u: &u, weights, saved: Some([&mut h, &mut beta]), y: &mut y })?;
        let weight_grads = CcmWeights { w_mix: &mut dw_mix, b_mix: &mut db_mix, w_gate: &mut dw_gate, b_gate: &mut db_gate };
        let (saved, ds, du) = ([&h, &beta], &mut ds, &mut du);
        cpu.run(Ccm::Grad { spec: &spec, s: &s, u: &u, weights, saved, dy: &dy, ds, du, slopes: [None, None], weight_grads })?;
        Ok(start.elapsed())
    })
}
