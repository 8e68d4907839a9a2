//! The roofs: the peaks of memory and arithmetic.

use super::labels::{Box, LETTER, Obstacles};
use super::{ACROSS, Plot, UP};
use crate::profile::Peaks;
use crate::report::html::escape;
use crate::report::number::readable;
use crate::report::style::TEXT;

/// A peak of arithmetic, in GFLOP/s.
pub(super) struct Flat {
    name: &'static str,
    pub(super) rate: f64,
}

/// One line segment of the roof.
pub(super) struct Roof {
    from: (f64, f64),
    to: (f64, f64),
    /// One line of text on the slope, two lines beside a flat roof, none where the roof continues.
    words: Vec<String>,
    is_dashed: bool,
}

/// The known peaks of arithmetic, f32 first.
pub(super) fn flat(peaks: &Peaks) -> Vec<Flat> {
    let known = [("f32 multiply-add", peaks.fma), ("bf16 matrix unit", peaks.matrix)];
    known.into_iter().filter_map(|(name, rate)| Some(Flat { name, rate: rate? / 1e9 })).collect()
}

/// The memory slope up to the first flat roof, and everything above that dashed.
pub(super) fn all(peaks: &Peaks, flat: Vec<Flat>, (left, right): (f64, f64), (low, high): (f64, f64)) -> Vec<Roof> {
    let copy = peaks.copy / 1e9;
    let (start, mut corner) = (left.max(low / copy), f64::min(right, high / copy));
    if let Some(first) = flat.first() {
        corner = first.rate / copy;
    }
    let slope = |from: f64, to: f64, words: Vec<String>, is_dashed: bool| Roof {
        from: (from, copy * from),
        to: (to, copy * to),
        words,
        is_dashed,
    };
    let mut roofs = vec![slope(start, corner, vec![format!("copy {} GB/s", readable(copy, 3))], false)];
    for (at, Flat { name, rate }) in flat.into_iter().enumerate() {
        let ridge = rate / copy;
        if ridge > corner {
            roofs.push(slope(corner, ridge, Vec::new(), true));
        }
        let words = vec![name.to_owned(), format!("{} GFLOP/s", readable(rate, 3))];
        roofs.push(Roof { from: (ridge, rate), to: (right, rate), words, is_dashed: at > 0 });
    }
    roofs
}

/// The lines and their labels: on the slope, and beside the chart for flat roofs.
pub(super) fn draw(plot: &Plot, obstacles: &mut Obstacles) -> String {
    let mut lowest = UP.1;
    let mut roofs: Vec<&Roof> = plot.roofs.iter().collect();
    roofs.sort_by(|a, b| b.to.1.total_cmp(&a.to.1));
    let one = |roof: &Roof| {
        let (from, to) = (plot.pixel(roof.from), plot.pixel(roof.to));
        obstacles.line(from, to);
        let words = match roof.words.as_slice() {
            [copy] => on_slope(copy, from, to, obstacles),
            [name, rate] => {
                let top = f64::max(to.1, lowest);
                lowest = top + 3.0 * TEXT;
                beside(name, top) + &beside(rate, top + TEXT)
            }
            _ => String::new(),
        };
        line(from, to, roof.is_dashed) + &words
    };
    roofs.into_iter().map(one).collect()
}

fn line(from: (f64, f64), to: (f64, f64), is_dashed: bool) -> String {
    let dashes = if is_dashed { r#" stroke-dasharray="6 4.5" stroke-opacity=".55""# } else { "" };
    format!(
        r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="currentColor" stroke-width="2"{dashes}/>"#,
        from.0, from.1, to.0, to.1
    )
}

fn beside(words: &str, y: f64) -> String {
    format!(r#"<text x="{}" y="{:.1}" font-weight="600">{}</text>"#, ACROSS.1 + 8.0, y + 4.0, escape(words))
}

/// Text along the slope, where it covers the least and is nearest to the middle.
fn on_slope(words: &str, from: (f64, f64), to: (f64, f64), obstacles: &mut Obstacles) -> String {
    let length = LETTER * words.chars().count() as f64;
    let angle = (to.1 - from.1).atan2(to.0 - from.0);
    // Tilted text is approximated by a row of small squares.
    let squares = |part: f64| {
        (-4..=4).map(move |step| {
            let along = 0.125 * f64::from(step) * length;
            let x = from.0 + part * (to.0 - from.0) + along * angle.cos() + 11.0 * angle.sin();
            let y = from.1 + part * (to.1 - from.1) + along * angle.sin() - 11.0 * angle.cos();
            Box::new(x - 8.0, y - 8.0, x + 8.0, y + 8.0)
        })
    };
    let covered = |part: f64| squares(part).map(|square| obstacles.covered(&square)).sum::<usize>();
    let parts = (0..16).map(|step| 0.5 + 0.02 * f64::from(if step % 2 == 0 { step } else { -step }));
    let part = parts.min_by_key(|part| covered(*part)).unwrap_or(0.5);
    squares(part).for_each(|square| obstacles.words(square));
    format!(
        r#"<text class="name" transform="translate({:.1} {:.1}) rotate({:.1})" y="-7" text-anchor="middle" font-weight="600">{}</text>"#,
        from.0 + part * (to.0 - from.0),
        from.1 + part * (to.1 - from.1),
        angle.to_degrees(),
        escape(words)
    )
}
