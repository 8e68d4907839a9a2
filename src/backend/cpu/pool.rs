//! Max-pool as a selection.

use rayon::prelude::*;

use super::storage::{Buffer, Sum};
use super::{Cpu, check_lengths};
use crate::backend::MaxPool;
use crate::error::Result;
use crate::shape::PoolSpec;

/// Floats of an image, of a row of windows, and of a row of outputs.
struct Extents {
    width: usize,
    channels: usize,
    window: usize,
    image: usize,
    row: usize,
    output: usize,
}

impl Extents {
    fn new(spec: &PoolSpec) -> Self {
        let (h, width, channels, window) = (spec.h as usize, spec.w as usize, spec.c as usize, spec.window as usize);
        let row = window * width * channels;
        Self { width, channels, window, image: h * width * channels, row, output: width / window * channels }
    }

    /// Where pixel `place` of window `index` begins in a row of windows.
    #[inline(always)]
    fn offset(&self, index: usize, place: usize) -> usize {
        (index * self.window + place / self.window * self.width + place % self.window) * self.channels
    }

    /// Maximum of each channel of window `index`, and the place in the window where it stands; the first of equal ones wins.
    #[inline(always)]
    fn maxima(&self, x: &[f32], index: usize, best: &mut [f32], places: &mut [u32]) {
        let first = self.offset(index, 0);
        best.copy_from_slice(&x[first..first + self.channels]);
        places.fill(0);
        for place in 1..self.window * self.window {
            let offset = self.offset(index, place);
            let values = &x[offset..offset + self.channels];
            for ((best, own), &value) in best.iter_mut().zip(&mut *places).zip(values) {
                let larger = value > *best;
                *best = if larger { value } else { *best };
                *own = if larger { place as u32 } else { *own };
            }
        }
    }

    /// `y = v[argmax x]` for a row of windows.
    #[inline(always)]
    fn select(&self, x: &[f32], v: &[f32], y: &mut [f32]) {
        let (mut best, mut places) = (vec![0.0; self.channels], vec![0; self.channels]);
        for (index, y) in y.chunks_exact_mut(self.channels).enumerate() {
            self.maxima(x, index, &mut best, &mut places);
            if std::ptr::eq(x, v) {
                y.copy_from_slice(&best);
                continue;
            }
            for place in 0..self.window * self.window {
                let offset = self.offset(index, place);
                let values = &v[offset..offset + self.channels];
                for ((y, &own), &value) in y.iter_mut().zip(&places).zip(values) {
                    *y = if own == place as u32 { value } else { *y };
                }
            }
        }
    }

    /// `dv[argmax x] += dy` for a row of windows.
    #[inline(always)]
    fn spread(&self, x: &[f32], dy: &[f32], dv: &mut [f32]) {
        let (mut best, mut places) = (vec![0.0; self.channels], vec![0; self.channels]);
        for (index, dy) in dy.chunks_exact(self.channels).enumerate() {
            self.maxima(x, index, &mut best, &mut places);
            for place in 0..self.window * self.window {
                let offset = self.offset(index, place);
                let grads = &mut dv[offset..offset + self.channels];
                for ((dv, &own), &dy) in grads.iter_mut().zip(&places).zip(dy) {
                    *dv = if own == place as u32 { *dv + dy } else { *dv };
                }
            }
        }
    }
}

fn check(op: &'static str, spec: &PoolSpec, inputs: [usize; 2], output: usize) -> Result<()> {
    let input = spec.n as usize * Extents::new(spec).image;
    check_lengths(op, &[(inputs[0], input), (inputs[1], input), (output, spec.output()?.len())])
}

impl MaxPool for Cpu {
    fn max_pool(&self, spec: &PoolSpec, x: &Buffer, v: &Buffer, y: &mut Buffer) -> Result<()> {
        check("max_pool", spec, [x.len(), v.len()], y.len())?;
        let extents = Extents::new(spec);
        let rows = spec.h as usize / extents.window;
        y.par_chunks_mut(extents.output).enumerate().for_each(|(line, y)| {
            let start = line / rows * extents.image + line % rows * extents.row;
            let (x, v) = (&x[start..start + extents.row], &v[start..start + extents.row]);
            self.simd.run(
                #[inline(always)]
                || extents.select(x, v, y),
            );
        });
        Ok(())
    }

    fn max_pool_grad(&self, spec: &PoolSpec, x: &Buffer, dy: &Buffer, dv: &mut Buffer) -> Result<()> {
        check("max_pool_grad", spec, [x.len(), dv.len()], dy.len())?;
        let extents = Extents::new(spec);
        let rows = spec.h as usize / extents.window;
        // Rows and columns beyond the last whole window have no output, but are zeros too.
        let Sum { data: dv, blank } = dv.sum();
        let images = dv.par_chunks_mut(extents.image).zip(x.par_chunks(extents.image)).zip(dy.par_chunks(rows * extents.output));
        images.for_each(|((dv, x), dy)| {
            let below = rows * extents.row;
            if blank {
                dv[below..].fill(0.0);
            }
            let lines = dv.par_chunks_mut(extents.row).zip(x.par_chunks(extents.row)).zip(dy.par_chunks(extents.output));
            lines.for_each(|((dv, x), dy)| {
                if blank {
                    dv.fill(0.0);
                }
                self.simd.run(
                    #[inline(always)]
                    || extents.spread(x, dy, dv),
                );
            });
        });
        Ok(())
    }
}
