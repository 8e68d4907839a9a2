use super::field::{gaussian, lattice};
use super::plan::available;
use super::replacement::{ELASTIC_SMOOTHING, NOISE_SMOOTHING};
use super::seamless::NODES;
use super::{CorruptionConfig, Source};
use crate::error::{Error, Result};
use crate::ops::CorruptionSpec;
use crate::shape::Shape;

/// Maximum number of floats of random fields in device memory at once, 32 MiB. The default config needs less for 64 images.
const FIELD_FLOATS: usize = 1 << 23;
/// Maximum number of images in one batch: the limit of a grid along z.
const BATCH_LIMIT: usize = 65535;

impl CorruptionConfig {
    /// The corruption of a batch of `n` crops of `side` pixels, drawn from the given numbers of training images and textures.
    ///
    /// # Errors
    /// A config that [`CorruptionConfig::validate`] rejects; an empty or too large batch; no image.
    pub fn spec(&self, seed: u64, n: usize, side: usize, images: usize, textures: usize) -> Result<CorruptionSpec> {
        self.validate()?;
        Shape::new(&[n, side, side, 3])?;
        let pictures = u32::try_from(images + textures);
        if n > BATCH_LIMIT || images == 0 || pictures.is_err() {
            let limits = format!("at most {BATCH_LIMIT} crops of at least one image and fewer than 2^32 pictures");
            return Err(Error::argument(format!("a batch is {limits}, got {n} of {images} images and {textures} textures")));
        }
        let weights = available(&self.weights, textures, images);
        let (mask_nodes_per_unit, mask_side) = lattice(self.deformation.smoothing);
        let replacement_side = replacement_side(&weights);
        let gradient_nodes = self.gradient_nodes();
        let membranes = weights[Source::Seamless as usize] > 0.0;
        let membrane_floats = if membranes { 3 * NODES } else { 0 };
        let floats =
            n * (2 * mask_side * mask_side + 4 * replacement_side * replacement_side + 4 * gradient_nodes + membrane_floats);
        Ok(CorruptionSpec {
            seed: [seed as u32, (seed >> 32) as u32],
            n: n as u32,
            side: side as u32,
            images: images as u32,
            textures: textures as u32,
            clean: self.clean,
            patches_min: self.patches.min,
            patches_max: self.patches.max,
            patches_at_once: (FIELD_FLOATS / floats).clamp(1, self.patches.max.max(1) as usize) as u32,
            size_distribution: self.size.distribution as u32,
            size: [self.size.min, self.size.max],
            size_bounds: [self.size.max_height, self.size.max_width],
            aspect: [self.aspect.min, self.aspect.max],
            weights,
            blend_probability: self.blend.probability,
            blend_distribution: self.blend.distribution as u32,
            blend: [self.blend.min, self.blend.max],
            softness: [self.softness.min, self.softness.max],
            deformation: [self.deformation.min, self.deformation.max],
            region_threshold: self.region_threshold,
            kept_noise: [self.kept_noise.min, self.kept_noise.max],
            perlin: self.shape.perlin,
            perlin_union: self.shape.union,
            perlin_intersection: self.shape.intersection,
            perlin_exponents: self.shape.cells.trailing_zeros(),
            perlin_threshold: self.shape.threshold,
            region_slope: self.region_weight.slope,
            region_midpoint: self.region_weight.midpoint,
            seamless_scale: [self.seamless.min, self.seamless.max],
            membranes: u32::from(membranes),
            on_object: u32::from(self.foreground.is_on()),
            grey: u32::from(self.is_grey()),
            gradient_nodes: gradient_nodes as u32,
            mask_nodes_per_unit,
            mask_side: mask_side as u32,
            replacement_side: replacement_side as u32,
            taps: gaussian(),
        })
    }

    /// Nodes of the finest Perlin noise; 0 if there is none.
    fn gradient_nodes(&self) -> usize {
        let side = self.shape.cells as usize + 1;
        if self.shape.perlin > 0.0 { side * side } else { 0 }
    }
}

/// Side of the largest lattice that a source with positive weight needs.
fn replacement_side(weights: &[f32; Source::ALL.len()]) -> usize {
    let needed = Source::ALL.into_iter().zip(weights).filter(|&(_, &weight)| weight > 0.0);
    let side = |source| match source {
        // The least smoothed noise has the largest lattice.
        Source::Noise => lattice(NOISE_SMOOTHING[0]).1,
        Source::Elastic => lattice(ELASTIC_SMOOTHING).1,
        _ => 0,
    };
    needed.map(|(source, _)| side(source)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::{Deformation, Patches, Weights};
    use super::*;

    #[test]
    fn the_default_fields_of_a_batch_fit_in_memory_at_once() {
        let spec = CorruptionConfig::default().spec(7 << 32 | 5, 64, 256, 200, 30).unwrap();
        assert_eq!((spec.seed, spec.mask_side, spec.replacement_side, spec.patches_at_once), ([5, 7], 15, 52, 6));
    }

    #[test]
    fn memory_of_fields_is_bounded() {
        let mut config = CorruptionConfig { patches: Patches { min: 0, max: 1000 }, ..CorruptionConfig::default() };
        config.deformation = Deformation { smoothing: 0.05, ..Deformation::default() };
        let spec = config.spec(0, 32, 256, 200, 30).unwrap();
        let floats = 32 * (2 * 82 * 82 + 4 * 52 * 52);
        assert_eq!((spec.mask_side, spec.patches_at_once as usize), (82, FIELD_FLOATS / floats));
        assert_eq!(config.spec(0, 60_000, 8, 1, 0).unwrap().patches_at_once, 1);
        config.patches.max = 0;
        assert_eq!(config.spec(0, 1, 8, 1, 0).unwrap().patches_at_once, 1);
    }

    #[test]
    fn sources_without_pictures_or_fields_need_no_memory() {
        let mut config = CorruptionConfig::default();
        assert_eq!(config.spec(0, 1, 8, 1, 0).unwrap().weights, [0.0, 0.2, 0.2, 0.2, 0.1, 0.1, 0.0, 0.0]);
        config.weights = Weights { noise: 0.0, ..Weights::default() };
        assert_eq!(config.spec(0, 1, 8, 1, 0).unwrap().replacement_side, 15);
        config.weights.elastic = 0.0;
        assert_eq!(config.spec(0, 1, 8, 1, 0).unwrap().replacement_side, 0);
    }

    #[test]
    fn invalid_batches_are_rejected() {
        let config = CorruptionConfig::default();
        assert!(config.spec(0, 0, 8, 1, 0).is_err() && config.spec(0, 1, 0, 1, 0).is_err());
        assert!(config.spec(0, 1, 1 << 16, 1, 0).is_err() && config.spec(0, 1, 8, usize::from(u16::MAX) << 17, 0).is_err());
        let error = config.spec(0, 70_000, 8, 3, 2).unwrap_err().to_string();
        assert!(error.ends_with("got 70000 of 3 images and 2 textures"), "{error}");
        assert!(config.spec(0, 1, 8, 0, 2).is_err());
    }
}
