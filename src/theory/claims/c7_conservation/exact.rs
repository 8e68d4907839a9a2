//! What holds at every point: inequalities, on every manifold.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, add_scaled, norm, normalised, orthonormal_basis, solve, sub, svd};
use crate::theory::claim::{Row, Setting};
use crate::theory::claims::zoo::zoo;
use crate::theory::manifold::Manifold;

use super::NUMBER;

/// Lengths of e over the reach.
const LENGTHS: [f64; 2] = [0.1, 0.5];
/// The longest reach that is used: of flat manifolds it is infinite.
const LONGEST: f64 = 1.0;
/// How far a map leaves the nearest point, over the distance to D.
const ASIDE: f64 = 0.5;
const INEQUALITY: &str = "an inequality, but for rounding and the last step of an iterative π";

/// The worst seen, over all points.
struct Worst {
    /// `(‖π(x̂)-x̂‖² - ‖e‖²)/‖e‖²`: the inequality's left side less its right one.
    conservation: f64,
    /// `‖g(y)-y‖ - ‖π(y)-y‖` for a map g onto D, over ‖π(y)-y‖; the least.
    least_move: f64,
    /// The same for the map half-way to D.
    half_way: f64,
    /// `‖π(x+e)-x-P_T e‖ (τ-‖e‖)/‖e‖²`, and with P_T e left out.
    remainder: [f64; 2],
}

/// All rows that are about single points.
pub(super) fn rows(setting: &Setting) -> Result<Vec<Row>> {
    let mut stream = setting.stream(NUMBER, 0);
    let mut worst =
        Worst { conservation: f64::NEG_INFINITY, least_move: f64::INFINITY, half_way: f64::INFINITY, remainder: [0.0; 2] };
    for (_, manifold) in &zoo(&mut stream)? {
        for _ in 0..setting.pick(6, 40) {
            worst.add(manifold, &mut stream)?;
        }
    }
    let oblique = oblique_conservation(&mut stream);
    let [half, oblique_half] = change_off_segment(&mut stream, setting.pick(60, 400))?;
    Ok(vec![
        Row::at_most("(‖(π(x̂)-x̂)_S̄‖² + ‖(π(x̂)-x̂)_S‖² - ‖e‖²) / ‖e‖², all manifolds", 0.0, worst.conservation, 1e-9, INEQUALITY)
            .control("oblique projector onto a plane", oblique),
        Row::at_least("‖g(y)-y‖ / ‖π(y)-y‖ - 1, g idempotent onto D", 0.0, worst.least_move, 1e-9, INEQUALITY)
            .control("½(y + π(y)), with values off D", worst.half_way),
        Row::at_most("‖π(x+e) - x - P_T e‖ (τ-‖e‖) / ‖e‖²", 1.0, worst.remainder[0], 1e-9, INEQUALITY)
            .control("P_T e left out", worst.remainder[1]),
        Row::at_most("largest ‖P_S̄ P_T P_S‖₂, random T and S", 0.5, half, 1e-12, "an inequality, but for rounding")
            .control("oblique projectors", oblique_half),
    ])
}

impl Worst {
    fn add(&mut self, manifold: &Arc<dyn Manifold>, stream: &mut Stream) -> Result<()> {
        let x = manifold.sample(stream);
        let room = manifold.local_reach(&x)?.min(LONGEST);
        let length = room * (0.1 + 0.8 * stream.uniform_f64());
        let e = partial(stream, x.len(), length)?;
        let corrupted = add_scaled(&x, 1.0, &e);
        let nearest = manifold.project_point(&corrupted)?;
        let moved = norm(&sub(&nearest, &corrupted));
        self.conservation = self.conservation.max((moved / norm(&e)).powi(2) - 1.0);
        let aside = add_scaled(&corrupted, ASIDE * moved, &direction(stream, x.len())?);
        let other = manifold.project_point(&aside)?;
        self.least_move = self.least_move.min(norm(&sub(&other, &corrupted)) / moved - 1.0);
        let half_way = add_scaled(&corrupted, 0.5, &sub(&nearest, &corrupted));
        self.half_way = self.half_way.min(norm(&sub(&half_way, &corrupted)) / moved - 1.0);
        let reach = manifold.reach();
        if reach > 0.0 && reach.is_finite() {
            self.add_remainder(manifold, stream, (&x, reach))?;
        }
        Ok(())
    }

    fn add_remainder(&mut self, manifold: &Arc<dyn Manifold>, stream: &mut Stream, (x, reach): (&[f64], f64)) -> Result<()> {
        for part in LENGTHS {
            let e = partial(stream, x.len(), part * reach)?;
            let change = sub(&manifold.project_point(&add_scaled(x, 1.0, &e))?, x);
            let scale = (reach - norm(&e)) / norm(&e).powi(2);
            let without = sub(&change, &manifold.project_tangent(x, &e)?);
            for (worst, rest) in self.remainder.iter_mut().zip([&without, &change]) {
                *worst = worst.max(norm(rest) * scale);
            }
        }
        Ok(())
    }
}

/// A corruption of the given length on a random set S of at least one coordinate.
fn partial(stream: &mut Stream, n: usize, length: f64) -> Result<Vec<f64>> {
    let share = stream.uniform_f64();
    let always = stream.below(n as u32) as usize;
    let inside: Vec<bool> = (0..n).map(|index| index == always || stream.uniform_f64() < share).collect();
    let e: Vec<f64> = inside.iter().map(|&inside| if inside { stream.normal() } else { 0.0 }).collect();
    scaled(&e, length)
}

fn direction(stream: &mut Stream, n: usize) -> Result<Vec<f64>> {
    scaled(&(0..n).map(|_| stream.normal()).collect::<Vec<_>>(), 1.0)
}

fn scaled(v: &[f64], length: f64) -> Result<Vec<f64>> {
    let unit = normalised(v).ok_or_else(|| Error::argument("a random direction has no length"))?;
    Ok(unit.into_iter().map(|value| length * value).collect())
}

/// The conservation of the projector onto the first two axes of R³ along (2, 0, 1), the worst of some corruptions of one coordinate.
fn oblique_conservation(stream: &mut Stream) -> f64 {
    let excess = |axis: usize, value: f64| {
        let mut e = [0.0; 3];
        e[axis] = value;
        let image = [e[0] - 2.0 * e[2], e[1], 0.0];
        (norm(&sub(&image, &e)) / value.abs()).powi(2) - 1.0
    };
    (0..12).map(|trial| excess(trial % 3, 0.1 + stream.uniform_f64())).fold(f64::NEG_INFINITY, f64::max)
}

/// The largest `‖P_S̄ P_T P_S‖₂` of random subspaces T of random dimensions, and of oblique projectors onto them.
fn change_off_segment(stream: &mut Stream, trials: usize) -> Result<[f64; 2]> {
    let mut largest = [0.0_f64; 2];
    for _ in 0..trials {
        let n = stream.between(4, 24) as usize;
        let d = stream.between(1, n as u32 - 1) as usize;
        let cells = stream.between(1, n as u32 - 1) as usize;
        let [a, b] = [(); 2].map(|()| orthonormal_basis(&Matrix::from_fn(n, d, |_, _| stream.normal())));
        let inverse = solve(&b.transposed().times(&a), &Matrix::identity(d))
            .ok_or_else(|| Error::argument("two random subspaces are orthogonal"))?;
        let projectors = [a.times(&a.transposed()), a.times(&inverse).times(&b.transposed())];
        for (largest, projector) in largest.iter_mut().zip(projectors) {
            let block = Matrix::from_fn(n - cells, cells, |row, column| projector.row(cells + row)[column]);
            *largest = largest.max(svd(&block).values[0]);
        }
    }
    Ok(largest)
}
