//! What a network is trained on: prepared images, those held out of them, and textures.

use std::path::{Path, PathBuf};

use ndarray::{Array3, Axis};
use rayon::prelude::*;

use super::config::Config;
use super::config_text::line_of;
use super::held_out::held_out_of;
use crate::data::texture::Family;
use crate::data::{Image, Preparation, TrainingSet, list_images, read_image_with};
use crate::disk::bounded;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use crate::shape::in_pixels;

/// Generated replacement textures per family, if no folder of textures is given.
const GENERATED_PER_FAMILY: u32 = 6;

impl Config {
    /// The images to train on, with textures, and those held out for thresholds, from images `[height, width, 3]` with values in
    /// [0, 1]. They are resized as `[data]` says.
    ///
    /// # Errors
    /// No image; one that is not `[height, width, 3]` or is smaller than the training size.
    pub fn training_set(&self, images: &[Array3<f32>]) -> Result<(TrainingSet, Vec<Image>)> {
        self.validate()?;
        if images.is_empty() {
            return Err(Error::argument("there is no training image"));
        }
        let (preparation, numbered) = (self.preparation(), images.iter().enumerate().collect::<Vec<_>>());
        let prepare = |&(number, image): &(usize, &Image)| {
            prepared(image, &preparation).map_err(|error| error.within(format!("training image {number}")))
        };
        split(self, each(&numbered, prepare)?)
    }
}

/// Prepared images, at least one, split into those to train on, with textures, and those held out.
pub(super) fn split(config: &Config, images: Vec<Image>) -> Result<(TrainingSet, Vec<Image>)> {
    let (images, held_out) = held_out_of(images, config.data.held_out, config.seed);
    let corruption = config.corruption.for_images(&images);
    let set = TrainingSet {
        images,
        textures: load_textures(config, config.data.size, corruption.is_grey())?,
        size: config.data.size,
        augment: config.augment.clone(),
        corruption,
        objects: Default::default(),
        seed: config.seed,
    };
    set.validate()?;
    let (images, textures) = (set.images.len(), set.textures.len());
    let grey = if set.corruption.is_grey() { "; grey patches" } else { "" };
    log::info!("{images} images to train on, {} held out, {textures} replacement textures{grey}", held_out.len());
    Ok((set, held_out))
}

/// An image at working resolution, at least as large as a training crop.
pub(super) fn prepared(image: &Image, preparation: &Preparation) -> Result<Image> {
    let image = preparation.apply(image)?;
    let ((height, width, _), size) = (image.dim(), preparation.size);
    if height.min(width) < size {
        let reason = format!("has {} as prepared, data.size asks for at least {size}x{size}", in_pixels(height, width));
        return Err(Error::format(reason));
    }
    Ok(image)
}

/// The images of the texture folder of a config, or generated textures of every family, `size` pixels high and wide; the mean of
/// their channels for grey patches.
///
/// # Errors
/// A folder without images, or an image that cannot be read.
pub fn load_textures(config: &Config, size: usize, is_grey: bool) -> Result<Vec<Image>> {
    let mut textures = coloured_textures(config, size)?;
    if is_grey {
        for mut pixel in textures.iter_mut().flat_map(|texture| texture.lanes_mut(Axis(2))) {
            let mean = pixel.sum() / 3.0;
            pixel.fill(mean);
        }
    }
    Ok(textures)
}

/// As [`Config::read_layers`], for a training: the texture folder has images.
///
/// # Errors
/// As [`Config::read_layers`]; a texture folder that cannot be used, with the file and the line that name it.
pub fn config_for_training(paths: &[PathBuf], textures: Option<&Path>) -> Result<Config> {
    let config = Config::read_layers(paths, textures)?;
    let named = config.data.textures.as_deref().filter(|_| textures.is_none());
    named.map_or(Ok(()), |folder| texture_files(folder).map(drop)).map_err(|error| with_place(paths, error))?;
    Ok(config)
}

/// The error of a config value with the last of these files that sets the key.
fn with_place(paths: &[PathBuf], error: Error) -> Error {
    let Error::Config { key, reason, .. } = &error else { return error };
    let found = paths.iter().rev().find_map(|path| Some((path, line_of(&bounded::read_text(path, bounded::CONFIG).ok()?, key)?)));
    match found {
        Some((path, line)) => Error::Config { line: Some(line), key: key.clone(), reason: reason.clone() }.in_file(path),
        None => error,
    }
}

/// The images in a folder of textures.
///
/// # Errors
/// As [`list_images`], about the key.
fn texture_files(folder: &Path) -> Result<Vec<PathBuf>> {
    list_images(folder).map_err(|error| {
        let place = if folder.is_relative() { "; the path starts at the working directory" } else { "" };
        Error::config("data.textures", format!("{error}{place}"))
    })
}

fn coloured_textures(config: &Config, size: usize) -> Result<Vec<Image>> {
    if let Some(folder) = &config.data.textures {
        return each(&texture_files(folder)?, |path| read_image_with(path, config.data.white_level));
    }
    let kinds: Vec<_> =
        (0..).zip(Family::ALL).flat_map(|kind| (0..GENERATED_PER_FAMILY).map(move |index| (kind, index))).collect();
    each(&kinds, |&((number, family), index)| {
        // Step numbers far above those of generated datasets, so that no texture equals a training image.
        let mut stream = Stream::new(config.seed, Purpose::Texture, u32::MAX - number, index);
        family.render(&mut stream, size, size)
    })
}

/// `make` of each item, on all threads, in the order of the items. Of several errors, that of the first item is returned.
fn each<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> Result<R> + Send + Sync) -> Result<Vec<R>> {
    items.par_iter().map(make).collect::<Vec<_>>().into_iter().collect()
}
