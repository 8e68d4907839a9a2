use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::examination::{Cutoffs, Examination};
use super::metrics::Score;
use super::settings::{DetectionConfig, Settings, Thresholds, quantile};
use crate::backend::Real;
use crate::data::{Image, Plane, crop, image, pad_reflect, plane, row_major};
use crate::error::{Error, Result};
use crate::model::{Architecture, Inference, Parameters, WeightFile};
use crate::ops::{Backend, BoxAverage, BoxAverageSpec};
use crate::shape::Shape;

/// A trained network with the settings that turn its output into a heatmap, a score and a verdict.
pub struct Detector<B: Backend> {
    backend: B,
    parameters: Arc<Parameters<B>>,
    settings: Settings,
    /// Kept between images. Each call takes it out of the mutex, so threads do not wait for each other.
    inference: Mutex<Option<Inference<B>>>,
}

/// Result for one image at working resolution.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Heatmap `anomap^{n,k}`.
    pub heatmap: Plane,
    /// f(x̂).
    pub reconstruction: Image,
    /// Maximum and sum of the heatmap.
    pub scores: ImageScores,
}

/// The two image scores of Method §6.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ImageScores {
    /// Maximum of the heatmap.
    #[serde(rename = "score_max")]
    pub max: f64,
    /// Sum of the heatmap.
    #[serde(rename = "score_sum")]
    pub sum: f64,
}

impl ImageScores {
    /// The scores of a heatmap.
    pub fn of(heatmap: &Plane) -> Self {
        let values = || heatmap.iter().map(|&value| f64::from(value));
        Self { max: values().fold(f64::NEG_INFINITY, f64::max), sum: values().sum() }
    }

    /// The score named by `which`.
    pub fn get(&self, which: Score) -> f64 {
        match which {
            Score::Max => self.max,
            Score::Sum => self.sum,
        }
    }
}

impl<B: Backend> Detector<B> {
    /// A detector from weights in memory.
    pub fn new(backend: &B, parameters: Parameters<B>, settings: Settings) -> Self {
        Self { backend: backend.clone(), parameters: Arc::new(parameters), settings, inference: Mutex::default() }
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

    /// The thresholds of the model: quantiles over held-out normal images; none for weights that were never calibrated.
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

    /// Inspects one image of any size at working resolution. The resized image is padded by reflection to multiples of 8, and the
    /// result is cropped back. It does not depend on other images.
    ///
    /// # Errors
    /// An image that is empty, too large or not `[height, width, 3]`; a network output that is not finite.
    pub fn inspect(&self, image: &Image) -> Result<Inspection> {
        let x = self.settings.preparation.apply(image)?;
        let reconstruction = self.reconstruct(&x)?;
        let heatmap = self.heatmap(&x, &reconstruction)?;
        if heatmap.iter().any(|value| !value.is_finite()) {
            return Err(Error::argument("the network's output is not finite"));
        }
        Ok(Inspection { scores: ImageScores::of(&heatmap), heatmap, reconstruction })
    }

    /// f(x̂) for an image at working resolution.
    fn reconstruct(&self, x: &Image) -> Result<Image> {
        let (h, w, _) = x.dim();
        let (height, width) = (h.next_multiple_of(8), w.next_multiple_of(8));
        let padded = pad_reflect(x, height, width)?;
        let output = self.infer(Shape::new(&[1, height, width, 3])?, &row_major(&padded))?;
        crop(&image(height, width, output)?, 0, 0, h, w)
    }

    fn infer(&self, shape: Shape, x: &[f32]) -> Result<Vec<f32>> {
        let waiting = || self.inference.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = waiting().take();
        let mut inference = idle.unwrap_or_else(|| Inference::new(&self.backend, Arc::clone(&self.parameters)));
        let output = inference.run(shape, x);
        *waiting() = Some(inference);
        output
    }

    /// The residual, in the paper Diff = mean over channels of (x̂ - f(x̂))², then n times the k x k box average.
    fn heatmap(&self, x: &Image, reconstruction: &Image) -> Result<Plane> {
        let DetectionConfig { window, repeats, ref residual, .. } = self.settings.detection;
        let (height, width, _) = x.dim();
        let residual = residual.of(x, reconstruction)?;
        let difference = self.backend.upload(&residual.into_iter().map(B::Elem::of).collect::<Vec<_>>())?;
        let spec = BoxAverageSpec::new(&Shape::new(&[1, height, width])?, window, repeats)?;
        let mut average = self.backend.alloc(height * width)?;
        self.backend.run(BoxAverage::Forward { spec: &spec, x: &difference, y: &mut average })?;
        let values = self.backend.download(&average)?.into_iter().map(|value| value.f64() as f32).collect();
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
        Ok(self.settings.detection.residual.of(x, reconstruction)?.mapv(|value| value as f32))
    }

    /// Sets the thresholds to the configured quantiles over held-out normal images.
    ///
    /// # Errors
    /// No image; an inspection failed.
    pub fn calibrate(&mut self, normal: &[Image]) -> Result<()> {
        let DetectionConfig { score, image_quantile, pixel_quantile, .. } = self.settings.detection;
        let (mut scores, mut pixels) = (Vec::new(), Vec::new());
        for image in normal {
            let inspection = self.inspect(image)?;
            scores.push(inspection.scores.get(score) as f32);
            pixels.extend(inspection.heatmap);
        }
        self.settings.thresholds =
            Some(Thresholds { image: quantile(&mut scores, image_quantile)?, pixel: quantile(&mut pixels, pixel_quantile)? });
        Ok(())
    }
}
