//! Convolution: forward, input gradient, weight gradient.

use super::{Conv2d, Conv2dSpec};
use crate::backend::cpu::columns::add_column_sums;
use crate::backend::cpu::correlate::{correlate, input_grad, precision, saved, uses_matrix_unit};
use crate::backend::cpu::correlation::Correlation;
use crate::backend::cpu::dense::{dense, dense_input_grad};
use crate::backend::cpu::finish::Finish;
use crate::backend::cpu::outer::{dense_weight_grad, weight_grad};
use crate::backend::cpu::pack::pack_forward;
use crate::backend::cpu::range::ChannelRange;
use crate::backend::cpu::storage::Sum;
use crate::backend::cpu::{Buffer, Cpu};
use crate::backend::{Phase, Storage};
use crate::error::Result;
use crate::ops::pointwise::cpu::finish;
use crate::ops::pool::{self, MaxPool};

pub(in crate::ops) fn run(cpu: &Cpu, call: Conv2d<'_, Buffer>) -> Result<()> {
    let cpu = &of_call(cpu, &call);
    match call {
        Conv2d::Forward { spec, x, w, b, y } => {
            let rounded = cpu.rounded(w)?;
            let w = rounded.as_ref().unwrap_or(w);
            let shape = correlation(spec, ChannelRange::all(spec.c_out as usize));
            let finish = Finish::Assign { bias: b.map(|b| &**b), activation: spec.activation };
            let weights = pack_forward(cpu, shape.depth(), shape.write.count, w, precision(cpu, &shape))?;
            if is_dense(spec) {
                return dense(cpu, (x, shape.read), &weights, finish, (y, shape.write));
            }
            correlate(cpu, &shape, x, &weights, finish, y)
        }
        Conv2d::ForwardPooled { spec, pool, x, w, b, y, pooled } => {
            run(cpu, Conv2d::Forward { spec, x, w, b, y: &mut *y })?;
            // The maxima are those of the stored values.
            cpu.settle(y)?;
            pool::cpu::run(cpu, MaxPool::Forward { spec: pool, x: y, v: y, y: pooled });
            Ok(())
        }
        Conv2d::InputGrad { spec, dz, w, dx, slope } => {
            let rounded = cpu.rounded(w)?;
            add_input_grad(cpu, spec, (dz, rounded.as_ref().unwrap_or(w)), dx)?;
            finish(cpu, slope, dx);
            Ok(())
        }
        Conv2d::WeightGrad { spec, x, dz, dw, db } => {
            let shape = correlation(spec, ChannelRange::all(spec.c_out as usize));
            if let Some(db) = db {
                add_column_sums(cpu.simd, dz, shape.write, db);
            }
            if is_dense(spec) {
                return dense_weight_grad(cpu, (x, shape.read), (dz, shape.write), dw.sum());
            }
            weight_grad(cpu, &shape, x, dz, dw.sum())
        }
    }
}

/// The device in the precision of a call.
fn of_call(cpu: &Cpu, call: &Conv2d<'_, Buffer>) -> Cpu {
    cpu.between(match call {
        Conv2d::Forward { x, y, .. } | Conv2d::ForwardPooled { x, y, .. } => [x, y],
        Conv2d::InputGrad { dz, dx, .. } => [dz, dx],
        Conv2d::WeightGrad { x, dz, .. } => [x, dz],
    })
}

/// `dx += wᵀ * dz`.
fn add_input_grad(cpu: &Cpu, spec: &Conv2dSpec, (dz, w): (&Buffer, &Buffer), dx: &mut Buffer) -> Result<()> {
    let shape = correlation(spec, ChannelRange::all(spec.c_out as usize));
    if is_dense(spec) {
        return dense_input_grad(cpu, (dz, shape.write), w, (dx.sum(), shape.read));
    }
    let Sum { data: dx, blank } = dx.sum();
    if spec.stride == 1 {
        return input_grad(cpu, &shape, (dz, w), Finish::sum(blank), dx);
    }
    let (wide, shape) = spread(cpu, &shape, dz)?;
    input_grad(cpu, &shape, (&wide, w), Finish::sum(blank), dx)
}

/// The spec and phase of a call.
fn case<'a>(call: &Conv2d<'a, Buffer>) -> (&'a Conv2dSpec, Phase) {
    match call {
        Conv2d::Forward { spec, .. } | Conv2d::ForwardPooled { spec, .. } => (spec, Phase::Forward),
        Conv2d::InputGrad { spec, .. } => (spec, Phase::InputGradient),
        Conv2d::WeightGrad { spec, .. } => (spec, Phase::WeightGradient),
    }
}

/// See [`crate::ops::Backend::matrix_flops`].
pub(in crate::ops) fn matrix_flops(cpu: &Cpu, call: &Conv2d<'_, Buffer>) -> u64 {
    let cpu = &of_call(cpu, call);
    let (spec, phase) = case(call);
    let shape = correlation(spec, ChannelRange::all(spec.c_out as usize));
    let on_matrix = match phase {
        Phase::InputGradient if is_dense(spec) => cpu.uses_matrix_unit(cpu.precision(shape.write.count)),
        _ => uses_matrix_unit(cpu, &shape, phase),
    };
    if on_matrix { spec.flops() } else { 0 }
}

/// See [`crate::ops::Backend::saved_flops`].
pub(in crate::ops) fn saved_flops(cpu: &Cpu, call: &Conv2d<'_, Buffer>) -> u64 {
    let (spec, phase) = case(call);
    if is_dense(spec) { 0 } else { saved(cpu, &correlation(spec, ChannelRange::all(spec.c_out as usize)), phase, spec.flops()) }
}

/// The dimensions of the spec as the loops use them. The output channels are those in `write`.
pub(in crate::ops) fn correlation(spec: &Conv2dSpec, write: ChannelRange) -> Correlation {
    Correlation {
        n: spec.n as usize,
        source: (spec.h as usize, spec.w as usize),
        target: (spec.h_out as usize, spec.w_out as usize),
        kernel: spec.kernel as usize,
        stride: spec.stride as usize,
        dilation: spec.dilation as usize,
        padding: spec.padding as isize,
        read: ChannelRange::all(spec.c_in as usize),
        write,
    }
}

/// A 1x1 convolution of every pixel is a linear map.
fn is_dense(spec: &Conv2dSpec) -> bool {
    spec.kernel == 1 && spec.stride == 1 && spec.padding == 0
}

/// dz with zeros inserted between its pixels, as for a convolution of stride 1, and its shape.
fn spread(cpu: &Cpu, shape: &Correlation, dz: &[f32]) -> Result<(Buffer, Correlation)> {
    let ((height, width), channels, unit) = (shape.target, shape.write.stride, shape.unit_stride());
    let target = unit.target;
    let mut wide = cpu.zeros(shape.n * target.0 * target.1 * channels)?;
    for (line, row) in dz.chunks_exact(width * channels).enumerate() {
        let first = (line / height * target.0 + line % height * shape.stride) * target.1;
        for (ox, pixel) in row.chunks_exact(channels).enumerate() {
            wide[(first + ox * shape.stride) * channels..][..channels].copy_from_slice(pixel);
        }
    }
    Ok((wide, unit))
}
