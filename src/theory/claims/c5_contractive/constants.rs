pub(super) const NUMBER: u32 = 5;

/// The γ of most checks.
pub(super) const GAMMA: f64 = 0.05;

pub(super) const CONTROL: &str = "γ = 0";
