//! **C13, the optimum has no derivative.**
//!
#![doc = include_str!("statement.md")]

use ndarray::Array1;

use crate::error::{Error, Result};
use crate::theory::algebra::{norm, random_direction};
use crate::theory::claim::{Check, Claim, Evidence, Setting};
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::manifold::{Gratings, Manifold};
use crate::theory::robust_fit::{AffineSpace, Penalty};
use crate::theory::statistics::log_log_slope;

const NUMBER: u32 = 13;
const SIDE: usize = 16;
/// Side of a patch.
const PATCH: usize = 4;
const WAVES: [[i32; 2]; 2] = [[1, 2], [3, -1]];
const AMPLITUDE: f64 = 0.25;
/// Sizes t of the step along T.
const STEPS: [f64; 4] = [1e-1, 1e-2, 1e-3, 1e-4];
/// κ, between the pixel values of the largest and the smallest step.
const KAPPA: f64 = 1e-3;

const CHORD: (f64, &str) = (1e-3, "‖z_t - x‖/t = 1 - O(t²), 1e-4 at t = 0.1; rounding of x over the least t");
const SLOPE: (f64, &str) = (0.02, "terms of the next order in t");
const FIRST: (f64, &str) = (2e-3, "‖z_t - x - ta‖/t, of order t");

/// See the [module](self).
pub const CLAIM: Claim =
    Claim::new("C13", "The optimum has no derivative", include_str!("statement.md"), measure).seconds([1.5, 3.0]);

fn measure(setting: &Setting) -> Result<Evidence> {
    let places = (0..setting.pick(3, 20)).map(|index| Place::sample(setting, index)).collect::<Result<Vec<_>>>()?;
    let least = STEPS[STEPS.len() - 1];
    let nearest = |place: &Place, y: &Array1<f64>| place.gratings.project_point(y);
    let optimum = |place: &Place, y: &Array1<f64>| place.hull.least_absolute(y);
    let huber = |place: &Place, y: &Array1<f64>| place.hull.fit(y, Penalty::Huber(KAPPA));
    let following = |share: f64| move |place: &Place, y: &Array1<f64>| Ok((1.0 - share) * optimum(place, y)? + share * y);
    // With an injected fault, at one place only.
    let first = |map: &Map<'_>| places[0].defect(least, map);
    // The value that is farthest from 1 over all places and steps.
    let farthest = |map: &Map<'_>| -> Result<f64> {
        let all =
            places.iter().flat_map(|place| STEPS.iter().map(move |&t| place.defect(t, map))).collect::<Result<Vec<f64>>>()?;
        Ok(all.into_iter().max_by(|a, b| (a - 1.0).abs().total_cmp(&(b - 1.0).abs())).unwrap_or(f64::NAN))
    };
    let slope = |map: &Map<'_>| -> Result<f64> {
        let curve = STEPS.iter().map(|&t| Ok((t, places[0].defect(t, map)?))).collect::<Result<Vec<_>>>()?;
        log_log_slope(&curve)
    };
    let mixed =
        |share: f64| move |place: &Place, y: &Array1<f64>| Ok((1.0 - share) * nearest(place, y)? + share * optimum(place, y)?);
    let following_optimum =
        |share: f64| move |place: &Place, y: &Array1<f64>| Ok((1.0 - share) * huber(place, y)? + share * optimum(place, y)?);
    let of_huber = |kappa: f64| first(&|place, y| place.hull.fit(y, Penalty::Huber(kappa)));
    let checks = vec![
        Check::equal("Δ_t(f*), t = 0.1 … 0.0001, farthest from 1", 1.0, farthest(&optimum)?, CHORD.0, CHORD.1)
            .control("Huber's penalty, κ = 0.001", farthest(&huber)?)
            .notices("f* lets through the share ε of a corruption", |share| first(&following(share)))?,
        Check::equal("slope of Δ_t(π) in t", 1.0, slope(&nearest)?, SLOPE.0, SLOPE.1)
            .control("f*", slope(&optimum)?)
            .notices("the share ε of f* in π", |share| slope(&mixed(share)))?,
        Check::equal("Δ_t of the fit with Huber's penalty, κ = 0.001, t = 0.0001", 0.0, of_huber(KAPPA)?, FIRST.0, FIRST.1)
            .control("κ = 0.000001", of_huber(1e-6)?)
            .notices("the share ε of f* in the fit", |share| first(&following_optimum(share)))?,
    ];
    Ok(Evidence { checks, figures: vec![places[0].figure()?] })
}

/// A map of images, which may depend on the place.
type Map<'a> = dyn Fn(&Place, &Array1<f64>) -> Result<Array1<f64>> + 'a;

/// A point x of D with a unit tangent vector a.
struct Place {
    gratings: Gratings,
    hull: AffineSpace,
    x: Array1<f64>,
    tangent: Array1<f64>,
}

impl Place {
    fn sample(setting: &Setting, index: u32) -> Result<Self> {
        let (gratings, mut stream) = (Gratings::new(SIDE, SIDE, &WAVES, AMPLITUDE)?, setting.stream(NUMBER, index));
        let x = gratings.sample(&mut stream);
        let basis = gratings.tangent_basis(&x)?;
        let direction = random_direction(&mut stream, basis.ncols())?;
        Ok(Self { hull: gratings.hull()?, tangent: basis.dot(&direction), gratings, x })
    }

    /// Δ_t of a map.
    fn defect(&self, t: f64, map: &Map<'_>) -> Result<f64> {
        let moved = |y: &Array1<f64>| Ok::<_, Error>(map(self, y)? - &self.x);
        let mut defect = moved(&self.gratings.project_point(&(&self.x + t * &self.tangent))?)?;
        for patch in 0..(SIDE / PATCH).pow(2) {
            defect = defect - moved(&(&self.x + t * &self.part(patch)))?;
        }
        Ok(norm(&defect) / t)
    }

    /// The part of the tangent vector on one patch.
    fn part(&self, patch: usize) -> Array1<f64> {
        let of_pixel = |pixel: usize| pixel / SIDE / PATCH * (SIDE / PATCH) + pixel % SIDE / PATCH;
        Array1::from_shape_fn(SIDE * SIDE, |pixel| if of_pixel(pixel) == patch { self.tangent[pixel] } else { 0.0 })
    }

    fn figure(&self) -> Result<Figure> {
        let steps: Vec<f64> = (0..13).map(|k| 10.0_f64.powf(-4.0 + f64::from(k) / 4.0)).collect();
        let curve = |name: &str, map: &Map<'_>| {
            let points = steps.iter().map(|&t| Ok((t, self.defect(t, map)?))).collect::<Result<Vec<_>>>()?;
            Ok::<_, Error>(Series::line(name, points))
        };
        Ok(Figure {
            stem: "c13_defect".into(),
            title: "The optimum is not additive, however small the step".into(),
            caption: "Δ_t compares a step along T with the sum of its parts on 16 patches. It vanishes with t for every map that is differentiable on D. \
                      For the optimum f* it stays at 1. Huber's penalty imitates f* down to its threshold κ = 0.001."
                .into(),
            content: Content::chart(
                [AxisSpec::log("length t of the step"), AxisSpec::linear("additivity defect Δ_t")],
                vec![
                    curve("f*", &|place, y| place.hull.least_absolute(y))?,
                    curve("Huber's penalty", &|place, y| place.hull.fit(y, Penalty::Huber(KAPPA)))?,
                    curve("π", &|place, y| place.gratings.project_point(y))?,
                ],
            ),
        })
    }
}
