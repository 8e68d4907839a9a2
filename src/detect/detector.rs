use std::borrow::Cow;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array2, s};

use super::appearance::Unlike;
use super::bands::{Seen, each_band};
use super::examination::{Cutoffs, Examination};
use super::expected::Expected;
use super::scores::ImageScores;
use super::settings::{Calibration, DetectionConfig, Interval, Settings, Smoothing, Source, Thresholds, quantile};
use super::tiling::Tiling;
use crate::backend::Real;
use crate::data::arrays::{each, zeros};
use crate::data::{Image, MAX_PIXELS, Plane, crop, image, pad_reflect, plane, row_major};
use crate::error::{Error, Result};
use crate::model::{Architecture, Inference, Parameters, WeightFile};
use crate::ops::{Backend, BoxAverage, BoxAverageSpec};
use crate::shape::{Shape, in_pixels};

/// A trained network with the settings that turn its output into a heatmap, a score and a verdict.
pub struct Detector<B: Backend> {
    backend: B,
    parameters: Arc<Parameters<B>>,
    settings: Settings,
    /// Kept between images, one for each thread that was inspecting at the same time. Each call takes one out, so threads do not
    /// wait for each other.
    idle: Mutex<Vec<Inference<B>>>,
}

/// A detector that judges held-out normal images. A relative image score would be too low for an image that has itself
/// contributed to what is expected of normal images.
pub struct LeaveOneOut<'a, B: Backend> {
    detector: &'a Detector<B>,
    /// For each held-out image what is expected from the others; empty if image scores are not relative.
    others: Vec<Expected>,
}

impl<B: Backend> LeaveOneOut<'_, B> {
    /// Inspects the held-out image of this number, or a copy of it with a defect.
    ///
    /// # Errors
    /// As [`Detector::inspect`]; a number of no held-out image.
    pub fn inspect(&self, image: &Image, number: usize) -> Result<Inspection> {
        let expected = self.others.get(number);
        if expected.is_none() && self.detector.settings.detection.relative_score {
            return Err(Error::argument(format!("there is no held-out image {number}")));
        }
        self.detector.inspect_with(image, expected)
    }
}

/// Result for one image at working resolution.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Heatmap `anomap^{n,k}` of the pixels.
    pub heatmap: Plane,
    /// f(x̂).
    pub reconstruction: Image,
    /// Image scores, of the heatmap of the pixels unless `detection.score_smoothing` or `detection.relative_score` ask for
    /// another one.
    pub scores: ImageScores,
}

/// The output of the network for one image, compared with the image.
struct Comparison {
    heatmap: Plane,
    /// The heatmap that gives the image score, if it has a smoothing of its own. It is not yet relative to the expected one.
    own: Option<Plane>,
    reconstruction: Image,
}

/// The smallest f32 that is not below a score, so that no image exceeds the threshold that it sets.
fn rounded_up(score: f64) -> f32 {
    let near = score as f32;
    if f64::from(near) < score { near.next_up() } else { near }
}

impl<B: Backend> Detector<B> {
    /// A detector from weights in memory.
    pub fn new(backend: &B, parameters: Parameters<B>, settings: Settings) -> Self {
        Self { backend: backend.clone(), parameters: Arc::new(parameters), settings, idle: Mutex::default() }
    }

    /// A detector from a weight file.
    ///
    /// # Errors
    /// A file that is not the weights of Model I or II.
    pub fn read(backend: &B, path: &Path) -> Result<Self> {
        let file = WeightFile::read(path)?;
        if !matches!(file.architecture, Architecture::Autoencoder(_)) {
            let reason = format!("holds the weights of {}; images need Model I or II", file.architecture);
            return Err(Error::file(path, reason));
        }
        let settings = Settings::from_metadata(&file.metadata).map_err(|error| error.in_file(path))?;
        let parameters = Parameters::from_values(backend, &file.architecture, &file.values)?;
        Ok(Self::new(backend, parameters, settings))
    }

    /// The device.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Working resolution, heatmap, thresholds.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes the settings, e.g. thresholds given by the user.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The weights.
    pub fn parameters(&self) -> &Parameters<B> {
        &self.parameters
    }

    /// The thresholds of the model: quantiles over normal images; none for weights that were never calibrated.
    pub fn cutoffs(&self) -> Cutoffs {
        Cutoffs::of(&self.settings)
    }

    /// Examines one image of any size with the thresholds of the model. Everything in the result has the image's own size.
    ///
    /// # Errors
    /// As [`Detector::inspect`].
    pub fn examine(&self, image: &Image) -> Result<Examination> {
        self.examine_with(image, self.cutoffs())
    }

    /// The same with other thresholds.
    ///
    /// # Errors
    /// As [`Detector::inspect`].
    pub fn examine_with(&self, image: &Image, cutoffs: Cutoffs) -> Result<Examination> {
        Examination::new(self.inspect(image)?, image, self.settings.detection.score, cutoffs)
    }

    /// Inspects one image of any size at working resolution, in [tiles](Detector::tiling) if it is larger than one. The resized
    /// image is padded by reflection to multiples of 8, and the result is cropped back. It does not depend on other images.
    ///
    /// # Errors
    /// An image that is empty, too large or not `[height, width, 3]`; a network output that is not finite; a relative score
    /// without expected values.
    pub fn inspect(&self, image: &Image) -> Result<Inspection> {
        self.inspect_with(image, self.expected()?)
    }

    /// What image scores are relative to; none if they are not relative.
    ///
    /// # Errors
    /// A relative score without expected values.
    pub(super) fn expected(&self) -> Result<Option<&Expected>> {
        match (self.settings.detection.relative_score, &self.settings.expected) {
            (false, _) => Ok(None),
            (true, Some(expected)) => Ok(Some(expected)),
            (true, None) => {
                let reason = "needs the heatmap that is expected of normal images; these settings have none";
                Err(Error::config("detection.relative_score", reason))
            }
        }
    }

    /// How an image of any size is unlike the training images, if it is. The verdict about it then means little.
    ///
    /// # Errors
    /// An image that cannot be prepared.
    pub fn unlike(&self, image: &Image) -> Result<Option<Unlike>> {
        let Some(appearance) = &self.settings.appearance else { return Ok(None) };
        Ok(appearance.unlike(&self.settings.preparation.apply(image)?))
    }

    /// Judges held-out normal images, and copies of them with defects, as if each had been left out of the calibration.
    ///
    /// # Errors
    /// No image; an inspection failed.
    pub fn leave_one_out(&self, held_out: &[Image]) -> Result<LeaveOneOut<'_, B>> {
        let mut others = Vec::new();
        if self.settings.detection.relative_score {
            let expected = |image| {
                let Comparison { heatmap, own, .. } = self.compare(image)?;
                Expected::of(&own.unwrap_or(heatmap))
            };
            (others, _) = Expected::leave_one_out(&held_out.iter().map(expected).collect::<Result<Vec<_>>>()?)?;
        }
        Ok(LeaveOneOut { detector: self, others })
    }

    /// Inspects one image, with an image score relative to `expected` if it is given.
    fn inspect_with(&self, image: &Image, expected: Option<&Expected>) -> Result<Inspection> {
        let comparison = self.compare(image)?;
        let scores = self.scores(comparison.own.as_ref().unwrap_or(&comparison.heatmap), expected)?;
        Ok(Inspection { scores, heatmap: comparison.heatmap, reconstruction: comparison.reconstruction })
    }

    fn compare(&self, image: &Image) -> Result<Comparison> {
        let x = self.settings.preparation.apply(image)?;
        let (height, width, _) = x.dim();
        let Seen { reconstruction, residual } = match self.tiling()?.filter(|tiling| tiling.divides((height, width))) {
            Some(tiling) => self.see_tiles(&x, &tiling)?,
            None => self.see(&x)?,
        };
        let detection = &self.settings.detection;
        let heatmap = self.smoothed(&residual, detection.smoothing())?;
        let own = detection.own_score_smoothing().map(|own| self.smoothed(&residual, own)).transpose()?;
        Ok(Comparison { heatmap, own, reconstruction })
    }

    /// How pictures larger than a tile are divided; none if the network sees every picture as a whole.
    ///
    /// # Errors
    /// `detection.tile` or `detection.overlap` does not fit the network or the working resolution.
    pub fn tiling(&self) -> Result<Option<Tiling>> {
        self.settings.detection.tiling(self.parameters.architecture(), &self.settings.preparation)
    }

    /// What the network makes of an image at working resolution in one piece.
    pub(super) fn see(&self, x: &Image) -> Result<Seen> {
        let reconstruction = self.reconstruct(x)?;
        let residual = self.settings.detection.residual.of(&self.backend, x, &reconstruction)?;
        Ok(Seen { reconstruction, residual })
    }

    /// The same in tiles.
    fn see_tiles(&self, x: &Image, tiling: &Tiling) -> Result<Seen> {
        let (height, width, _) = x.dim();
        let mut whole = Seen { reconstruction: zeros(x.dim())?, residual: zeros((height, width))? };
        let (mut read, mut done) = (0, 0);
        let next = |count: usize| {
            read += count;
            crop(x, read - count, 0, count, width)
        };
        each_band(
            (height, width),
            tiling,
            next,
            |tile| self.see(tile),
            |rows| {
                let end = done + rows.residual.nrows();
                whole.reconstruction.slice_mut(s![done..end, .., ..]).assign(&rows.reconstruction);
                whole.residual.slice_mut(s![done..end, ..]).assign(&rows.residual);
                done = end;
                Ok(())
            },
        )?;
        Ok(whole)
    }

    /// The image scores of a heatmap, relative to `expected` if it is given.
    fn scores(&self, heatmap: &Plane, expected: Option<&Expected>) -> Result<ImageScores> {
        let share = self.settings.detection.top_share;
        Ok(match expected {
            None => ImageScores::of(heatmap, share),
            Some(expected) => ImageScores::of(&expected.relative(heatmap)?, share),
        })
    }

    /// f(x̂) for an image at working resolution.
    fn reconstruct(&self, x: &Image) -> Result<Image> {
        let (h, w, _) = x.dim();
        let (height, width) = (h.next_multiple_of(8), w.next_multiple_of(8));
        if height.saturating_mul(width) as u64 > MAX_PIXELS {
            let size = in_pixels(h, w);
            let reason = format!("{size} become {height}x{width} with sides divisible by 8, the limit is {MAX_PIXELS} pixels");
            return Err(Error::argument(reason));
        }
        let padded = pad_reflect(x, height, width)?;
        let output = self.infer(Shape::new(&[1, height, width, 3])?, &row_major(&padded))?;
        crop(&image(height, width, output)?, 0, 0, h, w)
    }

    fn infer(&self, shape: Shape, x: &[f32]) -> Result<Vec<f32>> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let own = idle().pop();
        let mut inference = own.unwrap_or_else(|| Inference::new(&self.backend, Arc::clone(&self.parameters)));
        let output = inference.run(shape, x);
        idle().push(inference);
        output
    }

    /// The residual after n times the k x k box average.
    ///
    /// # Errors
    /// A residual that is not finite; the device failed.
    pub(super) fn smoothed(&self, residual: &Array2<f64>, Smoothing { window, repeats }: Smoothing) -> Result<Plane> {
        let (height, width) = residual.dim();
        if residual.iter().any(|value| !value.is_finite()) {
            return Err(Error::argument("the network's output is not finite"));
        }
        let values = each(&residual.view(), B::Elem::of)?;
        let difference = self.backend.upload(&values)?;
        let spec = BoxAverageSpec::new(&Shape::new(&[1, height, width])?, window, repeats)?;
        let mut average = self.backend.alloc(height * width)?;
        self.backend.run(BoxAverage::Forward { spec: &spec, x: &difference, y: &mut average })?;
        let values = B::Elem::into_f32(self.backend.download(&average)?);
        plane(height, width, values)
    }

    /// The residual before it is smoothed, `[height, width]`, of an image at working resolution and its reconstruction.
    ///
    /// # Errors
    /// Images of different sizes.
    pub fn difference(&self, x: &Image, reconstruction: &Image) -> Result<Plane> {
        if x.dim() != reconstruction.dim() {
            return Err(Error::shape(
                "difference",
                format!("{:?} and {:?} are not the same size", x.dim(), reconstruction.dim()),
            ));
        }
        Ok(self.settings.detection.residual.of(&self.backend, x, reconstruction)?.mapv(|value| value as f32))
    }

    /// Sets the thresholds to the configured quantiles over held-out normal images, and before that the expected heatmap if the
    /// image score is relative to it. The score of each of these images is then relative to what the others let expect.
    ///
    /// # Errors
    /// No image; an inspection failed.
    pub fn calibrate(&mut self, normal: &[Image]) -> Result<()> {
        self.calibrate_on(normal.iter().map(|image| Ok(Cow::Borrowed(image))), Source::HeldOut)
    }

    /// The same with normal images of any source. One image at a time is in memory, but the heatmaps of all of them, and each
    /// value for the pixel threshold once more: 8 bytes for each pixel of all images, 12 if the image score has a heatmap of its
    /// own smoothing.
    ///
    /// # Errors
    /// No image; an image that cannot be read or inspected.
    pub fn calibrate_on<'a>(&mut self, normal: impl IntoIterator<Item = Result<Cow<'a, Image>>>, source: Source) -> Result<()> {
        let DetectionConfig { image_quantile, pixel_quantile, .. } = self.settings.detection;
        let (mut heatmaps, mut pixels) = (Vec::new(), Vec::new());
        for image in normal {
            let Comparison { heatmap, own, .. } = self.compare(&*image?)?;
            pixels.extend(heatmap.iter().copied());
            heatmaps.push(own.unwrap_or(heatmap));
        }
        let images = u32::try_from(heatmaps.len()).ok().and_then(NonZeroU32::new);
        let mut scores = self.normal_scores(&heatmaps)?;
        let image = quantile(&mut scores, image_quantile)?;
        self.settings.thresholds = Some(Thresholds {
            image,
            image_interval: Some(Interval::of_quantile(&scores, image_quantile)),
            pixel: quantile(&mut pixels, pixel_quantile)?,
            calibration: images.map(|images| Calibration { images, source, other_tiles: false }),
        });
        Ok(())
    }

    /// The scores of normal images from their heatmaps. Sets the expected heatmap if scores are relative to it.
    fn normal_scores(&mut self, heatmaps: &[Plane]) -> Result<Vec<f32>> {
        let DetectionConfig { score, relative_score, .. } = self.settings.detection;
        if !relative_score {
            return heatmaps.iter().map(|heatmap| Ok(rounded_up(self.scores(heatmap, None)?.get(score)))).collect();
        }
        let (others, all) = Expected::leave_one_out(&heatmaps.iter().map(Expected::of).collect::<Result<Vec<_>>>()?)?;
        self.settings.expected = Some(all);
        let relative = |(heatmap, others)| Ok(rounded_up(self.scores(heatmap, Some(others))?.get(score)));
        heatmaps.iter().zip(&others).map(relative).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_never_below_the_score_that_sets_it() {
        for score in [20.383_043_3, 0.1, 1.0 / 3.0, 1e-45, -0.7, 0.0, 2.5] {
            let threshold = rounded_up(score);
            assert!(f64::from(threshold) >= score && f64::from(threshold.next_down()) < score, "{score}: {threshold}");
        }
        assert!(rounded_up(f64::NAN).is_nan());
    }
}
