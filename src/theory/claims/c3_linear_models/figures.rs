use ndarray::{Array1, Array2};

use crate::error::Result;
use crate::ops::Backend;
use crate::theory::algebra::svd;
use crate::theory::claims::training::matrix;
use crate::theory::figure::{AxisSpec, Content, Figure, Series};

use super::bench::{Bench, LAMBDA, Loss, N, Net, eigenvalue};
use super::{WEIGHT, shrunk_eigenvalue, tied_eigenvalue};

/// Closed forms as curves over λ, trained models as dots.
pub(super) fn spectra(q: &Array2<f64>, maps: &[(&str, &Array2<f64>)]) -> Figure {
    let abscissae: Vec<f64> = (0..=100).map(|k| 0.022 * f64::from(k)).collect();
    let curve = |g: fn(f64) -> f64| abscissae.iter().map(|&lambda| (lambda, g(lambda))).collect::<Vec<_>>();
    let mut series =
        vec![Series::dashed("λ/(λ+γ)", curve(shrunk_eigenvalue)), Series::dashed("max(0, 1-γ/2λ)", curve(tied_eigenvalue))];
    for (name, map) in maps {
        let in_basis = q.t().dot(&map.dot(q));
        series.push(Series::dots(*name, (0..N).map(|k| (eigenvalue(k), in_basis[[k, k]])).collect()));
    }
    Figure {
        stem: "c3_spectra".into(),
        title: "Spectra of linear autoencoders, closed form and trained".into(),
        caption: format!(
            "The factor by which a direction of variance λ is multiplied, for γ = σ² = {WEIGHT}. Dots are trained models."
        ),
        content: Content::chart([AxisSpec::linear("variance λ"), AxisSpec::linear("factor")], series),
    }
}

/// Singular values of W during training: the first and last direction with data and one without.
pub(super) fn training<B: Backend<Elem = f64>>(bench: &Bench<'_, B>, weight: f64) -> Result<Figure> {
    let mut values: Vec<(f64, Array1<f64>)> = Vec::new();
    let every = (bench.steps / 60).max(1);
    bench.train(Net::Full, Loss::Contraction(weight), &bench.function(f64::sqrt), |step, weights| {
        if step % every == 0 {
            values.push((step as f64, svd(&matrix(bench.backend, &weights[0])?).values));
        }
        Ok(())
    })?;
    let last = LAMBDA.len() - 1;
    let mut series: Vec<Series> = [0, last, last + 1]
        .map(|k| Series::line(format!("singular value {}", k + 1), values.iter().map(|(x, y)| (*x, y[k])).collect()))
        .into();
    for k in [0, last] {
        let limit = LAMBDA[k] / (LAMBDA[k] + weight);
        series.push(Series::dashed(format!("λ/(λ+γ), direction {}", k + 1), vec![(0.0, limit), (bench.steps as f64, limit)]));
    }
    Ok(Figure {
        stem: "c3_training".into(),
        title: "Singular values of J during training of a linear RCAE".into(),
        caption: format!(
            "γ = {weight}, {} of {N} directions carry data. Their singular values tend to λ/(λ+γ), the others to 0.",
            last + 1
        ),
        content: Content::chart([AxisSpec::linear("step"), AxisSpec::linear("singular value of J")], series),
    })
}
