/// The number of the claim, for random streams.
pub(super) const NUMBER: u32 = 9;
