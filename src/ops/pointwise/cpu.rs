//! Elementwise functions and arithmetic.

use rayon::prelude::*;

use super::Pointwise;
use crate::backend::Slope;
use crate::backend::cpu::activation::{activate, slope_derivative, through_slope};
use crate::backend::cpu::columns::add_column_sums;
use crate::backend::cpu::elementwise::{CHUNK, Elementwise, each_in_parallel};
use crate::backend::cpu::range::ChannelRange;
use crate::backend::cpu::simd::Vector;
use crate::backend::cpu::{Buffer, Cpu};

pub(in crate::ops) fn run(cpu: &Cpu, call: Pointwise<'_, Buffer>) {
    let simd = cpu.simd;
    match call {
        Pointwise::Activation { activation, x, y } => mapped(x, y, |chunk| activate(simd, activation, chunk)),
        Pointwise::ActivationGrad { activation, y, dz } => through_slope(simd, activation, y, dz),
        Pointwise::ActivationSlope { activation, order, y, s } => {
            mapped(y, s, |chunk| slope_derivative(simd, activation, order, chunk));
        }
        Pointwise::Add { a, b, y } => each_in_parallel(simd, Sum, y, [a, b]),
        Pointwise::Sub { a, b, y } => each_in_parallel(simd, Difference, y, [a, b]),
        Pointwise::Mul { a, b, y } => each_in_parallel(simd, Product, y, [a, b]),
        Pointwise::Div { a, b, y } => each_in_parallel(simd, Quotient, y, [a, b]),
        Pointwise::Sqrt { x, y } => mapped(x, y, |chunk| {
            simd.run(
                #[inline(always)]
                || chunk.iter_mut().for_each(|value| *value = value.sqrt()),
            );
        }),
        Pointwise::MulAdd { a, b, y } => each_in_parallel(simd, AddProduct, y, [a, b]),
        Pointwise::Affine { alpha, beta, x, y } => {
            each_in_parallel(simd, Affine { alpha: alpha as f32, beta: beta as f32 }, y, [x]);
        }
        Pointwise::Axpy { alpha, x, y } => each_in_parallel(simd, AddScaled { alpha: alpha as f32 }, y, [x]),
        Pointwise::AddBias { x, b, y } => add_bias(x, b, y),
        Pointwise::BiasGrad { dy, db } => add_column_sums(simd, dy, ChannelRange::all(db.len()), db),
    }
}

/// `dx *= S(y)` if there is a slope.
pub(in crate::ops) fn finish(cpu: &Cpu, slope: Option<Slope<'_, Buffer>>, dx: &mut Buffer) {
    if let Some(Slope { activation, y }) = slope {
        through_slope(cpu.simd, activation, y, dx);
    }
}

fn add_bias(x: &[f32], b: &[f32], y: &mut [f32]) {
    let rows = CHUNK.div_ceil(b.len()) * b.len();
    y.par_chunks_mut(rows).zip(x.par_chunks(rows)).for_each(|(y, x)| {
        for (y, x) in y.chunks_exact_mut(b.len()).zip(x.chunks_exact(b.len())) {
            y.iter_mut().zip(x).zip(b).for_each(|((y, x), b)| *y = x + b);
        }
    });
}

/// `y = f(x)` with `f` working in place on a chunk.
fn mapped(x: &[f32], y: &mut [f32], f: impl Fn(&mut [f32]) + Sync) {
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
        y.copy_from_slice(x);
        f(y);
    });
}

/// `a + b`.
#[derive(Clone, Copy)]
struct Sum;

impl Elementwise<2> for Sum {
    #[inline(always)]
    fn apply<V: Vector>(self, _: V, [a, b]: [V; 2]) -> V {
        a.add(b)
    }
}

/// `a - b`.
#[derive(Clone, Copy)]
struct Difference;

impl Elementwise<2> for Difference {
    #[inline(always)]
    fn apply<V: Vector>(self, _: V, [a, b]: [V; 2]) -> V {
        a.sub(b)
    }
}

/// `a ⊙ b`.
#[derive(Clone, Copy)]
struct Product;

impl Elementwise<2> for Product {
    #[inline(always)]
    fn apply<V: Vector>(self, _: V, [a, b]: [V; 2]) -> V {
        a.mul(b)
    }
}

/// `a / b`.
#[derive(Clone, Copy)]
struct Quotient;

impl Elementwise<2> for Quotient {
    #[inline(always)]
    fn apply<V: Vector>(self, _: V, [a, b]: [V; 2]) -> V {
        a.div(b)
    }
}

/// `y + x`.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Plus;

impl Elementwise<1> for Plus {
    #[inline(always)]
    fn apply<V: Vector>(self, y: V, [x]: [V; 1]) -> V {
        y.add(x)
    }
}

/// `y + a ⊙ b`.
#[derive(Clone, Copy)]
pub(in crate::ops) struct AddProduct;

impl Elementwise<2> for AddProduct {
    #[inline(always)]
    fn apply<V: Vector>(self, y: V, [a, b]: [V; 2]) -> V {
        y.add(a.mul(b))
    }
}

/// `alpha x + beta`.
#[derive(Clone, Copy)]
struct Affine {
    alpha: f32,
    beta: f32,
}

impl Elementwise<1> for Affine {
    #[inline(always)]
    fn apply<V: Vector>(self, _: V, [x]: [V; 1]) -> V {
        V::splat(self.alpha).mul(x).add(V::splat(self.beta))
    }
}

/// `y + alpha x`.
#[derive(Clone, Copy)]
struct AddScaled {
    alpha: f32,
}

impl Elementwise<1> for AddScaled {
    #[inline(always)]
    fn apply<V: Vector>(self, y: V, [x]: [V; 1]) -> V {
        y.add(V::splat(self.alpha).mul(x))
    }
}
