//! Images, textures, corruption, batches.

pub(crate) mod atomic;
mod file;
mod folder;
mod generate;
mod image;
mod prepare;
mod resize;
mod texture;

pub use file::{MAX_PIXELS, read_image, read_mask, write_mask_png, write_png};
pub use folder::{Category, TestImage, list_images, train_images};
pub use generate::{GenerateOptions, generate};
pub use image::{Image, Plane};
pub use prepare::{Fit, Preparation};
pub use resize::{center_crop, crop, crop_plane, pad_reflect, resize, resize_mask, resize_plane};
pub use texture::{Defect, Defective, Family};
