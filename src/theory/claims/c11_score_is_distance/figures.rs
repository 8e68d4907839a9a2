//! Scores against distance, AUROC against rarity.

use std::f64::consts::PI;

use super::law::{FALL, Place};
use super::{Bench, NEIGHBOURS, Sample};
use crate::error::Result;
use crate::rng::Stream;
use crate::theory::figure::{AxisSpec, Content, Figure, Series};
use crate::theory::statistics::auroc;

impl Bench {
    /// Scores against the true distance.
    pub(super) fn figure_of_distance(&self) -> Result<Figure> {
        const DRAWN: usize = 150;
        let points = |samples: &[Sample], scores: Vec<f64>| -> Vec<(f64, f64)> {
            samples.iter().zip(scores).take(DRAWN).map(|(sample, score)| (sample.distance, score)).collect()
        };
        let series = vec![
            Series::dots("residual of anomalies", points(&self.anomalies, self.residuals(&self.anomalies)?)),
            Series::dots("residual of rare normal samples", points(&self.rare, self.residuals(&self.rare)?)),
            Series::dots("5th neighbour of anomalies", points(&self.anomalies, self.neighbours(&self.anomalies, NEIGHBOURS))),
            Series::dots("5th neighbour of rare normal samples", points(&self.rare, self.neighbours(&self.rare, NEIGHBOURS))),
        ];
        Ok(Figure {
            stem: "c11_distance".into(),
            title: "The residual is the distance to D, the neighbour score is not".into(),
            caption:
                "Scores against the true distance from a torus of uneven density. Rare normal samples (distance 0) have the \
                      residual 0, but their neighbours are farther away than those of most anomalies."
                    .into(),
            content: Content::chart([AxisSpec::linear("distance δ(y) to D"), AxisSpec::linear("score")], series),
        })
    }

    /// AUROC against normal samples of one density, from the highest to the lowest.
    pub(super) fn figure_of_rarity(&self, stream: &mut Stream) -> Result<Figure> {
        let mut curves: [Vec<(f64, f64)>; 4] = Default::default();
        let scores = |samples: &[Sample]| -> Result<[Vec<f64>; 3]> {
            Ok([self.residuals(samples)?, self.neighbours(samples, NEIGHBOURS), self.rarities(samples)])
        };
        let (anomalous, on_manifold) = (scores(&self.anomalies)?, self.residuals(&self.on_manifold)?);
        for step in 0..=12 {
            let along = PI * f64::from(step) / 12.0;
            let normal: Vec<_> = (0..200).map(|_| Sample::normal(Place { along, ..Place::draw(stream, 0.0) })).collect();
            let normal = scores(&normal)?;
            let [residual, neighbours, mixture] = [0, 1, 2].map(|score| auroc(&normal[score], &anomalous[score]));
            let values = [residual?, neighbours?, mixture?, auroc(&normal[0], &on_manifold)?];
            let density = (-FALL * along).exp();
            curves.iter_mut().zip(values).for_each(|(curve, value)| curve.push((density, value)));
        }
        let [residual, neighbours, mixture, chance] = curves;
        let series = vec![
            Series::line("projection residual", residual),
            Series::line("5 nearest neighbours", neighbours),
            Series::line("Gaussian mixture", mixture),
            Series::dashed("residual, anomalies on D", chance),
        ];
        Ok(Figure {
            stem: "c11_rarity".into(),
            title: "Density scores mistake rare normal samples for anomalies".into(),
            caption:
                "AUROC of anomalies at distances 0.1 to 0.5 against normal samples of one density. The residual stays at 1 (at ½ for \
                 anomalies on D itself); density scores fall below chance."
                    .into(),
            content: Content::chart([AxisSpec::log("density of the normal samples / maximum density"), AxisSpec::linear("AUROC")], series),
        })
    }
}
