//! One test image with its results, for the figure and the page.

use super::colour::{Scale, heatmap, mask_picture};
use super::figure::{Figure, FigureRow, HeatScale};
use super::number::readable;
use crate::data::arrays::{copied, mapped};
use crate::data::{Image, Plane, TestImage, resize};
use crate::detect::Examination;
use crate::detect::metrics::is_anomalous;
use crate::error::Result;

/// Longest side of a picture that is shown, in pixels. The pictures of a page are in memory together, and in its file.
const LONGEST: usize = 512;

/// One image with its reconstruction, heatmap and masks, each no larger than it is shown.
#[derive(Clone, Debug)]
pub struct Example {
    /// Name of the image.
    pub name: String,
    /// Kind of defect, `good` for none.
    pub kind: String,
    /// Image score.
    pub score: f64,
    /// Whether the image is anomalous in truth.
    pub anomalous_truth: bool,
    /// Whether it was called anomalous.
    pub anomalous_verdict: bool,
    /// x̂, the image as the network saw it.
    pub input: Image,
    /// f(x̂).
    pub reconstruction: Image,
    /// The heatmap in colours, see [`heatmap`].
    pub heatmap: Image,
    /// The predicted mask in white on black, see [`mask_picture`].
    pub mask: Image,
    /// The true mask in white on black; none if it is not known.
    pub truth: Option<Image>,
}

impl Example {
    /// A test image with the results of the detector. `scale` is that of the heat colours.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(test: &TestImage, image: &Image, truth: Option<&Plane>, found: &Examination, scale: Scale) -> Result<Self> {
        let painted = |truth: &Plane| shown(&mask_picture(&mapped(&truth.view(), is_anomalous)?)?);
        Ok(Self {
            name: test.name(),
            kind: test.defect.clone(),
            score: found.score,
            anomalous_truth: !test.is_good(),
            anomalous_verdict: found.anomalous == Some(true),
            input: shown(image)?,
            reconstruction: shown(&found.reconstruction)?,
            heatmap: shown(&heatmap(&found.heatmap, scale)?)?,
            mask: shown(&mask_picture(&found.mask)?)?,
            truth: truth.map(painted).transpose()?,
        })
    }

    /// Input, reconstruction, heatmap, predicted mask, and the ground truth if it is known.
    pub fn images(&self) -> Vec<&Image> {
        [&self.input, &self.reconstruction, &self.heatmap, &self.mask].into_iter().chain(&self.truth).collect()
    }

    /// What the image was called.
    pub(super) fn verdict(&self) -> &'static str {
        if self.anomalous_verdict { "anomalous" } else { "normal" }
    }

    /// CSS class and text for a right or wrong verdict.
    pub(super) fn outcome(&self) -> (&'static str, &'static str) {
        match (self.anomalous_truth, self.anomalous_verdict) {
            (true, true) => ("right", "✓ anomaly found"),
            (false, false) => ("right", "✓ passed as good"),
            (true, false) => ("wrong", "✗ anomaly missed"),
            (false, true) => ("wrong", "✗ false alarm"),
        }
    }
}

/// A picture as large as it is shown.
///
/// # Errors
/// Too little memory.
pub(super) fn shown(picture: &Image) -> Result<Image> {
    let (height, width, _) = picture.dim();
    let longest = height.max(width);
    if longest <= LONGEST {
        return copied(&picture.view());
    }
    let fitted = |side: usize| (side * LONGEST / longest).max(1);
    resize(picture, fitted(height), fitted(width))
}

/// Examples side by side, with a heat scale that marks the pixel threshold. There is no column for the ground truth if one of
/// them has none.
///
/// # Errors
/// No example.
pub fn figure(examples: &[&Example], scale: Scale, pixel_threshold: Option<f64>) -> Result<Image> {
    let captions = ["input", "reconstruction", "heatmap", "mask", "ground truth"];
    let columns = captions.len() - usize::from(examples.iter().any(|example| example.truth.is_none()));
    let mut rows: Vec<FigureRow<'_>> = examples.iter().copied().map(figure_row).collect();
    rows.iter_mut().for_each(|row| row.images.truncate(columns));
    if let Some(first) = rows.first_mut() {
        first.captions = captions[..columns].iter().map(ToString::to_string).collect();
    }
    Figure { rows, heat_scales: vec![HeatScale { column: 2, scale, threshold: pixel_threshold }] }.draw()
}

fn figure_row(example: &Example) -> FigureRow<'_> {
    FigureRow {
        label: example.kind.replace('_', " "),
        note: format!("score {}\n{}", readable(example.score, 3), example.verdict()),
        captions: Vec::new(),
        images: example.images(),
    }
}
