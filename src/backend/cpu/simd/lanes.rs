/// Floats per vector.
pub(crate) const LANES: usize = 16;

/// Independent sums in [`super::Simd::multiply_add`]: enough to hide the latency of two fused multiply-add units.
pub(crate) const CHAINS: usize = 12;
