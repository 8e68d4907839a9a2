//! Vectors of 16 floats for any register width, so that the same source is compiled for every instruction set.

use half::bf16;

use super::lanes::LANES;

/// 1.5 · 2²³. Adding this to a number of size below 2²² rounds the number to an integer, which is then in the low bits of the
/// sum.
pub(crate) const WHOLE: f32 = 12_582_912.0;

/// A vector of [`LANES`] floats. Vectors exist only inside [`super::Simd::vectorised`].
pub(crate) trait Vector: Copy {
    /// The same value in every lane.
    fn splat(value: f32) -> Self;
    /// The floats at `data[offset..]`.
    fn load(data: &[f32], offset: usize) -> Self;
    /// Writes the floats to `data[offset..]`.
    fn store(self, data: &mut [f32], offset: usize);
    /// Sums.
    fn add(self, other: Self) -> Self;
    /// Differences.
    fn sub(self, other: Self) -> Self;
    /// Products.
    fn mul(self, other: Self) -> Self;
    /// `self * factor + term`, rounded only once if the instruction set has fused multiply-adds.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// Quotients.
    fn div(self, other: Self) -> Self;
    /// The smaller values; `other` where either is NaN.
    fn min(self, other: Self) -> Self;
    /// The larger values; `other` where either is NaN.
    fn max(self, other: Self) -> Self;
    /// `then` where `self > other`, else `otherwise`, also where either is NaN.
    fn where_greater(self, other: Self, then: Self, otherwise: Self) -> Self;
    /// `2ⁿ` for integers -127 < n < 128, given as [`WHOLE`] + n.
    fn power_of_two(self) -> Self;

    /// The `count` floats at `data[offset..]`, at most [`LANES`], with zeros in the other lanes.
    #[inline(always)]
    fn load_first(data: &[f32], offset: usize, count: usize) -> Self {
        if count == LANES {
            return Self::load(data, offset);
        }
        let mut lanes = [0.0; LANES];
        lanes[..count].copy_from_slice(&data[offset..offset + count]);
        Self::load(&lanes, 0)
    }

    /// Writes the first `count` lanes to `data[offset..]`.
    #[inline(always)]
    fn store_first(self, data: &mut [f32], offset: usize, count: usize) {
        if count == LANES {
            return self.store(data, offset);
        }
        let mut lanes = [0.0; LANES];
        self.store(&mut lanes, 0);
        data[offset..offset + count].copy_from_slice(&lanes[..count]);
    }

    /// Both vectors rounded to bf16: each 32-bit lane has `self` in its low half and `other` in its high half. AVX512-BF16 rounds
    /// subnormal numbers to 0.
    #[inline(always)]
    fn pair(self, other: Self) -> Self {
        pair_in_memory(self, other)
    }
}

/// [`Vector::pair`] for instruction sets without AVX512-BF16.
#[inline(always)]
pub(crate) fn pair_in_memory<V: Vector>(low: V, high: V) -> V {
    let ([mut lows, mut highs], mut pairs) = ([[0.0; LANES]; 2], [0.0; LANES]);
    low.store(&mut lows, 0);
    high.store(&mut highs, 0);
    for (result, (low, high)) in pairs.iter_mut().zip(lows.into_iter().zip(highs)) {
        *result = pair(low, high);
    }
    V::load(&pairs, 0)
}

/// Two values as bf16 in one f32, which serves only as a container for their bits.
#[inline(always)]
pub(crate) fn pair(low: f32, high: f32) -> f32 {
    let [low, high] = [low, high].map(|value| u32::from(bf16::from_f32(value).to_bits()));
    f32::from_bits(low | high << 16)
}

/// Both values of a [`pair`].
#[inline(always)]
pub(crate) fn unpair(pair: f32) -> [f32; 2] {
    let bits = pair.to_bits();
    [f32::from_bits(bits << 16), f32::from_bits(bits & 0xFFFF_0000)]
}

/// A function compiled once for each vector type; `run` and all it calls must be `inline(always)`.
pub(crate) trait VectorWork {
    /// The result.
    type Output;
    /// Runs the function.
    fn run<V: Vector>(self) -> Self::Output;
}

/// Plain safe loops. The other vector types are tested against it.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }
}

impl Vector for Portable {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn load(data: &[f32], offset: usize) -> Self {
        let data = &data[offset..offset + LANES];
        Self(std::array::from_fn(|lane| data[lane]))
    }

    #[inline(always)]
    fn store(self, data: &mut [f32], offset: usize) {
        data[offset..offset + LANES].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.each(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.each(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.each(other, |a, b| a * b)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        self.mul(factor).add(term)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.each(other, |a, b| a / b)
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.each(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.each(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn where_greater(self, other: Self, then: Self, otherwise: Self) -> Self {
        Self(std::array::from_fn(|lane| if self.0[lane] > other.0[lane] { then.0[lane] } else { otherwise.0[lane] }))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // The shift drops the upper bits of `WHOLE`; then the bias of the exponent is added.
        Self(self.0.map(|value| f32::from_bits((value.to_bits() << 23).wrapping_add(1.0_f32.to_bits()))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Simd;
    use super::*;

    /// `[a + b, a - b, a b, a b + a, 3, min(a, b), max(a, b), a / b, 2ᵃ, a > b ? 5 : b]` of two vectors at odd offsets.
    struct All<'a>(&'a [f32], &'a mut [f32]);

    impl VectorWork for All<'_> {
        type Output = ();
        #[inline(always)]
        fn run<V: Vector>(self) {
            let (a, b) = (V::load(self.0, 1), V::load(self.0, 18));
            let power = a.add(V::splat(WHOLE)).power_of_two();
            let few = [a.add(b), a.sub(b), a.mul(b), a.mul_add(b, a), V::splat(3.0)];
            let results = few.into_iter().chain([a.min(b), a.max(b), a.div(b), power, a.where_greater(b, V::splat(5.0), b)]);
            results.into_iter().enumerate().for_each(|(i, result)| result.store(self.1, 16 * i));
        }
    }

    #[test]
    fn vectors_of_every_isa_match_the_definition() {
        let data: Vec<f32> = (0..34).map(|i| (i * i % 13) as f32 - 6.0).collect();
        for simd in Simd::every() {
            let isa = simd.isa;
            let mut found = [0.0; 10 * LANES];
            simd.vectorised(All(&data, &mut found));
            for lane in 0..LANES {
                let (a, b) = (data[1 + lane], data[18 + lane]);
                let larger = if a > b { 5.0 } else { b };
                let wanted = [a + b, a - b, a * b, a * b + a, 3.0, a.min(b), a.max(b), a / b, a.exp2(), larger];
                let bits = |values: [f32; 10]| values.map(f32::to_bits);
                assert_eq!(bits(std::array::from_fn(|i| found[16 * i + lane])), bits(wanted), "{isa:?} lane {lane}");
            }
        }
    }

    #[test]
    fn pairs_hold_the_nearest_bf16_of_every_isa() {
        // Exact; just below and just above a tie; ties that round down and up to even; too large for bf16; infinite; negative
        // zero.
        let low = [1.0, 1.003_906, 1.003_907, 1.003_906_3, 1.011_718_8, 3.4e38, f32::INFINITY, -0.0];
        let wanted = [1.0, 1.0, 1.007_812_5, 1.0, 1.015_625, f32::INFINITY, f32::INFINITY, -0.0];
        struct Pair<'a>(&'a [f32], &'a mut [f32]);
        impl VectorWork for Pair<'_> {
            type Output = ();
            #[inline(always)]
            fn run<V: Vector>(self) {
                V::load(self.0, 0).pair(V::load(self.0, LANES)).store(self.1, 0);
            }
        }
        let mut data = [0.0; 2 * LANES];
        (0..LANES).for_each(|lane| (data[lane], data[LANES + lane]) = (low[lane % 8], -low[(lane + 3) % 8]));
        for simd in Simd::every() {
            let isa = simd.isa;
            let mut found = [0.0; LANES];
            simd.vectorised(Pair(&data, &mut found));
            for lane in 0..LANES {
                let bits = unpair(found[lane]).map(f32::to_bits);
                assert_eq!(bits, [wanted[lane % 8], -wanted[(lane + 3) % 8]].map(f32::to_bits), "{isa:?} lane {lane}");
            }
            simd.vectorised(Pair(&[f32::NAN; 2 * LANES], &mut found));
            assert!(found.iter().all(|&pair| unpair(pair).iter().all(|value| value.is_nan())), "{isa:?}");
        }
    }

    #[test]
    fn min_and_max_with_nan_give_the_second_operand() {
        struct Smaller<'a>(&'a mut [f32]);
        impl VectorWork for Smaller<'_> {
            type Output = ();
            #[inline(always)]
            fn run<V: Vector>(self) {
                V::splat(1.0).min(V::splat(f32::NAN)).store(self.0, 0);
                V::splat(1.0).max(V::splat(f32::NAN)).store(self.0, LANES);
                V::splat(f32::NAN).min(V::splat(1.0)).store(self.0, 2 * LANES);
                V::splat(f32::NAN).max(V::splat(1.0)).store(self.0, 3 * LANES);
            }
        }
        for simd in Simd::every() {
            let isa = simd.isa;
            let mut found = [0.0; 4 * LANES];
            simd.vectorised(Smaller(&mut found));
            let (first, last) = found.split_at(2 * LANES);
            assert!(first.iter().all(|value| value.is_nan()) && last == [1.0; 2 * LANES], "{isa:?}: {found:?}");
        }
    }

    #[test]
    #[should_panic(expected = "range end index 35 out of range")]
    fn loads_out_of_bounds_panic() {
        struct Outside<'a>(&'a [f32]);
        impl VectorWork for Outside<'_> {
            type Output = ();
            #[inline(always)]
            fn run<V: Vector>(self) {
                let _ = V::load(self.0, 19);
            }
        }
        Simd::widest().vectorised(Outside(&[0.0; 34]));
    }
}
