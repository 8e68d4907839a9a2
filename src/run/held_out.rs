//! Images that set thresholds, held out of the training, and what copies among the images of a folder do to them.

use std::collections::HashMap;

use ndarray::Axis;

use crate::data::{Image, TrainingSet};
use crate::detect::Source;
use crate::rng::{Purpose, Stream};

/// Where the images that set the thresholds come from: without an image to spare, or if each of them has the pixels of one that
/// the network is trained on, they are training images.
pub fn source_of_held_out(set: &TrainingSet, held_out: &[Image]) -> Source {
    source_of(held_out, &set.images)
}

fn source_of(held_out: &[Image], trained: &[Image]) -> Source {
    let known = Known::new(trained);
    if held_out.iter().all(|image| known.has(image)) { Source::Training } else { Source::HeldOut }
}

/// How many of several images are held out for thresholds, at least one. None of a single image, or with a share of 0: those that
/// are trained on then serve both purposes.
pub(super) fn held_out_count(images: usize, share: f64) -> usize {
    if share == 0.0 {
        return 0;
    }
    ((images as f64 * share).round() as usize).max(1).min(images.saturating_sub(1))
}

/// Holds out a random fraction of the images: those to train on, and those held out. Of the latter, copies of one that is trained
/// on or of one before count for nothing, with a warning, because the thresholds would promise too few false alarms; if no other
/// is left, they stay.
pub(super) fn held_out_of(mut images: Vec<Image>, share: f64, seed: u64) -> (Vec<Image>, Vec<Image>) {
    let count = held_out_count(images.len(), share);
    if count == 0 {
        return (images.clone(), images);
    }
    let mut stream = Stream::new(seed, Purpose::Batch, u32::MAX, u32::MAX);
    let held_out: Vec<Image> = (0..count).map(|_| images.remove(stream.below(images.len() as u32) as usize)).collect();
    let is_new = new_ones(&held_out, &images);
    let copies = is_new.iter().filter(|is_new| !**is_new).count();
    if copies == 0 {
        return (images, held_out);
    }
    if source_of(&held_out, &images) == Source::Training {
        log::warn!(
            "held-out images with the pixels of a training image: {count} of {count}, so the thresholds may be too low; remove the copies \
             from the training images"
        );
        return (images, held_out);
    }
    log::warn!("held-out images with the pixels of a training image or of each other: {copies} of {count}; they do not count");
    let new = held_out.into_iter().zip(is_new).filter_map(|(image, is_new)| is_new.then_some(image)).collect();
    (images, new)
}

/// Which of these images have other pixels than each one before and all the others.
fn new_ones(images: &[Image], others: &[Image]) -> Vec<bool> {
    let mut known = Known::new(others);
    images.iter().map(|image| known.insert(image)).collect()
}

/// Images by their middle row, because pictures of the same object often begin with the same rows.
struct Known<'a>(HashMap<Vec<u32>, Vec<&'a Image>>);

impl<'a> Known<'a> {
    fn new(images: &'a [Image]) -> Self {
        let mut known = Self(HashMap::new());
        for image in images {
            known.insert(image);
        }
        known
    }

    /// Whether the image was not known.
    fn insert(&mut self, image: &'a Image) -> bool {
        let alike = self.0.entry(middle_row(image)).or_default();
        let is_new = !alike.contains(&image);
        if is_new {
            alike.push(image);
        }
        is_new
    }

    fn has(&self, image: &Image) -> bool {
        self.0.get(&middle_row(image)).is_some_and(|alike| alike.contains(&image))
    }
}

fn middle_row(image: &Image) -> Vec<u32> {
    image.index_axis(Axis(0), image.len_of(Axis(0)) / 2).iter().map(|value| value.to_bits()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spotted(row: usize) -> Image {
        let mut image = Image::zeros((5, 4, 3));
        image[[row, 1, 2]] = 0.5;
        image
    }

    #[test]
    fn a_copy_has_all_pixels_and_not_only_the_middle_row() {
        let trained = [spotted(0), spotted(2), spotted(2)];
        let plain = Image::zeros((5, 4, 3));
        assert_eq!(new_ones(&[plain.clone(), spotted(4)], &trained), [true, true]);
        assert_eq!(new_ones(&[spotted(0), plain.clone(), spotted(2), plain.clone()], &trained), [false, true, false, false]);
        assert_eq!(new_ones(&[Image::zeros((5, 2, 6))], &[plain]), [true]);
    }

    #[test]
    fn held_out_copies_do_not_count_unless_there_is_nothing_else() {
        // Whichever are held out, the rest has the first image.
        let images: Vec<Image> = (0..5).chain([0; 15]).map(spotted).collect();
        for seed in 0..20 {
            let (trained, held_out) = held_out_of(images.clone(), 0.5, seed);
            assert_eq!(trained.len(), 10);
            let new = held_out.iter().filter(|image| !trained.contains(image)).count();
            assert!(new == held_out.len() && new < 5 || (new == 0 && held_out.len() == 10), "{new} of {}", held_out.len());
        }
        let (trained, held_out) = held_out_of(vec![spotted(0); 4], 0.5, 0);
        assert_eq!((trained.len(), held_out.len()), (2, 2));
    }
}
