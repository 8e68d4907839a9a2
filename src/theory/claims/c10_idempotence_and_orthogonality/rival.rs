//! J_C, the best Jacobian for the corruption of training (Theorem A): a projector onto T as P_T is, but an oblique one.

use ndarray::{Array1, Array2};
use rayon::prelude::*;

use super::bench::{Bench, LAMBDA};
use crate::backend::Cpu;
use crate::error::{Error, Result};
use crate::model::Parameters;
use crate::theory::algebra::{norm, projector};
use crate::theory::claims::masked_moment::{row_moment, weight};
use crate::theory::least_squares::LeastSquaresProjector;
use crate::theory::statistics::root_mean_square;

/// Points of D, and corruptions of each that C is estimated from.
const POINTS: u32 = 12;
const CORRUPTIONS: usize = 1000;

/// J_C and P_T at a few points of D.
pub(super) struct Rival {
    points: Vec<Array1<f64>>,
    /// J_C, row by row, each with its own `C_i = E[w_i(eeᵀ + σ²I)]`.
    best: Vec<Array2<f64>>,
    /// P_T.
    orthogonal: Vec<Array2<f64>>,
}

impl Rival {
    /// For the corruption and the noise of a bench.
    pub(super) fn new(bench: &Bench) -> Result<Self> {
        let mut own = Self { points: vec![], best: vec![], orthogonal: vec![] };
        for index in 0..POINTS {
            let samples = bench.pictures.corruptions(index, CORRUPTIONS)?;
            let x = samples.first().map(|sample| sample.target.clone()).ok_or_else(|| Error::argument("C10: no corruptions"))?;
            let (basis, n) = (bench.pictures.manifold().tangent_basis(&x)?, x.len());
            let row = |i: usize| -> Result<Vec<f64>> {
                let noise = samples.iter().map(|sample| weight(sample, i, LAMBDA)).sum::<f64>() / samples.len() as f64;
                let mut moment = row_moment(&samples, i, LAMBDA);
                moment.diag_mut().iter_mut().for_each(|entry| *entry += noise * bench.sigma.powi(2));
                Ok(LeastSquaresProjector::new(&basis, &moment)?.matrix().row(i).to_vec())
            };
            let rows: Vec<Vec<f64>> = (0..n).into_par_iter().map(row).collect::<Result<_>>()?;
            own.best.push(Array2::from_shape_fn((n, n), |(i, j)| rows[i][j]));
            own.orthogonal.push(projector(&basis));
            own.points.push(x);
        }
        Ok(own)
    }

    /// J of a network at the points.
    pub(super) fn jacobians(&self, bench: &Bench, network: &Parameters<Cpu>) -> Result<Vec<Array2<f64>>> {
        bench.jacobians(network, &self.points)
    }

    /// `‖J - P_T‖` over `‖J - J_C‖`, root mean squares over the points.
    pub(super) fn orthogonal_over_best(&self, jacobians: &[Array2<f64>]) -> f64 {
        let [orthogonal, best] = [&self.orthogonal, &self.best]
            .map(|limits| root_mean_square(jacobians.iter().zip(limits).map(|(jacobian, limit)| norm(&(jacobian - limit)))));
        orthogonal / best
    }

    /// Jacobians with `size` of the difference J_C - P_T added.
    pub(super) fn moved(&self, jacobians: &[Array2<f64>], size: f64) -> Vec<Array2<f64>> {
        let limits = self.best.iter().zip(&self.orthogonal);
        jacobians.iter().zip(limits).map(|(jacobian, (best, orthogonal))| jacobian + size * (best - orthogonal)).collect()
    }
}
