//! Gratings with corrupted pixels, and the bounds of the theorem for them.

use ndarray::Array1;

use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::theory::algebra::norm;
use crate::theory::manifold::{Gratings, Manifold};
use crate::theory::robust_fit::AffineSpace;

const SIDE: usize = 16;
const WAVES: [[i32; 2]; 2] = [[1, 2], [3, -1]];
const AMPLITUDE: f64 = 0.25;
/// Side of a corrupted block.
pub(super) const BLOCK: usize = 5;
/// Standard deviation of the noise on top.
const NOISE: f64 = 1e-3;

/// What is put on S.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Uniform in [0, 1].
    Uniform,
    /// Ten times as far away.
    Far,
    /// That of another point of D.
    Foreign,
}

/// x, x̂ and S.
pub(super) struct Sample {
    pub(super) target: Array1<f64>,
    pub(super) corrupted: Array1<f64>,
    region: Vec<bool>,
}

impl Sample {
    /// `‖z - x‖/‖x̂ - x‖`.
    pub(super) fn error(&self, z: &Array1<f64>) -> f64 {
        norm(&(z - &self.target)) / norm(&(&self.corrupted - &self.target))
    }

    /// |S|/n.
    pub(super) fn share(&self) -> f64 {
        self.size() as f64 / self.region.len() as f64
    }

    fn size(&self) -> usize {
        self.region.iter().filter(|inside| **inside).count()
    }

    /// The same with noise η on all pixels, and `‖η_S̄‖₁`.
    pub(super) fn disturbed(&self, stream: &mut Stream) -> (Self, f64) {
        let noise = Array1::from_shape_simple_fn(self.region.len(), || NOISE * stream.normal());
        let outside = noise.iter().zip(&self.region).filter(|(_, inside)| !**inside).map(|(value, _)| value.abs()).sum();
        (Self { target: self.target.clone(), corrupted: &self.corrupted + &noise, region: self.region.clone() }, outside)
    }
}

/// `‖v‖₁`.
pub(super) fn sum_of_sizes(v: &Array1<f64>) -> f64 {
    v.iter().map(|value| value.abs()).sum()
}

pub(super) struct Bench {
    gratings: Gratings,
    pub(super) hull: AffineSpace,
}

impl Bench {
    pub(super) fn new() -> Result<Self> {
        let gratings = Gratings::new(SIDE, SIDE, &WAVES, AMPLITUDE)?;
        Ok(Self { hull: gratings.hull()?, gratings })
    }

    pub(super) fn pixels(&self) -> usize {
        SIDE * SIDE
    }

    /// The largest |S| below n/(4d).
    pub(super) fn guaranteed(&self) -> usize {
        (self.pixels() - 1) / (4 * WAVES.len())
    }

    /// A block at a random place with random content of a random kind.
    pub(super) fn block(&self, stream: &mut Stream) -> Result<Sample> {
        let content = [Content::Uniform, Content::Far, Content::Foreign][stream.below(3) as usize];
        self.square(BLOCK, content, stream)
    }

    /// A square at a random place.
    pub(super) fn square(&self, side: usize, content: Content, stream: &mut Stream) -> Result<Sample> {
        let [top, left] = [0; 2].map(|_: usize| stream.below((SIDE - side + 1) as u32) as usize);
        let region = (0..self.pixels()).map(|pixel| inside([top, left], side, pixel)).collect();
        self.sample(region, content, stream)
    }

    /// Pixels anywhere, with the content of another point of D.
    pub(super) fn scattered(&self, count: usize, stream: &mut Stream) -> Result<Sample> {
        let mut region = vec![false; self.pixels()];
        let mut chosen = 0;
        while chosen < count {
            let pixel = stream.below(self.pixels() as u32) as usize;
            chosen += usize::from(!region[pixel]);
            region[pixel] = true;
        }
        self.sample(region, Content::Foreign, stream)
    }

    fn sample(&self, region: Vec<bool>, content: Content, stream: &mut Stream) -> Result<Sample> {
        let target = self.gratings.sample(stream);
        let mut filling = match content {
            Content::Foreign => self.gratings.sample(stream),
            Content::Uniform => Array1::from_shape_simple_fn(self.pixels(), || stream.uniform_f64()),
            Content::Far => Array1::from_shape_simple_fn(self.pixels(), || 10.0 * stream.normal()),
        };
        filling.iter_mut().zip(&target).zip(&region).filter(|(_, inside)| !**inside).for_each(|((value, x), _)| *value = *x);
        Ok(Sample { target, corrupted: filling, region })
    }

    /// The point of the hull that agrees best with y off one block of this side, over all places of the block.
    pub(super) fn enumerated(&self, y: &Array1<f64>, side: usize) -> Result<Array1<f64>> {
        let mut best: Option<(f64, Array1<f64>)> = None;
        let places = SIDE - side + 1;
        for place in 0..places * places {
            let corner = [place / places, place % places];
            let kept = Array1::from_shape_fn(self.pixels(), |pixel| f64::from(u8::from(!inside(corner, side, pixel))));
            let z = self.hull.weighted(y, &kept)?;
            let left = norm(&((y - &z) * &kept));
            if best.as_ref().is_none_or(|(least, _)| left < *least) {
                best = Some((left, z));
            }
        }
        best.map(|(_, z)| z).ok_or_else(|| Error::argument("no place for a block"))
    }

    /// ρ of the theorem for |S| pixels: κ|S|/(n - κ|S|), κ = 2d.
    fn rho(&self, sample: &Sample) -> f64 {
        let covered = (2 * WAVES.len() * sample.size()) as f64;
        covered / (self.pixels() as f64 - covered)
    }

    fn factor(&self, sample: &Sample) -> f64 {
        (1.0 + self.rho(sample)) / (1.0 - self.rho(sample))
    }

    /// `(1+ρ)/(1-ρ) nε`.
    pub(super) fn rounding_bound(&self, sample: &Sample, epsilon: f64) -> f64 {
        self.factor(sample) * self.pixels() as f64 * epsilon
    }

    /// `2(1+ρ)/(1-ρ) ‖η_S̄‖₁`.
    pub(super) fn noise_bound(&self, sample: &Sample, outside: f64) -> f64 {
        2.0 * self.factor(sample) * outside
    }
}

/// Whether a pixel is in the square with this upper left corner.
fn inside([top, left]: [usize; 2], side: usize, pixel: usize) -> bool {
    (top..top + side).contains(&(pixel / SIDE)) && (left..left + side).contains(&(pixel % SIDE))
}
