//! Rows of test images: Figures 1 to 3 of the paper, worst misses and worst false alarms.

use super::super::colour::{Scale, heatmap, mask_picture};
use super::super::example::shown;
use super::super::figure::{Figure, FigureRow, HeatScale};
use super::super::number::readable;
use super::cases::{Case, Test};
use super::drawing::{Content, Drawing, Name};
use crate::data::arrays::{mapped, reserved};
use crate::data::{Image, Plane};
use crate::detect::quantile;
use crate::error::Result;
use crate::ops::Backend;

/// Rows of the worst misses and of the worst false alarms.
const WORST: usize = 5;
/// The differences are drawn up to this quantile of those shown, because squared errors have heavy tails.
const BRIGHTEST: f64 = 0.995;

/// Figure 1.
pub(super) fn defects<B: Backend>(test: &Test<'_, B>) -> Result<Drawing> {
    let cases = each(test, &test.picked_defects())?;
    let rows = cases.iter().map(|case| case.row_to_truth(&[&case.example.input, &case.overlay, &case.example.mask]));
    let caption = format!(
        "Left to right: the test image; its heatmap over the image in grey, more opaque where it is higher, with the colour scale below, the same for all rows; the mask, \
         white where the heatmap exceeds the pixel threshold {}; the annotated defect. {}",
        test.pixel_rule(),
        test.rule()
    );
    let figure = panel(rows.collect(), &["input", "heatmap over input", "mask", "ground truth"], vec![scale_of(test, 1)]);
    drawing(Name::Defects, format!("Defects of {} and what is found", test.category().name), caption, &cases, figure?)
}

/// Figure 2.
pub(super) fn reconstructions<B: Backend>(test: &Test<'_, B>) -> Result<Drawing> {
    let cases = each(test, &test.picked_defects())?;
    let rows = cases.iter().map(|case| case.row_to_truth(&[&case.example.input, &case.example.reconstruction]));
    let caption = format!(
        "Left to right: the test image; what the network makes of it, which should be the same image without the defect; the annotated \
         defect. {}",
        test.rule()
    );
    let figure = panel(rows.collect(), &["input", "reconstruction", "ground truth"], Vec::new());
    drawing(Name::Reconstructions, format!("Reconstructions of defects of {}", test.category().name), caption, &cases, figure?)
}

/// What the detector computes from one image, at working resolution.
struct Steps {
    case: Case,
    input: Image,
    reconstruction: Image,
    difference: Plane,
    heatmap: Plane,
}

fn steps<B: Backend>(test: &Test<'_, B>, index: usize) -> Result<Steps> {
    let detector = test.detector();
    let preparation = detector.settings().preparation;
    let image = test.category().test[index].read(preparation.white_level)?.0;
    let input = preparation.apply(&image)?;
    let found = detector.inspect(&image)?;
    let difference = detector.difference(&input, &found.reconstruction)?;
    let (input, reconstruction) = (shown(&input)?, shown(&found.reconstruction)?);
    Ok(Steps { case: test.case(index)?, input, reconstruction, difference, heatmap: found.heatmap })
}

/// Figure 3.
pub(super) fn detection<B: Backend>(test: &Test<'_, B>) -> Result<Drawing> {
    let all = test.picked().into_iter().map(|index| steps(test, index)).collect::<Result<Vec<_>>>()?;
    let mut values = reserved(all.iter().map(|steps| steps.difference.len()).sum())?;
    all.iter().for_each(|steps| values.extend(steps.difference.iter().copied()));
    let scale = Scale { low: 0.0, high: quantile(&mut values, BRIGHTEST)? as f32 };
    let is_marked = |value: f32| test.pixel_threshold().is_some_and(|threshold| f64::from(value) > threshold);
    let paint = |own: &Steps| -> Result<[Image; 3]> {
        let (difference, smoothed) = (heatmap(&own.difference, scale)?, heatmap(&own.heatmap, test.scale())?);
        let mask = mask_picture(&mapped(&own.heatmap.view(), is_marked)?)?;
        Ok([shown(&difference)?, shown(&smoothed)?, shown(&mask)?])
    };
    let painted = all.iter().map(paint).collect::<Result<Vec<_>>>()?;
    let rows: Vec<FigureRow<'_>> = all
        .iter()
        .zip(&painted)
        .map(|(own, [difference, smoothed, mask])| {
            own.case.row(vec![&own.input, &own.reconstruction, difference, smoothed, mask])
        })
        .collect();
    let detection = &test.detector().settings().detection;
    let caption = format!(
        "Left to right, at the resolution of the network: the input; its reconstruction; their difference at each pixel ({}), drawn up to \
         the {} % quantile of the differences shown; the heatmap, which is the difference after {} box averages of {k} × {k} pixels; the \
         mask, white where the heatmap exceeds the pixel threshold {}, marked on its scale. Each colour scale holds for all rows. {} The \
         last row is a good image.",
        match detection.residual.is_of_the_paper() {
            true => "mean of the squared differences of the channels".to_owned(),
            false => format!("{}; not in the paper", detection.residual),
        },
        readable(100.0 * BRIGHTEST, 4),
        detection.repeats,
        test.pixel_rule(),
        test.rule(),
        k = detection.window
    );
    let captions = ["input", "reconstruction", "difference", "heatmap", "mask"];
    let figure = panel(rows, &captions, vec![HeatScale { column: 2, scale, threshold: None }, scale_of(test, 3)])?;
    let cases: Vec<Case> = all.into_iter().map(|own| own.case).collect();
    drawing(Name::Detection, format!("Detection on {}, step by step", test.category().name), caption, &cases, figure)
}

/// The anomalous images with the lowest scores.
pub(super) fn misses<B: Backend>(test: &Test<'_, B>) -> Result<Drawing> {
    worst(test, Name::Misses, true)
}

/// The good images with the highest scores.
pub(super) fn false_alarms<B: Backend>(test: &Test<'_, B>) -> Result<Drawing> {
    worst(test, Name::FalseAlarms, false)
}

fn worst<B: Backend>(test: &Test<'_, B>, name: Name, of_anomalous: bool) -> Result<Drawing> {
    let chosen = extremes(&test.results().scores(), of_anomalous);
    let cases = each(test, &chosen)?;
    let rows = cases.iter().map(|case| case.row(case.example.images())).collect();
    let wrong = cases.iter().filter(|case| case.example.anomalous_verdict != of_anomalous).count();
    let (title, which, mistakes) = match of_anomalous {
        true => ("The most normal-looking defects", "anomalous images with the lowest image scores, the lowest first", "missed"),
        false => (
            "The most anomalous-looking good images",
            "good images with the highest image scores, the highest first",
            "false alarms",
        ),
    };
    let caption = format!(
        "The {} {which}; {mistakes} at the image threshold {}: {wrong}. Left to right: input, reconstruction, heatmap, mask at the pixel \
         threshold {}, ground truth. The colour scale holds for all rows.",
        cases.len(),
        test.image_rule(),
        test.pixel_rule()
    );
    let captions = ["input", "reconstruction", "heatmap", "mask", "ground truth"];
    let figure = panel(rows, &captions, vec![scale_of(test, 2)])?;
    drawing(name, format!("{title} of {}", test.category().name), caption, &cases, figure)
}

/// The places of the [`WORST`] lowest scores of anomalous images, or of the highest scores of good ones, the worst first; of
/// equal scores the first.
fn extremes(scores: &[(f64, bool)], of_anomalous: bool) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).filter(|&place| scores[place].1 == of_anomalous).collect();
    places.sort_by(|&a, &b| {
        let rising = scores[a].0.total_cmp(&scores[b].0);
        if of_anomalous { rising } else { rising.reverse() }
    });
    places.truncate(WORST);
    places
}

fn each<B: Backend>(test: &Test<'_, B>, indices: &[usize]) -> Result<Vec<Case>> {
    indices.iter().map(|&index| test.case(index)).collect()
}

fn scale_of<B: Backend>(test: &Test<'_, B>, column: usize) -> HeatScale {
    HeatScale { column, scale: test.scale(), threshold: test.pixel_threshold() }
}

fn panel(mut rows: Vec<FigureRow<'_>>, captions: &[&str], heat_scales: Vec<HeatScale>) -> Result<Image> {
    if let Some(first) = rows.first_mut() {
        first.captions = captions.iter().map(|&caption| caption.to_owned()).collect();
    }
    Figure { rows, heat_scales }.draw()
}

fn drawing(name: Name, title: String, caption: String, cases: &[Case], figure: Image) -> Result<Drawing> {
    let images = cases.iter().map(|case| case.path.clone()).collect();
    Ok(Drawing { name, stem: name.key().into(), title, caption, images, content: Content::Png(figure) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_come_first_and_are_of_one_kind() {
        let scores = [(0.3, true), (9.0, false), (0.1, true), (0.3, true), (2.0, false), (9.0, false)];
        assert_eq!(extremes(&scores, true), [2, 0, 3]);
        assert_eq!(extremes(&scores, false), [1, 5, 4]);
        let many: Vec<(f64, bool)> = (0..20).map(|k| (f64::from(k), true)).collect();
        assert_eq!(extremes(&many, true), [0, 1, 2, 3, 4]);
    }
}
