//! Inequalities that hold on every manifold.

use std::sync::Arc;

use ndarray::{array, s};
use rayon::prelude::*;

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{gaussian_vector, norm};
use crate::theory::claim::{Check, Setting};
use crate::theory::manifold::{Ellipse, Manifold, SineCurve, Sphere};
use crate::theory::statistics::smaller;

use super::super::all_manifolds::{Map, Member, all_manifolds};
use super::super::wrong_maps;
use super::trial::{Found, Trial};
use super::{ALL_MANIFOLDS, MANIFOLDS, NUMBER};

/// Allowed rounding of the inequality, relative to ‖e‖².
const SLACK: f64 = 1e-10;
const TILTED: &str = "idempotent, onto D, but tilted: π(y + A(y-π(y)))";

pub(super) fn checks(setting: &Setting) -> Result<Vec<Check>> {
    let members = all_manifolds(&mut setting.stream(NUMBER, ALL_MANIFOLDS))?;
    let trials = setting.pick([200, 12], [2000, 60]);
    let indexed: Vec<(u32, &Member)> = (MANIFOLDS..).zip(&members).collect();
    let one = |(index, member): (u32, &Member)| {
        let mut stream = setting.stream(NUMBER, index);
        (0..trials[usize::from(member.is_slow)]).try_fold(Found::NONE, |found, _| {
            Ok(found.with(&Trial::sample(&*member.manifold, &mut stream)?.measure(&mut stream)?))
        })
    };
    let each = indexed.into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let found = each.iter().fold(Found::NONE, Found::with);
    let special = named_wrong_maps(&mut setting.stream(NUMBER, MANIFOLDS + members.len() as u32), setting.pick(200, 2000))?;
    Ok(inequalities(&found, members.len(), special))
}

fn inequalities(found: &Found, count: usize, special: f64) -> Vec<Check> {
    let rounding = "an inequality, up to rounding";
    let search = "rounding; where π is a search, its last step";
    let halfway = "½(y + π(y)), which is not onto D";
    // Each pair is the value for π and for the control.
    let at_most = |quantity: String, predicted: f64, pair: [f64; 2], tolerance: f64, because: &'static str, control: &str| {
        Check::at_most(quantity, predicted, pair[0], tolerance, because).control(control, pair[1])
    };
    let least = |wrong_maps: &str, least: f64| {
        Check::at_least(format!("least ‖g(y)-y‖ / ‖π(y)-y‖, g {wrong_maps}"), 1.0, least, 1e-10, rounding)
            .control(halfway, found.least[1])
    };
    let inequality = format!("(‖(π(x̂)-x̂)_S̄‖² - ‖(x-x̂)_S‖² + ‖(π(x̂)-x̂)_S‖²) / ‖e‖², {count} manifolds");
    let repeated = "‖g(g(y))-g(y)‖ / (1+‖y‖), g tilted".to_owned();
    let remainder = "‖π(x+e)-x-P_T e‖ (τ-‖e‖) / ‖e‖²".to_owned();
    let tangential = "‖π(x+e)-x‖ (τ-‖e‖) / (τ‖P_T e‖)".to_owned();
    let elsewhere = "P_T at another point of D";
    let bound = "‖P_T e‖ / (‖P_T P_S‖₂ ‖e‖), e on S".to_owned();
    let oblique = "oblique projector, S its third coordinate";
    vec![
        at_most(inequality, 0.0, found.excess, SLACK, "an inequality; rounding of squares of x̂ over ‖e‖²", TILTED),
        least(&format!("tilted, {count} manifolds"), found.least[0]),
        least("radial, vertical, oblique or constant", special),
        at_most(repeated, 0.0, found.repeated, 1e-9, search, halfway),
        at_most(remainder, 1.0, found.remainder, 1e-6, "an inequality; rounding of x over ‖e‖²", elsewhere),
        at_most(tangential, 1.0, found.tangential, 1e-6, "an inequality; rounding of x over ‖P_T e‖", elsewhere),
        at_most(bound, 1.0, found.bound, 1e-12, rounding, "e that is not 0 off S"),
        at_most("‖P_S̄ P_T P_S‖₂".into(), 0.5, [found.crossing, crossing_of_oblique()], 1e-12, rounding, oblique),
    ]
}

/// `‖P_S̄ W P_S‖₂` of an oblique projector W for S the third coordinate, of which W has one column.
fn crossing_of_oblique() -> f64 {
    norm(&wrong_maps::oblique(&array![0.0, 0.0, 1.0]).slice(s![..2]))
}

/// The smallest ratio over some well-known maps.
fn named_wrong_maps(stream: &mut Stream, trials: usize) -> Result<f64> {
    let pairs: [(Arc<dyn Manifold>, Map); 4] = [
        (Arc::new(Ellipse::new(2.0, 1.2)?), Box::new(|y| Ok(wrong_maps::radial([2.0, 1.2], y)))),
        (Arc::new(SineCurve), Box::new(|y| Ok(array![y[0], y[0].sin()]))),
        (Arc::new(wrong_maps::plane()?), Box::new(|y| Ok(wrong_maps::oblique(y)))),
        // Idempotent onto a part of D.
        (Arc::new(Sphere::circle(1.5)?), Box::new(|_| Ok(array![1.5, 0.0]))),
    ];
    let mut least = f64::INFINITY;
    for (manifold, map) in &pairs {
        for _ in 0..trials {
            let y = manifold.sample(stream) + 0.5 * gaussian_vector(stream, manifold.ambient());
            least = smaller(least, norm(&(map(&y)? - &y)) / manifold.distance(&y)?);
        }
    }
    Ok(least)
}
