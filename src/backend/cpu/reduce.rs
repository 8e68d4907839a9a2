//! Sums in f64, chunk by chunk in fixed order.

use rayon::prelude::*;

use super::elementwise::{CHUNK, update};
use super::storage::Buffer;
use super::{Cpu, check_lengths};
use crate::backend::Reduce;
use crate::error::Result;

impl Reduce for Cpu {
    fn sum(&self, x: &Buffer, y: &mut Buffer) -> Result<()> {
        check_lengths("sum", &[(y.len(), 1)])?;
        let partial = |chunk: &[f32]| chunk.iter().map(|&x| f64::from(x)).sum::<f64>();
        let partials: Vec<f64> = x.par_chunks(CHUNK).map(partial).collect();
        y[0] = partials.iter().sum::<f64>() as f32;
        Ok(())
    }

    fn sum_grad(&self, alpha: f64, dy: &Buffer, dx: &mut Buffer) -> Result<()> {
        check_lengths("sum_grad", &[(dy.len(), 1)])?;
        let step = (alpha * f64::from(dy[0])) as f32;
        update(self.simd, dx, [], |dx, []| *dx += step);
        Ok(())
    }
}
