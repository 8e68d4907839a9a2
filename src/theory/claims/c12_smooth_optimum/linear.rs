//! Linear maps trained on the tape for a covariance of rank d < n and a corruption that is correlated across T and N.

use ndarray::{Array1, Array2, Axis, s};

use crate::error::Result;
use crate::ops::Backend;
use crate::theory::algebra::{blend, gaussian_matrix, norm, orthonormal_basis, projector, solve, symmetric_eigen};
use crate::theory::claim::{Check, Setting};
use crate::theory::claims::training::trained_linear_map;
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::least_squares::LeastSquaresProjector;
use crate::theory::statistics::{larger, log_log_slope};

use super::constants::NUMBER;

const N: usize = 8;
/// Λ, the variances of the data.
const LAMBDA: [f64; 3] = [8.0, 6.0, 4.0];
/// Eigenvalues of C: a random basis makes it correlated across T and N.
const NOISE: [f64; N] = [2.0, 1.6, 1.3, 1.0, 0.9, 0.8, 0.6, 0.5];
/// Values of t².
const SQUARES: [f64; 3] = [0.2, 0.1, 0.05];

const STIFF: (f64, &str) = (1e-3, "directions of curvature t² have not fully converged; another second moment is 0.1 away");
const SLOPE: (f64, &str) = (0.08, "the term of order t⁴ is up to 4 % of that of order t²");
const CONSTANT: (f64, &str) = (0.05, "the term of order t⁴, 1 % at t² = 0.05");

pub(super) fn checks<B: Backend<Elem = f64>>(backend: &B, setting: &Setting) -> Result<(Vec<Check>, Figure)> {
    let bench = Bench::new(backend, setting)?;
    let maps = SQUARES.iter().map(|&square| bench.train(&bench.corruption, square)).collect::<Result<Vec<_>>>()?;
    let best = bench.best(&bench.corruption)?;
    let orthogonal = projector(&bench.tangent);
    let curve = |limit: &Array2<f64>| -> Vec<(f64, f64)> {
        SQUARES.iter().zip(&maps).map(|(square, map)| (square.sqrt(), norm(&(map - limit)))).collect()
    };
    let slope = Check::equal("slope of ‖W - J_C‖ in t, trained linear map", 2.0, log_log_slope(&curve(&best))?, SLOPE.0, SLOPE.1)
        .against("P_T in place of J_C", |share| log_log_slope(&curve(&blend(&best, &orthogonal, share))))?;
    Ok((vec![bench.closed_form(&maps)?, slope, bench.constant(&maps, &best)?], figure(curve(&best), curve(&orthogonal))))
}

/// Data of covariance TΛTᵀ, and the second moment C of the corruption.
struct Bench<'a, B> {
    backend: &'a B,
    setting: &'a Setting,
    tangent: Array2<f64>,
    corruption: Array2<f64>,
}

impl<'a, B: Backend<Elem = f64>> Bench<'a, B> {
    fn new(backend: &'a B, setting: &'a Setting) -> Result<Self> {
        let mut stream = setting.stream(NUMBER, 0);
        let [tangent, axes] = [LAMBDA.len(), N].map(|columns| orthonormal_basis(&gaussian_matrix(&mut stream, N, columns)));
        Ok(Self { backend, setting, tangent, corruption: (&axes * &Array1::from(NOISE.to_vec())).dot(&axes.t()) })
    }

    /// Σ = TΛTᵀ.
    fn covariance(&self) -> Array2<f64> {
        (&self.tangent * &Array1::from(LAMBDA.to_vec())).dot(&self.tangent.t())
    }

    /// J_C.
    fn best(&self, corruption: &Array2<f64>) -> Result<Array2<f64>> {
        Ok(LeastSquaresProjector::new(&self.tangent, corruption)?.matrix())
    }

    /// `Σ(Σ + t²C)⁻¹`; both matrices are symmetric.
    fn minimiser(&self, corruption: &Array2<f64>, square: f64) -> Result<Array2<f64>> {
        let covariance = self.covariance();
        Ok(solve(&(&covariance + square * corruption), &covariance)?.reversed_axes())
    }

    /// The share of isotropic noise of the same power in C.
    fn evened(&self, share: f64) -> Array2<f64> {
        let even = self.corruption.diag().sum() / N as f64 * Array2::<f64>::eye(N);
        blend(&self.corruption, &even, share)
    }

    fn closed_form(&self, maps: &[Array2<f64>]) -> Result<Check> {
        let distance = |share: f64| -> Result<f64> {
            let corruption = self.evened(share);
            let apart = |(&square, map): (&f64, &Array2<f64>)| Ok(norm(&(map - self.minimiser(&corruption, square)?)));
            let all = SQUARES.iter().zip(maps).map(apart).collect::<Result<Vec<f64>>>()?;
            Ok(all.into_iter().fold(0.0, larger))
        };
        Check::equal("‖W - Σ(Σ+t²C)⁻¹‖, trained linear maps, largest", 0.0, distance(0.0)?, STIFF.0, STIFF.1)
            .against("isotropic noise of the same power in the formula", distance)
    }

    /// `‖W - J_C‖/t²` at the least t over `‖TGΛ⁻¹GTᵀC⁻¹‖`.
    fn constant(&self, maps: &[Array2<f64>], best: &Array2<f64>) -> Result<Check> {
        let last = SQUARES.len() - 1;
        let whitened = solve(&self.corruption, &self.tangent)?;
        let g = solve(&self.tangent.t().dot(&whitened), &Array2::eye(LAMBDA.len()))?;
        let inner = (&g / &Array1::from(LAMBDA.to_vec()).insert_axis(Axis(0))).dot(&g);
        let predicted = SQUARES[last] * norm(&self.tangent.dot(&inner).dot(&whitened.t()));
        let orthogonal = projector(&self.tangent);
        let ratio = |share: f64| norm(&(&maps[last] - blend(best, &orthogonal, share))) / predicted;
        let quantity = format!("‖W - J_C‖ / (t² ‖TGΛ⁻¹GTᵀC⁻¹‖), trained linear map, t² = {}", SQUARES[last]);
        Check::equal(quantity, 1.0, ratio(0.0), CONSTANT.0, CONSTANT.1).against("P_T in place of J_C", |share| Ok(ratio(share)))
    }

    /// The trained W for the corruption t²C.
    fn train(&self, corruption: &Array2<f64>, square: f64) -> Result<Array2<f64>> {
        let mut stream = self.setting.stream(NUMBER, 1);
        let start = 0.5 / (N as f64).sqrt() * gaussian_matrix(&mut stream, N, N);
        let [seen, wanted] = self.batch(corruption, square)?;
        trained_linear_map(self.backend, &start, [&seen, &wanted], self.setting.pick(6000, 12_000))
    }

    /// 2n points x + te and x with exactly the second moments Σ, t²C and 0 between x and e, each times 2n.
    fn batch(&self, corruption: &Array2<f64>, square: f64) -> Result<[Array2<f64>; 2]> {
        let r = orthonormal_basis(&gaussian_matrix(&mut self.setting.stream(NUMBER, 2), 2 * N, 2 * N));
        let root = |matrix: &Array2<f64>| Ok(symmetric_eigen(matrix)?.map(|value| value.max(0.0).sqrt()));
        let scale = (2.0 * N as f64).sqrt();
        let clean = scale * r.slice(s![.., ..N]).dot(&root(&self.covariance())?);
        let noise = scale * square.sqrt() * r.slice(s![.., N..]).dot(&root(corruption)?);
        Ok([&clean + &noise, clean])
    }
}

fn figure(best: Vec<(f64, f64)>, orthogonal: Vec<(f64, f64)>) -> Figure {
    Figure {
        stem: "c12_rate".into(),
        title: "The best linear map for faint structured corruption is an oblique projector".into(),
        caption: "The distance of the trained map W from J_C falls with t², that from the orthogonal projector P_T does not fall. C is not isotropic \
                  and does not leave T invariant."
            .into(),
        content: Content::chart(
            [AxisSpec::log("size t of the corruption"), AxisSpec::log("distance of W")],
            vec![Series::line("‖W - J_C‖", best), Series::dashed("‖W - P_T‖ (control)", orthogonal)],
        ),
    }
}
