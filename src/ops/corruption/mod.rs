//! Training batches made on a device from images that stay there (Method §2).
//!
//! The batch is the one the host would make, to the bit; see [`crate::data::corruption`] for what is drawn.

pub(super) mod cuda;

use bytemuck::NoUninit;
use serde::Serialize;

use crate::backend::Real;
use crate::error::Result;

/// Taps of the Gaussian that smooths a random field.
pub const FIELD_TAPS: usize = 13;

/// The corruption of one batch (Method §2): the numbers of a corruption config, and the extents of batch and training set.
///
/// x̂ and x are `[n, side, side, 3]`, M is `[n, side, side, 1]`. The config makes it, after it has checked itself.
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
    /// Fewest patches in one image.
    pub patches_min: u32,
    /// Most patches in one image.
    pub patches_max: u32,
    /// Patches of each image whose random fields are in memory at once, at least 1. The result does not depend on it.
    pub patches_at_once: u32,
    /// 1 where sizes are log-uniform, 0 where they are uniform.
    pub log_uniform_size: u32,
    /// Range of the patches' size, relative to the image.
    pub size: [f32; 2],
    /// Range of height over width.
    pub aspect: [f32; 2],
    /// Weights of the sources in the order of the config; 0 for one without material.
    pub weights: [f32; 6],
    /// How often a patch is faint.
    pub blend_probability: f32,
    /// Range of the opacity of faint patches.
    pub blend: [f32; 2],
    /// Range of the width of the mask's boundary, relative to the disk.
    pub softness: [f32; 2],
    /// Range of the standard deviation of the mask's displacement.
    pub deformation: [f32; 2],
    /// M is 1 where the soft mask exceeds this.
    pub region_threshold: f32,
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

/// Which square of which training image lies in one slot of a batch, and how it is turned over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pick {
    /// Number of the image.
    pub image: u32,
    /// First row of the square.
    pub top: u32,
    /// First column of the square.
    pub left: u32,
    /// Whether top and bottom are mirrored, before the turn.
    pub flip_rows: bool,
    /// Whether left and right are mirrored, before the turn.
    pub flip_columns: bool,
    /// Quarter turns, 0 to 3.
    pub turns: u32,
}

/// What differs from batch to batch. On the device it is a buffer, so that a recorded step can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picks {
    /// Low word of the step, which the corruption's random numbers are drawn for.
    pub step: u32,
    /// One for each image of the batch.
    pub slots: Vec<Pick>,
}

impl Picks {
    /// Elements of the buffer for `n` images.
    pub const fn len(n: usize) -> usize {
        2 * (1 + 5 * n)
    }

    /// The buffer's content: 32-bit words, each as two elements, its low and its high 16 bits, which every element type holds
    /// exactly. First the step, then of each slot image, top, left, turns, and flips (1 rows, 2 columns).
    pub fn elements<T: Real>(&self) -> Vec<T> {
        let of_slot = |pick: &Pick| {
            let flips = u32::from(pick.flip_rows) | u32::from(pick.flip_columns) << 1;
            [pick.image, pick.top, pick.left, pick.turns, flips]
        };
        let words = std::iter::once(self.step).chain(self.slots.iter().flat_map(of_slot));
        words.flat_map(|word| [word & 0xFFFF, word >> 16]).map(|half| T::of(f64::from(half))).collect()
    }
}

/// The three buffers of a training batch.
pub struct Batch<'a, T> {
    /// x̂, the corrupted images.
    pub corrupted: &'a mut T,
    /// x, the images.
    pub images: &'a mut T,
    /// M, 1 where an image is corrupted.
    pub region: &'a mut T,
}

/// Images in the memory of a device, which makes training batches of them.
pub trait Sampler<T>: Send + Sync {
    /// Overwrites all three buffers of the batch that `picks` asks for, [`Picks`] as a buffer. The picks must be squares inside the
    /// training images.
    ///
    /// # Errors
    /// Buffers of another length than the spec says; a spec of another number of pictures; the device failed.
    fn batch(&self, spec: &CorruptionSpec, picks: &T, batch: Batch<'_, T>) -> Result<()>;
}
