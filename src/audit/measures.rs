use ndarray::{Array1, Array2, s};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::behaviour::behaviour;
use super::dimension::Tangents;
use super::estimate::Finding;
use super::jacobian::Probes;
use super::krylov::leading;
use super::map::{Checked, DIFFERENCE_STEP, Map, differences};
use super::quantity::Quantity;
use super::samples::Samples;
use super::sums::Sums;
use super::tangent::{Projectors, mean_angle};
use crate::error::{Error, Result};
use crate::theory::algebra::norm;

/// Why there are no singular values.
const NO_VJP: &str = "the map offers no vector-Jacobian products";
/// Differences over two steps may disagree by this share.
const ROUGH: f64 = 0.05;
/// Products that a map computes may differ from differences, or from each other, by this share and three times the disagreement
/// of differences.
const WRONG: f64 = 0.1;
/// Images of which singular values are measured, spread over all: their products with J and Jᵀ are the most expensive part of an
/// audit.
const SPECTRA: usize = 5;
/// Least gap between singular values d and d + 1, as a share, for which the d leading directions are defined.
const MIN_GAP: f64 = 0.1;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Random directions per image for the traces and norms of J.
    pub probes: usize,
    /// Leading singular values per image.
    pub singular_values: usize,
    /// Seed of probes and bootstrap.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { probes: 8, singular_values: 8, seed: 0 }
    }
}

impl Options {
    /// Checks that something is measured.
    ///
    /// # Errors
    /// No probe or no singular value.
    pub fn validate(&self) -> Result<()> {
        match self.probes > 0 && self.singular_values > 0 {
            true => Ok(()),
            false => Err(Error::argument("an audit needs at least one probe and one singular value")),
        }
    }
}

/// What was measured of one map.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    findings: [Finding; Quantity::ALL.len()],
    per_image: [Vec<f64>; Quantity::ALL.len()],
    /// Mean leading singular values of J over the images, in descending order; none without vector-Jacobian products.
    pub singular_values: Vec<Finding>,
    /// The same of each image of which they were measured.
    pub singular_values_per_image: Vec<Vec<f64>>,
    /// Why there are no derivatives, if there are none.
    no_derivatives: Option<String>,
}

impl Measures {
    /// What was found about a quantity.
    pub fn get(&self, quantity: Quantity) -> &Finding {
        &self.findings[quantity as usize]
    }

    /// The value of every image, in order; empty where it was not measured.
    pub fn per_image(&self, quantity: Quantity) -> &[f64] {
        &self.per_image[quantity as usize]
    }

    /// Why there are no singular values, if there are none.
    pub fn no_singular_values(&self) -> Option<&str> {
        self.singular_values.is_empty().then(|| self.no_derivatives.as_deref().unwrap_or(NO_VJP))
    }

    /// Adds the keys of [`Quantity`] and `singular_values`.
    pub(super) fn entries<M: SerializeMap>(&self, map: &mut M) -> std::result::Result<(), M::Error> {
        for quantity in Quantity::ALL {
            map.serialize_entry(quantity.key(), self.get(quantity))?;
        }
        match self.no_singular_values() {
            Some(why) => map.serialize_entry("singular_values", &Finding::undetermined(why)),
            None => map.serialize_entry("singular_values", &self.singular_values),
        }
    }
}

impl Serialize for Measures {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entries(&mut map)?;
        map.end()
    }
}

/// What all maps of a card are measured with.
pub(super) struct Protocol<'a> {
    pub samples: &'a Samples<'a>,
    pub tangents: &'a Tangents,
    pub projectors: &'a Projectors,
    pub options: Options,
    /// Called after each image.
    pub progress: &'a dyn Fn(),
}

impl Protocol<'_> {
    pub fn measure(&self, map: &mut dyn Map) -> Result<Measures> {
        let map = &mut Checked(map);
        let mut sums = Sums::new();
        behaviour(map, self.samples, &mut sums)?;
        self.check_products(map)?;
        let unusable = self.unusable_differences(map)?;
        let mut has_gaps = true;
        for index in 0..self.samples.count() {
            if unusable.is_none() {
                has_gaps &= self.add_derivatives(map, index, &mut sums)?;
            }
            (self.progress)();
        }
        let seed = self.options.seed;
        let singular_values = sums.singular_values(seed);
        let mut findings = sums.findings(seed);
        for quantity in Quantity::ALL.into_iter().filter(|quantity| quantity.needs_derivatives()) {
            let why = unusable.clone().or_else(|| self.obstacle(quantity, singular_values.is_empty(), has_gaps));
            if let Some(why) = why {
                findings[quantity as usize] = Finding::Undetermined(why);
            }
        }
        Ok(Measures {
            findings,
            per_image: sums.per_image(),
            singular_values,
            singular_values_per_image: sums.singular_values_per_image(),
            no_derivatives: unusable,
        })
    }

    /// Why derivatives by differences of a map cannot be used, if it has no others: f is not the same twice, or not smooth at the
    /// length of a step, as one that rounds to 8 bits.
    fn unusable_differences(&self, map: &mut Checked<'_>) -> Result<Option<String>> {
        if map.has_jvp() {
            return Ok(None);
        }
        let first = self.samples.images.slice(s![..1, ..]);
        if map.apply(&first)? != map.apply(&first)? {
            return Ok(Some("the map gives different values for the same image".to_owned()));
        }
        let x = self.samples.images.row(0).to_owned();
        let directions = Probes::signs(x.len(), 2, self.options.seed, 0);
        let short = differences(map, &x, &directions, DIFFERENCE_STEP)?;
        let long = differences(map, &x, &directions, 2.0 * DIFFERENCE_STEP)?;
        let share = norm(&(&long - &short)) / norm(&short).max(f64::MIN_POSITIVE);
        let percent = 100.0 * share;
        Ok((share > ROUGH)
            .then(|| format!("differences of the map over a step and over twice the step disagree by {percent:.0} %")))
    }

    /// Checks the products with J and Jᵀ that a map computes at the first image: J v against differences of f, and Jᵀ u against J
    /// v.
    ///
    /// # Errors
    /// They contradict each other by more than f is rough.
    fn check_products(&self, map: &mut Checked<'_>) -> Result<()> {
        let x = self.samples.images.row(0).to_owned();
        let [v, u] = [0, 1].map(|number| Probes::signs(x.len(), 4, self.options.seed, u32::MAX - number));
        let Some(pulled) = map.vjp(&x, &u)? else { return self.check_pushed(map, &x, &v).map(drop) };
        let (pushed, allowed) = self.check_pushed(map, &x, &v)?;
        let (first, second) = (u.dot(&pushed.t()), pulled.dot(&v.t()));
        let share = norm(&(&first - &second)) / norm(&first).max(norm(&second)).max(f64::MIN_POSITIVE);
        match share <= allowed {
            true => Ok(()),
            false => Err(Error::argument(format!(
                "the products Jᵀ u are not those of the transpose: ⟨u, J v⟩ and ⟨Jᵀ u, v⟩ differ by {:.0} %",
                100.0 * share
            ))),
        }
    }

    /// J v, and the share by which products may be off.
    fn check_pushed(&self, map: &mut Checked<'_>, x: &Array1<f64>, v: &Array2<f64>) -> Result<(Array2<f64>, f64)> {
        let pushed = map.jvp(x, v)?;
        let [short, long] = [1.0, 2.0].map(|times| differences(map, x, v, times * DIFFERENCE_STEP));
        let (short, long) = (short?, long?);
        let apart = |a: &Array2<f64>, b: &Array2<f64>| norm(&(a - b)) / norm(a).max(norm(b)).max(f64::MIN_POSITIVE);
        let (allowed, share) = (WRONG + 3.0 * apart(&short, &long), apart(&pushed, &short));
        match share <= allowed || !map.has_jvp() {
            true => Ok((pushed, allowed)),
            false => {
                let reason = format!(
                    "the products J v are not those of the Jacobian: they differ from differences of f by {:.0} %",
                    100.0 * share
                );
                Err(Error::argument(reason))
            }
        }
    }

    /// Adds what the derivatives at one image say. Whether d leading singular values stand out.
    fn add_derivatives(&self, map: &mut Checked<'_>, index: usize, sums: &mut Sums) -> Result<bool> {
        let Options { probes, singular_values, seed } = self.options;
        let x: Array1<f64> = self.samples.images.row(index).to_owned();
        let probes = Probes::of(map, &x, probes, seed, index as u32)?;
        let is_measured = index * SPECTRA % self.samples.count() < SPECTRA;
        let leading = if is_measured { leading(map, &x, singular_values.min(x.len()), seed, index as u32)? } else { None };
        sums.push(Quantity::Trace, probes.trace(), 1.0);
        sums.push(Quantity::Frobenius, probes.frobenius(), 1.0);
        sums.push(Quantity::Asymmetry, probes.asymmetry(), 1.0);
        sums.push(Quantity::IdempotenceJacobian, probes.idempotence(), 1.0);
        if let Some(leading) = &leading {
            sums.push_singular_values(leading);
        }
        let Some(basis) = self.tangents.bases.get(index) else { return Ok(true) };
        sums.push(Quantity::TangentProjector, probes.distance_to(basis, basis), 1.0);
        if let Ok(all) = &self.projectors.0 {
            sums.push(Quantity::ObliqueProjector, probes.distance_to(basis, &all[index]), 1.0);
        }
        let d = basis.ncols();
        if !is_measured {
            return Ok(true);
        }
        let Some(leading) = leading.filter(|leading| d <= leading.left.ncols()) else { return Ok(false) };
        sums.push(Quantity::TangentAngle, mean_angle(&leading.left.slice(s![.., ..d]), basis), 1.0);
        Ok(leading.values.get(d).is_none_or(|next| leading.values[d - 1] - next > MIN_GAP * leading.values[d - 1]))
    }

    /// Why a quantity cannot be determined.
    fn obstacle(&self, quantity: Quantity, no_singular_values: bool, has_gaps: bool) -> Option<String> {
        let no_tangents = self.tangents.dimension.why().map(str::to_owned);
        let d = self.tangents.bases.first().map_or(0, |basis| basis.ncols());
        let no_space = || {
            let few = d >= self.options.singular_values;
            few.then(|| format!("{d} tangents need more than {d} singular values"))
                .or_else(|| (!has_gaps).then(|| format!("J has no gap between its singular values {d} and {}", d + 1)))
        };
        match quantity {
            Quantity::TangentAngle => no_tangents.or_else(|| no_singular_values.then(|| NO_VJP.to_owned())).or_else(no_space),
            Quantity::TangentProjector => no_tangents,
            Quantity::ObliqueProjector => self.projectors.0.as_ref().err().cloned(),
            _ => None,
        }
    }
}
