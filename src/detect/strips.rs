//! Pictures that are too large for the memory: examined in strips, from the top to the bottom.

use ndarray::{Array2, s};

use super::appearance::{RunningNumbers, Unlike};
use super::bands::{Seen, each_band};
use super::detector::Detector;
use super::examination::Cutoffs;
use super::expected::Expected;
use super::regions::{RegionScan, Regions};
use super::scores::{ImageScores, RunningScores};
use super::settings::Smoothing;
use super::tiling::Tiling;
use crate::data::arrays::{copied, joined};
use crate::data::{Image, MAX_PIXELS, Plane};
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::shape::in_pixels;

/// Takes the rows of a result, in order, as they are finished. Those of the heatmap come a little later than those of the
/// reconstruction.
pub trait StripSink {
    /// The next rows of f(x̂), `[rows, width, 3]`.
    ///
    /// # Errors
    /// They cannot be kept.
    fn reconstruction(&mut self, rows: &Image) -> Result<()>;

    /// The next rows of the heatmap, `[rows, width]`.
    ///
    /// # Errors
    /// They cannot be kept.
    fn heatmap(&mut self, rows: &Plane) -> Result<()>;
}

/// What is left of an examination in strips beside the rows. As in an [`Examination`](super::Examination).
#[derive(Clone, Debug, PartialEq)]
pub struct StripExamination {
    /// Image scores.
    pub scores: ImageScores,
    /// The one of the scores that is compared with the image threshold.
    pub score: f64,
    /// Whether the score exceeds the image threshold; `None` without an image threshold.
    pub anomalous: Option<bool>,
    /// The connected regions of the mask.
    pub regions: Regions,
    /// Largest value of the heatmap.
    pub peak: f32,
    /// How the picture is unlike the training images, if it is.
    pub unlike: Option<Unlike>,
}

impl<B: Backend> Detector<B> {
    /// The tiles in which a picture of this height and width is examined in strips.
    ///
    /// # Errors
    /// A model that resizes pictures or does not see them in tiles; a row of tiles of more than 64 Mi pixels.
    pub fn strip_tiling(&self, (height, width): (usize, usize)) -> Result<Tiling> {
        let settings = self.settings();
        let tiling = self.tiling()?.filter(|_| settings.preparation.keeps_size());
        let Some(tiling) = tiling else {
            let tiles = if settings.preparation.keeps_size() { ", or give --tile" } else { "" };
            let reason = "needs a model that keeps the size of pictures, and tiles; train with data.fit = \"native\"";
            return Err(Error::argument(format!("a picture of {} {reason}{tiles}", in_pixels(height, width))));
        };
        if (tiling.tile.min(height) as u64).saturating_mul(width as u64) > MAX_PIXELS {
            let reason = format!("a strip of {} rows of {width} pixels has more than {MAX_PIXELS} pixels", tiling.tile);
            return Err(Error::config("detection.tile", format!("{reason}; a smaller tile needs less")));
        }
        Ok(tiling)
    }

    /// Examines a picture of this height and width in strips, tile by tile. The numbers are those of
    /// [`examine_with`](Detector::examine_with) up to rounding. `next` gives as many further rows of the picture,
    /// `[rows, width, 3]`, as it is asked for. In memory are the rows under one row of tiles and those that the smoothing of the
    /// heatmap still needs, not the picture.
    ///
    /// # Errors
    /// As [`strip_tiling`](Self::strip_tiling); a relative score without expected values; those of an inspection; those of `next`
    /// and `sink`.
    pub fn examine_strips(
        &self,
        (height, width): (usize, usize),
        cutoffs: Cutoffs,
        mut next: impl FnMut(usize) -> Result<Image>,
        sink: &mut impl StripSink,
    ) -> Result<StripExamination> {
        let tiling = self.strip_tiling((height, width))?;
        let mut judge = Judge::new(self, (height, width), cutoffs)?;
        let mut numbers = RunningNumbers::default();
        each_band(
            (height, width),
            &tiling,
            |count| next(count).inspect(|rows| numbers.add(rows)),
            |tile| self.see(tile),
            |Seen { reconstruction, residual }| {
                sink.reconstruction(&reconstruction)?;
                judge.add(&residual, sink)
            },
        )?;
        let unlike = self.settings().appearance.as_ref().and_then(|training| training.unlike_rows(&numbers));
        judge.finish(unlike)
    }
}

/// Turns rows of the residual into rows of the heatmap, scores and regions.
struct Judge<'a, B: Backend> {
    detector: &'a Detector<B>,
    size: (usize, usize),
    cutoffs: Cutoffs,
    of_pixels: Smoother,
    /// For the heatmap that gives the image score, if it is another one.
    of_score: Option<Smoother>,
    expected: Option<&'a Expected>,
    /// Rows whose values are in the scores.
    scored: usize,
    scores: RunningScores,
    regions: RegionScan,
    peak: f32,
}

impl<'a, B: Backend> Judge<'a, B> {
    fn new(detector: &'a Detector<B>, size: (usize, usize), cutoffs: Cutoffs) -> Result<Self> {
        let detection = &detector.settings().detection;
        Ok(Self {
            of_pixels: Smoother::new(detection.smoothing(), size),
            of_score: detection.own_score_smoothing().map(|own| Smoother::new(own, size)),
            scores: RunningScores::new(size.0 * size.1, detection.top_share),
            expected: detector.expected()?,
            scored: 0,
            regions: RegionScan::default(),
            peak: f32::NEG_INFINITY,
            detector,
            size,
            cutoffs,
        })
    }

    fn add(&mut self, residual: &Array2<f64>, sink: &mut impl StripSink) -> Result<()> {
        let detector = self.detector;
        let smooth = |rows: &Array2<f64>, smoothing| detector.smoothed(rows, smoothing);
        let heatmap = self.of_pixels.add(residual, smooth)?;
        if let Some(smoother) = &mut self.of_score {
            let own = smoother.add(residual, smooth)?;
            self.score(&own)?;
        } else {
            self.score(&heatmap)?;
        }
        self.regions.add(heatmap.view(), |value| self.cutoffs.marks(value))?;
        self.peak = heatmap.iter().copied().fold(self.peak, f32::max);
        sink.heatmap(&heatmap)
    }

    fn score(&mut self, heatmap: &Plane) -> Result<()> {
        let relative = self.expected.map(|expected| expected.relative_rows(heatmap, self.scored, self.size.0)).transpose()?;
        relative.as_ref().unwrap_or(heatmap).iter().for_each(|&value| self.scores.add(f64::from(value)));
        self.scored += heatmap.nrows();
        Ok(())
    }

    fn finish(self, unlike: Option<Unlike>) -> Result<StripExamination> {
        let scores = self.scores.finish();
        let score = scores.get(self.detector.settings().detection.score);
        let (anomalous, regions) = (self.cutoffs.verdict(score), self.regions.finish()?);
        Ok(StripExamination { scores, score, anomalous, regions, peak: self.peak, unlike })
    }
}

/// Smooths a residual whose rows come in strips.
struct Smoother {
    smoothing: Smoothing,
    height: usize,
    /// Rows on each side that a smoothed row depends on.
    halo: usize,
    /// Rows that are still needed, from `first` on.
    rows: Array2<f64>,
    first: usize,
    /// Rows that are smoothed.
    done: usize,
}

impl Smoother {
    fn new(smoothing: Smoothing, (height, width): (usize, usize)) -> Self {
        let halo = smoothing.repeats * (smoothing.window / 2);
        Self { smoothing, height, halo, rows: Array2::zeros((0, width)), first: 0, done: 0 }
    }

    /// Adds rows and returns those that are finished now. The average at the end of what is known is wrong, and with every
    /// repetition half a window more of it, so as many rows wait for the next ones.
    fn add(&mut self, rows: &Array2<f64>, smooth: impl Fn(&Array2<f64>, Smoothing) -> Result<Plane>) -> Result<Plane> {
        self.rows = joined(&self.rows, &rows.view())?;
        let known = self.first + self.rows.nrows();
        let end = if known == self.height { known } else { known.saturating_sub(self.halo) };
        if end <= self.done {
            return Ok(Plane::zeros((0, rows.ncols())));
        }
        let smoothed = smooth(&self.rows, self.smoothing)?;
        let finished = copied(&smoothed.slice(s![self.done - self.first..end - self.first, ..]))?;
        self.done = end;
        let kept = end.saturating_sub(self.halo).max(self.first);
        self.rows = copied(&self.rows.slice(s![kept - self.first.., ..]))?;
        self.first = kept;
        Ok(finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Cpu;
    use crate::data::{Fit, Preparation};
    use crate::detect::metrics::Score;
    use crate::detect::{DetectionConfig, Examination, Residual, Settings};
    use crate::model::{Architecture, Autoencoder, Parameters};
    use crate::rng::{Purpose, Stream};

    /// A detector with random weights, that needs an overlap of 168 pixels.
    fn detector(model: u8, detection: DetectionConfig) -> Detector<Cpu> {
        let architecture = Architecture::Autoencoder(Autoencoder { model, width: 2, dilations: vec![1] });
        let parameters = Parameters::initialise(&Cpu::new(), &architecture, 4).unwrap();
        Detector::new(&Cpu::new(), parameters, Settings { detection, ..Settings::default() })
    }

    fn picture(height: usize, width: usize) -> Image {
        let mut stream = Stream::new(9, Purpose::Test, height as u32, width as u32);
        Image::from_shape_simple_fn((height, width, 3), || stream.uniform())
    }

    const CUTOFFS: fn() -> Cutoffs = || Cutoffs::given(Some(1.0), Some(0.0835));

    /// The largest difference of heatmaps and reconstructions.
    fn distance(one: &Examination, other: &Examination) -> f32 {
        let largest = |a: &mut dyn Iterator<Item = (&f32, &f32)>| a.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let of_maps = largest(&mut one.heatmap.iter().zip(&other.heatmap));
        of_maps.max(largest(&mut one.reconstruction.iter().zip(&other.reconstruction)))
    }

    #[test]
    fn tiles_that_hold_the_receptive_field_give_the_map_of_the_whole_picture() {
        let smoothing = DetectionConfig { window: 3, repeats: 1, ..DetectionConfig::default() };
        for (model, height, width, tile) in [(1, 464, 225, 232), (2, 300, 512, 256), (2, 90, 693, 232), (1, 457, 40, 232)] {
            let image = picture(height, width);
            let whole = detector(model, smoothing.clone()).examine_with(&image, CUTOFFS()).unwrap();
            let tiled = |overlap| {
                let detection = DetectionConfig { tile: Some(tile), overlap, ..smoothing.clone() };
                let own = detector(model, detection);
                (own.tiling().unwrap().unwrap(), own.examine_with(&image, CUTOFFS()).unwrap())
            };
            let (tiling, exact) = tiled(None);
            assert!(tiling.is_exact() && tiling.divides((height, width)), "{tiling}");
            assert!(distance(&whole, &exact) <= 1e-5, "model {model}, {height}x{width}: {}", distance(&whole, &exact));
            // The check would see seams; these sizes are such that tiles without overlap only touch.
            let (tiling, seams) = tiled(Some(0));
            assert!(!tiling.is_exact() && distance(&whole, &seams) > 1e-4, "{}", distance(&whole, &seams));
            let (_, blended) = tiled(Some(64));
            assert!(distance(&whole, &blended) < distance(&whole, &seams));
        }
    }

    #[test]
    fn residuals_that_look_around_are_seamless_too() {
        let residual = Residual { ssim: 1.0, gradient: 0.5, scales: 2, ..Residual::default() };
        let detection = DetectionConfig { residual, window: 3, repeats: 1, ..DetectionConfig::default() };
        // Sides that the scales divide; see Method §6.
        let image = picture(270, 334);
        let whole = detector(2, detection.clone()).examine_with(&image, CUTOFFS()).unwrap();
        let own = detector(2, DetectionConfig { tile: Some(256), ..detection });
        assert!(own.tiling().unwrap().unwrap().is_exact());
        let tiled = own.examine_with(&image, CUTOFFS()).unwrap();
        assert!(distance(&whole, &tiled) <= 1e-5, "{}", distance(&whole, &tiled));
    }

    /// Keeps the rows.
    #[derive(Default)]
    struct Kept {
        reconstruction: Vec<f32>,
        heatmap: Vec<f32>,
        most_rows: usize,
    }

    impl StripSink for Kept {
        fn reconstruction(&mut self, rows: &Image) -> Result<()> {
            self.most_rows = self.most_rows.max(rows.dim().0);
            self.reconstruction.extend(rows);
            Ok(())
        }

        fn heatmap(&mut self, rows: &Plane) -> Result<()> {
            self.heatmap.extend(rows);
            Ok(())
        }
    }

    fn in_strips(own: &Detector<Cpu>, image: &Image) -> Result<(StripExamination, Kept)> {
        let (mut read, mut kept) = (0, Kept::default());
        let next = |count: usize| {
            read += count;
            Ok(image.slice(s![read - count..read, .., ..]).to_owned())
        };
        let (height, width, _) = image.dim();
        own.examine_strips((height, width), CUTOFFS(), next, &mut kept).map(|found| (found, kept))
    }

    #[test]
    fn strips_find_what_the_whole_picture_does() {
        let image = picture(333, 70);
        let base = DetectionConfig {
            tile: Some(64),
            overlap: Some(16),
            score: Score::Top,
            top_share: 0.02,
            ..DetectionConfig::default()
        };
        let own = Smoothing { window: 5, repeats: 2 };
        for detection in [
            base.clone(),
            DetectionConfig { window: 61, ..base.clone() },
            DetectionConfig { score_smoothing: Some(own), repeats: 0, ..base.clone() },
            DetectionConfig { relative_score: true, ..base.clone() },
        ] {
            let mut own = detector(2, detection);
            own.calibrate(&[picture(100, 100), picture(99, 70)]).unwrap();
            let whole = own.examine_with(&image, CUTOFFS()).unwrap();
            let (found, kept) = in_strips(&own, &image).unwrap();
            let near = |a: &f32, b: &f32| (a - b).abs() <= 1e-6 * b.abs().max(1e-3);
            assert!(kept.heatmap.len() == 333 * 70 && kept.heatmap.iter().zip(&whole.heatmap).all(|(a, b)| near(a, b)));
            assert!(kept.reconstruction.iter().zip(&whole.reconstruction).all(|(a, b)| near(a, b)));
            assert!(kept.most_rows <= 64);
            assert!((found.score - whole.score).abs() < 1e-5 * whole.score, "{} {}", found.score, whole.score);
            assert_eq!((found.anomalous, found.regions.count()), (whole.anomalous, whole.regions.count()));
            assert!(whole.regions.count() > 0 || own.settings().detection.window == 61);
            assert_eq!(found.peak, whole.heatmap.iter().copied().fold(0.0, f32::max));
        }
    }

    #[test]
    fn models_that_see_pictures_as_a_whole_are_refused() {
        let refused = |own: &Detector<Cpu>| in_strips(own, &picture(40, 40)).err().unwrap().to_string();
        let mut whole = detector(1, DetectionConfig::default());
        assert!(refused(&whole).contains("a picture of 40x40 pixels needs a model that keeps the size"), "{}", refused(&whole));
        whole.settings_mut().preparation = Preparation { size: 64, fit: Fit::Crop, shorter_side: 64, white_level: 0.0 };
        whole.settings_mut().detection.tile = Some(32);
        assert!(refused(&whole).contains("train with data.fit = \"native\""));
        whole.settings_mut().preparation = Preparation { size: 64, fit: Fit::Stretch, shorter_side: 0, white_level: 0.0 };
        assert!(refused(&whole).contains("detection.tile") && refused(&whole).contains("resizes every picture to 64x64"));
        whole.settings_mut().preparation = Preparation { size: 64, fit: Fit::Native, shorter_side: 0, white_level: 0.0 };
        whole.settings_mut().detection.tile = None;
        assert_eq!(whole.tiling().unwrap().unwrap().tile, 64);
        in_strips(&whole, &picture(40, 40)).unwrap();
    }
}
