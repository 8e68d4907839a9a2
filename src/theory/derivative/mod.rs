//! Jacobians, and penalties on them that training can minimise.

mod jacobian;
mod penalty;

pub use jacobian::{central_differences, jacobians};
pub use penalty::{asymmetry, contraction, contraction_exact, idempotence};
