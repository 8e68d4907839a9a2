//! Figures of C1.

use ndarray::array;

use crate::error::Result;
use crate::theory::derivative::central_differences;
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::manifold::{Manifold, Torus};

use super::laws::Found;

/// Radii R and r of the torus.
const RADII: [f64; 2] = [2.0, 0.7];
/// Number of heights on either side of D, in steps of a twentieth of the reach.
const HEIGHTS: i32 = 18;
/// Smaller errors are drawn at this value.
const MIN_ERROR: f64 = 1e-17;

/// The two eigenvalues of Jπ over a point of the torus, against `1/(1+t/r)` and `1/(1+t cos ψ/(R + r cos ψ))`.
pub(super) fn off_manifold() -> Result<Figure> {
    let [major, minor] = RADII;
    let torus = Torus::new(major, minor)?;
    // The outermost circle: ψ = 0.
    let (x, outward) = (array![major + minor, 0.0, 0.0], array![1.0, 0.0, 0.0]);
    let mut series = [vec![], vec![], vec![], vec![]];
    for step in -HEIGHTS..=HEIGHTS {
        let t = 0.05 * f64::from(step) * torus.reach();
        let j = central_differences(&(&x + t * &outward), 1e-5, |y| torus.project_point(y))?;
        for (index, (axis, radius)) in [(2, minor), (1, major + minor)].into_iter().enumerate() {
            series[index].push((t, j[[axis, axis]]));
            series[2 + index].push((t, 1.0 / (1.0 + t / radius)));
        }
    }
    let ends = [series[0][0].0, -series[0][0].0];
    let [tube, axis, tube_formula, axis_formula] = series;
    let series = vec![
        Series::dots("measured, around the tube", tube),
        Series::line("1/(1 + t/r)", tube_formula),
        Series::dots("measured, around the axis", axis),
        Series::line("1/(1 + t/(R+r))", axis_formula),
        Series::dashed("P_T (control)", ends.map(|t| (t, 1.0)).to_vec()),
    ];
    Ok(Figure {
        stem: "c1_off_manifold".into(),
        title: "The Jacobian of π off the manifold".into(),
        caption: format!(
            "Eigenvalues of Jπ(x+v) over the outermost circle of a torus with R = {major}, r = {minor}; v has the signed length \
             t outwards. They follow (I - S_v)⁻¹: outside π contracts, inside it expands, without bound at t = -r."
        ),
        content: Content::chart([AxisSpec::linear("t"), AxisSpec::log("eigenvalue of Jπ")], series),
    })
}

/// The largest error of each law on every manifold.
pub(super) fn every_manifold(names: &[&str], found: &[Found]) -> Figure {
    let laws = [
        (0, "π∘π = π"),
        (1, "residual ⟂ T"),
        (4, "Jπ symmetric"),
        (6, "Jπ(x) = P_T"),
        (8, "Jπ(x+v) = (I-S_v)⁻¹P_T"),
        (10, "∇φ = π"),
    ];
    let points = |law: usize| (1..).map(f64::from).zip(found.iter().map(|found| found.errors[law].max(MIN_ERROR))).collect();
    Figure {
        stem: "c1_manifolds".into(),
        title: "The laws of π on every manifold".into(),
        caption: "Largest error of each law at the sampled points. Laws with Jπ or ∇φ have the error of central differences."
            .into(),
        content: Content::chart(
            [AxisSpec::categories("manifold", names.iter().map(|name| (*name).to_owned()).collect()), AxisSpec::log("error")],
            laws.map(|(law, name)| Series::dots(name, points(law))).to_vec(),
        ),
    }
}
