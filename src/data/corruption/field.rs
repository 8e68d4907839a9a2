use super::exact::deviate;
use crate::ops::FIELD_TAPS;
use crate::rng::{Purpose, philox};

/// Lattice nodes per standard deviation σ of the smoothing Gaussian. Bilinear interpolation between nodes h = σ/2 apart has an
/// error of h²/8 times the second derivative, about 3 % of the field's standard deviation. The cost does not depend on the image
/// size.
const NODES_PER_SIGMA: f32 = 2.0;
/// The Gaussian is truncated at three standard deviations.
const MARGIN: usize = FIELD_TAPS / 2;

/// Use of a random field. It selects the second counter word of its random numbers (layout in the module docs).
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum FieldUse {
    Mask = 1,
    Replacement = 2,
    Kept = 3,
    /// Further choices of a patch.
    Choices = 4,
    /// Gradients of the first Perlin noise.
    Perlin = 5,
    /// Gradients of the second.
    SecondPerlin = 6,
    /// Further candidates for the centre of a patch.
    Centre = 7,
}

/// Key of the random numbers of one image: the same address gives the same corruption.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// Seed of the run.
    pub seed: u64,
    /// Step of the training, from 0.
    pub step: u32,
    /// Place of the image in the batch of the step.
    pub index: u32,
}

impl Address {
    /// The four uniform numbers in [0, 1) of lattice node `node`.
    pub(super) fn uniforms(self, patch: u32, field: FieldUse, node: u32) -> [f32; 4] {
        self.bits(patch, field, node).map(|bits| (bits >> 8) as f32 * (1.0 / 16_777_216.0))
    }

    pub(super) fn bits(self, patch: u32, field: FieldUse, node: u32) -> [u32; 4] {
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        let word = Purpose::Corruption as u32 + ((field as u32) << 8) + (patch << 16);
        philox(key, [node, word, self.step, self.index])
    }

    /// Nearly normal noise for one element of the image, of mean 0 and variance 1.
    pub(super) fn normal(self, element: u32) -> f32 {
        deviate(self.bits(0, FieldUse::Kept, element))
    }
}

/// A random field over the square [-1, 1]²: white noise smoothed by a Gaussian, C independent channels (at most 4), each of
/// mean 0 and standard deviation 1 at the lattice nodes.
///
/// Lattice node (i, j) lies at `(-1 + i σ/2, -1 + j σ/2)`. Its value is `Σ_a Σ_b w_a w_b n(i + a, j + b)`, a and b from 0 to 12
/// in ascending order, the inner sum first; n is uniform noise of standard deviation 1 on the lattice extended by 6 nodes on
/// every side, and `w_a` is `exp(-(a - 6)² / 8)` scaled to `Σ w_a² = 1`, which keeps the standard deviation at 1.
#[derive(Clone, Debug)]
pub(super) struct Field<const C: usize> {
    side: usize,
    nodes_per_unit: f32,
    /// `[side, side]` nodes.
    values: Vec<[f32; C]>,
}

impl<const C: usize> Field<C> {
    /// The field `field` of patch number `patch`, smoothed by a Gaussian of standard deviation `sigma`.
    pub fn new(address: Address, patch: u32, field: FieldUse, sigma: f32) -> Self {
        let (nodes_per_unit, side) = lattice(sigma);
        let wide = side + 2 * MARGIN;
        let noise: Vec<[f32; C]> = (0..wide * wide).map(|node| white(address.uniforms(patch, field, node as u32))).collect();
        let weights = gaussian();
        let along_rows = smooth(wide, side, |row, column| noise[row * wide + column], &weights);
        // The second pass runs on the transposed lattice; `values` transposes it back.
        let across = smooth(side, side, |column, row| along_rows[row * side + column], &weights);
        let values = (0..side * side).map(|node| across[(node % side) * side + node / side]).collect();
        Self { side, nodes_per_unit, values }
    }

    /// The field at `p = [row, column]` in [-1, 1]², interpolated bilinearly: first along the row, then across rows.
    pub fn at(&self, p: [f32; 2]) -> [f32; C] {
        let [(i, fi), (j, fj)] = p.map(|coordinate| self.cell(coordinate));
        let node = i * self.side + j;
        std::array::from_fn(|c| {
            let top = lerp(self.values[node][c], self.values[node + 1][c], fj);
            let bottom = lerp(self.values[node + self.side][c], self.values[node + self.side + 1][c], fj);
            lerp(top, bottom, fi)
        })
    }

    /// The lattice cell of a coordinate and the position inside the cell.
    fn cell(&self, coordinate: f32) -> (usize, f32) {
        let position = ((coordinate + 1.0) * self.nodes_per_unit).max(0.0);
        let cell = (position as usize).min(self.side - 2);
        (cell, position - cell as f32)
    }
}

/// Nodes per half patch, and rows of nodes, of a field smoothed by a Gaussian of standard deviation `sigma`.
pub(super) fn lattice(sigma: f32) -> (f32, usize) {
    let nodes_per_unit = NODES_PER_SIGMA / sigma;
    (nodes_per_unit, (2.0 * nodes_per_unit) as usize + 2)
}

/// `a + t (b - a)`.
pub(super) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + t * (b - a)
}

/// Uniform noise of mean 0 and standard deviation 1, from uniforms in [0, 1).
fn white<const C: usize>(uniforms: [f32; 4]) -> [f32; C] {
    const SQRT_3: f32 = 1.732_050_8;
    std::array::from_fn(|c| SQRT_3 * (2.0 * uniforms[c] - 1.0))
}

/// `exp(-t²/2)` at the taps, scaled to unit energy. Computed in f64, so that the f32 weights do not depend on the `exp` of the
/// library.
pub(super) fn gaussian() -> [f32; FIELD_TAPS] {
    let weight = |tap: usize| {
        let t = (tap as f64 - MARGIN as f64) / f64::from(NODES_PER_SIGMA);
        (-0.5 * t * t).exp()
    };
    let energy: f64 = (0..FIELD_TAPS).map(|tap| weight(tap) * weight(tap)).sum();
    std::array::from_fn(|tap| (weight(tap) / energy.sqrt()) as f32)
}

/// `[rows, columns]` sums over the taps of `value(row, column + tap)`, taps ascending.
fn smooth<const C: usize>(
    rows: usize,
    columns: usize,
    value: impl Fn(usize, usize) -> [f32; C],
    weights: &[f32; FIELD_TAPS],
) -> Vec<[f32; C]> {
    let mut sums = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let mut sum = [0.0; C];
            for (tap, weight) in weights.iter().enumerate() {
                let term = value(row, column + tap);
                for c in 0..C {
                    sum[c] += weight * term[c];
                }
            }
            sums.push(sum);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(index: u32) -> Address {
        Address { seed: 0x1234_5678_9abc_def0, step: 5, index }
    }

    #[test]
    fn nodes_match_the_double_sum_of_the_definition() {
        let (sigma, patch) = (0.37, 3);
        let field = Field::<2>::new(address(1), patch, FieldUse::Mask, sigma);
        let wide = field.side + 12;
        let weight = |a: usize| (-(a as f64 - 6.0).powi(2) / 8.0).exp();
        let energy: f64 = (0..13).map(|a| weight(a).powi(2)).sum();
        for (i, j) in [(0, 0), (field.side - 1, 2), (3, field.side - 1), (4, 7)] {
            let mut sum = [0.0f64; 2];
            for a in 0..13 {
                for b in 0..13 {
                    let counter = [((i + a) * wide + j + b) as u32, 3 + 256 + 65536 * patch, 5, 1];
                    let bits = philox([0x9abc_def0, 0x1234_5678], counter);
                    for c in 0..2 {
                        let noise = 3f64.sqrt() * (2.0 * f64::from(bits[c] >> 8) / 16_777_216.0 - 1.0);
                        sum[c] += weight(a) * weight(b) / energy * noise;
                    }
                }
            }
            let spacing = sigma / 2.0;
            let found = field.at([-1.0 + i as f32 * spacing, -1.0 + j as f32 * spacing]);
            for c in 0..2 {
                assert!((sum[c] - f64::from(found[c])).abs() < 2e-5, "node ({i}, {j}): {found:?}, want {sum:?}");
            }
        }
    }

    #[test]
    fn fields_have_unit_variance_and_uncorrelated_channels() {
        let (mut square, mut mean, mut product) = ([0.0f64; 2], [0.0f64; 2], 0.0f64);
        let n = 2000;
        for index in 0..n {
            let spacing = 0.3 / 2.0;
            let [a, b] = Field::<2>::new(address(index), 0, FieldUse::Replacement, 0.3).at([-1.0 + 6.0 * spacing, -1.0]);
            for (c, v) in [a, b].into_iter().enumerate() {
                square[c] += f64::from(v * v) / f64::from(n);
                mean[c] += f64::from(v) / f64::from(n);
            }
            product += f64::from(a * b) / f64::from(n);
        }
        for c in 0..2 {
            // Five standard errors: 5 / sqrt(2000) for the mean, 5 sqrt(2 / 2000) for the square.
            assert!(mean[c].abs() < 0.112 && (square[c] - 1.0).abs() < 0.158, "{mean:?} {square:?}");
        }
        assert!(product.abs() < 0.112, "{product}");
    }

    #[test]
    fn fields_are_continuous_up_to_the_border() {
        for sigma in [0.05, 0.3, 1.7, 10.0] {
            let field = Field::<4>::new(address(9), 1, FieldUse::Replacement, sigma);
            let step = sigma / 100.0;
            let count = (2.0 / step) as usize;
            for k in 0..count {
                let p = -1.0 + k as f32 * step;
                let (here, next) = (field.at([p, 1.0]), field.at([(p + step).min(1.0), 1.0]));
                for c in 0..4 {
                    // The slope of a smoothed field has standard deviation 1 / (√2 σ); allow seven of them.
                    assert!((here[c] - next[c]).abs() <= 7.0 * 0.708 / 100.0 + 1e-5, "{sigma} {p}: {here:?} {next:?}");
                }
            }
        }
    }

    #[test]
    fn normal_noise_has_the_moments_of_a_sum_of_eight() {
        let n = 100_000;
        let moment = |power| (0..n).map(|element| f64::from(address(3).normal(element)).powi(power)).sum::<f64>() / f64::from(n);
        // Five standard errors of each mean, from the variances 1, 2, 15 and 96 of the powers of a normal variable.
        for (power, want, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 2.85, 96.0)] {
            let found = moment(power);
            assert!((found - want).abs() < 5.0 * (variance / f64::from(n)).sqrt(), "power {power}: {found}");
        }
    }

    #[test]
    fn fields_of_other_patches_and_uses_differ() {
        let value = |patch, field| Field::<2>::new(address(0), patch, field, 0.3).at([0.0, 0.0]);
        assert_ne!(value(0, FieldUse::Mask), value(1, FieldUse::Mask));
        assert_ne!(value(0, FieldUse::Mask), value(0, FieldUse::Replacement));
    }
}
