use std::path::PathBuf;

use super::finding::{Finding, Verdict};
use crate::detect::Region;

/// One picture in the table and on the page.
#[derive(Clone, Debug)]
pub struct Row {
    /// Path of its results below the output folder, without the ending: `NAME`.
    pub name: PathBuf,
    /// Path of the picture.
    pub image: String,
    /// What was found, or why the picture was skipped.
    pub result: Result<Judged, String>,
}

/// What the table and the page say about a picture that was inspected.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Image score.
    pub score: f64,
    /// Image threshold.
    pub threshold: Option<f64>,
    /// Threshold of the mask.
    pub pixel_threshold: Option<f64>,
    /// Whether the score exceeds the threshold, as the program has decided.
    pub anomalous: Option<bool>,
    /// Rows and columns of the picture.
    pub size: (usize, usize),
    /// Number of regions.
    pub regions: usize,
    /// Pixels in the mask.
    pub anomalous_pixels: usize,
    /// The region of the largest area; of equal ones that with the higher peak.
    pub largest: Option<Region>,
    /// How the picture is unlike the training images, if it is.
    pub warning: Option<String>,
}

impl Row {
    /// A picture that was inspected.
    pub fn found(name: PathBuf, finding: &Finding) -> Self {
        let judged = Judged {
            score: finding.score,
            threshold: finding.threshold,
            pixel_threshold: finding.pixel_threshold,
            anomalous: finding.anomalous,
            size: (finding.height, finding.width),
            regions: finding.regions.count(),
            anomalous_pixels: finding.anomalous_pixels,
            largest: finding.regions.largest,
            warning: finding.unlike_training.as_ref().map(|unlike| format!("unlike the training images: {unlike}")),
        };
        Self { name, image: finding.image.clone(), result: Ok(judged) }
    }

    /// The word for the picture.
    pub fn verdict(&self) -> Verdict {
        self.result.as_ref().map_or(Verdict::Skipped, |judged| Verdict::of(judged.anomalous))
    }

    /// What must be known before the verdict is believed.
    pub(super) fn warning(&self) -> Option<&str> {
        self.result.as_ref().ok()?.warning.as_deref()
    }
}

/// Rows as in the tests of this folder: one of each kind.
#[cfg(test)]
pub(super) fn examples() -> Vec<Row> {
    let region = Region { top: 3, left: 1, height: 2, width: 4, area: 7, peak: 0.5, mean: 0.25 };
    let judged = |score: f64, anomalous| Judged {
        score,
        threshold: Some(1.5),
        pixel_threshold: Some(0.125),
        anomalous: Some(anomalous),
        size: (8, 12),
        regions: usize::from(anomalous),
        anomalous_pixels: if anomalous { 7 } else { 0 },
        largest: anomalous.then_some(region),
        warning: None,
    };
    let row = |name: &str, result| Row { name: name.into(), image: format!("in/{name}.png"), result };
    let warned = Judged { warning: Some("unlike the training images: its mean of red is 0.9".into()), ..judged(1.0, false) };
    vec![
        row("b/plain", Ok(judged(0.1, false))),
        row("broken", Err("is empty (0 bytes)".into())),
        row("a <&> \"quoted\", 100%", Ok(judged(1.5 + 1e-9, true))),
        row("odd", Ok(warned)),
        row("worst", Ok(judged(2.0, true))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::metrics::Score;
    use crate::detect::{ImageScores, Regions};

    #[test]
    fn regions_that_are_not_listed_count() {
        let region = |area, peak| Region { top: 0, left: 0, height: 1, width: area, area, peak, mean: peak };
        let finding = |regions| Finding {
            image: "a.png".into(),
            score: 1.0,
            threshold: None,
            anomalous: None,
            score_kind: Score::Sum,
            scores: ImageScores::of(&ndarray::array![[1.0_f32]], 1.0),
            pixel_threshold: Some(0.5),
            anomalous_pixels: 9,
            height: 3,
            width: 4,
            regions,
            unlike_training: None,
        };
        let regions = Regions { listed: vec![region(2, 9.0)], left_out: 3, largest: Some(region(5, 8.0)) };
        let judged = Row::found("a".into(), &finding(regions.clone())).result.unwrap();
        assert_eq!((judged.regions, judged.largest), (4, Some(region(5, 8.0))));
        let json = serde_json::to_value(finding(regions)).unwrap();
        assert_eq!(
            (&json["score_sum"], &json["regions"][0]["top"], &json["regions_left_out"], &json["threshold"]),
            (&1.0.into(), &0.into(), &3.into(), &serde_json::Value::Null)
        );
        let row = Row::found("a".into(), &finding(Regions::default()));
        assert_eq!((row.verdict(), row.result.unwrap().largest), (Verdict::Unknown, None));
        assert_eq!(finding(Regions::default()).line(), "unknown    score 1.00000  a.png");
    }
}
