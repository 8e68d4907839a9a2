//! Images, textures, corruption, batches.

pub mod corruption;
mod image;
pub mod sheet;

pub use image::{Image, Plane};
