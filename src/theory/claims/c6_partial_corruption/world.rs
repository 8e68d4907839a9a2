//! Finite worlds: every combination of normal image, corrupted region and replacement, all equally likely.

use ndarray::{Array1, Array2, array};

use crate::rng::Stream;
use crate::theory::algebra::gaussian_vector;

/// n, the number of values of an image.
pub(super) const VALUES: usize = 4;

/// The corrupted regions; the first is empty.
const REGIONS: [&[usize]; 5] = [&[], &[0], &[1, 2], &[3], &[0, 1, 2]];

/// Number of normal images. They are drawn from the 16 that two letters per value allow, so some occur more than once and are
/// likelier.
const IMAGES: usize = 10;

/// One outcome: x, x̂ and M.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub(super) image: Array1<f64>,
    pub(super) corrupted: Array1<f64>,
    /// 1 on the region, 0 outside.
    pub(super) region: Array1<f64>,
}

impl Atom {
    /// The weight of value i in the objective, `(1-λ) M̄_i/‖M̄‖₁ + λ M_i/‖M‖₁`; an empty region contributes 0.
    fn weight(&self, lambda: f64, i: usize) -> f64 {
        let area = self.region.sum();
        let share = |part: f64, size: f64| if size > 0.0 { part / size } else { 0.0 };
        let m = self.region[i];
        (1.0 - lambda) * share(1.0 - m, VALUES as f64 - area) + lambda * share(m, area)
    }

    /// Whether another image equals x outside the region.
    fn fits(&self, image: &Array1<f64>) -> bool {
        (0..VALUES).all(|i| self.region[i] == 1.0 || self.image[i] == image[i])
    }
}

/// Outcomes, grouped by x̂.
pub(super) struct World {
    pub(super) atoms: Vec<Atom>,
    /// Index of the group of each outcome.
    pub(super) group: Vec<usize>,
    /// x̂ of each group.
    pub(super) inputs: Vec<Array1<f64>>,
    /// The normal images, equally likely (some occur more than once).
    images: Vec<Array1<f64>>,
}

impl World {
    /// The replacement is outside the range of normal values and independent of x, so x̂ shows where the region is.
    pub(super) fn known_region(stream: &mut Stream) -> Self {
        let letters = two_letters(stream);
        let images = coded_images(stream, &letters);
        let mut replacement = || Array1::from_shape_simple_fn(VALUES, || 3.0 + stream.uniform_f64());
        let replacements = [replacement(), replacement()];
        Self::enumerate(images, |_| replacements.to_vec())
    }

    /// No two images share a value, so what is left always determines the image. But the second replacement keeps the values at
    /// both ends, so x̂ = x may come from three regions and M is not a function of x̂.
    pub(super) fn determined(stream: &mut Stream) -> Self {
        let images = (0..IMAGES).map(|_| gaussian_vector(stream, VALUES)).collect();
        let replacement = Array1::from_shape_simple_fn(VALUES, || 9.0 + stream.uniform_f64());
        let ends_kept = |x: &Array1<f64>| array![x[0], replacement[1], replacement[2], x[3]];
        Self::enumerate(images, |x| vec![replacement.clone(), ends_kept(x)])
    }

    /// The region can be seen, but the replacement reveals what it replaced.
    pub(super) fn revealed(stream: &mut Stream) -> Self {
        let letters = two_letters(stream);
        let images = coded_images(stream, &letters);
        Self::enumerate(images, |x| vec![3.0 + x])
    }

    /// The replacement consists of normal values, so x̂ does not show where the region is.
    pub(super) fn ambiguous(stream: &mut Stream) -> Self {
        let letters = two_letters(stream);
        let images = coded_images(stream, &letters);
        let replacements = [coded(stream, &letters), coded(stream, &letters)];
        Self::enumerate(images, |_| replacements.to_vec())
    }

    fn enumerate(images: Vec<Array1<f64>>, replacements: impl Fn(&Array1<f64>) -> Vec<Array1<f64>>) -> Self {
        let mut world = Self { atoms: vec![], group: vec![], inputs: vec![], images };
        for image in world.images.clone() {
            for cells in REGIONS {
                for replacement in replacements(&image) {
                    let region = Array1::from_shape_fn(VALUES, |i| f64::from(u8::from(cells.contains(&i))));
                    let corrupted = Array1::from_shape_fn(VALUES, |i| if region[i] == 1.0 { replacement[i] } else { image[i] });
                    world.push(Atom { image: image.clone(), corrupted, region });
                }
            }
        }
        world
    }

    fn push(&mut self, atom: Atom) {
        let known = self.inputs.iter().position(|input| *input == atom.corrupted);
        self.group.push(known.unwrap_or(self.inputs.len()));
        if known.is_none() {
            self.inputs.push(atom.corrupted.clone());
        }
        self.atoms.push(atom);
    }

    /// `E[x|x̂]` of each group.
    pub(super) fn conditional_mean(&self) -> Array2<f64> {
        self.ratio(|_, _| 1.0)
    }

    /// `E[w_i x_i|x̂] / E[w_i|x̂]` of each group and value i.
    pub(super) fn weighted_mean(&self, lambda: f64) -> Array2<f64> {
        self.ratio(|atom, i| atom.weight(lambda, i))
    }

    fn ratio(&self, weight: impl Fn(&Atom, usize) -> f64) -> Array2<f64> {
        let value = |(group, i): (usize, usize)| {
            let (mut above, mut below) = (0.0, 0.0);
            for (atom, _) in self.atoms.iter().zip(&self.group).filter(|(_, other)| **other == group) {
                above += weight(atom, i) * atom.image[i];
                below += weight(atom, i);
            }
            above / below
        };
        Array2::from_shape_fn((self.inputs.len(), VALUES), value)
    }

    /// The optimum by C6 for an outcome whose region can be seen: x̂ outside the region, and on it the mean of all normal images
    /// that equal x̂ outside the region. The mean is over images, not over outcomes.
    pub(super) fn mean_given_context(&self, atom: &Atom) -> Array1<f64> {
        let fitting: Vec<_> = self.images.iter().filter(|image| atom.fits(image)).collect();
        let mean = |i: usize| fitting.iter().map(|image| image[i]).sum::<f64>() / fitting.len() as f64;
        Array1::from_shape_fn(VALUES, |i| if atom.region[i] == 1.0 { mean(i) } else { atom.corrupted[i] })
    }
}

fn two_letters(stream: &mut Stream) -> Vec<[f64; 2]> {
    (0..VALUES).map(|_| [-1.0 + 0.5 * stream.uniform_f64(), 0.5 + 0.5 * stream.uniform_f64()]).collect()
}

fn coded(stream: &mut Stream, letters: &[[f64; 2]]) -> Array1<f64> {
    letters.iter().map(|pair| pair[stream.below(2) as usize]).collect()
}

fn coded_images(stream: &mut Stream, letters: &[[f64; 2]]) -> Vec<Array1<f64>> {
    (0..IMAGES).map(|_| coded(stream, letters)).collect()
}
