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

/// Time of the convex combination module in f32 divided by its time in bf16 on this processor: above 1 where bf16 is faster. It is the
/// part of the network that uses bf16 most, forward and backward. Takes some hundredths of a second.
///
/// # Errors
/// Out of memory.
pub fn bf16_speedup(cpu: &Cpu) -> Result<f64> {
    let [single, half] = [Module::new(cpu.with_f32())?, Module::new(cpu.with_bf16())?];
    let mut best = [Duration::MAX; 2];
    // In turn, so that a slow moment of a shared machine meets both.
    for _ in 0..ROUNDS {
        for (best, module) in best.iter_mut().zip([&single, &half]) {
            *best = module.time()?.min(*best);
        }
    }
    Ok(best[0].as_secs_f64() / best[1].as_secs_f64())
}

/// A module with operands.
struct Module {
    cpu: Cpu,
    /// s, u and dy.
    operands: [<Cpu as Storage>::Buffer; 3],
    /// w_mix, b_mix, w_gate and b_gate.
    weights: [<Cpu as Storage>::Buffer; 4],
}

impl Module {
    fn new(cpu: Cpu) -> Result<Self> {
        let filled = |len: usize| cpu.upload(&(0..len).map(|i| (i % 23) as f32 / 23.0 - 0.5).collect::<Vec<_>>());
        let (rows, c) = (ROWS * CHANNELS, CHANNELS);
        let operands = [filled(rows)?, filled(rows)?, filled(rows)?];
        let weights = [filled(3 * c * c)?, filled(c)?, filled(c * c)?, filled(c)?];
        Ok(Self { cpu, operands, weights })
    }

    /// Forward and backward pass.
    fn time(&self) -> Result<Duration> {
        let Self { cpu, operands: [s, u, dy], weights: [w_mix, b_mix, w_gate, b_gate] } = self;
        let (spec, len) = (CcmSpec { rows: ROWS as u32, c: CHANNELS as u32 }, ROWS * CHANNELS);
        let weights = CcmWeights { w_mix, b_mix, w_gate, b_gate };
        let zeros = |like: &<Cpu as Storage>::Buffer| cpu.zeros(cpu.len(like));
        let [mut dw_mix, mut db_mix, mut dw_gate, mut db_gate] = [zeros(w_mix)?, zeros(b_mix)?, zeros(w_gate)?, zeros(b_gate)?];
        let [mut h, mut beta, mut y] = [cpu.alloc(len)?, cpu.alloc(len)?, cpu.alloc(len)?];
        let [mut ds, mut du] = [cpu.zeros(len)?, cpu.zeros(len)?];
        let start = Instant::now();
        cpu.run(Ccm::Forward { spec: &spec, s, u, weights, saved: Some([&mut h, &mut beta]), y: &mut y })?;
        let weight_grads = CcmWeights { w_mix: &mut dw_mix, b_mix: &mut db_mix, w_gate: &mut dw_gate, b_gate: &mut db_gate };
        let saved = [&h, &beta];
        cpu.run(Ccm::Grad { spec: &spec, s, u, weights, saved, dy, ds: &mut ds, du: &mut du, weight_grads })?;
        Ok(start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speedup_is_a_positive_number() -> Result<()> {
        let speedup = bf16_speedup(&Cpu::new())?;
        assert!(speedup > 0.0 && speedup.is_finite(), "{speedup}");
        Ok(())
    }
}
