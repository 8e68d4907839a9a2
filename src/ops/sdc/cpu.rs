//! Stacked dilated convolution: the gradients of each branch are read in place from its channels of the concatenated array.

use rayon::prelude::*;

use super::{Sdc, SdcSpec};
use crate::backend::cpu::columns::add_column_sums;
use crate::backend::cpu::correlate::{correlate, input_grad, precision, saved, uses_matrix_unit};
use crate::backend::cpu::correlation::Correlation;
use crate::backend::cpu::elementwise::{CHUNK, each};
use crate::backend::cpu::finish::Finish;
use crate::backend::cpu::outer::weight_grad;
use crate::backend::cpu::pack::pack_forward;
use crate::backend::cpu::range::ChannelRange;
use crate::backend::cpu::{Buffer, Cpu};
use crate::backend::{Phase, Storage};
use crate::error::Result;
use crate::ops::conv2d::cpu::correlation;
use crate::ops::pointwise::cpu::{Plus, finish};
use crate::shape::Activation;

pub(in crate::ops) fn run(cpu: &Cpu, call: Sdc<'_, Buffer>) -> Result<()> {
    let cpu = &of_call(cpu, &call);
    match call {
        Sdc::Forward { spec, x, w, b, y } => {
            let part_len = y.len() / w.len();
            // One task per branch, so that no core waits for another branch. Each branch first has its own result.
            let one = |(index, (w, b)): (usize, (&&Buffer, &&Buffer))| {
                let in_place = branch(spec, index);
                let shape = Correlation { write: ChannelRange::all(in_place.write.count), ..in_place };
                let rounded = cpu.rounded(w)?;
                let w = rounded.as_ref().unwrap_or(w);
                let weights = pack_forward(cpu, shape.depth(), shape.write.count, w, precision(cpu, &shape))?;
                let finish = Finish::Assign { bias: Some(b), activation: spec.activation };
                let mut part = cpu.alloc(part_len)?;
                correlate(cpu, &shape, x, &weights, finish, &mut part)?;
                Ok(part)
            };
            let parts: Vec<Buffer> = w.par_iter().zip(b).enumerate().map(one).collect::<Result<_>>()?;
            concat(&parts, spec.c_out as usize, y);
            Ok(())
        }
        Sdc::InputGrad { spec, dz, w, dx, slope } => {
            sum_of_branches(cpu, spec, dz, w, dx)?;
            finish(cpu, slope, dx);
            Ok(())
        }
        Sdc::WeightGrad { spec, x, dz, dw, db } => dw.par_iter_mut().zip(db).enumerate().try_for_each(|(index, (dw, db))| {
            let shape = branch(spec, index);
            add_column_sums(cpu.simd, dz, shape.write, db);
            weight_grad(cpu, &shape, x, dz, dw.sum())
        }),
    }
}

/// The device in the precision of a call.
fn of_call(cpu: &Cpu, call: &Sdc<'_, Buffer>) -> Cpu {
    cpu.between(match call {
        Sdc::Forward { x, y, .. } => [x, y],
        Sdc::InputGrad { dz, dx, .. } => [dz, dx],
        Sdc::WeightGrad { x, dz, .. } => [x, dz],
    })
}

/// `dx +=` the input gradients of all branches, in the order of the branches.
fn sum_of_branches(cpu: &Cpu, spec: &SdcSpec, dz: &Buffer, w: &[&Buffer], dx: &mut Buffer) -> Result<()> {
    let finish = Finish::Assign { bias: None, activation: Activation::Identity };
    let len = dx.len();
    let one = |(index, w): (usize, &&Buffer)| {
        let (mut part, rounded) = (cpu.alloc(len)?, cpu.rounded(w)?);
        input_grad(cpu, &branch(spec, index), (dz, rounded.as_ref().unwrap_or(w)), finish, &mut part)?;
        Ok(part)
    };
    let parts: Vec<Buffer> = w.par_iter().enumerate().map(one).collect::<Result<_>>()?;
    let dx = dx.sum();
    dx.data.par_chunks_mut(CHUNK).enumerate().for_each(|(task, part)| {
        if dx.blank {
            part.fill(0.0);
        }
        parts.iter().for_each(|other| each(cpu.simd, Plus, part, [&other[task * CHUNK..]]));
    });
    Ok(())
}

/// The spec and phase of a call.
fn case<'a>(call: &Sdc<'a, Buffer>) -> (&'a SdcSpec, Phase) {
    match call {
        Sdc::Forward { spec, .. } => (spec, Phase::Forward),
        Sdc::InputGrad { spec, .. } => (spec, Phase::InputGradient),
        Sdc::WeightGrad { spec, .. } => (spec, Phase::WeightGradient),
    }
}

/// Each branch is counted for the unit that computes it. See [`crate::ops::Backend::matrix_flops`].
pub(in crate::ops) fn matrix_flops(cpu: &Cpu, call: &Sdc<'_, Buffer>) -> u64 {
    let cpu = &of_call(cpu, call);
    let (spec, phase) = case(call);
    let on_matrix = |&index: &u32| uses_matrix_unit(cpu, &branch(spec, index as usize), phase);
    (0..spec.branches).filter(on_matrix).count() as u64 * spec.branch(0).flops()
}

/// The sum over all branches. See [`crate::ops::Backend::saved_flops`].
pub(in crate::ops) fn saved_flops(cpu: &Cpu, call: &Sdc<'_, Buffer>) -> u64 {
    let (spec, phase) = case(call);
    let of_branch = |index: usize| saved(cpu, &branch(spec, index), phase, spec.branch(index).flops());
    (0..spec.branches as usize).map(of_branch).sum()
}

/// Branch `index` as a correlation into its channels of the concatenated output.
fn branch(spec: &SdcSpec, index: usize) -> Correlation {
    let (count, branches) = (spec.c_out as usize, spec.branches as usize);
    correlation(&spec.branch(index), ChannelRange { start: index * count, count, stride: branches * count })
}

/// Pixels per task of [`concat`].
const PIXELS: usize = 512;

/// `y[pixel][k][channel] = parts[k][pixel][channel]`.
fn concat(parts: &[Buffer], channels: usize, y: &mut [f32]) {
    let stride = parts.len() * channels;
    y.par_chunks_mut(PIXELS * stride).enumerate().for_each(|(task, y)| {
        for (pixel, y) in (task * PIXELS..).zip(y.chunks_exact_mut(stride)) {
            let sources = parts.iter().map(|part| &part[pixel * channels..][..channels]);
            y.chunks_exact_mut(channels).zip(sources).for_each(|(y, source)| y.copy_from_slice(source));
        }
    });
}
