//! Max-pool as a selection.

use rayon::prelude::*;

use super::storage::Buffer;
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

    /// Offset in a row of windows of the maximum of each channel of window `index`; the first of equal ones wins.
    fn positions(&self, x: &[f32], index: usize, best: &mut [f32], positions: &mut [usize]) {
        let first = index * self.window * self.channels;
        best.copy_from_slice(&x[first..first + self.channels]);
        positions.fill(first);
        for (dy, dx) in (0..self.window).flat_map(|dy| (0..self.window).map(move |dx| (dy, dx))).skip(1) {
            let offset = first + (dy * self.width + dx) * self.channels;
            let values = &x[offset..offset + self.channels];
            for ((best, position), &value) in best.iter_mut().zip(&mut *positions).zip(values) {
                let larger = value > *best;
                *best = if larger { value } else { *best };
                *position = if larger { offset } else { *position };
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
            let (mut best, mut positions) = (vec![0.0; extents.channels], vec![0; extents.channels]);
            for (index, y) in y.chunks_exact_mut(extents.channels).enumerate() {
                extents.positions(x, index, &mut best, &mut positions);
                y.iter_mut().zip(&positions).enumerate().for_each(|(c, (y, &position))| *y = v[position + c]);
            }
        });
        Ok(())
    }

    fn max_pool_grad(&self, spec: &PoolSpec, x: &Buffer, dy: &Buffer, dv: &mut Buffer) -> Result<()> {
        check("max_pool_grad", spec, [x.len(), dv.len()], dy.len())?;
        let extents = Extents::new(spec);
        let rows = spec.h as usize / extents.window;
        let images = dv.par_chunks_mut(extents.image).zip(x.par_chunks(extents.image)).zip(dy.par_chunks(rows * extents.output));
        images.for_each(|((dv, x), dy)| {
            // Rows below the last whole window have no output: the shorter side ends the walk.
            let lines = dv.par_chunks_mut(extents.row).zip(x.par_chunks(extents.row)).zip(dy.par_chunks(extents.output));
            lines.for_each(|((dv, x), dy)| {
                let (mut best, mut positions) = (vec![0.0; extents.channels], vec![0; extents.channels]);
                for (index, dy) in dy.chunks_exact(extents.channels).enumerate() {
                    extents.positions(x, index, &mut best, &mut positions);
                    dy.iter().zip(&positions).enumerate().for_each(|(c, (dy, &position))| dv[position + c] += dy);
                }
            });
        });
        Ok(())
    }
}
