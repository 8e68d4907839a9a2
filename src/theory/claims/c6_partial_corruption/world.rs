//! Finite worlds: every normal image, corrupted region and replacement, all equally likely.

use crate::rng::Stream;

/// n, the number of values of an image.
pub(super) const VALUES: usize = 4;

/// The regions that are replaced; the first is empty.
const REGIONS: [&[usize]; 5] = [&[], &[0], &[1, 2], &[3], &[0, 1, 2]];

/// Normal images; drawn from the 16 that two letters a value allow, some occur more than once and are likelier than others.
const IMAGES: usize = 10;

/// One outcome: x, x̂ and M.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub(super) image: Vec<f64>,
    pub(super) corrupted: Vec<f64>,
    /// 1 on the region, 0 off it.
    pub(super) region: Vec<f64>,
}

impl Atom {
    /// The weight of value i in the objective, `(1-λ) M̄_i/‖M̄‖₁ + λ M_i/‖M‖₁`; an empty region contributes 0.
    fn weight(&self, lambda: f64, i: usize) -> f64 {
        let area: f64 = self.region.iter().sum();
        let share = |part: f64, size: f64| if size > 0.0 { part / size } else { 0.0 };
        let m = self.region[i];
        (1.0 - lambda) * share(1.0 - m, VALUES as f64 - area) + lambda * share(m, area)
    }

    /// Whether another image could stand here: equal to x off the region.
    fn fits(&self, image: &[f64]) -> bool {
        (0..VALUES).all(|i| self.region[i] == 1.0 || self.image[i] == image[i])
    }
}

/// Outcomes, grouped by x̂.
pub(super) struct World {
    pub(super) atoms: Vec<Atom>,
    /// The number of the group of each outcome.
    pub(super) group: Vec<usize>,
    /// x̂ of each group.
    pub(super) inputs: Vec<Vec<f64>>,
    /// The normal images, equally likely (some occur more than once).
    images: Vec<Vec<f64>>,
}

impl World {
    /// The replacement is outside of the range of normal values and knows nothing of x: x̂ shows where the region is.
    pub(super) fn known_region(stream: &mut Stream) -> Self {
        let letters = two_letters(stream);
        let images = coded_images(stream, &letters);
        let replacements: Vec<Vec<f64>> = (0..2).map(|_| (0..VALUES).map(|_| 3.0 + stream.uniform_f64()).collect()).collect();
        Self::enumerate(images, |_| replacements.clone())
    }

    /// No two images share a value, so that what is left always tells which one it is. But the second replacement keeps the
    /// values at both ends: x̂ = x may come from three regions, and M is no function of x̂.
    pub(super) fn determined(stream: &mut Stream) -> Self {
        let images = (0..IMAGES).map(|_| stream.normals(VALUES)).collect();
        let replacement: Vec<f64> = (0..VALUES).map(|_| 9.0 + stream.uniform_f64()).collect();
        let ends_kept = |x: &[f64]| vec![x[0], replacement[1], replacement[2], x[3]];
        Self::enumerate(images, |x| vec![replacement.clone(), ends_kept(x)])
    }

    /// The region can be seen, but the replacement betrays what it replaced.
    pub(super) fn betrayed(stream: &mut Stream) -> Self {
        let letters = two_letters(stream);
        let images = coded_images(stream, &letters);
        Self::enumerate(images, |x| vec![x.iter().map(|value| 3.0 + value).collect()])
    }

    /// The replacement consists of normal values: x̂ does not show where the region is.
    pub(super) fn ambiguous(stream: &mut Stream) -> Self {
        let letters = two_letters(stream);
        let images = coded_images(stream, &letters);
        let replacements: Vec<Vec<f64>> = (0..2).map(|_| coded(stream, &letters)).collect();
        Self::enumerate(images, |_| replacements.clone())
    }

    fn enumerate(images: Vec<Vec<f64>>, replacements: impl Fn(&[f64]) -> Vec<Vec<f64>>) -> Self {
        let mut world = Self { atoms: vec![], group: vec![], inputs: vec![], images };
        for image in world.images.clone() {
            for cells in REGIONS {
                for replacement in replacements(&image) {
                    let region: Vec<f64> = (0..VALUES).map(|i| f64::from(u8::from(cells.contains(&i)))).collect();
                    let corrupted = (0..VALUES).map(|i| if region[i] == 1.0 { replacement[i] } else { image[i] }).collect();
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
    pub(super) fn conditional_mean(&self) -> Vec<Vec<f64>> {
        self.ratio(|_, _| 1.0)
    }

    /// `E[w_i x_i|x̂] / E[w_i|x̂]` of each group and value i.
    pub(super) fn weighted_mean(&self, lambda: f64) -> Vec<Vec<f64>> {
        self.ratio(|atom, i| atom.weight(lambda, i))
    }

    fn ratio(&self, weight: impl Fn(&Atom, usize) -> f64) -> Vec<Vec<f64>> {
        let value = |group: usize, i: usize| {
            let (mut above, mut below) = (0.0, 0.0);
            for (atom, _) in self.atoms.iter().zip(&self.group).filter(|(_, other)| **other == group) {
                above += weight(atom, i) * atom.image[i];
                below += weight(atom, i);
            }
            above / below
        };
        (0..self.inputs.len()).map(|group| (0..VALUES).map(|i| value(group, i)).collect()).collect()
    }

    /// What C6 says of each outcome whose region can be seen: x̂ off the region; on it the mean of all normal images that are
    /// equal to x̂ off the region. Taken over images, not over outcomes.
    pub(super) fn mean_given_context(&self, atom: &Atom) -> Vec<f64> {
        let fitting: Vec<_> = self.images.iter().filter(|image| atom.fits(image)).collect();
        let mean = |i: usize| fitting.iter().map(|image| image[i]).sum::<f64>() / fitting.len() as f64;
        (0..VALUES).map(|i| if atom.region[i] == 1.0 { mean(i) } else { atom.corrupted[i] }).collect()
    }
}

fn two_letters(stream: &mut Stream) -> Vec<[f64; 2]> {
    (0..VALUES).map(|_| [-1.0 + 0.5 * stream.uniform_f64(), 0.5 + 0.5 * stream.uniform_f64()]).collect()
}

fn coded(stream: &mut Stream, letters: &[[f64; 2]]) -> Vec<f64> {
    letters.iter().map(|pair| pair[stream.below(2) as usize]).collect()
}

fn coded_images(stream: &mut Stream, letters: &[[f64; 2]]) -> Vec<Vec<f64>> {
    (0..IMAGES).map(|_| coded(stream, letters)).collect()
}
