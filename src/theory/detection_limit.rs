//! How much must be wrong before a check notices it.

use serde::{Deserialize, Serialize};

use super::bits;
use super::claim::Check;
use crate::error::Result;

/// Sizes of faults that are tried.
const SIZES: [f64; 2] = [1e-15, 1.0];
/// Halvings of the logarithm of this range: the limit is exact up to 4 %.
const HALVINGS: usize = 10;

/// A fault of the subject of a check, and the least size at which the check fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionLimit {
    /// The fault, with its size as ε, e.g. `π leaves the share ε of y - π(y)`.
    pub fault: String,
    /// The least ε at which the check fails, rounded up by at most 4 %; infinite if it still holds at ε = 1, so that it cannot
    /// fail.
    #[serde(with = "bits")]
    pub size: f64,
}

impl DetectionLimit {
    /// Bisects for the least size at which `check` fails. `measured` is the quantity of the check on its subject with a fault of
    /// a given size; a larger fault must not be less noticeable.
    ///
    /// A fault with which nothing can be measured is noticed.
    ///
    /// # Errors
    /// Those of `measured` with the smallest fault.
    pub(super) fn find(check: &Check, fault: String, mut measured: impl FnMut(f64) -> Result<f64>) -> Result<Self> {
        let [mut below, mut above] = SIZES;
        measured(below)?;
        let mut fails = |size: f64| measured(size).map_or(true, |measured| !Check { measured, ..check.clone() }.passed());
        if !fails(above) {
            return Ok(Self { fault, size: f64::INFINITY });
        }
        for _ in 0..HALVINGS {
            let middle = (below * above).sqrt();
            match fails(middle) {
                true => above = middle,
                false => below = middle,
            }
        }
        Ok(Self { fault, size: above })
    }
}
