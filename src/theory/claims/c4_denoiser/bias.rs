//! The constant of σ² where the density is uneven: its tangential and its normal part.

use ndarray::Array1;

use crate::error::Result;
use crate::theory::algebra::norm;
use crate::theory::claim::Check;
use crate::theory::claims::uneven_density::{Terms, Uneven};
use crate::theory::statistics::{larger, log_log_slope};

/// σ for the slope of the remainder; the last one for the parts.
const SIGMAS: [f64; 4] = [0.08, 0.0566, 0.04, 0.0283];

const WHOLE_H: &str = "-∇ log det(I-S_v) in place of half of it";
const EVEN: &str = "without ∇ log p";

const SLOPE: (f64, &str) = (0.2, "the term of order σ⁶, and 1e-6 of σ² from central differences");
const PART: (f64, &str) = (0.01, "the term of order σ⁴, up to 5σ² = 0.004");

pub(super) fn checks() -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for uneven in [Uneven::ellipse()?, Uneven::torus()?] {
        checks.extend(of(&uneven)?);
    }
    Ok(checks)
}

fn of(uneven: &Uneven) -> Result<[Check; 3]> {
    let (name, places) = (uneven.name(), uneven.places()?);
    let displaced = |sigma: f64| -> Result<Vec<Array1<f64>>> {
        let at = |y: &Array1<f64>| Ok((uneven.posterior_mean(y, sigma)? - uneven.manifold().project_point(y)?) / (sigma * sigma));
        places.iter().map(at).collect()
    };
    let all = SIGMAS.iter().map(|&sigma| displaced(sigma)).collect::<Result<Vec<_>>>()?;
    let biases = |terms: Terms| places.iter().map(|y| uneven.bias(y, terms)).collect::<Result<Vec<_>>>();
    // The largest remainder over σ², in one part of Rⁿ.
    let remainder = |found: &[Array1<f64>], terms: Terms, part: Part| -> Result<f64> {
        let mut largest = 0.0;
        for ((y, found), bias) in places.iter().zip(found).zip(biases(terms)?) {
            let basis = uneven.manifold().tangent_basis(&uneven.manifold().project_point(y)?)?;
            let difference = found - &bias;
            let along = basis.dot(&basis.t().dot(&difference));
            largest = larger(
                largest,
                norm(&match part {
                    Part::All => difference,
                    Part::Tangential => along,
                    Part::Normal => difference - along,
                }),
            );
        }
        Ok(largest)
    };
    let slope = |terms: Terms| -> Result<f64> {
        let point = |(&sigma, found): (&f64, &Vec<Array1<f64>>)| Ok((sigma, sigma * sigma * remainder(found, terms, Part::All)?));
        log_log_slope(&SIGMAS.iter().zip(&all).map(point).collect::<Result<Vec<_>>>()?)
    };
    let last = &all[SIGMAS.len() - 1];
    let (exact, whole_h, even) =
        (Terms::THEOREM, Terms { curvature: 1.0, ..Terms::THEOREM }, Terms { density: 0.0, ..Terms::THEOREM });
    let quantity = format!("slope of ‖E[x|y] - π(y) - σ²∇(log p∘π - ½ log det(I-S_v))‖ in σ, {name}, uneven density");
    let part = |part: Part, word: &str, wrong: Terms, control: &str, fault: &str, faulty: fn(f64) -> Terms| -> Result<Check> {
        let quantity = format!("(E[x|y] - π(y))/σ² less its limit, {word} part, {name}, uneven density");
        Check::equal(quantity, 0.0, remainder(last, exact, part)?, PART.0, PART.1)
            .control(control, remainder(last, wrong, part)?)
            .notices(fault, |size| remainder(last, faulty(size), part))
    };
    Ok([
        Check::equal(quantity, 4.0, slope(exact)?, SLOPE.0, SLOPE.1)
            .control(WHOLE_H, slope(whole_h)?)
            .notices("the factor ½ of log det is ½ + ε", |size| slope(Terms { curvature: 0.5 + size, ..exact }))?,
        part(Part::Tangential, "tangential", even, EVEN, "the share ε of ∇ log p is missing", |size| Terms {
            density: 1.0 - size,
            ..Terms::THEOREM
        })?,
        part(Part::Normal, "normal", whole_h, WHOLE_H, "the factor ½ of log det is ½ + ε", |size| Terms {
            curvature: 0.5 + size,
            ..Terms::THEOREM
        })?,
    ])
}

#[derive(Clone, Copy)]
enum Part {
    All,
    Tangential,
    Normal,
}
