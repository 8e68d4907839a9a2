use std::ops::Range;

use super::config::{CorruptionConfig, Distribution, Weights};
use super::field::Address;
use super::source::{Source, Sources};
use crate::rng::{Purpose, Stream};

/// One patch, as drawn from the random stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Patch {
    /// Number of the patch in its image.
    pub number: u32,
    /// Row and column of the central pixel, inside the image.
    pub centre: [usize; 2],
    /// Rows above and below, columns left and right of the central pixel; at least 1.
    pub radius: [usize; 2],
    /// Width of the fading boundary relative to the disk's radius.
    pub softness: f32,
    /// Standard deviation of the mask's displacement, relative to half the patch's side.
    pub deformation: f32,
    /// Where the replacement comes from.
    pub source: Source,
    /// Opacity a of the replacement.
    pub opacity: f32,
    /// Uniform numbers in [0, 1) for the replacement, drawn even if the source does not use them.
    pub material: [f32; Patch::MATERIAL],
}

impl Patch {
    /// Numbers reserved for the replacement.
    pub const MATERIAL: usize = 11;
    /// Numbers per patch. A multiple of 4, so that every patch starts at a Philox block.
    const NUMBERS: usize = 20;

    /// The rows and columns of its box inside an image of this height and width.
    pub fn rows_and_columns(&self, extent: [usize; 2]) -> [Range<usize>; 2] {
        std::array::from_fn(|axis| {
            let (centre, radius) = (self.centre[axis], self.radius[axis]);
            centre.saturating_sub(radius)..(centre + radius + 1).min(extent[axis])
        })
    }

    fn draw(config: &CorruptionConfig, extent: [usize; 2], weights: &[f32; 6], number: u32, u: [f32; Self::NUMBERS]) -> Self {
        let [row, column, side, aspect, softness, deformation, source, faint, opacity, material @ ..] = u;
        let smaller = extent[0].min(extent[1]) as f32;
        let size = match config.size.distribution {
            Distribution::LogUniform => log_uniform(side, config.size.min, config.size.max),
            Distribution::Uniform => between(side, config.size.min, config.size.max),
        };
        let root = log_uniform(aspect, config.aspect.min, config.aspect.max).sqrt();
        let opacity = between(opacity, config.blend.min, config.blend.max);
        Self {
            number,
            centre: [pick(row, extent[0]), pick(column, extent[1])],
            radius: [radius(size * smaller * root), radius(size * smaller / root)],
            softness: between(softness, config.softness.min, config.softness.max),
            deformation: between(deformation, config.deformation.min, config.deformation.max),
            source: choose(source, weights),
            opacity: if faint < config.blend.probability { opacity } else { 1.0 },
            material,
        }
    }
}

/// Everything that is drawn for one image, except its random fields.
pub(super) struct Plan {
    pub patches: Vec<Patch>,
    /// Standard deviation of the noise that the target keeps.
    pub deviation: f32,
}

/// The plan of image `index` of `step`, `extent` = [height, width]. The order of the numbers is in the module docs.
pub(super) fn plan(config: &CorruptionConfig, address: Address, extent: [usize; 2], sources: &Sources<'_>) -> Plan {
    let mut stream = Stream::new(address.seed, Purpose::Corruption, address.step, address.index);
    let count = stream.between(config.patches.min, config.patches.max);
    let is_clean = stream.uniform() < config.clean;
    let deviation = between(stream.uniform(), config.kept_noise.min, config.kept_noise.max);
    // The last number of the first block is not used.
    stream.bits();
    let weights = available(&config.weights, sources.textures.len(), sources.images.len());
    let mut draw = |number| Patch::draw(config, extent, &weights, number, std::array::from_fn(|_| stream.uniform()));
    Plan { patches: (0..if is_clean { 0 } else { count }).map(&mut draw).collect(), deviation }
}

/// The weights with those of sources without material set to 0.
pub(super) fn available(weights: &Weights, textures: usize, images: usize) -> [f32; 6] {
    Source::ALL.map(|source| match source {
        Source::Texture if textures == 0 => 0.0,
        Source::OtherImage if images == 0 => 0.0,
        source => weights.of(source),
    })
}

/// The source at fraction `u` of the cumulative weights, in the order of [`Source::ALL`]; a constant if all weights are 0.
fn choose(u: f32, weights: &[f32; 6]) -> Source {
    let total: f32 = weights.iter().sum();
    let mut chosen = Source::Constant;
    let mut below = 0.0;
    for (source, &weight) in Source::ALL.into_iter().zip(weights) {
        if weight > 0.0 && u * total >= below {
            chosen = source;
        }
        below += weight;
    }
    chosen
}

/// Pixels on either side of the central one, for a patch `side` pixels long.
fn radius(side: f32) -> usize {
    // Rounded: (side - 1) / 2 + 1 / 2.
    ((side * 0.5) as usize).max(1)
}

/// `low + u (high - low)`.
pub(super) fn between(u: f32, low: f32, high: f32) -> f32 {
    low + u * (high - low)
}

/// One of n items, for u in [0, 1).
pub(super) fn pick(u: f32, n: usize) -> usize {
    // The product can round up to n.
    ((u * n as f32) as usize).min(n.saturating_sub(1))
}

/// `low (high / low)^u` for u a multiple of 2^-24 in [0, 1).
///
/// The power is a product of repeated square roots, one per binary digit of u. IEEE 754 defines square roots exactly, unlike
/// `pow`, so patch sizes are the same on every device.
pub(super) fn log_uniform(u: f32, low: f32, high: f32) -> f32 {
    let digits = (u * 16_777_216.0) as u32;
    let (mut root, mut power) = (high / low, 1.0);
    for digit in (0..24).rev() {
        root = root.sqrt();
        if digits >> digit & 1 == 1 {
            power *= root;
        }
    }
    low * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn log_uniform_is_the_power(digits in 0u32..1 << 24, low in 0.01f32..1.0, factor in 1.0f32..100.0) {
            let u = digits as f32 / 16_777_216.0;
            let want = f64::from(low) * (f64::from(low * factor) / f64::from(low)).powf(f64::from(u));
            let found = f64::from(log_uniform(u, low, low * factor));
            prop_assert!((found / want - 1.0).abs() < 3e-6, "{} want {}", found, want);
        }

        #[test]
        fn pick_stays_inside(digits in 0u32..1 << 24, n in 1usize..10_000_000) {
            prop_assert!(pick(digits as f32 / 16_777_216.0, n) < n);
        }
    }

    #[test]
    fn sources_are_chosen_by_weight() {
        let weights = [0.0, 1.0, 0.0, 3.0, 0.0, 0.0];
        assert_eq!(choose(0.0, &weights), Source::OtherImage);
        assert_eq!(choose(0.249, &weights), Source::OtherImage);
        assert_eq!(choose(0.25, &weights), Source::Brightness);
        assert_eq!(choose(0.999_999_9, &weights), Source::Brightness);
        assert_eq!(choose(0.5, &[0.0; 6]), Source::Constant);
    }

    #[test]
    fn radii_match_the_side() {
        let sides = [(0.1, 1), (3.0, 1), (4.9, 2), (5.0, 2), (6.0, 3), (90.0, 45)];
        for (side, want) in sides {
            assert_eq!(radius(side), want, "{side}");
        }
    }
}
