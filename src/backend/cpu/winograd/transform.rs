//! The six-point transforms of F(4x4, 3x3) (Winograd 1980; Lavin, Gray 2016) at the points 0, ±3/4, ±3/2 and ∞.
//!
//! A correlation of six inputs d with three weights g has four outputs `y = Aᵀ ((G g) ⊙ (Bᵀ d))`: six products instead of twelve.
//! In two dimensions each transform is applied along the columns and then along the rows. The adjoint in g is
//! `Gᵀ ((Bᵀ d) ⊙ (A dy))`.
//!
//! The points are a = 3/4 and b = 2a, whose powers are exact in f32. They were chosen for their small rounding error, which
//! `benches/winograd.py` prints: for random operands it is twice that of the direct sum. With the usual points ±1, ±2 it is more
//! than four times that of the direct sum.

use crate::backend::cpu::simd::Vector;

/// Outputs of a tile along an axis.
pub(crate) const OUTPUTS: usize = 4;
/// Inputs of a tile along an axis, which is also the number of points.
pub(crate) const POINTS: usize = 6;
/// Products of a tile.
pub(crate) const PRODUCTS: usize = POINTS * POINTS;

const A: f32 = 0.75;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

/// `1 / M'(p)` with `M(x) = x (x² - a²) (x² - b²)`, at 0, ±a, ±b.
const N0: f32 = 1.0 / (A2 * B2);
const NA: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
const NB: f32 = 1.0 / (2.0 * B2 * (B2 - A2));

/// A transform along one axis, from `I` values to `O` values.
pub(crate) trait Transform1d<const I: usize, const O: usize> {
    /// The transformed values.
    fn apply<V: Vector>(values: [V; I]) -> [V; O];
}

/// `Bᵀ d`: the rows of Bᵀ are the coefficients of `M(x) / (x - p)`, and of M for ∞.
pub(crate) struct Input;

impl Transform1d<POINTS, POINTS> for Input {
    #[inline(always)]
    fn apply<V: Vector>(d: [V; POINTS]) -> [V; POINTS] {
        let splat = V::splat;
        // Even and odd parts of the rows for ±a and for ±b.
        let (even_a, odd_a) = (d[2].mul_add(splat(-B2), d[4]), d[1].mul_add(splat(-B2), d[3]));
        let (even_b, odd_b) = (d[2].mul_add(splat(-A2), d[4]), d[1].mul_add(splat(-A2), d[3]));
        let ends = |first: V, middle: V, last: V| first.mul_add(splat(A2 * B2), middle.mul_add(splat(-(A2 + B2)), last));
        [
            ends(d[0], d[2], d[4]),
            odd_a.mul_add(splat(A), even_a),
            odd_a.mul_add(splat(-A), even_a),
            odd_b.mul_add(splat(B), even_b),
            odd_b.mul_add(splat(-B), even_b),
            ends(d[1], d[3], d[5]),
        ]
    }
}

/// `Aᵀ m`: the entries of Aᵀ are powers of the points.
pub(crate) struct Output;

impl Transform1d<POINTS, OUTPUTS> for Output {
    #[inline(always)]
    fn apply<V: Vector>(m: [V; POINTS]) -> [V; OUTPUTS] {
        let splat = V::splat;
        let (even_a, odd_a) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (even_b, odd_b) = (m[3].add(m[4]), m[3].sub(m[4]));
        let mix = |a: V, b: V, [of_a, of_b]: [f32; 2]| b.mul_add(splat(of_b), a.mul(splat(of_a)));
        [
            m[0].add(even_a).add(even_b),
            mix(odd_a, odd_b, [A, B]),
            mix(even_a, even_b, [A2, B2]),
            mix(odd_a, odd_b, [A * A2, B * B2]).add(m[5]),
        ]
    }
}

/// `A dy`, the adjoint of [`Output`].
pub(crate) struct OutputAdjoint;

impl Transform1d<OUTPUTS, POINTS> for OutputAdjoint {
    #[inline(always)]
    fn apply<V: Vector>(dy: [V; OUTPUTS]) -> [V; POINTS] {
        let splat = V::splat;
        let (even_a, odd_a) = (dy[2].mul_add(splat(A2), dy[0]), dy[3].mul_add(splat(A2), dy[1]));
        let (even_b, odd_b) = (dy[2].mul_add(splat(B2), dy[0]), dy[3].mul_add(splat(B2), dy[1]));
        [
            dy[0],
            odd_a.mul_add(splat(A), even_a),
            odd_a.mul_add(splat(-A), even_a),
            odd_b.mul_add(splat(B), even_b),
            odd_b.mul_add(splat(-B), even_b),
            dy[3],
        ]
    }
}

/// `G g`: the entries of G are powers of the points divided by `M'`.
pub(crate) struct Filter;

impl Transform1d<3, POINTS> for Filter {
    #[inline(always)]
    fn apply<V: Vector>(g: [V; 3]) -> [V; POINTS] {
        let splat = V::splat;
        let (even_a, odd_a) = (g[2].mul_add(splat(A2), g[0]), g[1].mul(splat(A)));
        let (even_b, odd_b) = (g[2].mul_add(splat(B2), g[0]), g[1].mul(splat(B)));
        [
            g[0].mul(splat(N0)),
            even_a.add(odd_a).mul(splat(NA)),
            even_a.sub(odd_a).mul(splat(NA)),
            even_b.add(odd_b).mul(splat(NB)),
            even_b.sub(odd_b).mul(splat(NB)),
            g[2],
        ]
    }
}

/// `Gᵀ u`, the adjoint of [`Filter`].
pub(crate) struct FilterAdjoint;

impl Transform1d<POINTS, 3> for FilterAdjoint {
    #[inline(always)]
    fn apply<V: Vector>(u: [V; POINTS]) -> [V; 3] {
        let splat = V::splat;
        let (even_a, odd_a) = (u[1].add(u[2]).mul(splat(NA)), u[1].sub(u[2]).mul(splat(NA)));
        let (even_b, odd_b) = (u[3].add(u[4]).mul(splat(NB)), u[3].sub(u[4]).mul(splat(NB)));
        [
            u[0].mul_add(splat(N0), even_a.add(even_b)),
            odd_b.mul_add(splat(B), odd_a.mul(splat(A))),
            even_b.mul_add(splat(B2), even_a.mul_add(splat(A2), u[5])),
        ]
    }
}

/// Applies `L` along column `j`.
#[inline(always)]
fn column<L: Transform1d<I, O>, V: Vector, const I: usize, const O: usize>(
    load: &impl Fn(usize, usize) -> V,
    j: usize,
) -> [V; O] {
    let mut values = [V::splat(0.0); I];
    for (i, value) in values.iter_mut().enumerate() {
        *value = load(i, j);
    }
    L::apply(values)
}

/// Applies `L` along the columns of `I x I` values, then along the rows, which gives `O x O` values. The arguments are
/// `load(row, column)` and `store(row, column, value)`.
#[inline(always)]
pub(crate) fn both_axes<L: Transform1d<I, O>, V: Vector, const I: usize, const O: usize>(
    load: impl Fn(usize, usize) -> V,
    mut store: impl FnMut(usize, usize, V),
) {
    // Initialised with the first column, because the compiler would call memset to initialise with zeros.
    let mut columns = [column::<L, V, I, O>(&load, 0); I];
    for (j, target) in columns.iter_mut().enumerate().skip(1) {
        *target = column::<L, V, I, O>(&load, j);
    }
    for i in 0..O {
        let mut row = [V::splat(0.0); I];
        for (value, column) in row.iter_mut().zip(&columns) {
            *value = column[i];
        }
        for (j, &value) in L::apply(row).iter().enumerate() {
            store(i, j, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::simd::{LANES, Simd, VectorWork};

    /// Applies one transform along an axis of `I` values to `I` vectors.
    struct Applied<'a, const I: usize> {
        values: &'a [f32],
        results: &'a mut [f32],
        which: &'static str,
    }

    impl<const I: usize> VectorWork for Applied<'_, I> {
        type Output = ();
        #[inline(always)]
        fn run<V: Vector>(self) {
            let mut results: Vec<V> = Vec::new();
            let at = |i: usize| V::load(self.values, i * LANES);
            match self.which {
                "input" => results.extend(Input::apply(std::array::from_fn(at))),
                "output" => results.extend(Output::apply(std::array::from_fn(at))),
                "output adjoint" => results.extend(OutputAdjoint::apply(std::array::from_fn(at))),
                "filter" => results.extend(Filter::apply(std::array::from_fn(at))),
                _ => results.extend(FilterAdjoint::apply(std::array::from_fn(at))),
            }
            results.into_iter().enumerate().for_each(|(i, result)| result.store(self.results, i * LANES));
        }
    }

    /// The transform as a matrix `[O][I]`: it is applied to the unit vectors, one per lane.
    fn matrix<const I: usize>(which: &'static str, outputs: usize) -> Vec<Vec<f64>> {
        let mut values = [0.0; POINTS * LANES];
        (0..I).for_each(|i| values[i * LANES + i] = 1.0);
        let mut results = [0.0; POINTS * LANES];
        Simd::widest().vectorised(Applied::<I> { values: &values, results: &mut results, which });
        (0..outputs).map(|o| (0..I).map(|i| f64::from(results[o * LANES + i])).collect()).collect()
    }

    #[test]
    fn the_transforms_give_the_correlation() {
        let (bt, at, g) = (matrix::<6>("input", 6), matrix::<6>("output", 4), matrix::<3>("filter", 6));
        for (o, i, k) in (0..4).flat_map(|o| (0..6).flat_map(move |i| (0..3).map(move |k| (o, i, k)))) {
            let found: f64 = (0..6).map(|p| at[o][p] * g[p][k] * bt[p][i]).sum();
            assert!((found - f64::from(u8::from(i == o + k))).abs() < 1e-6, "y{o} d{i} g{k}: {found}");
        }
    }

    #[test]
    fn adjoints_are_transposes() {
        let pairs = [
            (matrix::<6>("output", 4), matrix::<4>("output adjoint", 6)),
            (matrix::<3>("filter", 6), matrix::<6>("filter adjoint", 3)),
        ];
        for (map, adjoint) in pairs {
            for (o, i) in (0..map.len()).flat_map(|o| (0..adjoint.len()).map(move |i| (o, i))) {
                assert!((map[o][i] - adjoint[i][o]).abs() < 1e-6, "{map:?} {adjoint:?}");
            }
        }
    }
}
