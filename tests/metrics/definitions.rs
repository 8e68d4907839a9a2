//! The metrics computed directly from their definitions, over every pair and every threshold, without sorting. Slow but simple.

use orthoscope::data::Plane;
use orthoscope::detect::metrics::Record;

pub fn auroc(scores: &[f64], labels: &[bool]) -> f64 {
    let (mut won, mut pairs) = (0.0, 0.0);
    for i in (0..scores.len()).filter(|&i| labels[i]) {
        for j in (0..scores.len()).filter(|&j| !labels[j]) {
            pairs += 1.0;
            won += if scores[i] > scores[j] { 1.0 } else { f64::from(scores[i] == scores[j]) / 2.0 };
        }
    }
    won / pairs
}

fn falling_thresholds(scores: &[f64]) -> Vec<f64> {
    let mut thresholds = scores.to_vec();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    thresholds
}

/// (precision, recall) of `score >= threshold`.
fn precision_recall(scores: &[f64], labels: &[bool], threshold: f64) -> (f64, f64) {
    let marked = scores.iter().filter(|&&score| score >= threshold).count() as f64;
    let hits = scores.iter().zip(labels).filter(|&(&score, &label)| label && score >= threshold).count() as f64;
    (hits / marked, hits / labels.iter().filter(|&&label| label).count() as f64)
}

pub fn average_precision(scores: &[f64], labels: &[bool]) -> f64 {
    let (mut sum, mut earlier) = (0.0, 0.0);
    for threshold in falling_thresholds(scores) {
        let (precision, recall) = precision_recall(scores, labels, threshold);
        sum += (recall - earlier) * precision;
        earlier = recall;
    }
    sum
}

pub fn f1_at(scores: &[f64], labels: &[bool], threshold: f64) -> f64 {
    let (precision, recall) = precision_recall(scores, labels, threshold);
    if recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
}

pub fn f1_max(scores: &[f64], labels: &[bool]) -> f64 {
    falling_thresholds(scores).iter().map(|&threshold| f1_at(scores, labels, threshold)).fold(0.0, f64::max)
}

/// Pixels of each 8-connected component. Every pixel takes the smallest label among its neighbours until nothing changes.
pub fn components(mask: &Plane) -> Vec<Vec<usize>> {
    let mut numbers: Vec<Option<usize>> = mask.iter().enumerate().map(|(i, &value)| (value > 0.5).then_some(i)).collect();
    let width = mask.ncols();
    let touch = |a: usize, b: usize| {
        let (rows, columns) = ((a / width).abs_diff(b / width), (a % width).abs_diff(b % width));
        rows <= 1 && columns <= 1
    };
    loop {
        let smallest = |i: usize| numbers[i].and((0..numbers.len()).filter(|&j| touch(i, j)).filter_map(|j| numbers[j]).min());
        let next: Vec<_> = (0..numbers.len()).map(smallest).collect();
        if next == numbers {
            break;
        }
        numbers = next;
    }
    let pixels = |number: usize| (0..numbers.len()).filter(|&i| numbers[i] == Some(number)).collect::<Vec<_>>();
    (0..numbers.len()).map(pixels).filter(|own| !own.is_empty()).collect()
}

/// (FPR, PRO) if `marks(score)` decides which pixels are marked.
fn fpr_and_pro(records: &[Record], marks: impl Fn(f64) -> bool) -> (f64, f64) {
    let (mut false_positives, mut normal, mut overlaps) = (0.0, 0.0, Vec::new());
    for record in records {
        let marked: Vec<bool> = record.map.iter().map(|&score| marks(f64::from(score))).collect();
        for (&marked, &value) in marked.iter().zip(&record.mask) {
            normal += f64::from(value <= 0.5);
            false_positives += f64::from(marked && value <= 0.5);
        }
        for component in components(&record.mask) {
            let hits = component.iter().filter(|&&pixel| marked[pixel]).count();
            overlaps.push(hits as f64 / component.len() as f64);
        }
    }
    (false_positives / normal, overlaps.iter().sum::<f64>() / overlaps.len() as f64)
}

fn pixel_scores(records: &[Record]) -> Vec<f64> {
    records.iter().flat_map(|record| record.map.iter().map(|&score| f64::from(score))).collect()
}

pub fn au_pro(records: &[Record]) -> f64 {
    let mut area = 0.0;
    let (mut x0, mut y0) = (0.0, 0.0);
    for threshold in falling_thresholds(&pixel_scores(records)) {
        let (x1, y1) = fpr_and_pro(records, |score| score >= threshold);
        let end = x1.min(0.3);
        if end > x0 {
            let at_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0);
            area += (end - x0) * (y0 + at_end) / 2.0;
        }
        (x0, y0) = (x1, y1);
    }
    area / 0.3
}

pub fn au_pro_200(records: &[Record]) -> f64 {
    let scores = pixel_scores(records);
    let (low, high) = (scores.iter().copied().fold(f64::MAX, f64::min), scores.iter().copied().fold(f64::MIN, f64::max));
    let thresholds = (0..200).map(|i| if i == 199 { high } else { low + f64::from(i) * ((high - low) / 199.0) });
    let points = thresholds.map(|threshold| fpr_and_pro(records, |score| score > threshold));
    let kept: Vec<_> = points.filter(|point| point.0 <= 0.3).collect();
    if kept[0].0 == 0.0 {
        return kept[0].1;
    }
    kept.windows(2).map(|pair| (pair[0].0 - pair[1].0) / kept[0].0 * (pair[0].1 + pair[1].1) / 2.0).sum()
}
