//! The theory as programs that can fail: manifolds with a known orthogonal projection, and claims about it.
//!
//! | module | holds |
//! |---|---|
//! | [`manifold`] | [`Manifold`](manifold::Manifold): nearest point, tangent space, reach; one file per manifold |
//! | [`transition_set`] | discrete textures: sequences that a transition graph allows, and the nearest one |
//! | [`least_squares`] | the best Jacobian on D for a small structured corruption (Theorem A) |
//! | [`robust_fit`] | the point of an affine space that agrees with y in most coordinates (Theorem C) |
//! | [`claims`] | C1 to C16, one folder each: statement, measurement, and the controls that must fail |
//! | [`claim`] | the parts of a claim: [`Claim`](claim::Claim), [`Check`](claim::Check), [`Control`](claim::Control) |
//! | [`detection_limit`] | the least fault that a check notices |
//! | [`figure`] | charts and galleries as data, drawn by `report` |
//! | [`algebra`] | small dense linear algebra on `ndarray` arrays |
//! | [`derivative`] | Jacobians by central differences and by tangents of the tape; the penalties of RCAE and C10 |
//! | [`statistics`] | means, slopes, ranks, AUROC |
//! | [`hierarchical`] | ratios of errors over trainings and test pictures with intervals, and Holm's correction |
//! | [`pictures`] | [`Pictures`](pictures::Pictures) of a manifold with the paper's corruption: batches and samples |
//! | [`resemblance`] | [`Measures`](resemblance::Measures) of a map compared with the projection π |
//! | [`journal`] | findings on disk, to resume from |
//! | [`runner`] | runs claims on all cores, with the same bits for any number of threads |
//! | [`guide`] | how to add a manifold and a claim |
//! | [`record`] | findings as flat records for files and tables |
//!
//! Proofs are in `paper/theory.md`; `paper/claims.md` maps each claim to its proof, code, test and figures.

pub mod algebra;
mod bits;
pub mod claim;
pub mod claims;
pub mod derivative;
pub mod detection_limit;
pub mod figure;
#[doc = include_str!("guide.md")]
pub mod guide {}
pub mod hierarchical;
pub mod journal;
mod kept;
pub mod least_squares;
pub mod manifold;
pub mod pictures;
pub mod record;
pub mod resemblance;
pub mod robust_fit;
pub mod runner;
pub mod statistics;
pub mod transition_set;
