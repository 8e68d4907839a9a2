use ndarray::{Array1, s};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::behaviour::behaviour;
use super::dimension::Tangents;
use super::estimate::Finding;
use super::jacobian::Probes;
use super::krylov::leading;
use super::map::Map;
use super::quantity::Quantity;
use super::samples::Samples;
use super::sums::Sums;
use super::tangent::{Projectors, mean_angle};
use crate::error::{Error, Result};

/// Why there are no singular values.
const NO_VJP: &str = "the map offers no vector-Jacobian products";

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
}

impl Measures {
    /// What was found about a quantity.
    pub fn get(&self, quantity: Quantity) -> &Finding {
        &self.findings[quantity as usize]
    }

    /// The value of every image, in order; empty where it is undetermined.
    pub fn per_image(&self, quantity: Quantity) -> &[f64] {
        &self.per_image[quantity as usize]
    }

    /// Adds the keys of [`Quantity`] and `singular_values`.
    pub(super) fn entries<M: SerializeMap>(&self, map: &mut M) -> std::result::Result<(), M::Error> {
        for quantity in Quantity::ALL {
            map.serialize_entry(quantity.key(), self.get(quantity))?;
        }
        match self.singular_values.is_empty() {
            true => map.serialize_entry("singular_values", &Finding::undetermined(NO_VJP)),
            false => map.serialize_entry("singular_values", &self.singular_values),
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
        let mut sums = Sums::new();
        behaviour(map, self.samples, &mut sums)?;
        for index in 0..self.samples.count() {
            self.add_derivatives(map, index, &mut sums)?;
            (self.progress)();
        }
        let seed = self.options.seed;
        let singular_values = sums.singular_values(seed);
        let mut findings = sums.findings(seed);
        for quantity in Quantity::ALL {
            if let Some(why) = self.obstacle(quantity, singular_values.is_empty()) {
                findings[quantity as usize] = Finding::Undetermined(why);
            }
        }
        Ok(Measures { findings, per_image: sums.per_image(), singular_values })
    }

    /// Adds what the derivatives at one image say.
    fn add_derivatives(&self, map: &mut dyn Map, index: usize, sums: &mut Sums) -> Result<()> {
        let Options { probes, singular_values, seed } = self.options;
        let x: Array1<f64> = self.samples.images.row(index).to_owned();
        let probes = Probes::of(map, &x, probes, seed, index as u32)?;
        let leading = leading(map, &x, singular_values.min(x.len()), seed)?;
        sums.push(Quantity::Trace, probes.trace(), 1.0);
        sums.push(Quantity::Frobenius, probes.frobenius(), 1.0);
        sums.push(Quantity::Asymmetry, probes.asymmetry().max(0.0), 1.0);
        sums.push(Quantity::IdempotenceJacobian, probes.idempotence(), 1.0);
        if let Some(leading) = &leading {
            sums.push_singular_values(&leading.values);
        }
        let Some(basis) = self.tangents.bases.get(index) else { return Ok(()) };
        sums.push(Quantity::TangentProjector, probes.distance_to(basis, basis), 1.0);
        if let Ok(all) = &self.projectors.0 {
            sums.push(Quantity::ObliqueProjector, probes.distance_to(basis, &all[index]), 1.0);
        }
        if let Some(leading) = leading.filter(|leading| basis.ncols() <= leading.left.ncols()) {
            sums.push(Quantity::TangentAngle, mean_angle(&leading.left.slice(s![.., ..basis.ncols()]), basis), 1.0);
        }
        Ok(())
    }

    /// Why a quantity cannot be determined.
    fn obstacle(&self, quantity: Quantity, no_singular_values: bool) -> Option<String> {
        let no_tangents = match &self.tangents.dimension {
            Finding::Undetermined(why) => Some(why.clone()),
            Finding::Estimate { .. } => None,
        };
        let d = self.tangents.bases.first().map_or(0, |basis| basis.ncols());
        match quantity {
            Quantity::TangentAngle => no_tangents
                .or_else(|| no_singular_values.then(|| NO_VJP.to_owned()))
                .or_else(|| (d > self.options.singular_values).then(|| format!("{d} tangents need as many singular values"))),
            Quantity::TangentProjector => no_tangents,
            Quantity::ObliqueProjector => self.projectors.0.as_ref().err().cloned(),
            _ => None,
        }
    }
}
