//! Small dense linear algebra in f64, plain and deterministic: what the manifolds need and no more.

mod eigen;
mod matrix;
mod orthonormal;
mod solve;
mod svd;
mod vector;

pub use eigen::{SymmetricEigen, symmetric_eigen};
pub use matrix::Matrix;
pub use orthonormal::{complement, orthonormal_basis};
pub use solve::solve;
pub use svd::{Svd, svd};
pub use vector::{add_scaled, dot, norm, normalised, sub};
