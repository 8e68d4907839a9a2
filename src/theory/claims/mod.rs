//! The claims, one folder each. `statement.md` in the folder is the claim in the notation of `paper/theory.md`, with its
//! controls; it is this documentation and what `verify --describe` prints.

mod all_manifolds;
pub mod c10_idempotence_and_orthogonality;
pub mod c11_score_is_distance;
pub mod c12_smooth_optimum;
pub mod c13_no_derivative;
pub mod c14_sparse_projection;
pub mod c15_kept_noise;
pub mod c16_augmentation;
pub mod c1_geometry;
pub mod c2_least_contraction;
pub mod c3_linear_models;
pub mod c4_denoiser;
pub mod c5_contractive;
pub mod c6_partial_corruption;
pub mod c7_conservation;
pub mod c8_discrete_textures;
pub mod c9_trained_autoencoder;
mod faint_corruption;
mod masked_moment;
mod training;
mod uneven_density;
mod wrong_maps;

use super::claim::Claim;
use crate::error::{Error, Result};

/// Every claim, in order.
pub const ALL: [&Claim; 16] = [
    &c1_geometry::CLAIM,
    &c2_least_contraction::CLAIM,
    &c3_linear_models::CLAIM,
    &c4_denoiser::CLAIM,
    &c5_contractive::CLAIM,
    &c6_partial_corruption::CLAIM,
    &c7_conservation::CLAIM,
    &c8_discrete_textures::CLAIM,
    &c9_trained_autoencoder::CLAIM,
    &c10_idempotence_and_orthogonality::CLAIM,
    &c11_score_is_distance::CLAIM,
    &c12_smooth_optimum::CLAIM,
    &c13_no_derivative::CLAIM,
    &c14_sparse_projection::CLAIM,
    &c15_kept_noise::CLAIM,
    &c16_augmentation::CLAIM,
];

/// The claims of the theory with these ids, as [`among`].
///
/// # Errors
/// An unknown id; the message lists the known ones.
pub fn find<T: AsRef<str>>(ids: &[T]) -> Result<Vec<&'static Claim>> {
    among(&ALL, ids)
}

/// The claims of `claims` with these ids, in their order and each once; all of them if `ids` is empty. Case and spaces around an
/// id do not matter.
///
/// # Errors
/// An unknown id; the message lists the known ones.
pub fn among<T: AsRef<str>>(claims: &[&'static Claim], ids: &[T]) -> Result<Vec<&'static Claim>> {
    let names = |id: &T, claim: &&Claim| claim.id.eq_ignore_ascii_case(id.as_ref().trim());
    if let Some(unknown) = ids.iter().find(|id| !claims.iter().any(|claim| names(id, claim))) {
        let known: Vec<_> = claims.iter().map(|claim| claim.id).collect();
        return Err(Error::argument(format!("there is no claim `{}`; there are {}", unknown.as_ref().trim(), known.join(", "))));
    }
    Ok(claims.iter().copied().filter(|claim| ids.is_empty() || ids.iter().any(|id| names(id, claim))).collect())
}
