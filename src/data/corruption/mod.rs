//! Partial corruption of images (Method §2, Figure 4 of the paper): x̂ = M ⊙ y + M̄ ⊙ x, applied patch by patch.
//!
//! # Sampling
//! Every random number is a function of (seed, step, index): Philox 4x32-10 with key = [low, high word of the seed].
//!
//! **Choices**: the stream with counter `[block, 3, step, index]`. Number n is lane n mod 4 of block n / 4; as a uniform number
//! in [0, 1) it is `(bits >> 8) 2^-24`. Number 0 gives the number of patches, `min + (bits (max - min + 1) >> 32)`; if
//! number 1 is below `clean` there is none. Number 2 gives the standard deviation σ of the kept noise, number 3 is unused. Patch k uses numbers 4 + 20 k to 23 + 20 k: row, column, size, aspect, softness, deformation, source, faint or
//! not, opacity, and eleven for the replacement, which are always drawn.
//!
//! **Fields** (the mask's displacement, noise, the elastic displacement): counter
//! `[node, 3 + 256 field + 65536 patch, step, index]`, one evaluation per lattice node, lane c for channel c. field is 1 for the
//! mask and 2 for the replacement; node is the row-major index in the lattice, extended by 6 nodes on every side. The nodes cover
//! the patch with spacing σ/2, where σ is relative to the patch. So cost and shape of a field do not depend on the resolution.
//!
//! **Kept noise**: counter `[element, 3 + 256 · 3, step, index]`, element the row-major index in `[height, width, 3]`. ε is σ times
//! the sum of the eight 16-bit halves, centred and scaled to variance 1, and is added after the last patch.
//!
//! **Arithmetic** is f32 in the written order, without fused multiply-add. Only +, -, ×, ÷ and square root are used, whose
//! results IEEE 754 defines exactly. The table of Gaussian weights is rounded from f64. No result depends on other images or on
//! the number of threads. The kernels of `kernels/corruption.cu` give the same bits, so change both together.
//!
//! # Geometry
//! A patch has an odd height and width around a central pixel drawn uniformly from the image: its box may extend beyond the
//! image, but its centre is inside. The mask is 1 at the centre and 0 on the border of the box.

mod config;
mod field;
mod mask;
mod plan;
mod replacement;
mod sample;
mod source;
mod spec;
#[cfg(test)]
mod tests;

pub use config::{Aspect, Blend, CorruptionConfig, Deformation, Distribution, KeptNoise, Patches, Size, Softness, Weights};
pub use source::{Source, Sources};

use super::{Image, Plane, sides};
use crate::error::Result;
use field::{Address, lerp};
pub(super) use sample::bilinear;
use mask::Mask;
use plan::{Patch, Plan, plan};
use replacement::{Replacement, Site};
use serde::Serialize;

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
}

impl From<&Patch> for PatchRecord {
    fn from(patch: &Patch) -> Self {
        let first = |axis: usize| patch.centre[axis] as i32 - patch.radius[axis] as i32;
        let extent = patch.radius.map(|radius| 2 * radius as u32 + 1);
        Self { top: first(0), left: first(1), height: extent[0], width: extent[1], source: patch.source, opacity: patch.opacity }
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
    /// 1 where the soft mask exceeds `region_threshold`, else 0: M of the objective (Method §3). Never empty if there is a
    /// patch.
    pub region: Plane,
    /// The patches in the order in which they were applied.
    pub patches: Vec<PatchRecord>,
}

/// Corrupts image `index` of `step`: from x to x̂ and M (Method §2).
///
/// # Errors
/// A config that [`CorruptionConfig::validate`] refuses; an image that is not `[height, width, 3]`.
pub fn corrupt(
    config: &CorruptionConfig,
    seed: u64,
    step: u32,
    index: u32,
    x: &Image,
    sources: &Sources<'_>,
) -> Result<Corrupted> {
    corrupt_watched(config, Address { seed, step, index }, x, sources, |_, _, _| ())
}

/// The same, with the replacements y before masking, for figures: `[height, width, 3]`, each in the box of its patch, a later one over an
/// earlier one; NaN outside all boxes.
///
/// # Errors
/// As [`corrupt`].
pub fn corrupt_with_replacements(
    config: &CorruptionConfig,
    seed: u64,
    step: u32,
    index: u32,
    x: &Image,
    sources: &Sources<'_>,
) -> Result<(Corrupted, Image)> {
    let mut shown = Image::from_elem(x.raw_dim(), f32::NAN);
    let corrupted = corrupt_watched(config, Address { seed, step, index }, x, sources, |patch, replacement, current| {
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
    let Plan { patches, deviation } = plan(config, address, [height, width], sources);
    let (mut image, mut target) = (x.clone(), x.clone());
    let mut mask = Plane::zeros((height, width));
    for patch in &patches {
        let shape = Mask::new(address, patch, config.deformation.smoothing);
        let replacement = Replacement::new(address, patch, x, sources);
        watch(patch, &replacement, &image);
        blend_patch(patch, &shape, &replacement, &mut image, &mut mask);
    }
    if config.kept_noise.max > 0.0 {
        add_noise(address, deviation, &mut image, &mut target);
    }
    let region = mask.mapv(|m| if m > config.region_threshold { 1.0 } else { 0.0 });
    Ok(Corrupted { image, target, mask, region, patches: patches.iter().map(PatchRecord::from).collect() })
}

/// Adds the same noise to x̂ and to the target.
fn add_noise(address: Address, deviation: f32, image: &mut Image, target: &mut Image) {
    for (element, (corrupted, kept)) in image.iter_mut().zip(target).enumerate() {
        let noise = deviation * address.normal(element as u32);
        *corrupted += noise;
        *kept += noise;
    }
}

/// Blends one patch into the image: `x̂ := x̂ + M a (y - x̂)`, which is M ⊙ y' + M̄ ⊙ x̂ with y' = a y + (1 - a) x̂, and
/// `M := M + M_i (1 - M)`.
fn blend_patch(patch: &Patch, shape: &Mask, replacement: &Replacement<'_>, image: &mut Image, mask: &mut Plane) {
    let [rows, columns] = patch.rows_and_columns([mask.dim().0, mask.dim().1]);
    for row in rows {
        for column in columns.clone() {
            let site = Site::new(patch, [row, column]);
            let m = shape.at(site.p);
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
