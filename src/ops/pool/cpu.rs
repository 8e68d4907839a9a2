//! Max-pool as a selection.

use rayon::prelude::*;

use super::{MaxPool, PoolSpec};
use crate::backend::cpu::simd::{LANES, Vector, VectorWork};
use crate::backend::cpu::storage::Sum;
use crate::backend::cpu::{Buffer, Cpu};
use crate::ops::pointwise::cpu::finish;

pub(in crate::ops) fn run(cpu: &Cpu, call: MaxPool<'_, Buffer>) {
    match call {
        MaxPool::Forward { spec, x, v, y } => {
            let extents = Extents::new(spec);
            let rows = spec.h as usize / extents.window;
            y.par_chunks_mut(extents.output).enumerate().for_each(|(line, y)| {
                let start = line / rows * extents.image + line % rows * extents.row;
                let (x, v) = (&x[start..start + extents.row], &v[start..start + extents.row]);
                cpu.simd.vectorised(Select { extents, x, v, y });
            });
        }
        MaxPool::InputGrad { spec, x, dy, dv, slope } => {
            spread(cpu, spec, x, dy, dv.sum());
            finish(cpu, slope, dv);
        }
    }
}

/// `dv[argmax x] += dy`.
fn spread(cpu: &Cpu, spec: &PoolSpec, x: &[f32], dy: &[f32], dv: Sum<'_>) {
    let extents = Extents::new(spec);
    let rows = spec.h as usize / extents.window;
    // Rows and columns beyond the last whole window have no output, but must be zeroed too.
    let Sum { data: dv, blank } = dv;
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
            cpu.simd.vectorised(Spread { extents, x, dy, dv });
        });
    });
}

/// Floats of an image, of a row of windows, and of a row of outputs.
#[derive(Clone, Copy)]
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

    /// Offsets of the pixels of window `index` in a row of windows.
    #[inline(always)]
    fn places(&self, index: usize) -> impl Iterator<Item = usize> + use<> {
        let Self { window, width, channels, .. } = *self;
        (0..window * window).map(move |place| (index * window + place / window * width + place % window) * channels)
    }

    /// Outputs of a row of windows, up to 16 channels at once: window, first channel, number of channels.
    #[inline(always)]
    fn outputs(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let channels = self.channels;
        let groups = move |index| (0..channels).step_by(LANES).map(move |first| (index, first, LANES.min(channels - first)));
        (0..self.output / channels).flat_map(groups)
    }
}

/// `y = v[argmax x]` for a row of windows; of equal maxima the first is used.
struct Select<'a> {
    extents: Extents,
    x: &'a [f32],
    v: &'a [f32],
    y: &'a mut [f32],
}

impl VectorWork for Select<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { extents, x, v, y } = self;
        for (index, first, count) in extents.outputs() {
            let mut places = extents.places(index).map(|place| place + first);
            let Some(start) = places.next() else { return };
            let (mut best, mut chosen) = (V::load_first(x, start, count), V::load_first(v, start, count));
            for place in places {
                let (value, candidate) = (V::load_first(x, place, count), V::load_first(v, place, count));
                chosen = value.where_greater(best, candidate, chosen);
                best = value.max(best);
            }
            chosen.store_first(y, index * extents.channels + first, count);
        }
    }
}

/// `dv[argmax x] += dy` for a row of windows.
struct Spread<'a> {
    extents: Extents,
    x: &'a [f32],
    dy: &'a [f32],
    dv: &'a mut [f32],
}

impl VectorWork for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { extents, x, dy, dv } = self;
        let zero = V::splat(0.0);
        for (index, first, count) in extents.outputs() {
            let mut places = extents.places(index).map(|place| place + first);
            let Some(start) = places.next() else { return };
            let (mut best, mut winner) = (V::load_first(x, start, count), zero);
            for (number, place) in (1..).zip(places) {
                let value = V::load_first(x, place, count);
                winner = value.where_greater(best, V::splat(number as f32), winner);
                best = value.max(best);
            }
            let dy = V::load_first(dy, index * extents.channels + first, count);
            for (number, place) in extents.places(index).enumerate() {
                let number = V::splat(number as f32);
                let own = winner.where_greater(number, zero, number.where_greater(winner, zero, dy));
                V::load_first(dv, place + first, count).add(own).store_first(dv, place + first, count);
            }
        }
    }
}
