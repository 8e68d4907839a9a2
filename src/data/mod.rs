//! Images, datasets, generated textures, corruption and batches.

pub(crate) mod arrays;
mod batch;
mod copies;
pub mod corruption;
mod dataset;
mod decode;
mod feed;
mod file;
mod fingerprint;
mod folder;
mod generate;
mod image;
mod kinds;
mod levels;
mod listing;
mod mask_folder;
mod masks;
mod output_names;
mod png_rows;
mod prepare;
mod resident;
mod resize;
mod strips;
mod test_image;
pub mod texture;
mod validation;
mod walk;

pub use crate::disk::{
    FolderLock, check_output_file, check_output_folder, followed, has_lock_file, lock_folder, make_folder, write_atomically,
    write_bytes,
};
pub use batch::{AugmentConfig, Batch, TrainingSet};
pub use copies::{copies, repeated};
pub use dataset::{Dataset, Folders};
pub use decode::MAX_PIXELS;
pub use feed::{Feed, Supply};
pub use file::{
    encode_jpeg, encode_mask_png, encode_png, read_image, read_image_with, read_mask, read_size, read_with_levels,
    write_mask_png, write_png,
};
pub use fingerprint::{fingerprint, fingerprint_of};
pub use folder::{Category, category_name, is_same_folder, is_within, layout_hint, train_images};
pub use generate::{GenerateOptions, generate, generate_all};
pub use image::{Image, Plane, image, plane, row_major, sides};
pub use levels::{Levels, check_levels, doubt_about_levels};
pub use listing::{Listing, Skipped, SkippedShare, list_images, shown, warn_of_skipped};
pub(crate) use masks::{beside_their_images, is_black_and_white};
pub use output_names::output_names;
pub use png_rows::PngRows;
pub use prepare::{Fit, Preparation};
pub use resident::ResidentSet;
pub use resize::{crop, pad_reflect, resize};
pub use strips::{Strips, stored_pixels};
pub use test_image::{GOOD, TestImage};
pub use texture::{Defect, Defective, Family};
pub use validation::{
    ValidationImage, ValidationSet, check_validation_folder, held_out_number, write_validation_set, write_validation_set_for,
};
