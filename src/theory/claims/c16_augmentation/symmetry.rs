//! Symmetries of gratings, and of a linear autoencoder.

use ndarray::{Array1, Array2};

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{blend, from_columns, gaussian_vector, norm, solve, square_norm};
use crate::theory::claim::{Check, Setting};
use crate::theory::manifold::{Gratings, Manifold};
use crate::theory::statistics::larger;

use super::constants::NUMBER;
use super::images::{Isometry, SIDE, crop};

/// A quarter turn exchanges these frequencies, up to their sign, but no flip does.
const WAVES: [[i32; 2]; 2] = [[1, 2], [2, -1]];
/// A quarter turn preserves none of these.
const OTHERS: [[i32; 2]; 2] = [[1, 2], [3, -1]];
const AMPLITUDE: f64 = 0.25;
/// Standard deviation of the noise that takes y off D, within the reach of 2.8.
const NOISE: f64 = 0.1;
/// Noise that makes the nearest point unique and changes the distance by its own length at most.
const TINY: f64 = 1e-7;
/// Corrupted images for the autoencoder, and the side of the corrupted blocks.
const IMAGES: usize = 24;
const BLOCK: usize = 5;
/// Added to the second moment, for the inverse.
const RIDGE: f64 = 0.05;

const ROUNDING: (f64, &str) = (1e-12, "rounding of sums of 256 products");

pub(super) fn checks(setting: &Setting) -> Result<Vec<Check>> {
    let gratings = Gratings::new(SIDE, SIDE, &WAVES, AMPLITUDE)?;
    let others = Gratings::new(SIDE, SIDE, &OTHERS, AMPLITUDE)?;
    let mut stream = setting.stream(NUMBER, 0);
    let noise: Vec<[Array1<f64>; 2]> =
        (0..setting.pick(8, 60)).map(|_| [(); 2].map(|()| gaussian_vector(&mut stream, SIDE * SIDE))).collect();
    let near = |gratings: &Gratings| -> Result<Vec<Array1<f64>>> {
        noise.iter().map(|[start, noise]| Ok(gratings.project_point(start)? + NOISE * noise)).collect()
    };
    let (points, of_others) = (near(&gratings)?, near(&others)?);
    let shifts = [[1, 0], [0, 1], [3, 7]].map(Isometry::Shift);
    let quarter = [1, 3].map(Isometry::Turn);
    let row = |name: &str, own: &[Isometry], control: (&str, f64)| -> Result<Check> {
        let quantity = format!("‖π(gy) - gπ(y)‖ / ‖y - π(y)‖, gratings, {name}, largest");
        // g, with a share of the flipped image in its result.
        let blended = |share: f64| {
            let largest = |g: &Isometry| {
                commutator(&gratings, &points, |image| {
                    let moved = g.apply(image);
                    if share == 0.0 { moved } else { blend(&moved, &Isometry::Flip.apply(&moved), share) }
                })
            };
            Ok(own.iter().map(largest).collect::<Result<Vec<f64>>>()?.into_iter().fold(0.0, larger))
        };
        Check::equal(quantity, 0.0, blended(0.0)?, ROUNDING.0, ROUNDING.1)
            .control(control.0, control.1)
            .notices("the share ε of the flipped image in g", blended)
    };
    Ok(vec![
        row("shifts", &shifts, ("a crop, resized", commutator(&gratings, &points, crop)?))?,
        row("half turns", &[Isometry::Turn(2)], ("flips", commutator(&gratings, &points, |image| Isometry::Flip.apply(image))?))?,
        row(
            "quarter turns",
            &quarter,
            ("other frequencies", commutator(&others, &of_others, |image| Isometry::Turn(1).apply(image))?),
        )?,
        distance_of_flips(&gratings, &mut stream)?,
        mean_over_group(&gratings, &mut stream)?,
    ])
}

/// The largest `‖π(gy) - gπ(y)‖/‖y - π(y)‖`.
fn commutator(gratings: &Gratings, points: &[Array1<f64>], g: impl Fn(&Array1<f64>) -> Array1<f64>) -> Result<f64> {
    let mut largest = 0.0;
    for y in points {
        let nearest = gratings.project_point(y)?;
        let apart = norm(&(gratings.project_point(&g(y))? - g(&nearest)));
        largest = larger(largest, apart / norm(&(y - &nearest)));
    }
    Ok(largest)
}

/// δ(gx) = a√(nℓ) for a flip, which maps none of the ℓ = 2 frequencies to one of D.
fn distance_of_flips(gratings: &Gratings, stream: &mut Stream) -> Result<Check> {
    let predicted = AMPLITUDE * ((SIDE * SIDE * WAVES.len()) as f64).sqrt();
    let (x, noise) = (gratings.sample(stream), TINY * gaussian_vector(stream, SIDE * SIDE));
    let distance = |image: Array1<f64>| gratings.distance(&(image + &noise));
    let (flipped, turned) = (Isometry::Flip.apply(&x), Isometry::Turn(1).apply(&x));
    let because = "the noise that makes the nearest point unique";
    Check::equal("δ(gx), gratings, g a flip", predicted, distance(flipped.clone())?, 1e-5, because)
        .control("a quarter turn", distance(turned)?)
        .notices("the share ε of x itself in gx", |share| distance(blend(&flipped, &x, share)))
}

/// The loss of the mean of `g⁻¹∘f∘g` over quarter turns, relative to that of f, for a ridge regression on images that are not
/// symmetric.
fn mean_over_group(gratings: &Gratings, stream: &mut Stream) -> Result<Check> {
    let pairs = pairs(gratings, stream);
    let map = ridge(&pairs)?;
    let turns = [0, 1, 2, 3].map(Isometry::Turn);
    // The law of the images has the symmetry: every pair with all of its turns.
    let all: Vec<[Array1<f64>; 2]> =
        pairs.iter().flat_map(|pair| turns.map(|g| [g.apply(&pair[0]), g.apply(&pair[1])])).collect();
    let over = |group: &[Isometry], y: &Array1<f64>| {
        let term = |g: &Isometry| g.inverse().apply(&(map.dot(&(g.apply(y) - 0.5)) + 0.5));
        group.iter().map(term).fold(Array1::zeros(SIDE * SIDE), |sum, image| sum + image) / group.len() as f64
    };
    let flips = [Isometry::Turn(0), Isometry::Flip];
    let loss = |share: f64| -> f64 {
        let output = |y: &Array1<f64>| blend(&over(&turns, y), &over(&flips, y), share);
        all.iter().map(|[x, corrupted]| square_norm(&(output(corrupted) - x))).sum()
    };
    let alone: f64 = all.iter().map(|[x, corrupted]| square_norm(&(over(&turns[..1], corrupted) - x))).sum();
    let because = "an inequality, by convexity; rounding";
    Check::at_most("loss of the mean of g⁻¹∘f∘g over quarter turns, over that of f", 1.0, loss(0.0) / alone, 1e-12, because)
        .control("mean over flips", loss(1.0) / alone)
        .notices("the share ε of the mean over flips", |share| Ok(loss(share) / alone))
}

/// Images with a block of noise, `[x, x̂]`.
fn pairs(gratings: &Gratings, stream: &mut Stream) -> Vec<[Array1<f64>; 2]> {
    let mut pair = || {
        let x = gratings.sample(stream);
        let [top, left] = [0; 2].map(|_: usize| stream.below((SIDE - BLOCK + 1) as u32) as usize);
        let inside =
            |pixel: usize| (top..top + BLOCK).contains(&(pixel / SIDE)) && (left..left + BLOCK).contains(&(pixel % SIDE));
        let corrupted = Array1::from_shape_fn(SIDE * SIDE, |pixel| if inside(pixel) { stream.uniform_f64() } else { x[pixel] });
        [x, corrupted]
    };
    (0..IMAGES).map(|_| pair()).collect()
}

/// W that minimises `Σ‖W(x̂ - ½) - (x - ½)‖² + ridge ‖W‖²`.
fn ridge(pairs: &[[Array1<f64>; 2]]) -> Result<Array2<f64>> {
    let columns = |which: usize| from_columns(SIDE * SIDE, &pairs.iter().map(|pair| &pair[which] - 0.5).collect::<Vec<_>>());
    let (x, y) = (columns(0), columns(1));
    // (yᵀy + r)⁻¹yᵀ has as many rows as there are images.
    let inner = y.t().dot(&y) + RIDGE * Array2::<f64>::eye(pairs.len());
    Ok(x.dot(&solve(&inner, &y.t())?))
}
