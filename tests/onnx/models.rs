//! Detectors with random weights, in every way of detecting that a config can ask for.

use orthoscope::backend::Cpu;
use orthoscope::data::{Fit, Image, Preparation};
use orthoscope::detect::metrics::Score;
use orthoscope::detect::{DetectionConfig, Detector, Residual, Settings, Smoothing};
use orthoscope::model::{Architecture, Autoencoder, Parameters, WeightFile};

/// A name and the way of detecting.
pub struct Case {
    pub name: &'static str,
    pub model: u8,
    pub preparation: Preparation,
    pub detection: DetectionConfig,
}

const NONE: Residual =
    Residual { squared: 0.0, root: 0.0, gradient: 0.0, scales: 1, ssim: 0.0, ssim_window: 5, ssim_scales: 1, chroma: 0.0 };

/// Together they have every kind of fit, score and residual.
pub fn cases() -> Vec<Case> {
    let stretch = Preparation { size: 32, fit: Fit::Stretch, shorter_side: 0, white_level: 0.0 };
    let crop = Preparation { size: 24, fit: Fit::Crop, shorter_side: 28, white_level: 0.0 };
    let small = DetectionConfig { window: 5, repeats: 2, image_quantile: 0.45, pixel_quantile: 0.8, ..Default::default() };
    let case = |name, model, preparation, detection| Case { name, model, preparation, detection };
    vec![
        case("maximum", 1, stretch, DetectionConfig { score: Score::Max, ..small }),
        case("as-in-the-paper", 2, crop, DetectionConfig { window: 13, repeats: 3, ..small }),
        case("relative", 2, stretch, DetectionConfig { score: Score::Max, relative_score: true, ..small }),
        case(
            "largest-share",
            2,
            crop,
            DetectionConfig {
                score: Score::Top,
                top_share: 0.07,
                score_smoothing: Some(Smoothing { window: 3, repeats: 1 }),
                residual: Residual { squared: 2.0, root: 0.5, ..NONE },
                ..small
            },
        ),
        case(
            "structure",
            1,
            Preparation::NATIVE,
            DetectionConfig { repeats: 0, residual: Residual { gradient: 0.7, scales: 4, chroma: 0.003, ..NONE }, ..small },
        ),
        case(
            "similarity",
            2,
            Preparation::NATIVE,
            DetectionConfig {
                relative_score: true,
                residual: Residual { squared: 1.0, ssim: 0.5, ssim_window: 7, ssim_scales: 3, ..NONE },
                ..small
            },
        ),
    ]
}

/// Pictures of several sizes, two of them equal, one with fewer pixels than a window. Values are those of 8 bits.
pub fn pictures() -> Vec<Image> {
    let sizes = [(40, 56), (33, 47), (61, 30), (3, 5), (29, 84), (40, 56), (1, 9)];
    let picture = |(number, &(height, width)): (usize, &(usize, usize))| {
        Image::from_shape_fn((height, width, 3), |(y, x, c)| {
            let wave = ((y as f64 * 0.31 + number as f64).sin() + (x as f64 * (0.17 + 0.05 * c as f64)).cos()) * 0.2 + 0.5;
            let noise = ((y * 7919 + x * 104_729 + c * 1_299_709 + number * 15_485_863) % 1009) as f64 / 1008.0 - 0.5;
            ((wave + 0.2 * noise).clamp(0.0, 1.0) * 255.0).round() as f32 / 255.0
        })
    };
    sizes.iter().enumerate().map(picture).collect()
}

impl Case {
    /// Weights with thresholds from `pictures`.
    pub fn weights(&self, pictures: &[Image]) -> WeightFile {
        let backend = Cpu::default();
        let architecture = Architecture::Autoencoder(Autoencoder { model: self.model, width: 3, dilations: vec![1, 2, 5] });
        let parameters = Parameters::initialise(&backend, &architecture, 5).unwrap();
        let values = parameters.to_values(&backend).unwrap();
        let settings = Settings { preparation: self.preparation, detection: self.detection.clone(), ..Settings::default() };
        let mut detector = Detector::new(&backend, parameters, settings);
        detector.calibrate(pictures).unwrap();
        let metadata = [(Settings::KEY.to_owned(), detector.settings().to_json().unwrap())].into();
        WeightFile { architecture, values, metadata }
    }
}
