//! Loops over buffers of equal length, in chunks of fixed size.

use rayon::prelude::*;

use super::simd::{LANES, Simd, Vector, VectorWork};

/// Floats per task.
pub(crate) const CHUNK: usize = 1 << 14;

/// Calls `work` with the number and the floats of every chunk of [`CHUNK`] floats. A single chunk is processed on this thread,
/// because a task would cost more.
fn in_chunks(y: &mut [f32], work: impl Fn(usize, &mut [f32]) + Sync) {
    if y.len() <= CHUNK {
        return work(0, y);
    }
    y.par_chunks_mut(CHUNK).enumerate().for_each(|(index, y)| work(index, y));
}

/// A vectorised function of the old value of an element and of `N` inputs. `apply` must be `inline(always)`.
pub(crate) trait Elementwise<const N: usize>: Copy + Sync {
    /// The new value of `y`.
    fn apply<V: Vector>(self, y: V, inputs: [V; N]) -> V;
}

/// Applies `function` to every element on this thread. All inputs are at least as long as y.
pub(crate) fn each<const N: usize>(simd: Simd, function: impl Elementwise<N>, y: &mut [f32], inputs: [&[f32]; N]) {
    simd.vectorised(Each { y, inputs, function });
}

/// As [`each`] on all threads.
pub(crate) fn each_in_parallel<const N: usize>(simd: Simd, function: impl Elementwise<N>, y: &mut [f32], inputs: [&[f32]; N]) {
    in_chunks(y, |index, y| each(simd, function, y, inputs.map(|input| &input[index * CHUNK..])));
}

struct Each<'a, F, const N: usize> {
    y: &'a mut [f32],
    inputs: [&'a [f32]; N],
    function: F,
}

impl<F: Elementwise<N>, const N: usize> VectorWork for Each<'_, F, N> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { y, inputs, function } = self;
        for at in (0..y.len()).step_by(LANES) {
            let count = LANES.min(y.len() - at);
            let mut values = [V::splat(0.0); N];
            for (value, input) in values.iter_mut().zip(&inputs) {
                *value = V::load_first(input, at, count);
            }
            function.apply(V::load_first(y, at, count), values).store_first(y, at, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `y + a b`.
    #[derive(Clone, Copy, Default)]
    struct AddProduct;

    impl Elementwise<2> for AddProduct {
        #[inline(always)]
        fn apply<V: Vector>(self, y: V, [a, b]: [V; 2]) -> V {
            a.mul_add(b, y)
        }
    }

    #[test]
    fn every_element_is_computed_once_for_any_length() {
        for len in [0, 1, 15, 16, 17, 40] {
            let [a, b]: [Vec<f32>; 2] = [3, 5].map(|k| (0..len).map(|i| (k * i % 7) as f32).collect());
            let mut y: Vec<f32> = (0..len).map(|i| i as f32).collect();
            each(Simd::widest(), AddProduct, &mut y, [&a, &b]);
            assert!(y.iter().enumerate().all(|(i, &y)| y == i as f32 + a[i] * b[i]), "{len}: {y:?}");
        }
    }
}
