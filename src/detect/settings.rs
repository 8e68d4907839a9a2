use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::appearance::Appearance;
use super::expected::Expected;

use super::metrics::Score;
use super::order_statistic::at_least;
use super::residual::Residual;
use super::tiling::Tiling;
use crate::data::{Fit, Preparation, SkippedShare};
use crate::error::{Error, Result};
use crate::model::Architecture;

/// How the residual is turned into a heatmap, a score and a verdict (Method §6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DetectionConfig {
    /// Window k of the box average, odd, in pixels of the working resolution.
    pub window: usize,
    /// Number of times the box average is applied, n.
    pub repeats: usize,
    /// Image score that is compared with the threshold: `sum`, `max` or `top` of the heatmap.
    pub score: Score,
    /// Share of the pixels with the largest values, whose mean is the score `top`.
    pub top_share: f64,
    /// Whether the image score is taken from the heatmap relative to that of normal images ([`Expected`]). Not in the paper.
    pub relative_score: bool,
    /// The image threshold is this quantile of the scores of held-out normal images.
    pub image_quantile: f64,
    /// The pixel threshold is this quantile of the heatmap values of held-out normal images.
    pub pixel_quantile: f64,
    /// Side of the tiles in which a larger picture is seen, in pixels of the working resolution; 0 for no tiles. Without it,
    /// tiles have the size of the training crops if images keep their size ([`Fit::Native`]), and else there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile: Option<usize>,
    /// Pixels by which tiles overlap. Without it, the receptive field, or a quarter of the tile if that is too small for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<usize>,
    /// What the image and its reconstruction are compared by.
    pub residual: Residual,
    /// Smoothing of the heatmap that gives the image score. Without it, that is the heatmap of the pixels, as in the paper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_smoothing: Option<Smoothing>,
}

/// A box average of `window x window` pixels, applied `repeats` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smoothing {
    /// Window k, odd, in pixels of the working resolution.
    pub window: usize,
    /// Number of times n.
    pub repeats: usize,
}

impl Smoothing {
    /// Checks ranges; `section` is the config section that holds the two keys.
    fn validate(self, section: &str) -> Result<()> {
        if self.window.is_multiple_of(2) || self.window > 4095 {
            return Err(Error::config(format!("{section}.window"), format!("must be odd and at most 4095, got {}", self.window)));
        }
        if self.repeats > 100 {
            return Err(Error::config(format!("{section}.repeats"), format!("must be at most 100, got {}", self.repeats)));
        }
        Ok(())
    }
}

impl fmt::Display for Smoothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k={} n={}", self.window, self.repeats)
    }
}

impl Default for DetectionConfig {
    fn default() -> Self {
        Self {
            window: 13,
            repeats: 3,
            score: Score::Sum,
            top_share: TOP_SHARE,
            relative_score: false,
            image_quantile: 0.99,
            pixel_quantile: 0.999,
            tile: None,
            overlap: None,
            residual: Residual::default(),
            score_smoothing: None,
        }
    }
}

/// The default of `detection.top_share`.
pub const TOP_SHARE: f64 = 0.01;

/// Whether `share` is a share of pixels that a mean can be taken over.
pub fn is_share(share: f64) -> bool {
    share > 0.0 && share <= 1.0
}

impl DetectionConfig {
    /// Smoothing of the heatmap of the pixels.
    pub fn smoothing(&self) -> Smoothing {
        Smoothing { window: self.window, repeats: self.repeats }
    }

    /// Smoothing of the heatmap that gives the image score, if it is another one.
    pub fn own_score_smoothing(&self) -> Option<Smoothing> {
        self.score_smoothing.filter(|own| *own != self.smoothing())
    }

    /// The tiles for a network and its working resolution; none if it sees every picture as a whole.
    ///
    /// # Errors
    /// As [`Tiling::new`]; tiles although all images are resized to the same size; an overlap without tiles.
    pub fn tiling(&self, architecture: &Architecture, preparation: &Preparation) -> Result<Option<Tiling>> {
        let size = preparation.size;
        match self.tile {
            Some(0) => Ok(None),
            Some(_) if preparation.fit == Fit::Stretch => {
                let reason = format!(
                    "cannot be used: this model resizes every picture to {size}x{size} pixels; train one with data.fit = \"native\" to \
                     look at large pictures in tiles"
                );
                Err(Error::config("detection.tile", reason))
            }
            Some(tile) => Tiling::new(architecture, &self.residual, tile, self.overlap).map(Some),
            None if preparation.fit == Fit::Native => {
                Tiling::of_crops(architecture, &self.residual, size, self.overlap).map(Some)
            }
            None if self.overlap.is_some() => Err(Error::config("detection.overlap", "needs detection.tile, too")),
            None => Ok(None),
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// An even or huge window, too many repeats, a huge tile or overlap, a share that is not above 0 or is above 1, a quantile
    /// outside [0, 1].
    pub fn validate(&self) -> Result<()> {
        self.smoothing().validate("detection")?;
        if let Some(own) = self.score_smoothing {
            own.validate("detection.score_smoothing")?;
        }
        if !is_share(self.top_share) {
            return Err(Error::config("detection.top_share", format!("must be above 0 and at most 1, got {}", self.top_share)));
        }
        let (least, most) = (Tiling::SMALLEST, Tiling::LARGEST);
        if let Some(tile) = self.tile.filter(|tile| *tile > most) {
            return Err(Error::config(
                "detection.tile",
                format!("must be 0 or a multiple of 8 from {least} to {most}, got {tile}"),
            ));
        }
        if let Some(overlap) = self.overlap.filter(|overlap| *overlap > most) {
            return Err(Error::config("detection.overlap", format!("must be a multiple of 8 from 0 to {most}, got {overlap}")));
        }
        for (key, value) in [("image_quantile", self.image_quantile), ("pixel_quantile", self.pixel_quantile)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::config(format!("detection.{key}"), format!("must be 0 to 1, got {value}")));
            }
        }
        self.residual.validate()
    }
}

/// Thresholds above which an image or a pixel is anomalous.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// For the image score.
    pub image: f64,
    /// 95 % interval of the quantile of all such normal images that `image` estimates; `None` in a file of a version that did not
    /// record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_interval: Option<Interval>,
    /// For the values of the heatmap.
    pub pixel: f64,
    /// The images that they were set on; `None` in a file of a version that did not record them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// An interval of a quantile. It makes no assumption about the distribution: its ends are two of the values, or open if there are
/// too few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end; `None` if even the smallest value may be above.
    pub low: Option<f64>,
    /// Upper end; `None` if even the largest value may be below.
    pub high: Option<f64>,
}

impl Interval {
    /// The 95 % interval of the q-quantile of what ascending `values` were drawn from: the quantile is below its lower end with a
    /// probability of at most 2.5 %, and above its upper end, too.
    pub(super) fn of_quantile(values: &[f32], q: f64) -> Self {
        let count = values.len() as u64;
        // The k-th smallest value is at most the quantile if at least k values are.
        let is_at_most = |k: u64| at_least(k, count, q.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON));
        let value = |k: u64| f64::from(values[k as usize - 1]);
        let low = (1..=count).take_while(|&k| is_at_most(k) >= 0.975).last();
        let high = (1..=count).find(|&k| is_at_most(k) <= 0.025);
        Self { low: low.map(value), high: high.map(value) }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |end: Option<f64>, open: &str| end.map_or_else(|| open.to_owned(), |value| format!("{value:.5}"));
        write!(f, "{} to {}", end(self.low, "−∞"), end(self.high, "∞"))
    }
}

/// The normal images that thresholds were set on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// Their number.
    pub images: NonZeroU32,
    /// Where they come from.
    pub source: Source,
    /// Whether the thresholds are used on pictures that are divided in another way than these images were.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub other_tiles: bool,
}

/// Where the images that set the thresholds come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Images of the training folder that the network was not trained on.
    HeldOut,
    /// Images that the network was trained on, or copies of them, because no others were held out.
    Training,
    /// Images of the training folder, given by the user. The network may have been trained on them.
    TrainingFolder,
    /// Other images, given by the user.
    Given,
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.images.get() == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.images, self.source.word())
    }
}

impl Source {
    /// One such image, e.g. `held-out image`.
    pub fn word(self) -> &'static str {
        match self {
            Self::HeldOut => "held-out image",
            Self::Training => "training image",
            Self::TrainingFolder => "training-folder image",
            Self::Given => "given normal image",
        }
    }
}

/// The training run behind a weight file, for the protocol line of every report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the folder of the training images; `None` for weights of a version that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Number of optimiser steps. The file has the weights of the last one.
    pub steps: u64,
    /// Seed of the run.
    pub seed: u64,
    /// First 12 hex digits of the SHA-256 of the run's config.
    pub config_hash: String,
    /// Network, size and loss in words; `None` for weights of a version that did not record them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<String>,
    /// Terms of the loss that are not in the paper, in words; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_terms: Option<String>,
    /// Options of the corruption that are not in the paper, as keys with values; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corruption_options: Option<String>,
    /// The [fingerprint](crate::data::fingerprint_of) of the training images; `None` for weights of a version that did not record
    /// it, and for images that are not of a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<String>,
    /// How many files of the folder could not be used; `None` if all could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkippedShare>,
    /// Device, precision and instructions of the training, in words; `None` for weights of a version that did not record them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computed_on: Option<String>,
    /// Where the run got more steps than its schedule had, or other training images, in words; `None` if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lengthened: Option<String>,
}

/// Everything that detection needs except the weights. Stored in the metadata of the weight file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Working resolution.
    pub preparation: Preparation,
    /// Heatmap and score.
    pub detection: DetectionConfig,
    /// Set on normal images; `None` for weights that were never calibrated.
    pub thresholds: Option<Thresholds>,
    /// `None` for weights from another program.
    pub provenance: Option<Provenance>,
    /// What a relative image score is relative to, from held-out normal images; `None` unless `detection.relative_score` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// What the training images look like; `None` for weights of a version that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appearance: Option<Appearance>,
}

impl Default for Settings {
    /// For weights from another program: native resolution, default heatmap, no thresholds.
    fn default() -> Self {
        Self {
            preparation: Preparation::NATIVE,
            detection: DetectionConfig::default(),
            thresholds: None,
            provenance: None,
            expected: None,
            appearance: None,
        }
    }
}

impl Settings {
    /// Detects as in `detection` from now on. Thresholds and expected heatmaps of the old settings do not fit the new ones.
    pub fn replace_detection(&mut self, detection: DetectionConfig) {
        self.detection = detection;
        self.thresholds = None;
        self.expected = None;
    }

    /// Metadata key in the weight file.
    pub const KEY: &str = "orthoscope.detection";

    /// The settings in a weight file's metadata, or the defaults if it has none.
    ///
    /// # Errors
    /// Metadata that cannot be parsed, or values that are not valid in a config.
    pub fn from_metadata(metadata: &std::collections::HashMap<String, String>) -> Result<Self> {
        let Some(json) = metadata.get(Self::KEY) else { return Ok(Self::default()) };
        let own: Self =
            serde_json::from_str(json).map_err(|error| Error::argument(format!("bad detection settings: {error}")))?;
        own.detection.validate()?;
        if own.appearance.as_ref().is_some_and(|appearance| !appearance.is_valid()) {
            return Err(Error::argument("bad detection settings: `appearance` has an empty range"));
        }
        if own.preparation != Preparation::NATIVE {
            own.preparation.validate()?;
        }
        Ok(own)
    }

    /// The settings as a metadata value.
    ///
    /// # Errors
    /// A value that JSON cannot hold (NaN or infinite).
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::argument(error.to_string()))
    }
}

/// The q-quantile of `values`, linear between neighbours (`numpy.quantile`'s default).
///
/// # Errors
/// No value, a NaN, or q outside [0, 1].
pub fn quantile(values: &mut [f32], q: f64) -> Result<f64> {
    if values.is_empty() || !(0.0..=1.0).contains(&q) || values.iter().any(|value| value.is_nan()) {
        return Err(Error::argument(format!("the {q}-quantile of {} values is not defined", values.len())));
    }
    values.sort_unstable_by(f32::total_cmp);
    let position = rank(q, values.len());
    let below = f64::from(values[position.floor() as usize]);
    let above = f64::from(values[position.ceil() as usize]);
    Ok(below + (above - below) * position.fract())
}

/// The place of the q-quantile among this many ascending values, from 0 to `count - 1`. Between whole numbers it is interpolated.
pub(super) fn rank(q: f64, count: usize) -> f64 {
    q * count.saturating_sub(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_equal_those_of_numpy() {
        let mut values = [4.0, 1.0, 3.0, 2.0];
        for (q, expected) in [(0.0, 1.0), (1.0, 4.0), (0.5, 2.5), (0.9, 3.7), (0.25, 1.75)] {
            assert!((quantile(&mut values, q).unwrap() - expected).abs() < 1e-9, "{q}");
        }
        assert!(quantile(&mut [], 0.5).is_err() && quantile(&mut [f32::NAN], 0.5).is_err());
    }

    #[test]
    fn the_interval_of_a_quantile_needs_no_distribution() {
        let values: Vec<f32> = (1..=20).map(|value| value as f32).collect();
        // Of the binomial distribution with n = 20, q = 1/2: P(X >= 6) = 0.979, P(X >= 7) = 0.942, P(X >= 15) = 0.0207, P(X
        // >= 14) = 0.058.
        assert_eq!(Interval::of_quantile(&values, 0.5), Interval { low: Some(6.0), high: Some(15.0) });
        // 0.99^20 = 0.82 is more than 2.5 %: the largest of 20 values is no upper end of the 99 % quantile, but that of 368 is.
        assert_eq!(Interval::of_quantile(&values, 0.99).high, None);
        let many: Vec<f32> = (0..368).map(|value| value as f32).collect();
        assert_eq!(Interval::of_quantile(&many, 0.99).high, Some(367.0));
        assert_eq!(Interval::of_quantile(&many[..367], 0.99).high, None);
        assert_eq!(Interval::of_quantile(&[2.0], 0.5), Interval::default());
    }

    #[test]
    fn values_outside_their_range_name_their_key() {
        let own =
            |window, repeats| DetectionConfig { score_smoothing: Some(Smoothing { window, repeats }), ..Default::default() };
        for (config, key) in [
            (DetectionConfig { window: 4, ..Default::default() }, "detection.window"),
            (DetectionConfig { repeats: 101, ..Default::default() }, "detection.repeats"),
            (own(4, 1), "detection.score_smoothing.window"),
            (own(4097, 1), "detection.score_smoothing.window"),
            (own(5, 101), "detection.score_smoothing.repeats"),
            (DetectionConfig { top_share: 0.0, ..Default::default() }, "detection.top_share"),
            (DetectionConfig { top_share: 1.01, ..Default::default() }, "detection.top_share"),
            (DetectionConfig { top_share: f64::NAN, ..Default::default() }, "detection.top_share"),
        ] {
            match config.validate() {
                Err(Error::Config { key: named, .. }) => assert_eq!(named, key),
                other => panic!("{key}: {other:?}"),
            }
        }
        assert!(own(13, 3).own_score_smoothing().is_none() && own(5, 1).own_score_smoothing().is_some());
    }

    #[test]
    fn settings_round_trip_through_the_metadata() {
        let read = |json: &str| Settings::from_metadata(&[(Settings::KEY.to_owned(), json.to_owned())].into());
        let with = |calibration| {
            let thresholds = Some(Thresholds { image: 1.5, image_interval: None, pixel: 0.25, calibration });
            Settings { thresholds, ..Settings::default() }
        };
        let settings = with(Some(Calibration { images: NonZeroU32::MIN, source: Source::HeldOut, other_tiles: false }));
        let json = settings.to_json().unwrap();
        assert_eq!(read(&json).unwrap(), settings);
        // Files of an earlier version have no calibration.
        let recorded = r#","calibration":{"images":1,"source":"held_out"}"#;
        assert_eq!(json.matches(recorded).count(), 1, "{json}");
        assert_eq!(read(&json.replace(recorded, "")).unwrap(), with(None));
        assert!(read(&json.replace(r#""images":1"#, r#""images":0"#)).is_err());
        assert_eq!(Settings::from_metadata(&Default::default()).unwrap(), Settings::default());
        assert!(read("{}").is_err());
    }
}
