use std::ops::Range;

use super::config::{CorruptionConfig, Distribution, Weights};
use super::exact::{gamma2, log_uniform};
use super::field::{Address, FieldUse};
use super::foreground::is_object;
use super::perlin::{PerlinPlan, draw};
use super::sample::pixel;
use super::source::{Source, Sources};
use crate::data::Image;
use crate::rng::{Purpose, Stream};

/// Further candidates for the centre of a patch on the object, an even number.
const CANDIDATES: u32 = 64;

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
    /// The shape, if it is not a deformed disk. The patch then covers the whole image.
    pub perlin: Option<PerlinPlan>,
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

    fn draw(canvas: &Canvas<'_>, number: u32, u: [f32; Self::NUMBERS]) -> Self {
        let Canvas { config, address, extent, weights, .. } = canvas;
        let [row, column, side, aspect, softness, deformation, source, faint, opacity, material @ ..] = u;
        let opacity = draw_from(config.blend.distribution, opacity, config.blend.min, config.blend.max);
        let perlin = draw(&config.shape, *address, number);
        let (centre, radius) = match perlin {
            Some(_) => (extent.map(|length| length / 2), extent.map(|length| (length / 2).max(1))),
            None => {
                let lengths = canvas.lengths(number, side, aspect);
                (canvas.centre(number, [row, column]), lengths.map(radius))
            }
        };
        Self {
            number,
            centre,
            radius,
            softness: between(softness, config.softness.min, config.softness.max),
            deformation: between(deformation, config.deformation.min, config.deformation.max),
            source: choose(source, weights),
            opacity: if faint < config.blend.probability { opacity } else { 1.0 },
            perlin,
            material,
        }
    }
}

/// What the patches of one image have in common.
struct Canvas<'a> {
    config: &'a CorruptionConfig,
    address: Address,
    /// Height and width of the image.
    extent: [usize; 2],
    weights: [f32; Source::ALL.len()],
    /// The image and the grey values of its object, if patches must be on it.
    object: Option<(&'a Image, [f32; 2])>,
}

impl Canvas<'_> {
    /// The centre of patch `number`: the first candidate on the object. The candidates are the place at `u` and [`CANDIDATES`]
    /// more; if none of them is on the object, it is the first.
    fn centre(&self, number: u32, u: [f32; 2]) -> [usize; 2] {
        let place = |[row, column]: [f32; 2]| [pick(row, self.extent[0]), pick(column, self.extent[1])];
        let Some((image, range)) = self.object else {
            return place(u);
        };
        let further = (0..CANDIDATES / 2).flat_map(|block| {
            let [a, b, c, d] = self.address.uniforms(number, FieldUse::Centre, block);
            [[a, b], [c, d]]
        });
        let mut candidates = std::iter::once(u).chain(further).map(place);
        candidates.find(|&[row, column]| is_object(pixel(image, row, column), range)).unwrap_or_else(|| place(u))
    }

    /// Height and width of patch `number` in pixels, from the uniform numbers for its side and its aspect ratio.
    fn lengths(&self, number: u32, side: f32, aspect: f32) -> [f32; 2] {
        let (size, extent) = (&self.config.size, self.extent.map(|length| length as f32));
        let lengths = if size.distribution == Distribution::Gamma {
            let u = self.address.uniforms(number, FieldUse::Choices, 3);
            let share = [gamma2(u[0], u[1]), gamma2(u[2], u[3])].map(|gamma| (0.06 + 0.1 * gamma).clamp(size.min, size.max));
            [share[0] * extent[0], share[1] * extent[1]]
        } else {
            let smaller = extent[0].min(extent[1]);
            let size = draw_from(size.distribution, side, size.min, size.max);
            let root = log_uniform(aspect, self.config.aspect.min, self.config.aspect.max).sqrt();
            [size * smaller * root, size * smaller / root]
        };
        let bounds = [size.max_height, size.max_width];
        std::array::from_fn(|axis| match bounds[axis] {
            0.0 => lengths[axis],
            bound => lengths[axis].min(bound * extent[axis]),
        })
    }
}

/// Everything that is drawn for one image, except its random fields.
pub(super) struct Plan {
    pub patches: Vec<Patch>,
    /// Standard deviation of the noise that the target keeps.
    pub deviation: f32,
}

/// The plan of the image x; `object` are the grey values of its object, if patches must be on it. The order of the numbers is in
/// the module docs.
pub(super) fn plan(
    config: &CorruptionConfig,
    address: Address,
    x: &Image,
    object: Option<[f32; 2]>,
    sources: &Sources<'_>,
) -> Plan {
    let mut stream = Stream::new(address.seed, Purpose::Corruption, address.step, address.index);
    let count = stream.between(config.patches.min, config.patches.max);
    let is_clean = stream.uniform() < config.clean;
    let deviation = between(stream.uniform(), config.kept_noise.min, config.kept_noise.max);
    // The last number of the first block is not used.
    stream.bits();
    let weights = available(&config.weights, sources.textures.len(), sources.images.len());
    let (extent, object) = ([x.dim().0, x.dim().1], object.map(|range| (x, range)));
    let canvas = Canvas { config, address, extent, weights, object };
    let mut draw = |number| Patch::draw(&canvas, number, std::array::from_fn(|_| stream.uniform()));
    Plan { patches: (0..if is_clean { 0 } else { count }).map(&mut draw).collect(), deviation }
}

/// The weights with those of sources without material set to 0.
pub(super) fn available(weights: &Weights, textures: usize, images: usize) -> [f32; Source::ALL.len()] {
    Source::ALL.map(|source| match source {
        Source::Texture if textures == 0 => 0.0,
        Source::OtherImage | Source::Seamless if images == 0 => 0.0,
        source => weights.of(source),
    })
}

/// The source at fraction `u` of the cumulative weights, in the order of [`Source::ALL`]; a constant if all weights are 0.
fn choose(u: f32, weights: &[f32; Source::ALL.len()]) -> Source {
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

/// The number at fraction u of a distribution over [low, high).
fn draw_from(distribution: Distribution, u: f32, low: f32, high: f32) -> f32 {
    match distribution {
        Distribution::LogUniform => log_uniform(u, low, high),
        Distribution::Uniform | Distribution::Gamma => between(u, low, high),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pick_stays_inside(digits in 0u32..1 << 24, n in 1usize..10_000_000) {
            prop_assert!(pick(digits as f32 / 16_777_216.0, n) < n);
        }
    }

    #[test]
    fn sources_are_chosen_by_weight() {
        let weights = [0.0, 1.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(choose(0.0, &weights), Source::OtherImage);
        assert_eq!(choose(0.249, &weights), Source::OtherImage);
        assert_eq!(choose(0.25, &weights), Source::Brightness);
        assert_eq!(choose(0.999_999_9, &weights), Source::Brightness);
        assert_eq!(choose(0.5, &[0.0; 8]), Source::Constant);
    }

    #[test]
    fn radii_match_the_side() {
        let sides = [(0.1, 1), (3.0, 1), (4.9, 2), (5.0, 2), (6.0, 3), (90.0, 45)];
        for (side, want) in sides {
            assert_eq!(radius(side), want, "{side}");
        }
    }
}
