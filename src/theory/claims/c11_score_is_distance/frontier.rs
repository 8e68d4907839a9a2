//! How many samples nearest neighbours need to rank rare normal points below anomalies beside dense ones.

use std::f64::consts::PI;

use crate::error::Result;
use crate::theory::claim::{Check, Setting};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::statistics::auroc;

use super::density::neighbour_distance;
use super::law::Place;
use super::{NEIGHBOURS, NUMBER};

/// Median of the Gamma law of shape 5: of N p π r² for the 5th neighbour.
const MEDIAN: f64 = 4.670_909;
/// Distance of the anomalies from D.
const DISTANCE: f64 = 0.25;
/// Angles of the rare normal points, from less to more rare; the anomalies are at the angle 0, where the density is largest.
const RARITIES: [f64; 3] = [0.4 * PI, 0.5 * PI, 0.6 * PI];
/// N, as factors of the predicted frontier.
const FACTORS: [f64; 5] = [0.4, 0.63, 1.0, 1.6, 2.5];
/// Points of each kind that are scored by one set of samples: few, because points near each other share their neighbours.
const POINTS: usize = 8;

const CROSSING: (f64, &str) =
    (0.2, "60 sets of samples have a standard error of 0.05; density and curvature vary within the ball of 5 neighbours");

/// The least N at which the median distance of an anomaly to its 5th neighbour exceeds that of a normal point at this angle, with
/// the area of the unit disk.
fn predicted(rarity: f64, disk: f64) -> f64 {
    let inverse = |along: f64| 1.0 / place(along).density();
    MEDIAN * (inverse(rarity) - inverse(0.0)) / (disk * DISTANCE * DISTANCE)
}

/// A quarter around the tube: neither inside nor outside.
fn place(along: f64) -> Place {
    Place { along, around: 0.5 * PI }
}

/// Normal points of one rarity.
struct Curve {
    rarity: f64,
    /// The predicted N.
    expected: f64,
    /// AUROC against N.
    points: Vec<(f64, f64)>,
}

/// One curve for each rarity.
pub(super) struct Frontier {
    curves: Vec<Curve>,
}

impl Frontier {
    pub(super) fn measure(setting: &Setting) -> Result<Self> {
        let curve = |(index, &rarity): (usize, &f64)| {
            let expected = predicted(rarity, PI);
            let at = |(step, factor): (usize, &f64)| {
                let count = (factor * expected).round() as usize;
                let place = 10_000 * (1 + index as u32) + 1000 * step as u32;
                Ok((count as f64, area_under_curve(setting, place, count, rarity)?))
            };
            Ok(Curve { rarity, expected, points: FACTORS.iter().enumerate().map(at).collect::<Result<Vec<_>>>()? })
        };
        Ok(Self { curves: RARITIES.iter().enumerate().map(curve).collect::<Result<_>>()? })
    }

    pub(super) fn checks(&self) -> Result<Vec<Check>> {
        let check = |Curve { rarity, expected, points }: &Curve| {
            let crossing = crossing(points);
            let quantity =
                format!("N at which AUROC of k neighbours is ½ over its formula, normal points at φ = {:.1}π", rarity / PI);
            let ratio = |disk: f64| crossing / predicted(*rarity, disk);
            Check::equal(quantity, 1.0, crossing / expected, CROSSING.0, CROSSING.1)
                .control("2π in the place of π", ratio(2.0 * PI))
                .notices("the area of the disk is (1+ε)π", |size| Ok(ratio(PI * (1.0 + size))))
        };
        self.curves.iter().map(check).collect()
    }

    pub(super) fn figure(&self) -> Figure {
        let line = |curve: &Curve| Series::line(format!("normal points at φ = {:.1}π", curve.rarity / PI), curve.points.clone());
        let mut series: Vec<Series> = self.curves.iter().map(line).collect();
        series.push(Series::dots("predicted", self.curves.iter().map(|curve| (curve.expected, 0.5)).collect()));
        Figure {
            stem: "c11_frontier".into(),
            title: "With enough samples, nearest neighbours rank rare normal points right".into(),
            caption: format!(
                "AUROC of the distance to the {NEIGHBOURS}th neighbour, anomalies at distance {DISTANCE} beside the densest part of D against normal \
                 points of one rarity. Below the predicted N it is worse than chance. The residual is at 1 for every N."
            ),
            content: Content::chart([AxisSpec::log("number N of samples"), AxisSpec::linear("AUROC")], series),
        }
    }
}

/// The mean over several sets of samples. Points are a quarter around the tube, more or less, and on either side of the densest
/// part.
fn area_under_curve(setting: &Setting, index: u32, count: usize, rarity: f64) -> Result<f64> {
    let (sets, mut sum) = (setting.pick(60, 240), 0.0);
    for set in 0..sets {
        let mut stream = setting.stream(NUMBER, index + set);
        let samples: Vec<_> = (0..count).map(|_| Place::draw(&mut stream, 0.0).at(0.0)).collect();
        let mut scores = |along: f64, distance: f64| -> Vec<f64> {
            let mut point = || {
                let around = place(along).around + 1.2 * (stream.uniform_f64() - 0.5);
                Place { around, along: if stream.below(2) == 0 { along } else { -along } }.at(distance)
            };
            (0..POINTS).map(|_| neighbour_distance(&samples, NEIGHBOURS, &point())).collect()
        };
        sum += auroc(&scores(rarity, 0.0), &scores(0.0, DISTANCE))?;
    }
    Ok(sum / f64::from(sets))
}

/// N at which the curve reaches ½, linear in log N between its points; NaN if it does not.
fn crossing(curve: &[(f64, f64)]) -> f64 {
    let pair = curve.iter().zip(curve.iter().skip(1)).find(|(first, second)| first.1 < 0.5 && second.1 >= 0.5);
    pair.map_or(f64::NAN, |((n, below), (next, above))| n * (next / n).powf((0.5 - below) / (above - below)))
}
