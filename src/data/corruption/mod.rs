//! Partial corruption of images (Method §2, Figure 4 of the paper): x̂ = M ⊙ y + M̄ ⊙ x, applied patch by patch.
//!
//! # Sampling
//! Every random number is a function of (seed, step, index): Philox 4x32-10 with key = [low, high word of the seed].
//!
//! **Choices**: the stream with counter `[block, 3, step, index]`. Number n is lane n mod 4 of block n / 4; as a uniform number
//! in [0, 1) it is `(bits >> 8) 2^-24`. Number 0 gives the number of patches, `min + (bits (max - min + 1) >> 32)`; if
//! number 1 is below `clean` there is none. Number 2 gives the standard deviation σ of the kept noise, number 3 is unused. Patch
//! k uses numbers 4 + 20 k to 23 + 20 k: row, column, size, aspect, softness, deformation, source, faint or not, opacity, and
//! eleven for the replacement, which are always drawn.
//!
//! **Fields** (the mask's displacement, noise, the elastic displacement): counter
//! `[node, 3 + 256 field + 65536 patch, step, index]`, one evaluation per lattice node, lane c for channel c. field is 1 for the
//! mask and 2 for the replacement; node is the row-major index in the lattice, extended by 6 nodes on every side. The nodes cover
//! the patch with spacing σ/2, where σ is relative to the patch. So cost and shape of a field do not depend on the resolution.
//!
//! **Kept noise**: counter `[element, 3 + 256 · 3, step, index]`, element the row-major index in `[height, width, 3]`. ε is σ
//! times the sum of the eight 16-bit halves, centred and scaled to variance 1, and is added after the last patch.
//!
//! **Further choices** of a patch, made for the settings that need them: counter
//! `[block, 3 + 256 · 4 + 65536 patch, step, index]`.
//! - Block 0: disk or Perlin; one noise, union or intersection; two unused.
//! - Blocks 1 and 2, one for each noise: exponent of the cells along the rows' axis and along the columns' axis, angle, one
//!   unused.
//! - Block 3: two numbers for the height and two for the width of the size distribution `gamma`.
//! - Block 4: the four functions of the source `structure`, as bits.
//! - Block 5: the scale of the source `seamless`, as the sum of its 16-bit halves.
//!
//! **Gradients** of Perlin noise: counter `[node, 3 + 256 field + 65536 patch, step, index]`, lane 0, with field 5 for the first
//! noise and 6 for the second; node is the row-major index.
//!
//! **Object**: with `foreground` the centre of a patch is the first of 65 places on the object: that of numbers 4 + 20 k and 5 +
//! 20 k, then two for each counter `[block, 3 + 256 · 7 + 65536 patch, step, index]`, rows in lanes 0 and 2, columns in lanes 1
//! and 3. Else it is the first.
//!
//! **Grey** patches ([`Colours::Grey`]) use the same numbers: those for red, and its kept noise, are those of all channels, and
//! chroma is 0.
//!
//! **Arithmetic** is f32 in the written order, without fused multiply-add. Only +, -, ×, ÷ and square root are used, whose
//! results IEEE 754 defines exactly. The table of Gaussian weights is rounded from f64. No result depends on other images or on
//! the number of threads. The kernels of `kernels/corruption_*.cu` give the same bits, so change both together.
//!
//! # Geometry
//! A patch has an odd height and width around a central pixel drawn uniformly from the image: its box may extend beyond the
//! image, but its centre is inside. The mask is 1 at the centre and 0 on the border of the box. The box of a Perlin shape is the
//! whole image.

mod config;
mod exact;
mod field;
mod foreground;
mod mask;
mod options;
mod perlin;
mod plan;
mod range;
mod replacement;
mod sample;
mod seamless;
mod shape;
mod source;
mod spec;
mod structure;
#[cfg(test)]
mod tests;

pub use config::{Aspect, Blend, CorruptionConfig, Deformation, Distribution, Patches, Size, Softness, Weights};
pub use field::Address;
pub use foreground::ObjectRanges;
pub use options::{Colours, Foreground, ForegroundMethod, KeptNoise, ObjectSide, RegionWeight, Seamless, Shape};
pub use source::{Source, Sources};

use super::{Image, Plane, sides};
use crate::error::Result;
use exact::logistic;
use field::lerp;
use foreground::is_object;
use ndarray::Axis;
use perlin::Combination;
use plan::{Patch, Plan, plan};
use replacement::{Replacement, Site};
pub(super) use sample::bilinear;
use serde::Serialize;
use shape::SoftMask;

/// One patch of a corrupted image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PatchRecord {
    /// First row of the box; negative if it extends beyond the image.
    pub top: i32,
    /// First column of the box; negative if it extends beyond the image.
    pub left: i32,
    /// Rows of the box, odd.
    pub height: u32,
    /// Columns of the box, odd.
    pub width: u32,
    /// Where the replacement came from.
    pub source: Source,
    /// Opacity of the replacement, in (0, 1].
    pub opacity: f32,
    /// Shape of the mask.
    pub shape: PatchShape,
}

/// Shape of a patch's mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchShape {
    /// A deformed disk in the box.
    Disk,
    /// Perlin noise above the threshold, anywhere in the image.
    Perlin,
    /// The union of two such shapes.
    PerlinUnion,
    /// The intersection of two such shapes.
    PerlinIntersection,
}

impl From<&Patch> for PatchRecord {
    fn from(patch: &Patch) -> Self {
        let first = |axis: usize| patch.centre[axis] as i32 - patch.radius[axis] as i32;
        let extent = patch.radius.map(|radius| 2 * radius as u32 + 1);
        let shape = match patch.perlin.as_ref().map(|plan| plan.combination) {
            None => PatchShape::Disk,
            Some(Combination::One) => PatchShape::Perlin,
            Some(Combination::Union) => PatchShape::PerlinUnion,
            Some(Combination::Intersection) => PatchShape::PerlinIntersection,
        };
        let [height, width] = extent;
        Self { top: first(0), left: first(1), height, width, source: patch.source, opacity: patch.opacity, shape }
    }
}

/// A corrupted image with its masks and patches. All planes have the height and width of the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrupted {
    /// x̂, bit-identical to `target` where `mask` is 0. In [0, 1] without kept noise.
    pub image: Image,
    /// What the network is trained to restore: x, plus the kept noise of x̂.
    pub target: Image,
    /// Soft mask M, the union 1 - Π (1 - M_i) over the patches, in [0, 1]. The opacity of a patch does not affect the mask.
    pub mask: Plane,
    /// M of the objective (Method §3): 1 where the soft mask exceeds `region_threshold`, else 0; with `region_weight` a weight in
    /// [0, 1] instead of 1. Never empty if there is a patch that is a deformed disk on the object.
    pub region: Plane,
    /// The patches in the order in which they were applied.
    pub patches: Vec<PatchRecord>,
}

/// Corrupts the image x to x̂, with M (Method §2).
///
/// # Errors
/// A config that [`CorruptionConfig::validate`] refuses; an image that is not `[height, width, 3]`.
pub fn corrupt(config: &CorruptionConfig, address: Address, x: &Image, sources: &Sources<'_>) -> Result<Corrupted> {
    corrupt_watched(config, address, x, sources, |_, _, _| ())
}

/// The same, with the replacements y before masking, for figures: `[height, width, 3]`, each in the box of its patch, a later one
/// over an earlier one; NaN outside all boxes.
///
/// # Errors
/// As [`corrupt`].
pub fn corrupt_with_replacements(
    config: &CorruptionConfig,
    address: Address,
    x: &Image,
    sources: &Sources<'_>,
) -> Result<(Corrupted, Image)> {
    let mut shown = Image::from_elem(x.raw_dim(), f32::NAN);
    let corrupted = corrupt_watched(config, address, x, sources, |patch, replacement, current| {
        let [rows, columns] = patch.rows_and_columns([x.dim().0, x.dim().1]);
        for (row, column) in rows.flat_map(|row| columns.clone().map(move |column| (row, column))) {
            let y = replacement.at(&Site::new(patch, [row, column]), sample::pixel(current, row, column));
            (0..3).for_each(|c| shown[[row, column, c]] = y[c]);
        }
    })?;
    Ok((corrupted, shown))
}

/// Corrupts an image. `watch` sees every patch with its replacement and the image before it.
fn corrupt_watched(
    config: &CorruptionConfig,
    address: Address,
    x: &Image,
    sources: &Sources<'_>,
    mut watch: impl FnMut(&Patch, &Replacement<'_>, &Image),
) -> Result<Corrupted> {
    config.validate()?;
    let (height, width) = sides("corrupt", x)?;
    for source in sources.textures.iter().chain(sources.images) {
        sides("corrupt", source)?;
    }
    let object = config.foreground.is_on().then(|| sources.object.unwrap_or_else(|| config.foreground.range(x)));
    let Plan { patches, deviation } = plan(config, address, x, object, sources);
    let (mut image, mut target) = (x.clone(), x.clone());
    let mut mask = Plane::zeros((height, width));
    for patch in &patches {
        let shape = SoftMask::new(config, address, patch, [height, width]);
        let is_open = |[row, column]: [usize; 2]| object.is_none_or(|range| is_object(sample::pixel(x, row, column), range));
        let replacement = Replacement::new(config, address, patch, x, sources);
        watch(patch, &replacement, &image);
        blend_patch(patch, |site| if is_open(site.place) { shape.at(site) } else { 0.0 }, &replacement, &mut image, &mut mask);
    }
    let region = region(config, &mask, &image, x);
    if config.kept_noise.max > 0.0 {
        add_noise(address, config.is_grey(), deviation, &mut image, &mut target);
    }
    Ok(Corrupted { image, target, mask, region, patches: patches.iter().map(PatchRecord::from).collect() })
}

/// M of the objective: the weight of every pixel of x̂ whose soft mask exceeds the threshold, 0 elsewhere.
fn region(config: &CorruptionConfig, mask: &Plane, image: &Image, x: &Image) -> Plane {
    let RegionWeight { slope, midpoint } = config.region_weight;
    let pixels = ndarray::Zip::from(mask).and(image.lanes(Axis(2))).and(x.lanes(Axis(2)));
    pixels.map_collect(|&m, after, before| {
        if m <= config.region_threshold {
            0.0
        } else if slope == 0.0 {
            1.0
        } else {
            let change = (after[0] - before[0]).abs() + (after[1] - before[1]).abs() + (after[2] - before[2]).abs();
            logistic(slope * (change * 85.0 - midpoint))
        }
    })
}

/// Adds the same noise to x̂ and to the target.
fn add_noise(address: Address, is_grey: bool, deviation: f32, image: &mut Image, target: &mut Image) {
    for (element, (corrupted, kept)) in image.iter_mut().zip(target).enumerate() {
        let element = if is_grey { element / 3 * 3 } else { element };
        let noise = deviation * address.normal(element as u32);
        *corrupted += noise;
        *kept += noise;
    }
}

/// Blends one patch into the image: `x̂ := x̂ + M a (y - x̂)`, which is M ⊙ y' + M̄ ⊙ x̂ with y' = a y + (1 - a) x̂, and
/// `M := M + M_i (1 - M)`.
fn blend_patch(patch: &Patch, shape: impl Fn(&Site) -> f32, replacement: &Replacement<'_>, image: &mut Image, mask: &mut Plane) {
    let [rows, columns] = patch.rows_and_columns([mask.dim().0, mask.dim().1]);
    for row in rows {
        for column in columns.clone() {
            let site = Site::new(patch, [row, column]);
            let m = shape(&site);
            if m == 0.0 {
                continue;
            }
            let current = sample::pixel(image, row, column);
            let y = replacement.at(&site, current);
            for c in 0..3 {
                image[[row, column, c]] = lerp(current[c], y[c], m * patch.opacity).clamp(0.0, 1.0);
            }
            let covered = &mut mask[[row, column]];
            *covered += m * (1.0 - *covered);
        }
    }
}
