//! What a wrong augmentation costs: an ellipse turned by a small angle.

use ndarray::{Array1, Array2, array};

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::norm;
use crate::theory::claim::{Check, Setting};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::manifold::{Ellipse, Manifold};
use crate::theory::statistics::{auroc, larger};

use super::constants::NUMBER;

const AXES: [f64; 2] = [1.5, 1.0];
/// The angle of the checks, and those of the figure.
const ANGLE: f64 = 0.1;
const ANGLES: [f64; 6] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.4];
/// Points of D at which h is sought.
const GRID: usize = 2000;
/// Largest distance of y from D, relative to the reach.
const FARTHEST: f64 = 0.9;
/// Residuals below this count as 0, because they are rounding errors.
const ROUNDING: f64 = 1e-9;
const INEQUALITY: &str = "an inequality; h is the largest of 2000 points, 1e-6 below the true one";

pub(super) fn checks(setting: &Setting) -> Result<(Vec<Check>, Figure)> {
    let mut stream = setting.stream(NUMBER, 1);
    let count = setting.pick(300, 4000);
    let turned = Turned::new(ANGLE)?;
    let points = turned.around(&mut stream, count)?;
    let (h, tolerance) = (turned.displacement()?, 1e-5);
    let lowered =
        points.iter().map(|y| Ok((turned.distance(y)? - turned.union_distance(y)?) / h)).collect::<Result<Vec<f64>>>()?;
    let lowered = lowered.into_iter().fold(0.0, larger);
    let moved = |root: f64| largest_move(&turned, &points, h, root);
    let checks = vec![
        Check::at_most("largest (δ - δ_G)/h, ellipse turned by 0.1", 1.0, lowered, tolerance, INEQUALITY)
            .control("half of h", 2.0 * lowered)
            .notices("h too small by the factor 1-ε", |size| Ok(lowered / (1.0 - size)))?,
        Check::at_most("largest ‖z - π(y)‖ over its bound, ellipse turned by 0.1", 1.0, moved(1.0)?, tolerance, INEQUALITY)
            .control("the bound without its root", moved(0.0)?)
            .notices("the root too small by the factor 1-ε", |size| moved(1.0 - size))?,
        separation(&turned, h, &mut stream, count)?,
    ];
    Ok((checks, figure(&mut setting.stream(NUMBER, 2), count)?))
}

fn largest_move(turned: &Turned, points: &[Array1<f64>], h: f64, root: f64) -> Result<f64> {
    let ratio = |y: &Array1<f64>| Ok(turned.moved(y)? / turned.bound(y, h, root)?);
    Ok(points.iter().map(ratio).collect::<Result<Vec<f64>>>()?.into_iter().fold(0.0, larger))
}

/// Anomalies beyond h against normal samples.
fn separation(turned: &Turned, h: f64, stream: &mut Stream, count: usize) -> Result<Check> {
    let scores = |points: &[Array1<f64>]| -> Result<Vec<f64>> {
        points.iter().map(|y| Ok(Some(turned.union_distance(y)?).filter(|score| *score > ROUNDING).unwrap_or(0.0))).collect()
    };
    let normal: Vec<Array1<f64>> = (0..count).map(|_| turned.ellipse.sample(stream)).collect();
    let beyond = |_| {
        let x = turned.ellipse.sample(stream);
        let length = h * (1.001 + stream.uniform_f64());
        Ok(&x + length * &turned.ellipse.normal_basis(&x)?.column(0))
    };
    let far = (0..count).map(beyond).collect::<Result<Vec<_>>>()?;
    let on_turned: Vec<Array1<f64>> = (0..count).map(|_| turned.turn(&turned.ellipse.sample(stream), 1.0)).collect();
    let (normal, far, on_turned) = (scores(&normal)?, scores(&far)?, scores(&on_turned)?);
    let because = "every pair is ordered or tied exactly, since rounding errors count as 0";
    let with = |share: f64| {
        let replaced = (share * count as f64).round() as usize;
        auroc(&normal, &[&on_turned[..replaced], &far[replaced..]].concat())
    };
    Check::at_least("AUROC of δ_G, anomalies with δ > h", 1.0, with(0.0)?, 1e-12, because)
        .control("anomalies on gD", with(1.0)?)
        .notices("the share ε of the anomalies on gD", with)
}

/// An ellipse D and the same ellipse turned, gD.
struct Turned {
    ellipse: Ellipse,
    rotation: Array2<f64>,
}

impl Turned {
    fn new(angle: f64) -> Result<Self> {
        let (sine, cosine) = angle.sin_cos();
        Ok(Self { ellipse: Ellipse::new(AXES[0], AXES[1])?, rotation: array![[cosine, -sine], [sine, cosine]] })
    }

    /// gy, or g⁻¹y for a negative direction.
    fn turn(&self, y: &Array1<f64>, direction: f64) -> Array1<f64> {
        if direction > 0.0 { self.rotation.dot(y) } else { self.rotation.t().dot(y) }
    }

    fn distance(&self, y: &Array1<f64>) -> Result<f64> {
        self.ellipse.distance(y)
    }

    /// The nearest point of D ∪ gD.
    fn nearest_in_union(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        let own = self.ellipse.project_point(y)?;
        let other = self.turn(&self.ellipse.project_point(&self.turn(y, -1.0))?, 1.0);
        Ok(if norm(&(y - &own)) <= norm(&(y - &other)) { own } else { other })
    }

    fn union_distance(&self, y: &Array1<f64>) -> Result<f64> {
        Ok(norm(&(y - self.nearest_in_union(y)?)))
    }

    /// `‖z - π(y)‖`.
    fn moved(&self, y: &Array1<f64>) -> Result<f64> {
        Ok(norm(&(self.nearest_in_union(y)? - self.ellipse.project_point(y)?)))
    }

    /// `h + root √(h(2δ + h)/(1 - δ/τ))`.
    fn bound(&self, y: &Array1<f64>, h: f64, root: f64) -> Result<f64> {
        let distance = self.distance(y)?;
        Ok(h + root * (h * (2.0 * distance + h) / (1.0 - distance / self.ellipse.reach())).sqrt())
    }

    /// h, the largest δ(gx).
    fn displacement(&self) -> Result<f64> {
        let point = |k: usize| {
            let (sine, cosine) = (std::f64::consts::TAU * k as f64 / GRID as f64).sin_cos();
            array![AXES[0] * cosine, AXES[1] * sine]
        };
        let distances = (0..GRID).map(|k| self.distance(&self.turn(&point(k), 1.0))).collect::<Result<Vec<f64>>>()?;
        Ok(distances.into_iter().fold(0.0, larger))
    }

    /// Points at random distances within the reach, on either side of D; every fourth is on gD.
    fn around(&self, stream: &mut Stream, count: usize) -> Result<Vec<Array1<f64>>> {
        let mut point = |index: usize| {
            let x = self.ellipse.sample(stream);
            if index.is_multiple_of(4) {
                return Ok(self.turn(&x, 1.0));
            }
            let length = FARTHEST * self.ellipse.reach() * (2.0 * stream.uniform_f64() - 1.0);
            Ok(&x + length * &self.ellipse.normal_basis(&x)?.column(0))
        };
        (0..count).map(&mut point).collect()
    }
}

fn figure(stream: &mut Stream, count: usize) -> Result<Figure> {
    let (mut found, mut bounds, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for angle in ANGLES {
        let turned = Turned::new(angle)?;
        let (points, h) = (turned.around(stream, count)?, turned.displacement()?);
        let largest = |values: Vec<f64>| values.into_iter().fold(0.0, larger);
        found.push((h, largest(points.iter().map(|y| turned.moved(y)).collect::<Result<_>>()?)));
        bounds.push((h, largest(points.iter().map(|y| turned.bound(y, h, 1.0)).collect::<Result<_>>()?)));
        plain.push((h, h));
    }
    Ok(Figure {
        stem: "c16_cost".into(),
        title: "How far a wrong augmentation moves the projection".into(),
        caption: "An ellipse and its copy, turned by 0.01 to 0.4, as one set of normal images. The nearest point moves by much more than the largest \
                  distance h of the copy from D: like √h."
            .into(),
        content: Content::chart(
            [AxisSpec::log("largest distance h of gD from D"), AxisSpec::log("‖z - π(y)‖")],
            vec![Series::dots("largest found", found), Series::line("bound", bounds), Series::dashed("h", plain)],
        ),
    })
}
