//! Local mean on the CPU. The window is separable: first the mean along rows, then along columns. The adjoint uses the opposite
//! order.

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
        along_row(&image, &product, means, |columns, q| columns.of_output(q));
        Ok(())
    })?;
    y.par_chunks_mut(image.line).enumerate().for_each(|(index, y)| {
        along_column(cpu.simd, &image, &means, index, y, |rows, p| rows.of_output(p));
    });
    Ok(())
}

fn input_grad(cpu: &Cpu, spec: &WindowedMeanSpec, dy: &Buffer, b: Option<&Buffer>, da: &mut Buffer) -> Result<()> {
    let image = Axes::new(spec);
    da.par_chunks_mut(image.line).enumerate().try_for_each(|(index, da)| {
        let [mut sums, mut gradient] = [cpu.alloc(image.line)?, cpu.alloc(image.line)?];
        along_column(cpu.simd, &image, dy, index, &mut sums, |rows, p| rows.of_input(p));
        along_row(&image, &sums, &mut gradient, |columns, q| columns.of_input(q));
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
    /// For each output, the first input of its window and the weights from there on.
    outputs: Vec<(usize, Vec<f32>)>,
    /// For each input, the first output that reads it and the weights from there on.
    inputs: Vec<(usize, Vec<f32>)>,
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
        Self { outputs, inputs }
    }

    fn of_output(&self, output: usize) -> &(usize, Vec<f32>) {
        &self.outputs[output]
    }

    fn of_input(&self, input: usize) -> &(usize, Vec<f32>) {
        &self.inputs[input]
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

/// `target =` weighted sums of pixels of the row `source`; `weights` selects the map or its adjoint.
fn along_row(image: &Axes, source: &[f32], target: &mut [f32], weights: impl Fn(&Weights, usize) -> &(usize, Vec<f32>)) {
    let c = image.channels;
    for (q, target) in target.chunks_exact_mut(c).enumerate() {
        let (first, weights) = weights(&image.columns, q);
        target.fill(0.0);
        for (weight, source) in weights.iter().zip(source[first * c..].chunks_exact(c)) {
            target.iter_mut().zip(source).for_each(|(sum, value)| *sum += weight * value);
        }
    }
}

/// `target =` weighted sums of whole rows of `source` for row number `index` of the batch.
fn along_column(
    simd: Simd,
    image: &Axes,
    source: &[f32],
    index: usize,
    target: &mut [f32],
    weights: impl Fn(&Weights, usize) -> &(usize, Vec<f32>),
) {
    let (first, weights) = weights(&image.rows, index % image.height);
    let start = index / image.height * image.height + first;
    target.fill(0.0);
    simd.run(
        #[inline(always)]
        || {
            for (weight, source) in weights.iter().zip(source[start * image.line..].chunks_exact(image.line)) {
                target.iter_mut().zip(source).for_each(|(sum, value)| *sum += weight * value);
            }
        },
    );
}
