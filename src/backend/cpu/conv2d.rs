//! Convolution: forward, input gradient, weight gradient.

use super::columns::add_column_sums;
use super::correlate::{Correlation, correlate};
use super::finish::Finish;
use super::linear::{dense, dense_input_grad};
use super::outer::{dense_weight_grad, weight_grad};
use super::pack::{Packed, pack_terms};
use super::pairs::Terms;
use super::storage::{Buffer, Sum};
use super::strips::Range;
use super::{Cpu, check_lengths, winograd};
use crate::backend::{Conv2d, Product, Storage};
use crate::error::Result;
use crate::shape::Conv2dSpec;

/// The spec's extents as the loops use them; output channels are `write` of the output.
pub(super) fn correlation(spec: &Conv2dSpec, write: Range) -> Correlation {
    Correlation {
        n: spec.n as usize,
        source: (spec.h as usize, spec.w as usize),
        target: (spec.h_out as usize, spec.w_out as usize),
        kernel: spec.kernel as usize,
        stride: spec.stride as usize,
        dilation: spec.dilation as usize,
        padding: spec.padding as isize,
        read: Range::all(spec.c_in as usize),
        write,
    }
}

/// Elements of x, w and y.
fn lengths(spec: &Conv2dSpec) -> [usize; 3] {
    let product = |extents: &[u32]| extents.iter().map(|&extent| extent as usize).product();
    [
        product(&[spec.n, spec.h, spec.w, spec.c_in]),
        product(&[spec.c_out, spec.kernel, spec.kernel, spec.c_in]),
        product(&[spec.n, spec.h_out, spec.w_out, spec.c_out]),
    ]
}

/// A 1x1 convolution of every pixel is a linear map.
fn is_dense(spec: &Conv2dSpec) -> bool {
    spec.kernel == 1 && spec.stride == 1 && spec.padding == 0
}

/// Weights `[c_out, taps, c_in]` as a right operand with rows (tap, input channel) and columns of output channels; `depth` is the
/// number of rows.
pub(super) fn pack_forward(cpu: &Cpu, depth: usize, c_out: usize, w: &[f32], terms: (Terms, usize)) -> Result<Packed> {
    pack_terms(cpu, (depth, c_out), terms, |column, row| w[column * depth + row])
}

/// Terms of a correlation's sums, and its input channels.
pub(super) fn terms(cpu: &Cpu, shape: &Correlation) -> (Terms, usize) {
    let channels = shape.read.count;
    (if winograd::pays(shape) { Terms::Floats } else { cpu.terms(channels) }, channels)
}

/// The correlation of dz with the flipped kernel; of stride 1.
fn adjoint(shape: &Correlation) -> Correlation {
    let padding = (shape.dilation * (shape.kernel - 1)) as isize - shape.padding;
    Correlation { source: shape.target, target: shape.source, padding, read: shape.write, write: shape.read, ..*shape }
}

/// Whether this product of a correlation is done in pairs. Weight gradients are sums over pixels, not channels, and never are.
pub(super) fn is_matrix(cpu: &Cpu, shape: &Correlation, product: Product) -> bool {
    match product {
        Product::Forward => cpu.is_matrix(terms(cpu, shape).0),
        Product::InputGradient => cpu.is_matrix(terms(cpu, &adjoint(&unit_stride(shape))).0),
        Product::WeightGradient => false,
    }
}

/// FLOPs of the formula that this product of a correlation does not execute. Products in pairs count as the formula says.
pub(super) fn saved(cpu: &Cpu, shape: &Correlation, product: Product, flops: u64) -> u64 {
    if is_matrix(cpu, shape, product) {
        return 0;
    }
    let shape = if product == Product::InputGradient { adjoint(&unit_stride(shape)) } else { *shape };
    flops.saturating_sub(winograd::executed(&shape))
}

/// The same as if dz had zeros between its pixels.
fn unit_stride(shape: &Correlation) -> Correlation {
    let (height, width) = shape.target;
    let target = ((height - 1) * shape.stride + 1, (width - 1) * shape.stride + 1);
    Correlation { target, stride: 1, ..*shape }
}

/// `wᵀ * dz` of a correlation of stride 1, to dx by `finish`: the correlation of dz with the flipped kernel.
pub(super) fn input_grad(
    cpu: &Cpu,
    shape: &Correlation,
    (dz, w): (&[f32], &[f32]),
    finish: Finish<'_>,
    dx: &mut [f32],
) -> Result<()> {
    let (taps, c_in, c_out) = (shape.kernel * shape.kernel, shape.read.count, shape.write.count);
    let adjoint = adjoint(shape);
    let weights = pack_terms(cpu, (taps * c_out, c_in), terms(cpu, &adjoint), |column, row| {
        let (tap, channel) = (taps - 1 - row / c_out, row % c_out);
        w[(channel * taps + tap) * c_in + column]
    })?;
    correlate(cpu, &adjoint, dz, &weights, finish, dx)
}

/// dz with zeros between its pixels, as if the convolution had stride 1; and its shape.
fn spread(cpu: &Cpu, shape: &Correlation, dz: &[f32]) -> Result<(Buffer, Correlation)> {
    let ((height, width), channels, unit) = (shape.target, shape.write.stride, unit_stride(shape));
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

impl Conv2d for Cpu {
    fn conv2d(&self, spec: &Conv2dSpec, x: &Buffer, w: &Buffer, b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
        let [x_len, w_len, y_len] = lengths(spec);
        let c_out = spec.c_out as usize;
        let bias_len = b.map_or(c_out, |b| b.len());
        check_lengths("conv2d", &[(x.len(), x_len), (w.len(), w_len), (y.len(), y_len), (bias_len, c_out)])?;
        let finish = Finish::Assign { bias: b.map(|b| &**b), activation: spec.activation };
        let shape = correlation(spec, Range::all(c_out));
        let weights = pack_forward(self, shape.depth(), c_out, w, terms(self, &shape))?;
        if is_dense(spec) {
            return dense(self, (x, shape.read), &weights, finish, (y, shape.write));
        }
        correlate(self, &shape, x, &weights, finish, y)
    }

    fn conv2d_input_grad(&self, spec: &Conv2dSpec, dz: &Buffer, w: &Buffer, dx: &mut Buffer) -> Result<()> {
        let [x_len, w_len, y_len] = lengths(spec);
        check_lengths("conv2d_input_grad", &[(dz.len(), y_len), (w.len(), w_len), (dx.len(), x_len)])?;
        let shape = correlation(spec, Range::all(spec.c_out as usize));
        if is_dense(spec) {
            return dense_input_grad(self, (dz, shape.write), w, (dx.sum(), shape.read));
        }
        let Sum { data: dx, blank } = dx.sum();
        if spec.stride == 1 {
            return input_grad(self, &shape, (dz, w), Finish::sum(blank), dx);
        }
        let (wide, shape) = spread(self, &shape, dz)?;
        input_grad(self, &shape, (&wide, w), Finish::sum(blank), dx)
    }

    fn conv2d_weight_grad(
        &self,
        spec: &Conv2dSpec,
        x: &Buffer,
        dz: &Buffer,
        dw: &mut Buffer,
        db: Option<&mut Buffer>,
    ) -> Result<()> {
        let [x_len, w_len, y_len] = lengths(spec);
        let c_out = spec.c_out as usize;
        let bias_len = db.as_ref().map_or(c_out, |db| db.len());
        let pairs = [(x.len(), x_len), (dz.len(), y_len), (dw.len(), w_len), (bias_len, c_out)];
        check_lengths("conv2d_weight_grad", &pairs)?;
        let shape = correlation(spec, Range::all(c_out));
        if let Some(db) = db {
            add_column_sums(self.simd, dz, shape.write, db);
        }
        if is_dense(spec) {
            return dense_weight_grad(self, (x, shape.read), (dz, shape.write), dw.sum());
        }
        weight_grad(self, &shape, x, dz, dw.sum())
    }

    fn conv2d_on_matrix(&self, spec: &Conv2dSpec, product: Product) -> bool {
        let shape = correlation(spec, Range::all(spec.c_out as usize));
        match product {
            Product::InputGradient if is_dense(spec) => self.is_matrix(self.terms(shape.write.count)),
            _ => is_matrix(self, &shape, product),
        }
    }

    fn conv2d_saved(&self, spec: &Conv2dSpec, product: Product) -> u64 {
        if is_dense(spec) { 0 } else { saved(self, &correlation(spec, Range::all(spec.c_out as usize)), product, spec.flops()) }
    }
}
