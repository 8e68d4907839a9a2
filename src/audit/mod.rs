//! How close a map of images is to an orthogonal projection: a card of numbers with intervals, for any map.
//!
//! A [`Map`] is a network ([`Network`]), a program of someone else ([`Program`]), a baseline ([`LowRank`], [`Blur`],
//! [`Identity`]) or anything that maps Rⁿ to Rⁿ. [`audit`] measures it on [`Samples`], normal images and corrupted copies of
//! them, and returns a [`Card`].
//!
//! | module | contents |
//! |---|---|
//! | [`Map`] | values, Jacobian-vector products, vector-Jacobian products |
//! | [`Quantity`] | what is measured, with its equation |
//! | [`Finding`] | a value with an interval, or why the data cannot tell it |
//! | [`dimension`] | intrinsic dimension and tangent spaces of a set of points |
//!
//! `paper/audit.md` has the definitions, and what the card says of a projection, a linear map and a blur.

mod baselines;
mod behaviour;
mod card;
pub mod dimension;
mod estimate;
mod folder;
mod images;
mod jacobian;
mod krylov;
mod map;
mod measures;
mod network;
mod program;
mod quantity;
mod samples;
mod sums;
mod tangent;

pub use baselines::{Blur, Identity, LowRank, baselines};
pub use card::{Card, audit};
pub use estimate::{Finding, RESAMPLES};
pub use folder::{FolderImages, Limits};
pub use images::{ImageSamples, image_samples};
pub use krylov::{Leading, leading};
pub use map::{DIFFERENCE_STEP, Map};
pub use measures::{Measures, Options};
pub use network::Network;
pub use program::{Commands, Program};
pub use quantity::Quantity;
pub use samples::{Errors, MIN_IMAGES, Samples};
