//! Training batches made on a device from images in its memory (Method §2).
//!
//! The batch is bit-identical to the one made on the host. See [`crate::data::corruption`] for the sampling.

pub(super) mod cuda;

use bytemuck::NoUninit;
use serde::Serialize;

use crate::backend::Real;
use crate::error::Result;

/// Taps of the Gaussian that smooths a random field.
pub const FIELD_TAPS: usize = 13;

/// The corruption of one batch (Method §2): the values of a corruption config and the sizes of the batch and the training set.
///
/// x̂ and x are `[n, side, side, 3]`, M is `[n, side, side, 1]`. It is made from a validated config.
#[derive(Clone, Copy, Debug, PartialEq, NoUninit, Serialize)]
#[repr(C)]
pub struct CorruptionSpec {
    /// Low and high word of the seed.
    pub seed: [u32; 2],
    /// Images in the batch.
    pub n: u32,
    /// Rows and columns of a crop.
    pub side: u32,
    /// Training images; they come first among the pictures of the set.
    pub images: u32,
    /// Replacement textures, after the images.
    pub textures: u32,
    /// Probability that an image gets no patch.
    pub clean: f32,
    /// Minimum number of patches in one image.
    pub patches_min: u32,
    /// Maximum number of patches in one image.
    pub patches_max: u32,
    /// Patches of each image whose random fields are in memory at once, at least 1. The result does not depend on it.
    pub patches_at_once: u32,
    /// Distribution of the patches' size: 0 log-uniform, 1 uniform, 2 gamma.
    pub size_distribution: u32,
    /// Range of the patches' size, relative to the image.
    pub size: [f32; 2],
    /// Largest height and width, relative to the image; 0 for no bound.
    pub size_bounds: [f32; 2],
    /// Range of height over width.
    pub aspect: [f32; 2],
    /// Weights of the sources in the order of the config; 0 for one without material.
    pub weights: [f32; 8],
    /// Probability that a patch is faint.
    pub blend_probability: f32,
    /// Distribution of the opacity of faint patches: 0 log-uniform, 1 uniform.
    pub blend_distribution: u32,
    /// Range of the opacity of faint patches.
    pub blend: [f32; 2],
    /// Range of the width of the mask's boundary, relative to the disk.
    pub softness: [f32; 2],
    /// Range of the standard deviation of the mask's displacement.
    pub deformation: [f32; 2],
    /// M is 1, or the weight of the pixel, where the soft mask exceeds this.
    pub region_threshold: f32,
    /// Range of the standard deviation of the noise in x̂ and x.
    pub kept_noise: [f32; 2],
    /// Probability of a Perlin shape.
    pub perlin: f32,
    /// Probability that it is a union of two.
    pub perlin_union: f32,
    /// Probability that it is an intersection of two.
    pub perlin_intersection: f32,
    /// The number of cells along an axis is 2 to a power from 0 to this.
    pub perlin_exponents: u32,
    /// The noise is inside the shape above this.
    pub perlin_threshold: f32,
    /// Steepness of a pixel's weight as a function of its change, per grey level; 0 for the weight 1.
    pub region_slope: f32,
    /// Change of weight 1/2, in grey levels.
    pub region_midpoint: f32,
    /// Range of the scale of a seamless patch.
    pub seamless_scale: [f32; 2],
    /// 1 if there are seamless patches, which need memory.
    pub membranes: u32,
    /// 1 if patches are on the object only, whose grey values are in [`Pick::object`].
    pub on_object: u32,
    /// 1 if patches and kept noise have no colour.
    pub grey: u32,
    /// Gradients of the finest Perlin noise; 0 if no shape is one.
    pub gradient_nodes: u32,
    /// Nodes of the mask's random field in half a patch.
    pub mask_nodes_per_unit: f32,
    /// Rows and columns of nodes of the mask's random field.
    pub mask_side: u32,
    /// Rows and columns of nodes of the largest random field of a replacement; 0 if no source has one.
    pub replacement_side: u32,
    /// Gaussian weights of the smoothing.
    pub taps: [f32; FIELD_TAPS],
}

impl CorruptionSpec {
    /// Elements of x and of x̂.
    pub fn image_len(&self) -> usize {
        3 * self.region_len()
    }

    /// Elements of M.
    pub fn region_len(&self) -> usize {
        self.n as usize * self.side as usize * self.side as usize
    }

    /// Pictures of the training set.
    pub fn pictures(&self) -> usize {
        self.images as usize + self.textures as usize
    }
}

/// The crop in one slot of a batch: training image, position, flips and rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pick {
    /// Number of the image.
    pub image: u32,
    /// First row of the square.
    pub top: u32,
    /// First column of the square.
    pub left: u32,
    /// Whether to flip vertically, before the rotation.
    pub flip_rows: bool,
    /// Whether to flip horizontally, before the rotation.
    pub flip_columns: bool,
    /// Quarter turns, 0 to 3.
    pub turns: u32,
    /// tan(θ/2) of a small rotation by θ about the centre of the crop, after everything else; 0 for none. Sine and cosine follow
    /// from it by arithmetic that is exact on every device.
    pub half_tangent: f32,
    /// Grey values [low, high) of the object in the image, if the corruption is on the object only.
    pub object: [f32; 2],
}

/// The inputs that change with each batch. On the device they are a buffer, so that a recorded step can be replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Picks {
    /// Low word of the step that keys the random numbers of the corruption.
    pub step: u32,
    /// One for each image of the batch.
    pub slots: Vec<Pick>,
}

impl Picks {
    /// Elements of the buffer for `n` images.
    pub const fn len(n: usize) -> usize {
        2 * (1 + 8 * n)
    }

    /// The content of the buffer: 32-bit words, each stored as two elements (low and high 16 bits), which every element type
    /// represents exactly. First the step, then for each slot: image, top, left, turns, flips (1 rows, 2 columns), and the bits
    /// of the half tangent and of the object's lowest and highest grey value.
    pub fn elements<T: Real>(&self) -> Vec<T> {
        let of_slot = |pick: &Pick| {
            let flips = u32::from(pick.flip_rows) | u32::from(pick.flip_columns) << 1;
            let [low, high] = pick.object.map(f32::to_bits);
            [pick.image, pick.top, pick.left, pick.turns, flips, pick.half_tangent.to_bits(), low, high]
        };
        let words = std::iter::once(self.step).chain(self.slots.iter().flat_map(of_slot));
        words.flat_map(|word| [word & 0xFFFF, word >> 16]).map(|half| T::of(f64::from(half))).collect()
    }
}

/// The three buffers of a training batch.
pub struct Batch<'a, T> {
    /// x̂, the corrupted images.
    pub corrupted: &'a mut T,
    /// x, the images, with the noise that they keep.
    pub images: &'a mut T,
    /// M, 1 or a weight in [0, 1] where an image is corrupted.
    pub region: &'a mut T,
}

/// Makes training batches from images in device memory.
pub trait Sampler<T>: Send + Sync {
    /// Writes the batch described by `picks` ([`Picks`] as a buffer) to all three buffers. The crops must lie inside the training
    /// images.
    ///
    /// # Errors
    /// Buffers of another length than the spec says; a spec of another number of pictures; the device failed.
    fn batch(&self, spec: &CorruptionSpec, picks: &T, batch: Batch<'_, T>) -> Result<()>;
}
