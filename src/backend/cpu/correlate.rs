//! Correlation of a batch of images with packed weights: the forward pass of a convolution and, with flipped weights, its input
//! gradient.
//!
//! Without [`super::winograd`], a band of input rows is first copied into a zero-padded buffer. Every kernel tap is then one
//! segment of a long product.

use std::ops::Range;

use rayon::prelude::*;

use super::Cpu;
use super::correlation::Correlation;
use super::finish::Finish;
use super::pack::{Block, Packed, pack_as};
use super::pairs::{self, Precision};
use super::range::ChannelRange;
use super::simd::{LANES, Segment, Simd};
use super::storage::Buffer;
use super::strips::{PixelRow, multiply};
use super::winograd;
use crate::backend::{Phase, Storage};
use crate::error::Result;

/// Floats in a band of input rows: a band fits in the second-level cache together with the weights.
const BAND: usize = 1 << 16;
/// Number of bands in the whole batch that is enough to keep all cores busy.
const TASKS: usize = 32;

/// Layout shared by all bands of a correlation.
struct Plan {
    /// First horizontal tap of each run of adjacent taps.
    runs: Vec<usize>,
    /// Number of taps in each run.
    run_taps: usize,
    /// Number of zero pixels to the left and to the right of a row.
    left: usize,
    right: usize,
}

impl Plan {
    /// Drops the horizontal taps that no output pixel needs, and merges the others into one run if they are adjacent in memory.
    fn new(shape: &Correlation) -> Self {
        let taps: Vec<usize> = (0..shape.kernel).filter(|&kx| !shape.columns(kx).is_empty()).collect();
        let lowest = taps.first().map_or(0, |&kx| shape.shift(kx));
        let highest = taps.last().map_or(0, |&kx| shape.shift(kx)) + ((shape.target.1 - 1) * shape.stride) as isize;
        let left = lowest.min(0).unsigned_abs();
        let right = (highest - shape.source.1 as isize + 1).max(0).unsigned_abs();
        let adjacent = shape.dilation == 1 && taps.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        let dense = left + right > 0 || shape.read.count == shape.read.stride;
        match taps.first() {
            Some(&first) if adjacent && dense => Self { runs: vec![first], run_taps: taps.len(), left, right },
            _ => Self { runs: taps, run_taps: 1, left, right },
        }
    }
}

/// Input rows for the micro-kernel: the image itself, or a zero-padded copy.
struct Lines<'a> {
    image: &'a [f32],
    copy: Option<Buffer>,
    /// Image row with which the data start.
    first: usize,
    /// Distance between pixels, distance between rows, and offset of the channels of the first pixel, in floats.
    pixel: usize,
    pitch: usize,
    origin: usize,
}

impl<'a> Lines<'a> {
    /// The input rows that output rows `rows` need.
    fn new(cpu: &Cpu, shape: &Correlation, plan: &Plan, image: &'a [f32], rows: &Range<usize>) -> Result<Self> {
        let ChannelRange { start, count, stride } = shape.read;
        if plan.left + plan.right == 0 {
            let pitch = shape.source.1 * stride;
            return Ok(Self { image, copy: None, first: 0, pixel: stride, pitch, origin: start });
        }
        let needed = || rows.clone().flat_map(|oy| (0..shape.kernel).filter_map(move |ky| shape.row(oy, ky)));
        let (first, last) = (needed().min().unwrap_or(0), needed().max().unwrap_or(0));
        let (before, width) = (plan.left * count, shape.source.1);
        let pitch = (plan.left + width + plan.right) * count;
        let mut copy = cpu.alloc((last + 1 - first) * pitch)?;
        // Dilation and strides may skip rows.
        for iy in (first..=last).filter(|&iy| needed().any(|own| own == iy)) {
            let line = &mut copy[(iy - first) * pitch..][..pitch];
            line[..before].fill(0.0);
            line[before + width * count..].fill(0.0);
            let pixels = image[iy * width * stride..][..width * stride].chunks_exact(stride);
            let targets = line[before..].chunks_exact_mut(count);
            targets.zip(pixels).for_each(|(target, pixel)| target.copy_from_slice(&pixel[start..start + count]));
        }
        Ok(Self { image, copy: Some(copy), first, pixel: count, pitch, origin: before })
    }

    fn data(&self) -> &[f32] {
        self.copy.as_deref().unwrap_or(self.image)
    }

    /// Offset of the pixel `shift` columns from the left border in image row `iy`.
    fn offset(&self, iy: usize, shift: isize) -> usize {
        (self.origin + (iy - self.first) * self.pitch).wrapping_add_signed(shift * self.pixel as isize)
    }
}

/// `y = A(w * x + b)` or `y += w * x`, depending on `finish`. The packed weights have one row per (tap, input channel).
pub(crate) fn correlate(
    cpu: &Cpu,
    shape: &Correlation,
    x: &[f32],
    weights: &Packed,
    finish: Finish<'_>,
    y: &mut [f32],
) -> Result<()> {
    if winograd::pays(shape) {
        return winograd::correlate(cpu, shape, x, weights, finish, y);
    }
    if weights.precision == Precision::Bf16 {
        let read = ChannelRange::all(weights.elements(shape.read.count));
        return direct(cpu, &Correlation { read, ..*shape }, &pairs::of_channels(cpu, x, shape.read)?, weights, finish, y);
    }
    direct(cpu, shape, x, weights, finish, y)
}

/// The direct sum, tap by tap. x holds f32 values or pairs of bf16.
fn direct(cpu: &Cpu, shape: &Correlation, x: &[f32], weights: &Packed, finish: Finish<'_>, y: &mut [f32]) -> Result<()> {
    let plan = Plan::new(shape);
    let (height, width) = shape.target;
    let fits = BAND / (shape.source.1 * shape.read.count * shape.stride);
    let rows = fits.min((shape.n * height).div_ceil(TASKS)).clamp(1, height);
    let pitch = width * shape.write.stride;
    let image_len = shape.source.0 * shape.source.1 * shape.read.stride;
    let images = y.par_chunks_mut(height * pitch).zip(x.par_chunks(image_len));
    let bands = images.flat_map(|(y, x)| y.par_chunks_mut(rows * pitch).enumerate().map(move |(i, y)| (x, i * rows, y)));
    bands.try_for_each(|(x, first, y)| {
        let lines = Lines::new(cpu, shape, &plan, x, &(first..first + y.len() / pitch))?;
        band(cpu.simd, shape, &plan, (&lines, first), weights, finish, y)
    })
}

/// Computes `y`, output rows of one image from row `first` on.
fn band(
    simd: Simd,
    shape: &Correlation,
    plan: &Plan,
    (lines, first): (&Lines<'_>, usize),
    weights: &Packed,
    finish: Finish<'_>,
    y: &mut [f32],
) -> Result<()> {
    let pitch = shape.target.1 * shape.write.stride;
    let (row, depth) = (shape.stride * lines.pixel, plan.run_taps * shape.read.count);
    // One list for all rows: there are so many that allocations would count.
    let mut segments = Vec::new();
    for block in &weights.blocks {
        for (oy, y) in (first..).zip(y.chunks_exact_mut(pitch)) {
            list_segments(shape, plan, lines, oy, block, &mut segments);
            let pixels = PixelRow { data: lines.data(), row, depth, segments: &segments, count: shape.target.1 };
            multiply(simd, pixels, weights, block, finish, (y, shape.write))?;
        }
    }
    Ok(())
}

/// Lists the runs of taps for output row `oy`, as offsets into the lines and into the packed weights.
fn list_segments(shape: &Correlation, plan: &Plan, lines: &Lines<'_>, oy: usize, block: &Block, list: &mut Vec<Segment>) {
    list.clear();
    let rows = (0..shape.kernel).filter_map(|ky| shape.row(oy, ky).map(|iy| (ky, iy)));
    list.extend(rows.flat_map(|(ky, iy)| {
        plan.runs.iter().map(move |&kx| {
            let tap = (ky * shape.kernel + kx) * shape.read.count;
            (lines.offset(iy, shape.shift(kx)), block.offset + tap * block.vectors * LANES)
        })
    }));
}

/// Precision of the sums of a correlation, and its number of input channels.
pub(crate) fn precision(cpu: &Cpu, shape: &Correlation) -> (Precision, usize) {
    let channels = shape.read.count;
    (if winograd::pays(shape) { Precision::F32 } else { cpu.precision(channels) }, channels)
}

/// Whether this phase of a correlation uses the bf16 instructions. Weight gradients never do, because they sum over pixels and
/// not over channels.
pub(crate) fn uses_matrix_unit(cpu: &Cpu, shape: &Correlation, phase: Phase) -> bool {
    match phase {
        Phase::Forward => cpu.uses_matrix_unit(precision(cpu, shape).0),
        Phase::InputGradient => cpu.uses_matrix_unit(precision(cpu, &shape.unit_stride().adjoint()).0),
        _ => false,
    }
}

/// FLOPs in the formula that this phase of a correlation does not execute; 0 in bf16.
pub(crate) fn saved(cpu: &Cpu, shape: &Correlation, phase: Phase, flops: u64) -> u64 {
    if uses_matrix_unit(cpu, shape, phase) {
        return 0;
    }
    let shape = if phase == Phase::InputGradient { shape.unit_stride().adjoint() } else { *shape };
    flops.saturating_sub(winograd::executed(&shape))
}

/// `dx = wᵀ * dz` or `dx += wᵀ * dz`, depending on `finish`, for stride 1: the correlation of dz with the flipped kernel.
pub(crate) fn input_grad(
    cpu: &Cpu,
    shape: &Correlation,
    (dz, w): (&[f32], &[f32]),
    finish: Finish<'_>,
    dx: &mut [f32],
) -> Result<()> {
    let (taps, c_in, c_out) = (shape.kernel * shape.kernel, shape.read.count, shape.write.count);
    let adjoint = shape.adjoint();
    let weights = pack_as(cpu, (taps * c_out, c_in), precision(cpu, &adjoint), |column, row| {
        let (tap, channel) = (taps - 1 - row / c_out, row % c_out);
        w[(channel * taps + tap) * c_in + column]
    })?;
    correlate(cpu, &adjoint, dz, &weights, finish, dx)
}
