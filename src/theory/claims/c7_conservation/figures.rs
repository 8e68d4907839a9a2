//! Gratings before and after π.

use crate::error::Result;
use crate::theory::algebra::{add_scaled, norm, sub};
use crate::theory::claim::Setting;
use crate::theory::figure::{Content, Figure, GalleryRow, GreyPicture};
use crate::theory::manifold::{Gratings, Manifold};

use super::NUMBER;
use super::dimension::on_square;

const SIDE: usize = 64;
/// Errors are drawn this many times as large, beside the middle grey.
const MAGNIFIED: f64 = 4.0;

/// x, x̂, π(x̂) and the error, for three corruptions of the same square.
pub(super) fn gallery(setting: &Setting) -> Result<Figure> {
    let mut stream = setting.stream(NUMBER, 1);
    let gratings = Gratings::standard(SIDE, 2)?;
    let x = gratings.sample(&mut stream);
    let noise = on_square(SIDE, || 0.4 * stream.normal());
    let smooth = on_square(SIDE, || 0.4);
    let inside = on_square(SIDE, || 1.0);
    let opaque: Vec<f64> = x.iter().zip(&inside).map(|(x, inside)| inside * (0.5 - x)).collect();
    let rows = [("noise", noise), ("opaque grey", opaque), ("brighter by 0.4", smooth)];
    let rows = rows.into_iter().map(|(label, e)| row(&gratings, &x, label, &e)).collect::<Result<Vec<_>>>()?;
    Ok(Figure {
        stem: "c7_gallery".into(),
        title: "Two gratings before and after the nearest point".into(),
        caption: format!(
            "π restores what a corruption of a square hides, and off the square changes next to nothing. The last column is the error \
             {MAGNIFIED} times magnified about grey: largest for the smooth corruption, which is not in general position."
        ),
        content: Content::Gallery(rows),
    })
}

fn row(gratings: &Gratings, x: &[f64], label: &str, e: &[f64]) -> Result<GalleryRow> {
    let corrupted = add_scaled(x, 1.0, e);
    let restored = gratings.project_point(&corrupted)?;
    let error = sub(&restored, x);
    let magnified: Vec<f64> = error.iter().map(|value| 0.5 + MAGNIFIED * value).collect();
    let picture =
        |label: String, values: &[f64]| GreyPicture { caption: label, height: SIDE, width: SIDE, values: values.to_vec() };
    Ok(GalleryRow {
        label: label.into(),
        pictures: vec![
            picture("x".into(), x),
            picture("x̂".into(), &corrupted),
            picture("π(x̂)".into(), &restored),
            picture(format!("π(x̂) - x: {:.3} of ‖e‖", norm(&error) / norm(e)), &magnified),
        ],
    })
}
