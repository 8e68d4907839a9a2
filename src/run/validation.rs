use std::path::Path;

use super::config::Config;
use super::evaluation::{EvaluationReport, MetricsFile, evaluate_validation_set};
use super::log::{ValidationEntry, ValidationScores};
use super::memory::check_validation_maps;
use super::training_images::TrainingImages;
use crate::data::{Category, Dataset, Image, ValidationSet, write_validation_set_for};
use crate::detect::Detector;
use crate::detect::metrics::{Ranking, auroc, is_anomalous, resize_bilinear};
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::train::Trainer;

/// The seed of the validation set's defects: the same for every seed of the training.
pub const VALIDATION_SEED: u64 = 0;

/// What a detector finds in a validation set.
#[derive(Debug)]
pub struct ValidationReport {
    /// The metrics.
    pub report: EvaluationReport,
    /// Number of defects that were drawn. A defect that cannot be seen on an image is left out.
    pub defects: usize,
}

/// Writes the validation set of the held-out images into the folder `out`, which must be empty or missing, and the metrics of a
/// detector on it, as those of the category `name`. No image is judged by what it has contributed to itself
/// ([`Detector::leave_one_out`]).
///
/// # Errors
/// As [`write_validation_set`](crate::data::write_validation_set), and [`Error::Argument`] in particular if no defect can be seen on any image; an inspection
/// failed.
pub fn validate_detector<B: Backend>(
    detector: &Detector<B>,
    held_out: &[Image],
    name: &str,
    out: &Path,
) -> Result<ValidationReport> {
    write_validation_set_for(out, held_out, VALIDATION_SEED, |draft, defects| {
        let category = Category { name: name.to_owned(), ..Category::open(draft)? };
        check_validation_maps(&category)?;
        let report = evaluate_validation_set(detector, held_out, &category)?;
        report.write(draft).map(|()| ValidationReport { report, defects })
    })
}

/// Checks that training images are those that a model was trained on: which of them are held out depends on all of them. For
/// weights of a version that did not record them, only the number of images held out is compared.
///
/// # Errors
/// Other images, or more or fewer held out.
pub fn check_held_out<B: Backend>(detector: &Detector<B>, dataset: &Dataset, loaded: &TrainingImages) -> Result<()> {
    let now = loaded.held_out.len();
    let settings = detector.settings();
    if let Some(known) = settings.provenance.as_ref().and_then(|own| own.images.as_ref()) {
        let reason =
            "are not the training images of the model, or some have changed: it may have been trained on those now held out";
        let is_same = loaded.fingerprint == *known;
        return if is_same { Ok(()) } else { Err(Error::file(dataset.training_folder(), reason)) };
    }
    let known = settings.thresholds.and_then(|own| own.calibration).map(|own| own.images.get() as usize);
    // Those versions counted copies, too.
    let with_copies = loaded.used.saturating_sub(loaded.set.images.len());
    match known {
        Some(then) if ![now, with_copies].contains(&then) => {
            let reason = format!(
                "the number of held-out images would be {now}, and was {then} when the model was trained; it needs the same images"
            );
            Err(Error::argument(format!("{dataset}: {reason}")))
        }
        _ => Ok(()),
    }
}

/// The validation set of a run. It is only measured on; nothing is chosen by it.
pub(super) struct Validation {
    every: u64,
    set: ValidationSet,
}

impl Validation {
    /// The set as [`write_validation_set`](crate::data::write_validation_set) writes it; none if the config wants no validation.
    ///
    /// # Errors
    /// No defect can be seen on any held-out image.
    pub(super) fn new(config: &Config, held_out: &[Image]) -> Result<Option<Self>> {
        let every = config.output.validate_every;
        if every == 0 {
            return Ok(None);
        }
        let set = ValidationSet::draw(held_out, VALIDATION_SEED)
            .map_err(|error| Error::config("output.validate_every", format!("there can be no validation: {error}")))?;
        Ok(Some(Self { every, set }))
    }

    /// Scores the weights that the run would save now, after every so many steps and after the last one; none after other steps.
    /// The trainer does not change.
    ///
    /// # Errors
    /// Out of device memory; a network output that is not finite.
    pub(super) fn after<B: Backend>(
        &self,
        config: &Config,
        trainer: &Trainer<B>,
        held_out: &[Image],
    ) -> Result<Option<ValidationEntry>> {
        let step = trainer.step();
        if !step.is_multiple_of(self.every) && step != config.train.steps {
            return Ok(None);
        }
        // Calibrated, because a relative image score needs it.
        let scores = config.detector(trainer, held_out).and_then(|detector| self.scores(&detector, held_out));
        let validation = scores.map_err(|error| error.within(format!("the validation after step {step}")))?;
        Ok(Some(ValidationEntry { step, validation }))
    }

    fn scores<B: Backend>(&self, detector: &Detector<B>, held_out: &[Image]) -> Result<ValidationScores> {
        let judge = detector.leave_one_out(held_out)?;
        let (mut images, mut pixels) = (Classified::default(), Classified::default());
        let (mut squares, mut values) = (0.0, 0_usize);
        for own in (0..self.set.count()).map_while(|index| self.set.image(index)) {
            let found = judge.inspect(&own.image, own.number)?;
            images.add(found.scores.get(detector.settings().detection.score), own.defect.is_some());
            let (height, width) = own.mask.dim();
            let map = resize_bilinear(&found.heatmap, height, width)?;
            map.iter().zip(&own.mask).for_each(|(&value, &mask)| pixels.add(value, is_anomalous(mask)));
            if own.defect.is_none() {
                let differences = own.image.iter().zip(&found.reconstruction);
                squares += differences.map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum::<f64>();
                values += own.image.len();
            }
        }
        Ok(ValidationScores {
            image_auroc: auroc(&Ranking::new("image AUROC", &images.scores, &images.anomalous)?),
            pixel_auroc: auroc(&Ranking::new("pixel AUROC", &pixels.scores, &pixels.anomalous)?),
            normal_residual: squares / values as f64,
        })
    }
}

/// Scores, and which of them belong to a defect.
#[derive(Default)]
struct Classified<T> {
    scores: Vec<T>,
    anomalous: Vec<bool>,
}

impl<T> Classified<T> {
    fn add(&mut self, score: T, anomalous: bool) {
        self.scores.push(score);
        self.anomalous.push(anomalous);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Cpu;
    use crate::detect::Settings;
    use crate::model::Parameters;
    use crate::rng::{Purpose, Stream};

    #[test]
    fn a_held_out_image_is_judged_by_the_others_alone() {
        let config = Config::parse("model.width = 2\ndetection.relative_score = true").unwrap();
        let parameters = Parameters::initialise(&Cpu::default(), &config.architecture(), 0).unwrap();
        let settings = Settings { detection: config.detection.clone(), ..Settings::default() };
        let detector = Detector::new(&Cpu::default(), parameters, settings);
        let noise = |number| {
            let mut stream = Stream::new(1, Purpose::Test, 0, number);
            Image::from_shape_simple_fn((64, 64, 3), || stream.uniform())
        };
        let images = [0, 1, 2].map(noise);
        let mut other = images.clone();
        other[0].fill(0.5);
        let score = |held_out: &[Image], number: usize| {
            detector.leave_one_out(held_out).unwrap().inspect(&images[number], number).unwrap().scores.max
        };
        assert_eq!(score(&images, 0), score(&other, 0), "what is expected of image 0 does not depend on itself");
        assert_ne!(score(&images, 1), score(&other, 1), "but it does on the others");
        let error = detector.leave_one_out(&images).unwrap().inspect(&images[0], 3).unwrap_err().to_string();
        assert_eq!(error, "there is no held-out image 3");
    }
}
