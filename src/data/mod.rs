//! Images, textures, corruption, batches.

mod image;

pub use image::{Image, Plane};
