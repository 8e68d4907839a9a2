//! Local mean on the CPU. The window is separable: first the mean along rows, then along columns. The adjoint uses the opposite
//! order.

use std::ops::Range;

use rayon::prelude::*;

use super::{WindowedMean, WindowedMeanSpec};
use crate::backend::Storage;
use crate::backend::cpu::elementwise::{Elementwise, each};
use crate::backend::cpu::simd::{Simd, Vector};
use crate::backend::cpu::{Buffer, Cpu};
use crate::error::Result;
use crate::ops::pointwise::cpu::{AddProduct, Plus};

pub(in crate::ops) fn run(cpu: &Cpu, call: WindowedMean<'_, Buffer>) -> Result<()> {
    match call {
        WindowedMean::Forward { spec, a, b, y } => forward(cpu, spec, a, b, y),
        WindowedMean::InputGrad { spec, dy, b, da } => input_grad(cpu, spec, dy, b, da),
    }
}

fn forward(cpu: &Cpu, spec: &WindowedMeanSpec, a: &Buffer, b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
    let image = Axes::new(spec);
    let mut means = cpu.alloc(a.len())?;
    means.par_chunks_mut(image.line).enumerate().try_for_each(|(index, means)| {
        let line = index * image.line..(index + 1) * image.line;
        let mut product = cpu.alloc(image.line)?;
        product.copy_from_slice(&a[line.clone()]);
        if let Some(b) = b {
            each(cpu.simd, Times, &mut product, [&b[line]]);
        }
        along_row(cpu.simd, image.channels, &image.columns.outputs, &product, means);
        Ok(())
    })?;
    y.par_chunks_mut(image.line).enumerate().for_each(|(index, y)| {
        along_column(cpu.simd, &image, &image.rows.outputs, &means, index, y);
    });
    Ok(())
}

fn input_grad(cpu: &Cpu, spec: &WindowedMeanSpec, dy: &Buffer, b: Option<&Buffer>, da: &mut Buffer) -> Result<()> {
    let image = Axes::new(spec);
    da.par_chunks_mut(image.line).enumerate().try_for_each(|(index, da)| {
        let [mut sums, mut gradient] = [cpu.alloc(image.line)?, cpu.alloc(image.line)?];
        along_column(cpu.simd, &image, &image.rows.inputs, dy, index, &mut sums);
        along_row(cpu.simd, image.channels, &image.columns.inputs, &sums, &mut gradient);
        match b {
            Some(b) => each(cpu.simd, AddProduct, da, [&gradient, &b[index * image.line..]]),
            None => each(cpu.simd, Plus, da, [&gradient]),
        }
        Ok(())
    })
}

/// `y ⊙ b`.
#[derive(Clone, Copy)]
struct Times;

impl Elementwise<1> for Times {
    #[inline(always)]
    fn apply<V: Vector>(self, y: V, [b]: [V; 1]) -> V {
        y.mul(b)
    }
}

/// The window's weights along one axis: entry (output, input) of the map.
struct Weights {
    /// For each output, the inputs of its window.
    outputs: Places,
    /// For each input, the outputs that read it.
    inputs: Places,
}

impl Weights {
    fn new(spec: &WindowedMeanSpec, extent: usize) -> Self {
        let mut outputs = Vec::with_capacity(extent);
        let mut inputs = vec![(extent, Vec::new()); extent];
        for output in 0..extent {
            let window: Vec<(usize, f64)> = spec.window(output, extent).collect();
            outputs.push((window.first().map_or(0, |tap| tap.0), window.iter().map(|tap| tap.1 as f32).collect()));
            for (input, weight) in window {
                let (first, weights): &mut (usize, Vec<f32>) = &mut inputs[input];
                *first = output.min(*first);
                weights.push(weight as f32);
            }
        }
        Self { outputs: Places::new(outputs), inputs: Places::new(inputs) }
    }
}

/// For each position of one side of the map, the first position of the other side, and the weights from there on.
struct Places {
    all: Vec<(usize, Vec<f32>)>,
    /// Positions away from the border: all have the same weights, and the first position moves along with them.
    inner: Range<usize>,
}

impl Places {
    fn new(all: Vec<(usize, Vec<f32>)>) -> Self {
        let middle = all.len() / 2;
        let like_the_middle = |at: &usize| all[*at].1 == all[middle].1 && all[*at].0 + middle == all[middle].0 + at;
        let before = (0..middle).rev().take_while(like_the_middle).count();
        let after = (middle..all.len()).take_while(like_the_middle).count();
        Self { inner: middle - before..middle + after, all }
    }
}

/// Shared by both passes.
struct Axes {
    rows: Weights,
    columns: Weights,
    height: usize,
    channels: usize,
    /// Floats of one row of pixels.
    line: usize,
}

impl Axes {
    fn new(spec: &WindowedMeanSpec) -> Self {
        let [height, width, channels] = [spec.h, spec.w, spec.c].map(|extent| extent as usize);
        let (rows, columns) = (Weights::new(spec, height), Weights::new(spec, width));
        Self { rows, columns, height, channels, line: width * channels }
    }
}

/// `target =` weighted sums of pixels of the row `source`. Away from the border, whole runs of pixels are multiplied by one
/// weight; every sum has the same order of terms.
fn along_row(simd: Simd, c: usize, places: &Places, source: &[f32], target: &mut [f32]) {
    let Places { all, inner } = places;
    target.fill(0.0);
    for q in (0..inner.start).chain(inner.end..all.len()) {
        add_weighted(&mut target[q * c..(q + 1) * c], source, c, &all[q]);
    }
    simd.run(
        #[inline(always)]
        || add_weighted(&mut target[inner.start * c..inner.end * c], source, c, &all[inner.start]),
    );
}

/// `sums += ` weight times the floats of `source` from a place on, for each of the weights and the places from the first on,
/// which are `distance` floats apart.
#[inline(always)]
fn add_weighted(sums: &mut [f32], source: &[f32], distance: usize, (first, weights): &(usize, Vec<f32>)) {
    for (weight, source) in weights.iter().zip((*first..).map(|place| &source[place * distance..])) {
        sums.iter_mut().zip(source).for_each(|(sum, value)| *sum += weight * value);
    }
}

/// `target =` weighted sums of whole rows of `source` for row number `index` of the batch.
fn along_column(simd: Simd, image: &Axes, places: &Places, source: &[f32], index: usize, target: &mut [f32]) {
    let first_row = index / image.height * image.height;
    target.fill(0.0);
    simd.run(
        #[inline(always)]
        || add_weighted(target, &source[first_row * image.line..], image.line, &places.all[index % image.height]),
    );
}
