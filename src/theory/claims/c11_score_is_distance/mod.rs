//! **C11, score = distance.**
//!
#![doc = include_str!("statement.md")]

mod density;
mod figures;
mod frontier;
mod law;

use std::f64::consts::PI;

use ndarray::Array1;

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{gaussian_vector, norm, random_direction};
use crate::theory::claim::{Check, Claim, Evidence, Setting};
use crate::theory::manifold::{Manifold, Torus};
use crate::theory::statistics::{auroc, larger, median, smaller};

use density::{Mixture, neighbour_distance};
use frontier::Frontier;
use law::{AREA, Place, RARE};

const NUMBER: u32 = 11;
/// k of the nearest neighbours.
const NEIGHBOURS: usize = 5;
/// Residuals below this count as 0, because they are rounding errors.
const ROUNDING: f64 = 1e-9;
/// Standard deviation where noise is added.
const NOISE: f64 = 0.01;
/// Smallest and largest distance of anomalies.
const NEAREST: f64 = 0.1;
const FARTHEST: f64 = 0.5;

/// See the [module](self).
pub const CLAIM: Claim = Claim::new("C11", "Score = distance", include_str!("statement.md"), measure).seconds([1.2, 5.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let bench = Bench::new(setting)?;
    let mut checks = bench.distances()?;
    checks.extend(bench.separation()?);
    checks.push(bench.separation_in_noise(&mut setting.stream(NUMBER, 8))?);
    checks.extend(bench.densities(setting)?);
    checks.push(bench.approximations(&mut setting.stream(NUMBER, 4))?);
    checks.push(bench.ordinary()?);
    let frontier = Frontier::measure(setting)?;
    checks.extend(frontier.checks()?);
    let rarity = bench.figure_of_rarity(&mut setting.stream(NUMBER, 5))?;
    Ok(Evidence { checks, figures: vec![bench.figure_of_distance()?, rarity, frontier.figure()] })
}

/// A point x + tν, and the place of x.
struct Sample {
    place: Place,
    distance: f64,
    point: Array1<f64>,
}

impl Sample {
    fn normal(place: Place) -> Self {
        Self { place, distance: 0.0, point: place.at(0.0) }
    }

    /// On either side of D, at a uniformly random distance between the smallest and the largest.
    fn anomaly(stream: &mut Stream) -> Self {
        let (place, distance) = (Place::draw(stream, 0.0), NEAREST + (FARTHEST - NEAREST) * stream.uniform_f64());
        let point = place.at(if stream.below(2) == 0 { distance } else { -distance });
        Self { place, distance, point }
    }
}

/// Training data of the density scores, and the samples that are scored.
struct Bench {
    torus: Torus,
    training: Vec<Array1<f64>>,
    mixture: Mixture,
    frequent: Vec<Sample>,
    rare: Vec<Sample>,
    anomalies: Vec<Sample>,
    on_manifold: Vec<Sample>,
}

impl Bench {
    fn new(setting: &Setting) -> Result<Self> {
        let draws = |index: u32, count: usize, least: f64| -> Vec<Sample> {
            let mut stream = setting.stream(NUMBER, index);
            (0..count).map(|_| Sample::normal(Place::draw(&mut stream, least))).collect()
        };
        let training: Vec<_> = draws(0, setting.pick(1500, 4000), 0.0).into_iter().map(|sample| sample.point).collect();
        let count = setting.pick(400, 1500);
        let mut stream = setting.stream(NUMBER, 1);
        let anomalies = (0..count).map(|_| Sample::anomaly(&mut stream)).collect();
        let mixture = Mixture::fit(&training, 8, 40, &mut setting.stream(NUMBER, 6))?;
        Ok(Self {
            torus: law::torus()?,
            training,
            mixture,
            frequent: draws(2, count, 0.0),
            rare: draws(3, count, RARE),
            anomalies,
            on_manifold: draws(7, count, 0.0),
        })
    }

    fn residuals(&self, samples: &[Sample]) -> Result<Vec<f64>> {
        let cut = |residual: f64| if residual < ROUNDING { 0.0 } else { residual };
        samples.iter().map(|sample| Ok(cut(self.torus.distance(&sample.point)?))).collect()
    }

    fn neighbours(&self, samples: &[Sample], k: usize) -> Vec<f64> {
        samples.iter().map(|sample| neighbour_distance(&self.training, k, &sample.point)).collect()
    }

    fn rarities(&self, samples: &[Sample]) -> Vec<f64> {
        samples.iter().map(|sample| -self.mixture.log_density(&sample.point)).collect()
    }

    fn distances(&self) -> Result<Vec<Check>> {
        let farthest = |samples: &[Sample], scores: &[f64]| {
            samples.iter().zip(scores).map(|(sample, score)| (score - sample.distance).abs()).fold(0.0, larger)
        };
        let raw =
            |samples: &[Sample]| samples.iter().map(|sample| self.torus.distance(&sample.point)).collect::<Result<Vec<_>>>();
        let [of_anomalies, of_rare] = [raw(&self.anomalies)?, raw(&self.rare)?];
        let least = of_anomalies.iter().copied().fold(f64::INFINITY, smaller);
        let because = "rounding of a few operations on numbers of order 1";
        Ok(vec![
            Check::equal("‖y-π(y)‖ - δ(y), anomalies", 0.0, farthest(&self.anomalies, &of_anomalies), 1e-12, because)
                .control("distance to the nearest sample", farthest(&self.anomalies, &self.neighbours(&self.anomalies, 1))),
            Check::equal("largest residual of rare normal samples", 0.0, farthest(&self.rare, &of_rare), 1e-12, because)
                .control("smallest residual of the anomalies", least),
        ])
    }

    fn separation(&self) -> Result<Vec<Check>> {
        let [frequent, rare, anomalies, on_manifold] =
            [&self.frequent, &self.rare, &self.anomalies, &self.on_manifold].map(|samples| self.residuals(samples));
        let (frequent, rare, anomalies, on_manifold) = (frequent?, rare?, anomalies?, on_manifold?);
        let because = "every pair is ordered or tied exactly, since rounding errors count as 0";
        // The first anomalies are on D.
        let with = |share: f64| {
            let replaced = (share * anomalies.len() as f64).round() as usize;
            [&on_manifold[..replaced], &anomalies[replaced..]].concat()
        };
        let check = |quantity: &str, normal: &[f64]| -> Result<Check> {
            let check = Check::at_least(quantity, 1.0, auroc(normal, &anomalies)?, 1e-12, because);
            check.against("anomalies on D", |share| auroc(normal, &with(share)))
        };
        Ok(vec![
            check("AUROC of the residual, normal samples of the law", &frequent)?,
            check("AUROC of the residual, rare normal samples", &rare)?,
            Check::equal("AUROC of the residual, anomalies on D", 0.5, auroc(&frequent, &on_manifold)?, 1e-12, because)
                .against("anomalies off D", |share| auroc(&frequent, &with(1.0 - share)))?,
        ])
    }

    /// The control once more, with the same noise added to all samples instead of ties.
    fn separation_in_noise(&self, stream: &mut Stream) -> Result<Check> {
        let mut residuals = |samples: &[Sample]| -> Result<Vec<f64>> {
            samples.iter().map(|sample| self.torus.distance(&(&sample.point + NOISE * gaussian_vector(stream, 3)))).collect()
        };
        let [normal, on_manifold, anomalies] =
            [residuals(&self.frequent)?, residuals(&self.on_manifold)?, residuals(&self.anomalies)?];
        let (a, b) = (normal.len() as f64, on_manifold.len() as f64);
        let tolerance = 4.0 * ((a + b + 1.0) / (12.0 * a * b)).sqrt();
        let because = "four standard errors of chance, √((a+b+1)/(12ab)) for a and b samples";
        let quantity = "AUROC of the residual, anomalies on D, noise of 0.01 on all samples";
        let check = Check::equal(quantity, 0.5, auroc(&normal, &on_manifold)?, tolerance, because);
        Ok(check.control("anomalies off D", auroc(&normal, &anomalies)?))
    }

    fn densities(&self, setting: &Setting) -> Result<Vec<Check>> {
        let of_residual = auroc(&self.residuals(&self.rare)?, &self.residuals(&self.anomalies)?)?;
        let scores = |samples: &[Sample]| [self.neighbours(samples, NEIGHBOURS), self.rarities(samples)];
        let (normal, anomalous) = (scores(&self.rare), scores(&self.anomalies));
        let because = "worse than chance: with at least 400 scores per class, chance deviates by 0.02, and the measured values are far lower";
        let names = ["k nearest neighbours", "Gaussian mixture"];
        let mut checks = vec![];
        for (name, (normal, anomalous)) in names.iter().zip(normal.iter().zip(&anomalous)) {
            let check =
                Check::at_most(format!("AUROC of {name}, rare normal samples"), 0.5, auroc(normal, anomalous)?, 0.0, because);
            checks.push(check.control("projection residual", of_residual));
        }
        checks.push(self.formula("normal samples", &self.frequent, 0.12));
        checks.push(self.formula("anomalies", &self.anomalies, setting.pick(0.04, 0.02)));
        Ok(checks)
    }

    /// Distances to the k-th neighbour relative to the formula, with the density and, as the control, without.
    fn formula(&self, name: &str, samples: &[Sample], tolerance: f64) -> Check {
        let measured = self.neighbours(samples, NEIGHBOURS);
        let ratio = |density: &dyn Fn(&Place) -> f64| {
            let spread = |sample: &Sample| NEIGHBOURS as f64 / (self.training.len() as f64 * density(&sample.place) * PI);
            let expected = |sample: &Sample| (sample.distance.powi(2) + spread(sample)).sqrt();
            median(&samples.iter().zip(&measured).map(|(sample, distance)| distance / expected(sample)).collect::<Vec<_>>())
        };
        let because = "the median of the 5th distance is 0.97 of the formula; D is curved, and the density varies within the ball; \
                       both matter less where ‖v‖ dominates the distance";
        Check::equal(format!("median of k-th distance / formula, {name}"), 1.0, ratio(&Place::density), tolerance, because)
            .control("formula with even density", ratio(&|_| 1.0 / AREA))
    }

    /// The usual comparison, all normal samples against all anomalies: what nearest neighbours reach, and what their formula
    /// says.
    fn ordinary(&self) -> Result<Check> {
        let formula = |samples: &[Sample]| -> Vec<f64> {
            let spread = |sample: &Sample| NEIGHBOURS as f64 / (self.training.len() as f64 * sample.place.density() * PI);
            samples.iter().map(|sample| (sample.distance.powi(2) + spread(sample)).sqrt()).collect()
        };
        let predicted = auroc(&formula(&self.frequent), &formula(&self.anomalies))?;
        let scores = |samples: &[Sample]| self.neighbours(samples, NEIGHBOURS);
        let (of_neighbours, of_residual) = (
            auroc(&scores(&self.frequent), &scores(&self.anomalies))?,
            auroc(&self.residuals(&self.frequent)?, &self.residuals(&self.anomalies)?)?,
        );
        let because =
            "two standard errors of 400 scores of each class, and the scatter of the 5th distance, which the formula leaves out";
        let mixed = |share: f64| Ok((1.0 - share) * of_neighbours + share * of_residual);
        Check::equal(
            "AUROC of k nearest neighbours, all normal samples, against the formula",
            predicted,
            of_neighbours,
            0.02,
            because,
        )
        .against("projection residual", mixed)
    }

    /// Maps at distance exactly ε from π: the residual still separates if ε is below half of the smallest distance.
    fn approximations(&self, stream: &mut Stream) -> Result<Check> {
        let mut separated = |epsilon: f64| -> Result<f64> {
            let mut residuals = |samples: &[Sample]| -> Result<Vec<f64>> {
                samples.iter().map(|sample| Ok(norm(&(&sample.point - self.near(&sample.point, epsilon, stream)?)))).collect()
            };
            let normal = residuals(&self.frequent)?;
            auroc(&normal, &residuals(&self.anomalies)?)
        };
        let (within, beyond) = (separated(0.45 * NEAREST)?, separated(3.0 * NEAREST)?);
        Ok(Check::at_least(
            "AUROC of ‖y-f(y)‖, f within ε of π, anomalies beyond 2ε",
            1.0,
            within,
            1e-12,
            "the triangle inequality is exact",
        )
        .control("f 0.3 from π", beyond))
    }

    /// A point at distance `epsilon` from π(y), in a random direction.
    fn near(&self, y: &Array1<f64>, epsilon: f64, stream: &mut Stream) -> Result<Array1<f64>> {
        Ok(self.torus.project_point(y)? + epsilon * random_direction(stream, y.len())?)
    }
}
