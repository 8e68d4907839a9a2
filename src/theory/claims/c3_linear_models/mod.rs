//! **C3, linear models in closed form.**
//!
#![doc = include_str!("statement.md")]

mod bench;
mod figures;

use ndarray::{Array1, Array2};

use crate::backend::Reference;
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::theory::algebra::{blend, norm, square_norm, svd, symmetric_eigen};
use crate::theory::claim::{Check, Claim, Evidence, Setting};
use crate::theory::statistics::log_log_slope;

use super::training::matrix;
use bench::{Bench, LAMBDA, Loss, N, NARROW, Net, eigenvalue};

const NUMBER: u32 = 3;

/// σ² and γ, large enough to distinguish the models; for the tied CAE 1 - γ/(2λ) is negative at the smallest eigenvalue.
const WEIGHT: f64 = 0.7;
/// Weights for the rate.
const RATES: [f64; 4] = [0.2, 0.1, 0.05, 0.025];

const CONVEX: (f64, &str) =
    (1e-9, "the loss is convex and quadratic, so Adam reaches rounding, 1e-14; other maps differ by at least 0.3");
const STIFF: (f64, &str) =
    (1e-4, "directions of curvature γ have not fully converged in the quick form (1e-5); the control differs by 0.06");
const SETTLING: (f64, &str) = (1e-3, "the distances, at least 0.01, have converged to 1e-5 at the smallest weight");
const QUARTIC: (f64, &str) = (1e-3, "without data the loss is γ‖u‖⁴, so u² decays only slowly; other maps differ by 0.3");
const ESCAPE: (f64, &str) = (0.1, "W₁/t, tW₂ has the penalty ‖W₁‖²/t², and only the number of steps limits t");

/// See the [module](self).
pub const CLAIM: Claim =
    Claim::new("C3", "Linear models in closed form", include_str!("statement.md"), measure).seconds([1.7, 4.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let backend = Reference::<f64>::default();
    let bench = Bench::new(&backend, setting);
    let trained = Trained::new(&bench)?;
    let (mut checks, spectra) = (trained.checks(&bench)?, trained.figure(&bench.q));
    checks.extend(rate_checks(&bench)?);
    checks.push(full_rank_check(&bench)?);
    checks.push(narrow_check(&bench)?);
    Ok(Evidence { checks, figures: vec![spectra, figures::training(&bench, RATES[1])?] })
}

/// The models trained with one weight.
struct Trained {
    dae: Array2<f64>,
    rcae: Array2<f64>,
    rcae_of_double_weight: Array2<f64>,
    plain: Array2<f64>,
    tied: Array2<f64>,
    tied_encoder: Array2<f64>,
    untied: Array2<f64>,
    /// ‖W₁‖_F² of the untied CAE.
    untied_penalty: f64,
}

impl Trained {
    fn new<B: Backend<Elem = f64>>(bench: &Bench<'_, B>) -> Result<Self> {
        let contraction = Loss::Contraction(WEIGHT);
        let untied = bench.train(Net::UntiedEncoder, contraction, &bench.function(f64::sqrt), |_, _| Ok(()))?;
        Ok(Self {
            dae: bench.map(Net::Full, Loss::Denoising(WEIGHT))?,
            rcae: bench.map(Net::Full, contraction)?,
            rcae_of_double_weight: bench.map(Net::Full, Loss::Contraction(2.0 * WEIGHT))?,
            plain: bench.map(Net::Full, Loss::Contraction(0.0))?,
            tied: bench.map(Net::Tied, contraction)?,
            tied_encoder: bench.map(Net::TiedEncoder, contraction)?,
            untied: Net::UntiedEncoder.map(bench.backend, &untied)?,
            untied_penalty: square_norm(&matrix(bench.backend, &untied[0])?),
        })
    }

    fn checks<B: Backend<Elem = f64>>(&self, bench: &Bench<'_, B>) -> Result<Vec<Check>> {
        let (shrunk, clipped, projector) =
            (bench.function(shrunk_eigenvalue), bench.function(tied_eigenvalue), bench.projector());
        let error = |map: &Array2<f64>, closed: &Array2<f64>| norm(&(map - closed));
        let normal = |map: &Array2<f64>| Ok(norm(&(map - map.dot(&projector))));
        let predicted = Array1::from_shape_fn(N, |k| tied_eigenvalue(eigenvalue(k)));
        let spectrum = |map: &Array2<f64>| Ok::<f64, Error>(norm(&(symmetric_eigen(map)?.values - &predicted)));
        let zero = |quantity: &str,
                    measure: &dyn Fn(&Array2<f64>) -> Result<f64>,
                    map: &Array2<f64>,
                    (tolerance, because): (f64, &'static str),
                    (name, control): (&str, &Array2<f64>)| {
            Check::equal(quantity, 0.0, measure(map)?, tolerance, because)
                .against(name, |share| measure(&blend(map, control, share)))
        };
        let to = |closed: &Array2<f64>| {
            let closed = closed.clone();
            move |map: &Array2<f64>| Ok(error(map, &closed))
        };
        let penalty = self.untied_penalty / clipped.diag().sum();
        Ok(vec![
            zero("‖W - Σ(Σ+σ²I)⁻¹‖, trained DAE", &to(&shrunk), &self.dae, CONVEX, ("plain autoencoder", &self.plain))?,
            zero("‖W - Σ(Σ+γI)⁻¹‖, trained RCAE", &to(&shrunk), &self.rcae, CONVEX, ("untied CAE", &self.untied))?,
            zero("‖W_RCAE - W_DAE‖ for γ = σ²", &to(&self.dae), &self.rcae, CONVEX, ("γ = 2σ²", &self.rcae_of_double_weight))?,
            zero("‖W P_N‖, trained RCAE", &normal, &self.rcae, CONVEX, ("plain autoencoder", &self.plain))?,
            zero(
                "‖eig UᵀU - max(0, 1-γ/2λ)‖, trained tied CAE",
                &spectrum,
                &self.tied_encoder,
                CONVEX,
                ("untied CAE", &self.untied),
            )?,
            zero(
                "‖UᵀU - Σ(Σ+γI)⁻¹‖, tied, penalty γ‖UᵀU‖²",
                &to(&shrunk),
                &self.tied,
                QUARTIC,
                ("penalty γ‖U‖²", &self.tied_encoder),
            )?,
            Check::equal("‖W₁‖² of the untied CAE over ‖U‖² of the tied one", 0.0, penalty, ESCAPE.0, ESCAPE.1)
                .empirical()
                .control("tied CAE", self.tied_encoder.diag().sum() / clipped.diag().sum())
                .notices("the share ε of the tied CAE's penalty", |share| Ok((1.0 - share) * penalty + share))?,
        ])
    }

    fn figure(&self, q: &Array2<f64>) -> crate::theory::figure::Figure {
        let maps = [("DAE", &self.dae), ("RCAE", &self.rcae), ("tied CAE", &self.tied_encoder), ("untied CAE", &self.untied)];
        figures::spectra(q, &maps)
    }
}

/// How fast each model tends to the orthogonal projector P as its weight tends to 0.
fn rate_checks<B: Backend<Elem = f64>>(bench: &Bench<'_, B>) -> Result<Vec<Check>> {
    let least = LAMBDA[LAMBDA.len() - 1];
    let shrunk = |weight: f64| weight / (least + weight);
    let clipped = |weight: f64| weight / (2.0 * least);
    let models = [
        ("DAE", "‖W - P‖", "σ²", "σ²/(λ_min+σ²)", Net::Full, Loss::Denoising as fn(f64) -> Loss, &shrunk as &dyn Fn(f64) -> f64),
        ("RCAE", "‖W - P‖", "γ", "γ/(λ_min+γ)", Net::Full, Loss::Contraction, &shrunk),
        ("tied CAE", "‖UᵀU - P‖", "γ", "γ/(2λ_min)", Net::TiedEncoder, Loss::Contraction, &clipped),
    ];
    let projector = bench.projector();
    let along = |net: Net, loss: fn(f64) -> Loss| {
        let point = |&weight: &f64| Ok((weight, svd(&(bench.map(net, loss(weight))? - &projector)).values[0]));
        RATES.iter().map(point).collect::<Result<Vec<_>>>()
    };
    let untied = along(Net::UntiedEncoder, Loss::Contraction)?;
    let last = RATES.len() - 1;
    let mut checks = Vec::new();
    for (name, distance, weight, rate, net, loss, predicted) in models {
        let found = along(net, loss)?;
        let slope = |points: &[(f64, f64)]| log_log_slope(&points.iter().map(|(w, y)| (predicted(*w), *y)).collect::<Vec<_>>());
        let quantity = format!("slope of {distance} in {rate}, trained {name}");
        let mark = |check: Check| if name == "RCAE" { check.follows("for γ = σ² the loss is that of the DAE") } else { check };
        let check = mark(Check::equal(quantity, 1.0, slope(&found)?, SETTLING.0, SETTLING.1));
        checks.push(check.control("untied CAE", slope(&untied)?));
        let quantity = format!("{distance} at {weight} = {}, trained {name}", RATES[last]);
        let check = mark(Check::equal(quantity, predicted(RATES[last]), found[last].1, STIFF.0, STIFF.1));
        checks.push(check.control("untied CAE", untied[last].1));
    }
    Ok(checks)
}

/// If Σ has full rank, the plain autoencoder is the identity.
fn full_rank_check<B: Backend<Elem = f64>>(bench: &Bench<'_, B>) -> Result<Check> {
    let root = bench.function(|lambda| (lambda + 0.5).sqrt());
    let trained = |loss: Loss| -> Result<Array2<f64>> {
        let weights = bench.train(Net::Full, loss, &root, |_, _| Ok(()))?;
        matrix(bench.backend, &weights[0])
    };
    let (plain, denoising) = (trained(Loss::Contraction(0.0))?, trained(Loss::Denoising(WEIGHT))?);
    let off = |share: f64| norm(&(blend(&plain, &denoising, share) - Array2::<f64>::eye(N)));
    Check::equal("‖W - I‖, plain autoencoder, Σ of full rank", 0.0, off(0.0), CONVEX.0, CONVEX.1)
        .against("DAE", |share| Ok(off(share)))
}

/// A bottleneck narrower than the data keeps the leading directions.
fn narrow_check<B: Backend<Elem = f64>>(bench: &Bench<'_, B>) -> Result<Check> {
    let found = bench.map(Net::Narrow, Loss::Contraction(WEIGHT))?;
    // The last direction that is kept, turned by an angle towards the first that is not.
    let closed = |angle: f64| {
        let (sine, cosine) = angle.sin_cos();
        let (last, next) = (bench.q.column(NARROW - 1), bench.q.column(NARROW));
        let mut axes = bench.q.clone();
        axes.column_mut(NARROW - 1).assign(&(cosine * &last + sine * &next));
        let kept = Array1::from_shape_fn(N, |k| if k < NARROW { tied_eigenvalue(eigenvalue(k)) } else { 0.0 });
        (&axes * &kept).dot(&axes.t())
    };
    let quantity = "‖UᵀU - Σ_(k≤3) (1-γ/2λ_k) q_k q_kᵀ‖, trained tied CAE, U of 3 rows, 5 directions with data";
    let because = "directions 3 and 4 separate slowly: their variances differ by 0.4";
    Check::equal(quantity, 0.0, norm(&(&found - closed(0.0))), 1e-4, because)
        .control("directions 1, 2 and 4", norm(&(&found - closed(0.5 * std::f64::consts::PI))))
        .notices("direction 3 turned by ε towards direction 4", |angle| Ok(norm(&(&found - closed(angle)))))
}

/// Eigenvalue of DAE and RCAE.
fn shrunk_eigenvalue(lambda: f64) -> f64 {
    lambda / (lambda + WEIGHT)
}

/// Eigenvalue of the tied CAE.
fn tied_eigenvalue(lambda: f64) -> f64 {
    if lambda > 0.0 { (1.0 - WEIGHT / (2.0 * lambda)).max(0.0) } else { 0.0 }
}
