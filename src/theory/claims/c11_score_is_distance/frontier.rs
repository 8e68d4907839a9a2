//! How many samples nearest neighbours need to rank rare normal points below anomalies beside dense ones.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::theory::claim::{Check, Setting};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::statistics::auroc;

use super::density::neighbour_distance;
use super::law::Place;
use super::{NEIGHBOURS, NUMBER};

/// Median of the Gamma law of shape 5: of N p π r² for the 5th neighbour.
const MEDIAN: f64 = 4.670_909;
/// Distance of the anomalies from D.
const DISTANCE: f64 = 0.15;
/// Angles of the rare normal points, from less to more rare; the anomalies are at the angle 0, where the density is largest.
const RARITIES: [f64; 3] = [0.3 * PI, 0.4 * PI, 0.5 * PI];
/// N, as factors of the predicted frontier.
const FACTORS: [f64; 7] = [0.25, 0.4, 0.63, 1.0, 1.6, 2.5, 4.0];
/// Independent sets of samples for each N.
const SETS: u32 = 6;

const CROSSING: (f64, &str) = (
    0.2,
    "6 sets of 60 points of each kind have a standard error of 0.07; density and curvature vary within the ball of 5 neighbours",
);

/// The least N at which the median distance of an anomaly to its 5th neighbour exceeds that of a normal point at this angle, with the area of
/// the unit disk.
fn predicted(rarity: f64, disk: f64) -> f64 {
    let inverse = |along: f64| 1.0 / place(along).density();
    MEDIAN * (inverse(rarity) - inverse(0.0)) / (disk * DISTANCE * DISTANCE)
}

/// A quarter around the tube: neither inside nor outside.
fn place(along: f64) -> Place {
    Place { along, around: 0.5 * PI }
}

/// AUROC against N for each rarity, with the predicted N.
pub(super) struct Frontier {
    curves: Vec<(f64, Vec<(f64, f64)>)>,
}

impl Frontier {
    pub(super) fn measure(setting: &Setting) -> Result<Self> {
        let points = setting.pick(60, 200);
        let curve = |(index, &rarity): (usize, &f64)| {
            let expected = predicted(rarity, PI);
            let at = |(step, factor): (usize, &f64)| {
                let count = (factor * expected).round() as usize;
                let place = 1000 + 100 * index as u32 + 10 * step as u32;
                Ok((count as f64, area_under_curve(setting, place, [count, points], rarity)?))
            };
            Ok((expected, FACTORS.iter().enumerate().map(at).collect::<Result<Vec<_>>>()?))
        };
        Ok(Self { curves: RARITIES.iter().enumerate().map(curve).collect::<Result<_>>()? })
    }

    pub(super) fn checks(&self) -> Result<Vec<Check>> {
        let check = |(rarity, (expected, curve)): (&f64, &(f64, Vec<(f64, f64)>))| {
            let crossing = crossing(curve)?;
            let quantity =
                format!("N at which AUROC of k neighbours is ½ over its formula, normal points at φ = {:.1}π", rarity / PI);
            let ratio = |disk: f64| crossing / predicted(*rarity, disk);
            Check::equal(quantity, 1.0, crossing / expected, CROSSING.0, CROSSING.1)
                .control("a square in the place of the unit disk", ratio(4.0))
                .notices("the area of the disk is (1+ε)π", |size| Ok(ratio(PI * (1.0 + size))))
        };
        RARITIES.iter().zip(&self.curves).map(check).collect()
    }

    pub(super) fn figure(&self) -> Figure {
        let mut series: Vec<Series> = RARITIES
            .iter()
            .zip(&self.curves)
            .map(|(rarity, (_, curve))| Series::line(format!("normal points at φ = {:.1}π", rarity / PI), curve.clone()))
            .collect();
        series.push(Series::dots("predicted", self.curves.iter().map(|(expected, _)| (*expected, 0.5)).collect()));
        Figure {
            stem: "c11_frontier".into(),
            title: "With enough samples, nearest neighbours win back".into(),
            caption: format!(
                "AUROC of the distance to the {NEIGHBOURS}th neighbour, anomalies at distance {DISTANCE} beside the densest part of D against normal \
                 points of one rarity. Below the predicted N it is worse than chance. The residual is at 1 for every N."
            ),
            content: Content::chart([AxisSpec::log("number N of samples"), AxisSpec::linear("AUROC")], series),
        }
    }
}

/// The mean over several sets of samples. Normal points and anomalies differ in the place around the tube only.
fn area_under_curve(setting: &Setting, index: u32, [count, points]: [usize; 2], rarity: f64) -> Result<f64> {
    let mut sum = 0.0;
    for set in 0..SETS {
        let mut stream = setting.stream(NUMBER, index + set);
        let samples: Vec<_> = (0..count).map(|_| Place::draw(&mut stream, 0.0).at(0.0)).collect();
        let mut scores = |along: f64, distance: f64| -> Vec<f64> {
            let mut point =
                || Place { around: place(along).around + 0.4 * (stream.uniform_f64() - 0.5), ..place(along) }.at(distance);
            (0..points).map(|_| neighbour_distance(&samples, NEIGHBOURS, &point())).collect()
        };
        sum += auroc(&scores(rarity, 0.0), &scores(0.0, DISTANCE))?;
    }
    Ok(sum / f64::from(SETS))
}

/// N at which the curve reaches ½, linear in log N between its points.
fn crossing(curve: &[(f64, f64)]) -> Result<f64> {
    let pair = curve.windows(2).find(|pair| pair[0].1 < 0.5 && pair[1].1 >= 0.5);
    let [(n, below), (next, above)] = *pair.ok_or_else(|| Error::argument("AUROC does not pass ½"))? else {
        return Err(Error::argument("a window of two points has two points"));
    };
    Ok(n * (next / n).powf((0.5 - below) / (above - below)))
}
