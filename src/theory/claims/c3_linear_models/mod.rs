//! **C3, linear models in closed form.** Data x with mean 0 and covariance Σ = Q diag(λ) Qᵀ of rank d < n.
//!
//! ```text
//! DAE          E‖W(x+ε) - x‖², ε of covariance σ²I      W = Σ(Σ + σ²I)⁻¹
//! RCAE         E‖Wx - x‖² + γ‖W‖_F²                     W = Σ(Σ + γI)⁻¹: the same map for γ = σ²
//! tied CAE     E‖UᵀUx - x‖² + γ‖U‖_F²                   UᵀU = Q diag(max(0, 1 - γ/(2λ_i))) Qᵀ
//! tied RCAE    E‖UᵀUx - x‖² + γ‖UᵀU‖_F²                 UᵀU = Σ(Σ + γI)⁻¹, if U has at least d rows
//! ```
//!
//! As the weight → 0 all tend to P, the orthogonal projector onto range Σ; for DAE and RCAE ‖W - P‖₂ = γ/(λ_min + γ), for the
//! tied CAE γ/(2λ_min), with λ_min the least eigenvalue above 0. For the tied CAE write M = UᵀU: the loss tr((I-M)Σ(I-M)) + γ tr
//! M is convex in M ≥ 0, and in the basis Q it is Σ λ_i(1-m_i)² + γm_i, least at m_i = max(0, 1 - γ/(2λ_i)); with γ tr M²
//! instead, at λ_i/(λ_i+γ).
//!
//! Everything is trained on the tape. The batches are finite and exact: their second moments *are* Σ and σ²I.
//! *Controls:* the untied CAE W₂W₁, whose penalty γ‖W₁‖_F² vanishes by W₁/t, tW₂ and leaves no shrinkage; a plain
//! autoencoder, which is the identity on range Σ and anything elsewhere (the identity everywhere only if Σ has full rank).

mod bench;
mod figures;

use crate::backend::Reference;
use crate::error::Result;
use crate::ops::Backend;
use crate::theory::algebra::{Matrix, norm, sub, svd, symmetric_eigen};
use crate::theory::claim::{Claim, Evidence, Row, Setting};
use crate::theory::statistics::log_log_slope;

use super::training::matrix;
use bench::{Bench, LAMBDA, Loss, N, Net, eigenvalue};

const NUMBER: u32 = 3;

/// σ² and γ, strong enough to tell the maps apart; for the tied CAE 1 - γ/(2λ) is negative for the last eigenvalue.
const WEIGHT: f64 = 0.7;
/// Weights for the rate.
const RATES: [f64; 4] = [0.2, 0.1, 0.05, 0.025];

const CONVEX: (f64, &str) =
    (1e-9, "the loss is convex and quadratic, and Adam gets to rounding, 1e-14; other maps differ by 0.3 and more");
const STIFF: (f64, &str) =
    (1e-4, "directions of curvature γ are still settling in the quick form, by 1e-5; the control differs by 0.06");
const SETTLING: (f64, &str) = (1e-3, "as the distances are, to 1e-5 of at least 0.01 at the least weight");
const QUARTIC: (f64, &str) =
    (1e-3, "without data the loss is γ‖u‖⁴, so u² falls only slowly with the steps; other maps differ by 0.3");
const ESCAPE: (f64, &str) = (0.1, "W₁/t, tW₂ has penalty ‖W₁‖²/t²: nothing but the number of steps bounds t");

/// See the [module](self).
pub struct LinearModels;

impl Claim for LinearModels {
    fn id(&self) -> &'static str {
        "C3"
    }

    fn title(&self) -> &'static str {
        "Linear models in closed form"
    }

    fn statement(&self) -> &'static str {
        "For data of covariance Σ the linear denoising autoencoder with noise σ² is W = Σ(Σ+σ²I)⁻¹, and the \
         reconstruction-contractive autoencoder with weight γ is W = Σ(Σ+γI)⁻¹, the same map for γ = σ². The tied contractive \
         autoencoder UᵀU with penalty γ‖U‖² has the eigenvalues max(0, 1-γ/(2λ)), and with penalty γ‖UᵀU‖² it is Σ(Σ+γI)⁻¹ \
         again. As the weight tends to 0 all tend to the orthogonal projector onto the range of Σ, at the rate σ²/(λ_min+σ²) \
         for the first two and γ/(2λ_min) for the third. Networks trained on the tape are compared with these formulas. \
         Controls: an untied contractive autoencoder, whose penalty vanishes by rescaling and which does not shrink; and a \
         plain autoencoder without bottleneck or noise, which is the identity wherever there are data."
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let backend = Reference::<f64>::default();
        let bench = Bench::new(&backend, setting);
        let trained = Trained::new(&bench)?;
        let (mut rows, spectra) = (trained.rows(&bench), trained.figure(&bench.q));
        rows.extend(rate_rows(&bench)?);
        rows.push(full_rank_row(&bench)?);
        Ok(Evidence { rows, figures: vec![spectra, figures::training(&bench, RATES[1])?] })
    }
}

/// The maps trained with one weight.
struct Trained {
    dae: Matrix,
    rcae: Matrix,
    rcae_of_double_weight: Matrix,
    plain: Matrix,
    tied: Matrix,
    tied_encoder: Matrix,
    untied: Matrix,
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
            untied_penalty: matrix(bench.backend, &untied[0])?.frobenius().powi(2),
        })
    }

    fn rows<B: Backend<Elem = f64>>(&self, bench: &Bench<'_, B>) -> Vec<Row> {
        let (shrunk, clipped, projector) =
            (bench.function(shrunk_eigenvalue), bench.function(tied_eigenvalue), bench.projector());
        let error = |map: &Matrix, closed: &Matrix| map.minus(closed).frobenius();
        let normal = |map: &Matrix| map.minus(&map.times(&projector)).frobenius();
        let predicted: Vec<f64> = (0..N).map(|k| tied_eigenvalue(eigenvalue(k))).collect();
        let spectrum = |map: &Matrix| norm(&sub(&symmetric_eigen(map).values, &predicted));
        let zero = |quantity: &str, measured: f64, (tolerance, because)| Row::equal(quantity, 0.0, measured, tolerance, because);
        vec![
            zero("‖W - Σ(Σ+σ²I)⁻¹‖, trained DAE", error(&self.dae, &shrunk), CONVEX)
                .control("plain autoencoder", error(&self.plain, &shrunk)),
            zero("‖W - Σ(Σ+γI)⁻¹‖, trained RCAE", error(&self.rcae, &shrunk), CONVEX)
                .control("untied CAE", error(&self.untied, &shrunk)),
            zero("‖W_RCAE - W_DAE‖ for γ = σ²", error(&self.rcae, &self.dae), CONVEX)
                .control("γ = 2σ²", error(&self.rcae_of_double_weight, &self.dae)),
            zero("‖W P_N‖, trained RCAE", normal(&self.rcae), CONVEX).control("plain autoencoder", normal(&self.plain)),
            zero("‖eig UᵀU - max(0, 1-γ/2λ)‖, trained tied CAE", spectrum(&self.tied_encoder), CONVEX)
                .control("untied CAE", spectrum(&self.untied)),
            zero("‖UᵀU - Σ(Σ+γI)⁻¹‖, tied, penalty γ‖UᵀU‖²", error(&self.tied, &shrunk), QUARTIC)
                .control("penalty γ‖U‖²", error(&self.tied_encoder, &shrunk)),
            zero("‖W₁‖² of the untied CAE over ‖U‖² of the tied one", self.untied_penalty / clipped.trace(), ESCAPE)
                .control("tied CAE", self.tied_encoder.trace() / clipped.trace()),
        ]
    }

    fn figure(&self, q: &Matrix) -> crate::theory::figure::Figure {
        let maps = [("DAE", &self.dae), ("RCAE", &self.rcae), ("tied CAE", &self.tied_encoder), ("untied CAE", &self.untied)];
        figures::spectra(q, &maps)
    }
}

/// How each model tends to the orthogonal projector P as its weight tends to 0.
fn rate_rows<B: Backend<Elem = f64>>(bench: &Bench<'_, B>) -> Result<Vec<Row>> {
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
        let point = |&weight: &f64| Ok((weight, svd(&bench.map(net, loss(weight))?.minus(&projector)).values[0]));
        RATES.iter().map(point).collect::<Result<Vec<_>>>()
    };
    let untied = along(Net::UntiedEncoder, Loss::Contraction)?;
    let last = RATES.len() - 1;
    let mut rows = Vec::new();
    for (name, distance, weight, rate, net, loss, predicted) in models {
        let found = along(net, loss)?;
        let slope = |points: &[(f64, f64)]| log_log_slope(&points.iter().map(|(w, y)| (predicted(*w), *y)).collect::<Vec<_>>());
        let quantity = format!("slope of {distance} in {rate}, trained {name}");
        let row = Row::equal(quantity, 1.0, slope(&found)?, SETTLING.0, SETTLING.1);
        rows.push(row.control("untied CAE", slope(&untied)?));
        let quantity = format!("{distance} at {weight} = {}, trained {name}", RATES[last]);
        let row = Row::equal(quantity, predicted(RATES[last]), found[last].1, STIFF.0, STIFF.1);
        rows.push(row.control("untied CAE", untied[last].1));
    }
    Ok(rows)
}

/// What a plain autoencoder is where Σ has full rank.
fn full_rank_row<B: Backend<Elem = f64>>(bench: &Bench<'_, B>) -> Result<Row> {
    let root = bench.function(|lambda| (lambda + 0.5).sqrt());
    let from_identity = |loss: Loss| -> Result<f64> {
        let weights = bench.train(Net::Full, loss, &root, |_, _| Ok(()))?;
        Ok(matrix(bench.backend, &weights[0])?.minus(&Matrix::identity(N)).frobenius())
    };
    let ((tolerance, because), measured) = (CONVEX, from_identity(Loss::Contraction(0.0))?);
    let row = Row::equal("‖W - I‖, plain autoencoder, Σ of full rank", 0.0, measured, tolerance, because);
    Ok(row.control("DAE", from_identity(Loss::Denoising(WEIGHT))?))
}

/// Of DAE and RCAE.
fn shrunk_eigenvalue(lambda: f64) -> f64 {
    lambda / (lambda + WEIGHT)
}

/// Of the tied CAE.
fn tied_eigenvalue(lambda: f64) -> f64 {
    if lambda > 0.0 { (1.0 - WEIGHT / (2.0 * lambda)).max(0.0) } else { 0.0 }
}
