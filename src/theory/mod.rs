//! The theory as programs that can fail: manifolds whose orthogonal projection is known, and claims about it.
//!
//! | module | holds |
//! |---|---|
//! | [`manifold`] | [`Manifold`](manifold::Manifold): nearest point, tangent space, reach; one file a manifold |
//! | [`transition_set`] | discrete textures: sequences that a transition graph allows, and the nearest of them |
//! | [`claims`] | C1 to C11, one file or folder each: what is predicted, how it is measured, the control that must fail |
//! | [`claim`] | what a claim is made of: [`Claim`](claim::Claim), [`Check`](claim::Check), [`Control`](claim::Control) |
//! | [`figure`] | charts and pictures as data, drawn by `report` |
//! | [`algebra`] | small dense linear algebra in f64 |
//! | [`derivative`] | Jacobians by central differences and by tangents of the tape; the penalties RCAE and C10 train with |
//! | [`statistics`] | slopes, ranks, AUROC |
//! | [`pictures`] | [`Pictures`](pictures::Pictures) of a manifold, corrupted as the paper does: batches and samples |
//! | [`resemblance`] | [`Measures`](resemblance::Measures) of a map against the projection π |
//! | [`runner`] | runs claims on all cores, always to the same bits |
//! | [`guide`] | how to add a manifold and a claim |
//! | [`record`] | what was found as flat rows for files and tables |
//!
//! Statements and proofs are in `paper/theory.md`, the map from claim to proof, code, test and figure in `paper/claims.md`.

pub mod algebra;
pub mod claim;
pub mod claims;
pub mod derivative;
pub mod figure;
#[doc = include_str!("guide.md")]
pub mod guide {}
pub mod manifold;
pub mod pictures;
pub mod record;
pub mod resemblance;
pub mod runner;
pub mod statistics;
pub mod transition_set;
