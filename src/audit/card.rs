use indexmap::IndexMap;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

use super::baselines::baselines;
use super::dimension::{Tangents, two_nearest};
use super::estimate::Finding;
use super::map::Map;
use super::measures::{Measures, Options, Protocol};
use super::quantity::Quantity;
use super::samples::Samples;
use super::tangent::Projectors;
use crate::error::Result;

/// What is found of a map, and of the baselines, on the same images.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// Number of images m.
    pub images: usize,
    /// Number of values of an image n.
    pub ambient: usize,
    /// Number of reference images N.
    pub reference: usize,
    /// How much was measured.
    pub options: Options,
    /// The map itself.
    pub map: Measures,
    /// The maps it is read beside, by name.
    pub baselines: IndexMap<String, Measures>,
    /// Dimension of the reference images by their two nearest neighbours.
    pub dimension: Finding,
    /// Dimension by local principal components around the images.
    pub local_dimension: Finding,
}

impl Serialize for Card {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.map.entries(&mut map)?;
        map.serialize_entry("intrinsic_dimension", &self.dimension)?;
        map.serialize_entry("intrinsic_dimension_local", &self.local_dimension)?;
        map.serialize_entry("baselines", &self.baselines)?;
        let values = |&quantity: &Quantity| (quantity.key(), json!(self.map.per_image(quantity)));
        let singular = [("singular_values", json!(self.map.singular_values_per_image))];
        map.serialize_entry("per_image", &Quantity::ALL.iter().map(values).chain(singular).collect::<IndexMap<_, _>>())?;
        let numbers = [
            ("images", self.images as u64),
            ("values", self.ambient as u64),
            ("reference_images", self.reference as u64),
            ("probes", self.options.probes as u64),
            ("seed", self.options.seed),
        ];
        numbers.iter().try_for_each(|(key, number)| map.serialize_entry(key, number))?;
        map.end()
    }
}

/// Measures `map` and the baselines on `samples`. `extents` are height, width and channels if the points are images. `progress`
/// is called after each image of each map.
///
/// # Errors
/// As [`Samples::validate`] and [`Options::validate`]; errors of the map.
pub fn audit(
    map: &mut dyn Map,
    samples: &Samples<'_>,
    extents: Option<[usize; 3]>,
    options: Options,
    progress: &dyn Fn(),
) -> Result<Card> {
    samples.validate()?;
    options.validate()?;
    let tangents = Tangents::estimate(&samples.images, &samples.reference, options.seed)?;
    let projectors = Projectors::estimate(samples, &tangents)?;
    let protocol = Protocol { samples, tangents: &tangents, projectors: &projectors, options, progress };
    let own = protocol.measure(map)?;
    let beside = baselines(samples, extents)?.into_iter();
    Ok(Card {
        images: samples.count(),
        ambient: samples.ambient(),
        reference: samples.reference.nrows(),
        options,
        map: own,
        baselines: beside.map(|(name, mut map)| Ok((name, protocol.measure(&mut *map)?))).collect::<Result<_>>()?,
        dimension: two_nearest(&samples.reference, options.seed),
        local_dimension: tangents.dimension,
    })
}
