/// Floats of one vector block.
pub(crate) const LANES: usize = 16;

/// Independent sums of [`Simd::multiply_add`]: more than the latency of two units hides.
pub(crate) const CHAINS: usize = 12;
