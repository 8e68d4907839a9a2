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
    let displaced = Displaced::of(uneven)?;
    let exact = Terms::THEOREM;
    let (whole_h, even) = (Terms { curvature: 1.0, ..exact }, Terms { density: 0.0, ..exact });
    let name = uneven.name();
    let quantity = format!("slope of ‖E[x|y] - π(y) - σ²∇(log p∘π - ½ log det(I-S_v))‖ in σ, {name}, uneven density");
    let part = |part: Part, word: &str, wrong: Terms, control: &str, fault: &str, faulty: fn(f64) -> Terms| -> Result<Check> {
        let quantity = format!("(E[x|y] - π(y))/σ² less its limit, {word} part, {name}, uneven density");
        let last = |terms: Terms| displaced.remainder(SIGMAS.len() - 1, terms, part);
        Check::equal(quantity, 0.0, last(exact)?, PART.0, PART.1)
            .control(control, last(wrong)?)
            .notices(fault, |size| last(faulty(size)))
    };
    Ok([
        Check::equal(quantity, 4.0, displaced.slope(exact)?, SLOPE.0, SLOPE.1)
            .control(WHOLE_H, displaced.slope(whole_h)?)
            .notices("the factor ½ of log det is ½ + ε", |size| displaced.slope(Terms { curvature: 0.5 + size, ..exact }))?,
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

/// (E[x|y] - π(y))/σ² at several places y.
struct Displaced<'a> {
    uneven: &'a Uneven,
    places: Vec<Array1<f64>>,
    /// For each of [`SIGMAS`] the values at all places.
    found: Vec<Vec<Array1<f64>>>,
}

impl<'a> Displaced<'a> {
    fn of(uneven: &'a Uneven) -> Result<Self> {
        let places = uneven.places()?;
        let at = |y: &Array1<f64>, sigma: f64| {
            Ok((uneven.posterior_mean(y, sigma)? - uneven.manifold().project_point(y)?) / (sigma * sigma))
        };
        let of_sigma = |&sigma: &f64| places.iter().map(|y| at(y, sigma)).collect::<Result<Vec<_>>>();
        let found = SIGMAS.iter().map(of_sigma).collect::<Result<_>>()?;
        Ok(Self { uneven, places, found })
    }

    /// The largest remainder over σ², for the σ of this number, in one part of Rⁿ.
    fn remainder(&self, sigma: usize, terms: Terms, part: Part) -> Result<f64> {
        let mut largest = 0.0;
        for (y, found) in self.places.iter().zip(&self.found[sigma]) {
            let basis = self.uneven.manifold().tangent_basis(&self.uneven.manifold().project_point(y)?)?;
            let difference = found - &self.uneven.bias(y, terms)?;
            let along = basis.dot(&basis.t().dot(&difference));
            let remainder = match part {
                Part::All => difference,
                Part::Tangential => along,
                Part::Normal => difference - along,
            };
            largest = larger(largest, norm(&remainder));
        }
        Ok(largest)
    }

    /// The power of σ with which the whole remainder vanishes.
    fn slope(&self, terms: Terms) -> Result<f64> {
        let point = |(number, &sigma): (usize, &f64)| Ok((sigma, sigma * sigma * self.remainder(number, terms, Part::All)?));
        log_log_slope(&SIGMAS.iter().enumerate().map(point).collect::<Result<Vec<_>>>()?)
    }
}
