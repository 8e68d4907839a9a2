/// Taps of the Gaussian that smooths a random field.
pub const FIELD_TAPS: usize = 13;

/// The corruption of one batch (Method §2): the numbers of a corruption config, and the extents of batch and training set.
///
/// x̂ and x are `[n, side, side, 3]`, M is `[n, side, side, 1]`. The config makes it, after it has checked itself.
#[derive(Clone, Copy, Debug, PartialEq)]
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
