//! A claim of your own in the program: `cargo run --release --example own_claim -- verify --claim mine`.
//!
//! It is C1 for a cylinder: at distance t outside, tr Jπ = 1 + R/(R + t). The guide in `src/theory/guide.md` explains each part.
//! All options of
//! `verify` work: `--out DIR` writes the page with figures and arrays, `--seed`, `--full`, `--json`, `--describe`.

use std::process::ExitCode;

use ndarray::{Array1, Array2, array};
use orthoscope::Result;
use orthoscope::theory::claim::{Check, Claim, Evidence, Setting};
use orthoscope::theory::derivative::central_differences;

const RADIUS: f64 = 2.0;
/// Distance from the cylinder.
const DISTANCE: f64 = 0.5;
/// Any number above that of the last claim of the theory, for random numbers of its own.
const NUMBER: u32 = 101;

const STATEMENT: &str =
    "Let D be the cylinder of radius R around the third axis of R³ and π its nearest point. At distance t outside

```text
tr Jπ(x + tν) = 1 + R/(R + t).
```

Control: the tangent plane in place of the cylinder, whose trace is 2 everywhere.";

const CLAIM: Claim = Claim::new("mine", "Curvature of a cylinder", STATEMENT, measure);

fn main() -> ExitCode {
    orthoscope::cli::main(&[&CLAIM])
}

fn measure(setting: &Setting) -> Result<Evidence> {
    let (sine, cosine) = (std::f64::consts::TAU * setting.stream(NUMBER, 0).uniform_f64()).sin_cos();
    let outward = array![cosine, sine, 0.0];
    let y = (RADIUS + DISTANCE) * &outward;
    let tangent = Array2::eye(3) - Array2::from_shape_fn((3, 3), |(row, column)| outward[row] * outward[column]);
    let traced = |share: f64| trace(&y, |y| Ok((1.0 - share) * nearest(y) + share * tangent.dot(y)));
    let because = "central differences with step 1e-5 have an error of about 1e-10";
    let check = Check::equal("tr Jπ at distance 0.5", 1.0 + RADIUS / (RADIUS + DISTANCE), traced(0.0)?, 1e-8, because)
        .control("tangent plane", traced(1.0)?)
        .notices("the share ε of the tangent plane in π", traced)?;
    Ok(Evidence { checks: vec![check], figures: vec![] })
}

/// π on the cylinder.
fn nearest(y: &Array1<f64>) -> Array1<f64> {
    let scale = RADIUS / y[0].hypot(y[1]);
    array![scale * y[0], scale * y[1], y[2]]
}

fn trace(y: &Array1<f64>, map: impl Fn(&Array1<f64>) -> Result<Array1<f64>>) -> Result<f64> {
    Ok(central_differences(y, 1e-5, map)?.diag().sum())
}
