//! **C11, the score is the distance.** s(y) = ‖y - π(y)‖ = δ(y), the distance to D, so s = 0 on D whatever the law on it: a rare
//! normal sample scores as a frequent one does. Densities rank by rarity too. For the k-th nearest of N samples of density p on
//! D,
//!
//! ```text
//! distance to the k-th neighbour of x + v  ≈  √(‖v‖² + (k/(N p(x) ω_d))^(2/d)),     ω_d the volume of the unit ball of R^d.
//! ```
//!
//! And the residual of any f within ε of π separates D from all anomalies with δ > 2ε.
//!
//! Measured on a torus (d = 2) whose density falls by 500 from one side to the other: residuals of x + tν against |t|; AUROC of
//! residual, neighbours and a Gaussian mixture for anomalies at |t| of 0.1 to 0.5 that start where normal samples are frequent.
//! Residuals below 1e-9 are 0, since rounding errors must not separate points of D; or all samples bear the same noise.
//!
//! Controls: anomalies on D itself, where the residual is no better than chance; a map too far from π; the distance to the
//! nearest sample, which is no distance to D; neighbours of evenly distributed samples.

mod density;
mod figures;
mod law;

use std::f64::consts::PI;

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{add_scaled, norm, normalised, sub};
use crate::theory::claim::{Claim, Evidence, Row, Setting};
use crate::theory::manifold::{Manifold, Torus};
use crate::theory::statistics::{auroc, larger, median, smaller};

use density::{Mixture, neighbour_distance};
use law::{AREA, Place, RARE};

const NUMBER: u32 = 11;
/// k of the nearest neighbours.
const NEIGHBOURS: usize = 5;
/// Residuals below this are rounding errors.
const ROUNDING: f64 = 1e-9;
/// Standard deviation where noise is added.
const NOISE: f64 = 0.01;
/// Distances of anomalies.
const NEAREST: f64 = 0.1;
const FARTHEST: f64 = 0.5;

/// See the [module](self).
pub struct ScoreIsDistance;

impl Claim for ScoreIsDistance {
    fn id(&self) -> &'static str {
        "C11"
    }

    fn title(&self) -> &'static str {
        "Score = distance"
    }

    fn statement(&self) -> &'static str {
        "The score ‖y-π(y)‖ is the distance of y to D: zero for every normal sample, however low its density, and AUROC = 1 if \
         no anomaly lies on D. A map within ε of π still separates anomalies farther than 2ε. Scores from a density do not: the \
         distance to the k-th of N samples is near √(‖v‖²+(k/(N p ω_d))^(2/d)) at distance ‖v‖ from D, and rare normal samples \
         rank above true anomalies. Control: anomalies placed on D itself, where the residual scores no better than chance \
         (AUROC = 1/2)."
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let bench = Bench::new(setting)?;
        let mut rows = bench.distances()?;
        rows.extend(bench.separation()?);
        rows.push(bench.separation_in_noise(&mut setting.stream(NUMBER, 8))?);
        rows.extend(bench.densities(setting)?);
        rows.push(bench.approximations(&mut setting.stream(NUMBER, 4))?);
        Ok(Evidence { rows, figures: vec![bench.figure_of_distance()?, bench.figure_of_rarity(&mut setting.stream(NUMBER, 5))?] })
    }
}

/// A point x + tν, with the place of x.
struct Sample {
    place: Place,
    distance: f64,
    point: Vec<f64>,
}

impl Sample {
    fn normal(place: Place) -> Self {
        Self { place, distance: 0.0, point: place.at(0.0) }
    }

    /// On either side of D, at a distance uniform between the nearest and the farthest.
    fn anomaly(stream: &mut Stream) -> Self {
        let (place, distance) = (Place::draw(stream, 0.0), NEAREST + (FARTHEST - NEAREST) * stream.uniform_f64());
        let point = place.at(if stream.below(2) == 0 { distance } else { -distance });
        Self { place, distance, point }
    }
}

/// What the density scores were fitted to, and what is scored.
struct Bench {
    torus: Torus,
    training: Vec<Vec<f64>>,
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
        let mixture = Mixture::fit(&training, 8, 40, &mut setting.stream(NUMBER, 6));
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

    fn distances(&self) -> Result<Vec<Row>> {
        let farthest = |samples: &[Sample], scores: &[f64]| {
            samples.iter().zip(scores).map(|(sample, score)| (score - sample.distance).abs()).fold(0.0, larger)
        };
        let raw =
            |samples: &[Sample]| samples.iter().map(|sample| self.torus.distance(&sample.point)).collect::<Result<Vec<_>>>();
        let [of_anomalies, of_rare] = [raw(&self.anomalies)?, raw(&self.rare)?];
        let least = of_anomalies.iter().copied().fold(f64::INFINITY, smaller);
        let because = "rounding of a few operations on numbers of order 1";
        Ok(vec![
            Row::equal("‖y-π(y)‖ - δ(y), anomalies", 0.0, farthest(&self.anomalies, &of_anomalies), 1e-12, because)
                .control("distance to the nearest sample", farthest(&self.anomalies, &self.neighbours(&self.anomalies, 1))),
            Row::equal("largest residual of rare normal samples", 0.0, farthest(&self.rare, &of_rare), 1e-12, because)
                .control("smallest residual of the anomalies", least),
        ])
    }

    fn separation(&self) -> Result<Vec<Row>> {
        let [frequent, rare, anomalies, on_manifold] =
            [&self.frequent, &self.rare, &self.anomalies, &self.on_manifold].map(|samples| self.residuals(samples));
        let (frequent, rare, anomalies, on_manifold) = (frequent?, rare?, anomalies?, on_manifold?);
        let because = "every pair is ordered or tied exactly, once residuals of rounding are 0";
        let row = |quantity: &str, normal: &[f64]| -> Result<Row> {
            let row = Row::at_least(quantity, 1.0, auroc(normal, &anomalies)?, 1e-12, because);
            Ok(row.control("anomalies on D", auroc(normal, &on_manifold)?))
        };
        Ok(vec![
            row("AUROC of the residual, normal samples of the law", &frequent)?,
            row("AUROC of the residual, rare normal samples", &rare)?,
            Row::equal("AUROC of the residual, anomalies on D", 0.5, auroc(&frequent, &on_manifold)?, 1e-12, because)
                .control("anomalies off D", auroc(&frequent, &anomalies)?),
        ])
    }

    /// The control once more, with the same noise on both sides instead of ties.
    fn separation_in_noise(&self, stream: &mut Stream) -> Result<Row> {
        let mut residuals = |samples: &[Sample]| -> Result<Vec<f64>> {
            let noisy = |point: &Vec<f64>| point.iter().map(|value| value + NOISE * stream.normal()).collect::<Vec<_>>();
            let points: Vec<Vec<f64>> = samples.iter().map(|sample| &sample.point).map(noisy).collect();
            points.iter().map(|point| self.torus.distance(point)).collect()
        };
        let [normal, on_manifold, anomalies] =
            [residuals(&self.frequent)?, residuals(&self.on_manifold)?, residuals(&self.anomalies)?];
        let (a, b) = (normal.len() as f64, on_manifold.len() as f64);
        let tolerance = 4.0 * ((a + b + 1.0) / (12.0 * a * b)).sqrt();
        let because = "four standard errors of chance, √((a+b+1)/(12ab)) for a and b samples";
        let quantity = "AUROC of the residual, anomalies on D, noise of 0.01 on all samples";
        let row = Row::equal(quantity, 0.5, auroc(&normal, &on_manifold)?, tolerance, because);
        Ok(row.control("anomalies off D", auroc(&normal, &anomalies)?))
    }

    fn densities(&self, setting: &Setting) -> Result<Vec<Row>> {
        let of_residual = auroc(&self.residuals(&self.rare)?, &self.residuals(&self.anomalies)?)?;
        let scores = |samples: &[Sample]| [self.neighbours(samples, NEIGHBOURS), self.rarities(samples)];
        let (normal, anomalous) = (scores(&self.rare), scores(&self.anomalies));
        let because =
            "worse than chance: with 400 scores or more a class, chance deviates by 0.02, what is measured lies far below";
        let names = ["k nearest neighbours", "Gaussian mixture"];
        let mut rows = vec![];
        for (name, (normal, anomalous)) in names.iter().zip(normal.iter().zip(&anomalous)) {
            let row = Row::at_most(format!("AUROC of {name}, rare normal samples"), 0.5, auroc(normal, anomalous)?, 0.0, because);
            rows.push(row.control("projection residual", of_residual));
        }
        rows.push(self.formula("normal samples", &self.frequent, 0.12));
        rows.push(self.formula("anomalies", &self.anomalies, setting.pick(0.04, 0.02)));
        Ok(rows)
    }

    /// Distances to the k-th neighbour over the formula, with the density and, as the control, without.
    fn formula(&self, name: &str, samples: &[Sample], tolerance: f64) -> Row {
        let measured = self.neighbours(samples, NEIGHBOURS);
        let ratio = |density: &dyn Fn(&Place) -> f64| {
            let spread = |sample: &Sample| NEIGHBOURS as f64 / (self.training.len() as f64 * density(&sample.place) * PI);
            let expected = |sample: &Sample| (sample.distance.powi(2) + spread(sample)).sqrt();
            median(&samples.iter().zip(&measured).map(|(sample, distance)| distance / expected(sample)).collect::<Vec<_>>())
        };
        let because = "the median of the 5th distance is 0.97 of the formula; D is curved, and the density falls within the ball; \
                       both weigh less where ‖v‖ is most of the distance";
        Row::equal(format!("median of k-th distance / formula, {name}"), 1.0, ratio(&Place::density), tolerance, because)
            .control("formula with even density", ratio(&|_| 1.0 / AREA))
    }

    /// Maps at exactly ε from π: the residual still separates if ε is below half of the least distance.
    fn approximations(&self, stream: &mut Stream) -> Result<Row> {
        let mut separated = |epsilon: f64| -> Result<f64> {
            let mut residuals = |samples: &[Sample]| -> Result<Vec<f64>> {
                samples.iter().map(|sample| Ok(norm(&sub(&sample.point, &self.near(&sample.point, epsilon, stream)?)))).collect()
            };
            let normal = residuals(&self.frequent)?;
            auroc(&normal, &residuals(&self.anomalies)?)
        };
        let (within, beyond) = (separated(0.45 * NEAREST)?, separated(3.0 * NEAREST)?);
        Ok(Row::at_least(
            "AUROC of ‖y-f(y)‖, f within ε of π, anomalies beyond 2ε",
            1.0,
            within,
            1e-12,
            "the triangle inequality is exact",
        )
        .control("f 0.3 from π", beyond))
    }

    /// A point at distance `epsilon` from π(y), in a random direction.
    fn near(&self, y: &[f64], epsilon: f64, stream: &mut Stream) -> Result<Vec<f64>> {
        let direction = stream.normals(y.len());
        let direction = normalised(&direction).unwrap_or(direction);
        Ok(add_scaled(&self.torus.project_point(y)?, epsilon, &direction))
    }
}
