//! Inequalities that hold on every manifold.

use std::sync::Arc;

use ndarray::{Array2, array, s};
use rayon::prelude::*;

use crate::error::Result;
use crate::theory::algebra::{gaussian_matrix, norm};
use crate::theory::claim::{Check, Setting};
use crate::theory::manifold::{Manifold, Torus};

use super::super::all_manifolds::{Member, Variant, all_manifolds};
use super::super::wrong_maps;
use super::trial::{Found, Trial};
use super::{ALL_MANIFOLDS, FAULTS, MANIFOLDS, NUMBER};

/// Allowed rounding of the inequality, relative to ‖e‖².
const SLACK: f64 = 1e-10;
/// Corruptions of the torus for each injected fault.
const FAULTY: usize = 200;
const TILTED: &str = "π(y + εA(y-π(y))) in place of π, torus";
const BEYOND: &str = "a point of D a little farther from x̂ than x";

pub(super) fn checks(setting: &Setting) -> Result<Vec<Check>> {
    let members = all_manifolds(&mut setting.stream(NUMBER, ALL_MANIFOLDS))?;
    let trials = setting.pick([200, 12], [2000, 60]);
    let indexed: Vec<(u32, &Member)> = (MANIFOLDS..).zip(&members).collect();
    let one = |(index, member): (u32, &Member)| {
        let mut stream = setting.stream(NUMBER, index);
        (0..trials[usize::from(member.is_search)]).try_fold(Found::NONE, |found, _| {
            Ok(found.with(&Trial::sample(&*member.manifold, &mut stream)?.measure(&mut stream)?))
        })
    };
    let each = indexed.into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let found = each.iter().fold(Found::NONE, Found::with);
    inequalities(&found, members.len(), setting)
}

fn inequalities(found: &Found, count: usize, setting: &Setting) -> Result<Vec<Check>> {
    let rounding = "an inequality, up to rounding";
    // Each pair is the value for π and for the control.
    let at_most = |quantity: String, predicted: f64, pair: [f64; 2], tolerance: f64, because: &'static str, control: &str| {
        Check::at_most(quantity, predicted, pair[0], tolerance, because).control(control, pair[1])
    };
    let inequality = format!("(‖(z-x)_S̄‖² - ‖(x-x̂)_S‖² + ‖(z-x̂)_S‖²) / ‖e‖², z = π(x̂), {count} manifolds");
    let remainder = "‖π(x+e)-x-P_T e‖ (τ-‖e‖) / ‖e‖²".to_owned();
    let tangential = "‖π(x+e)-x‖ (τ-‖e‖) / (τ‖P_T e‖)".to_owned();
    let elsewhere = "P_T at another point of D";
    let bound = "‖P_T e‖ / (‖P_T P_S‖₂ ‖e‖), e on S".to_owned();
    let oblique = "oblique projector, S its third coordinate";
    let tilted = |size: f64| tilted(setting, size);
    Ok(vec![
        at_most(inequality, 0.0, found.excess, SLACK, "an inequality; rounding of squares of x̂ over ‖e‖²", BEYOND)
            .notices(TILTED, |size| Ok(tilted(size)?.excess[0]))?,
        at_most(remainder, 1.0, found.remainder, 1e-6, "an inequality; rounding of x over ‖e‖²", elsewhere)
            .notices(TILTED, |size| Ok(tilted(size)?.remainder[0]))?,
        at_most(tangential, 1.0, found.tangential, 1e-6, "an inequality; rounding of x over ‖P_T e‖", elsewhere)
            .notices(TILTED, |size| Ok(tilted(size)?.tangential[0]))?,
        at_most(bound, 1.0, found.bound, 1e-12, rounding, "e that is not 0 off S"),
        at_most("‖P_S̄ P_T P_S‖₂".into(), 0.5, [found.crossing, crossing_of_oblique()], 1e-12, rounding, oblique),
    ])
}

/// The same measures of a torus whose π is tilted by a matrix of this size.
fn tilted(setting: &Setting, size: f64) -> Result<Found> {
    let mut stream = setting.stream(NUMBER, FAULTS);
    let torus: Arc<dyn Manifold> = Arc::new(Torus::new(2.0, 0.7)?);
    let tilt: Array2<f64> = size * gaussian_matrix(&mut stream, 3, 3);
    let inner = Arc::clone(&torus);
    let faulty = Variant::mapped(torus, Box::new(move |y| wrong_maps::tilted(&*inner, &tilt, 0, y)));
    (0..FAULTY).try_fold(Found::NONE, |found, _| Ok(found.with(&Trial::sample(&faulty, &mut stream)?.measure(&mut stream)?)))
}

/// `‖P_S̄ W P_S‖₂` of an oblique projector W for S the third coordinate, of which W has one column.
fn crossing_of_oblique() -> f64 {
    norm(&wrong_maps::oblique(&array![0.0, 0.0, 1.0]).slice(s![..2]))
}
