//! **C14, the optimum is a sparse projection.**
//!
#![doc = include_str!("statement.md")]

mod bench;

use ndarray::Array1;
use rayon::prelude::*;

use crate::error::Result;
use crate::theory::algebra::blend;
use crate::theory::claim::{Check, Claim, Evidence, Setting};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::robust_fit::Penalty;
use crate::theory::statistics::{larger, log_log_slope, mean, root_mean_square};

use bench::{BLOCK, Bench, Content as Filling, Sample};

const NUMBER: u32 = 14;
/// ε of the rounded penalty.
const EPSILONS: [f64; 3] = [1e-2, 1e-3, 1e-4];
/// Exponents between 1 and 2.
const BETWEEN: f64 = 1.5;
const NEAR: f64 = 1.2;
/// ε where a penalty is to be sharp.
const SHARP: f64 = 1e-12;

const EXACT: (f64, &str) = (1e-9, "rounding of weighted normal equations; ε ends at 1e-14 of the image");
const BOUND: &str = "an inequality; ρ is a bound, too, so there is room";

/// See the [module](self).
pub const CLAIM: Claim =
    Claim::new("C14", "The optimum is a sparse projection", include_str!("statement.md"), measure).seconds([0.9, 7.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let bench = Bench::new()?;
    let mut stream = setting.stream(NUMBER, 0);
    let blocks = (0..setting.pick(12, 100)).map(|_| bench.block(&mut stream)).collect::<Result<Vec<_>>>()?;
    let scattered =
        (0..setting.pick(12, 100)).map(|_| bench.scattered(bench.guaranteed(), &mut stream)).collect::<Result<Vec<_>>>()?;
    let many =
        (0..setting.pick(12, 100)).map(|_| bench.scattered(3 * bench.pixels() / 4, &mut stream)).collect::<Result<Vec<_>>>()?;
    let checks = vec![
        least_absolute(&bench, &blocks)?,
        enumeration(&bench, &blocks)?,
        guaranteed(&bench, [&scattered, &many])?,
        rounded(&bench, &blocks[0])?,
        rounded_bound(&bench, &blocks)?,
        noise(&bench, &blocks, setting)?,
    ];
    Ok(Evidence { checks, figures: vec![figure(&bench, setting)?] })
}

/// f(x̂) of a sample.
type Map<'a> = dyn Fn(&Sample) -> Result<Array1<f64>> + Sync + 'a;

/// Largest `‖map(x̂) - x‖/‖e‖`.
fn largest(samples: &[Sample], map: impl Fn(&Sample) -> Result<Array1<f64>> + Sync) -> Result<f64> {
    let errors = samples.par_iter().map(|sample| Ok(sample.error(&map(sample)?))).collect::<Result<Vec<f64>>>()?;
    Ok(errors.into_iter().fold(0.0, larger))
}

/// The exact result with a share of the corruption left in it.
fn leaking(exact: &Array1<f64>, sample: &Sample, share: f64) -> Array1<f64> {
    blend(exact, &sample.corrupted, share)
}

fn power(exponent: f64) -> Penalty {
    Penalty::Power { exponent, epsilon: SHARP }
}

fn rounded_absolute(epsilon: f64) -> Penalty {
    Penalty::Power { exponent: 1.0, epsilon }
}

fn least_absolute(bench: &Bench, blocks: &[Sample]) -> Result<Check> {
    let with_exponent = |q: f64| {
        let fit = |sample: &Sample| match q == 1.0 {
            true => bench.hull.least_absolute(&sample.corrupted),
            false => bench.hull.fit(&sample.corrupted, power(q)),
        };
        largest(blocks, fit)
    };
    Check::equal("‖f(x̂)-x‖/‖e‖, ℓ1 on the hull, blocks of any content, largest", 0.0, with_exponent(1.0)?, EXACT.0, EXACT.1)
        .control("exponent 1.5", with_exponent(BETWEEN)?)
        .notices("the exponent 1 + ε", |size| with_exponent(1.0 + size))
}

fn enumeration(bench: &Bench, blocks: &[Sample]) -> Result<Check> {
    let of_side = |side: usize| largest(blocks, |sample| bench.enumerated(&sample.corrupted, side));
    let kept = |share: f64| largest(blocks, |sample| Ok(leaking(&bench.enumerated(&sample.corrupted, BLOCK)?, sample, share)));
    Check::equal("‖f(x̂)-x‖/‖e‖, enumeration of all blocks of 5x5, largest", 0.0, of_side(BLOCK)?, EXACT.0, EXACT.1)
        .control("blocks of 4x4, smaller than the corruption", of_side(BLOCK - 1)?)
        .notices("the result keeps the share ε of the corruption", kept)
}

fn guaranteed(bench: &Bench, [within, beyond]: [&[Sample]; 2]) -> Result<Check> {
    let exact = |samples: &[Sample], share: f64| {
        largest(samples, |sample| Ok(leaking(&bench.hull.least_absolute(&sample.corrupted)?, sample, share)))
    };
    let count = bench.guaranteed();
    let quantity = format!("‖f(x̂)-x‖/‖e‖, ℓ1, any {count} < n/(4d) pixels with the content of another point, largest");
    Check::equal(quantity, 0.0, exact(within, 0.0)?, EXACT.0, EXACT.1)
        .control("three quarters of the pixels", exact(beyond, 0.0)?)
        .notices("the result keeps the share ε of the corruption", |share| exact(within, share))
}

/// The error is proportional to ε.
fn rounded(bench: &Bench, sample: &Sample) -> Result<Check> {
    let slope = |exponent: f64| -> Result<f64> {
        let error = |&epsilon: &f64| {
            let fit = bench.hull.fit(&sample.corrupted, Penalty::Power { exponent, epsilon })?;
            Ok((epsilon, sample.error(&fit)))
        };
        log_log_slope(&EPSILONS.iter().map(error).collect::<Result<Vec<_>>>()?)
    };
    let because = "the next order in ε, a tenth at the largest";
    Check::equal("slope of ‖f(x̂)-x‖ in ε, rounded ℓ1", 1.0, slope(1.0)?, 0.1, because)
        .control("exponent 1.2, rounded by the same ε", slope(NEAR)?)
        .notices("the exponent 1 + ε", |size| slope(1.0 + size))
}

fn rounded_bound(bench: &Bench, blocks: &[Sample]) -> Result<Check> {
    let epsilon = EPSILONS[1];
    let ratio = |penalty: Penalty| -> Result<f64> {
        let of_sample = |sample: &Sample| {
            let found = bench.hull.fit(&sample.corrupted, penalty)?;
            Ok(bench::sum_of_sizes(&(found - &sample.target)) / bench.rounding_bound(sample, epsilon))
        };
        Ok(blocks.par_iter().map(of_sample).collect::<Result<Vec<f64>>>()?.into_iter().fold(0.0, larger))
    };
    Check::at_most(
        "largest ‖z-x‖₁ / ((1+ρ)/(1-ρ) nε), rounded ℓ1, ε = 0.001",
        1.0,
        ratio(rounded_absolute(epsilon))?,
        1e-9,
        BOUND,
    )
    .control("exponent 1.5", ratio(power(BETWEEN))?)
    .notices("ε is 0.001 + ε in the fit alone", |size| ratio(rounded_absolute(epsilon + size)))
}

fn noise(bench: &Bench, blocks: &[Sample], setting: &Setting) -> Result<Check> {
    let mut stream = setting.stream(NUMBER, 1);
    let disturbed: Vec<(Sample, f64)> = blocks.iter().map(|sample| sample.disturbed(&mut stream)).collect();
    let ratio = |map: &Map<'_>| -> Result<f64> {
        let of_sample = |(sample, size): &(Sample, f64)| {
            Ok(bench::sum_of_sizes(&(map(sample)? - &sample.target)) / bench.noise_bound(sample, *size))
        };
        Ok(disturbed.par_iter().map(of_sample).collect::<Result<Vec<f64>>>()?.into_iter().fold(0.0, larger))
    };
    let mixed = |share: f64| {
        ratio(&|sample| Ok(blend(&bench.hull.least_absolute(&sample.corrupted)?, &bench.hull.project(&sample.corrupted), share)))
    };
    Check::at_most("largest ‖z-x‖₁ / (2(1+ρ)/(1-ρ) ‖η_S̄‖₁), ℓ1, noise of 0.001", 1.0, mixed(0.0)?, 1e-9, BOUND)
        .against("nearest point of the hull", mixed)
}

/// Error of exponents 1, 1.5 and 2 against the share of corrupted pixels.
fn figure(bench: &Bench, setting: &Setting) -> Result<Figure> {
    let count = setting.pick(6, 40);
    let sides: Vec<usize> = (2..=13).collect();
    let mut curves = [Vec::new(), Vec::new(), Vec::new()];
    for &side in &sides {
        let mut stream = setting.stream(NUMBER, 10 + side as u32);
        let samples = (0..count).map(|_| bench.square(side, Filling::Uniform, &mut stream)).collect::<Result<Vec<_>>>()?;
        let share = mean(&samples.iter().map(Sample::share).collect::<Vec<_>>());
        let maps: [&Map<'_>; 3] = [
            &|sample| bench.hull.least_absolute(&sample.corrupted),
            &|sample| bench.hull.fit(&sample.corrupted, power(BETWEEN)),
            &|sample| Ok(bench.hull.project(&sample.corrupted)),
        ];
        for (curve, map) in curves.iter_mut().zip(maps) {
            let errors = samples.par_iter().map(|sample| Ok(sample.error(&map(sample)?))).collect::<Result<Vec<f64>>>()?;
            curve.push((share, root_mean_square(errors)));
        }
    }
    let [one, between, two] = curves;
    Ok(Figure {
        stem: "c14_exponents".into(),
        title: "Only the exponent 1 restores exactly".into(),
        caption: "Error of the fit of the hull of D with Σ|r|^q, for squares of uniform random values. With q = 1 it is rounding until half of the image \
                  is corrupted; q = 2 is the nearest point."
            .into(),
        content: Content::chart(
            [AxisSpec::linear("share of corrupted pixels"), AxisSpec::log("‖f(x̂) - x‖ / ‖e‖, rms")],
            vec![Series::line("q = 1", one), Series::line("q = 1.5", between), Series::line("q = 2", two)],
        ),
    })
}
