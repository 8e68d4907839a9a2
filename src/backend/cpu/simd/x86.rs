//! Kernels for x86-64. They are called only through [`super::Simd`], which checks the instruction set.

use std::arch::x86_64::{
    __m256, __m512, __m512bh, __m512i, _CMP_GT_OQ, _mm256_add_epi32, _mm256_add_ps, _mm256_blendv_ps, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_div_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps,
    _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32, _mm256_storeu_ps, _mm256_sub_ps,
    _mm512_add_epi32, _mm512_add_ps, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtne2ps_pbh,
    _mm512_div_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_blend_ps, _mm512_max_ps,
    _mm512_min_ps, _mm512_mul_ps, _mm512_permutexvar_epi16, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_slli_epi32, _mm512_storeu_ps, _mm512_sub_ps,
};
use std::hint::black_box;
use std::mem::transmute;

use super::lanes::{CHAINS, LANES};
use super::tile::{Call, ROWS, Start, Target};
use super::vector::{Vector, pair_in_memory};

/// Floats of a 256-bit register.
const HALF: usize = LANES / 2;

type Kernel = unsafe fn(&Call<'_>, &mut Target<'_>);

/// One kernel for every number of vectors and rows.
macro_rules! kernels {
    ($kernel:ident) => {
        [kernels!($kernel, 1), kernels!($kernel, 2)]
    };
    ($kernel:ident, $vectors:literal) => {
        [
            $kernel::<1, $vectors>,
            $kernel::<2, $vectors>,
            $kernel::<3, $vectors>,
            $kernel::<4, $vectors>,
            $kernel::<5, $vectors>,
            $kernel::<6, $vectors>,
            $kernel::<7, $vectors>,
            $kernel::<8, $vectors>,
            $kernel::<9, $vectors>,
            $kernel::<10, $vectors>,
            $kernel::<11, $vectors>,
            $kernel::<12, $vectors>,
        ]
    };
}
/// AVX-512 kernels by vectors - 1, then rows - 1.
pub(crate) static AVX512: [[Kernel; ROWS]; 2] = kernels!(avx512);
/// The same for pairs of bf16.
pub(crate) static AVX512_PAIRS: [[Kernel; ROWS]; 2] = kernels!(avx512_pairs);

/// # Safety
/// The machine has AVX-512F, and the conditions of [`rows_of_512`] hold.
#[target_feature(enable = "avx512f")]
unsafe fn avx512<const R: usize, const V: usize>(call: &Call<'_>, target: &mut Target<'_>) {
    // SAFETY: as the caller promises.
    unsafe {
        rows_of_512::<R, V>(
            call,
            target,
            #[inline(always)]
            |left, right, sum| _mm512_fmadd_ps(left, right, sum),
        );
    }
}

/// # Safety
/// The machine has AVX-512F and AVX512-BF16, and the conditions of [`rows_of_512`] hold.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn avx512_pairs<const R: usize, const V: usize>(call: &Call<'_>, target: &mut Target<'_>) {
    // SAFETY: as the caller promises; 512 bits are 32 bf16.
    unsafe {
        rows_of_512::<R, V>(
            call,
            target,
            #[inline(always)]
            |left, right, sum| _mm512_dpbf16_ps(sum, transmute::<__m512, __m512bh>(left), transmute::<__m512, __m512bh>(right)),
        );
    }
}

/// R rows of V vectors of 16 columns, all in registers: at most 24 sums, 2 right operands and 1 left operand. The term is added
/// by `add(left, right, sum)`.
///
/// # Safety
/// The machine has AVX-512F and what `add` needs. `call` has R rows and V vectors, [`Call::reach`] is within its operands, and
/// its rows are within the target.
#[inline(always)]
unsafe fn rows_of_512<const R: usize, const V: usize>(
    call: &Call<'_>,
    target: &mut Target<'_>,
    add: impl Fn(__m512, __m512, __m512) -> __m512,
) {
    // SAFETY: the machine has AVX-512F.
    let mut registers = [[unsafe { _mm512_setzero_ps() }; V]; R];
    let (sums, pitch) = (target.data.as_mut_ptr(), target.row);
    if target.start == Start::Target {
        for (r, registers) in registers.iter_mut().enumerate() {
            for (v, register) in registers.iter_mut().enumerate() {
                // SAFETY: the caller has checked the last row of the target.
                *register = unsafe { _mm512_loadu_ps(sums.add(r * pitch + LANES * v)) };
            }
        }
    }
    let (row, step, next) = (call.left.row, call.left.step, call.right.step);
    for &(a, b) in call.segments {
        let mut left = call.left.data.as_ptr().wrapping_add(a);
        let mut right = call.right.data.as_ptr().wrapping_add(b);
        for _ in 0..call.size.depth {
            // SAFETY: the caller has checked the largest offset of both operands.
            unsafe {
                let mut columns = [_mm512_setzero_ps(); V];
                for (v, columns) in columns.iter_mut().enumerate() {
                    *columns = _mm512_loadu_ps(right.add(LANES * v));
                }
                for (r, registers) in registers.iter_mut().enumerate() {
                    let value = _mm512_set1_ps(*left.add(r * row));
                    for (sum, &columns) in registers.iter_mut().zip(&columns) {
                        *sum = add(value, columns, *sum);
                    }
                }
            }
            left = left.wrapping_add(step);
            right = right.wrapping_add(next);
        }
    }
    for (r, registers) in registers.iter().enumerate() {
        for (v, &register) in registers.iter().enumerate() {
            // SAFETY: as for the loads.
            unsafe { _mm512_storeu_ps(sums.add(r * pitch + LANES * v), register) };
        }
    }
}

/// The tile as blocks of up to 6 rows and 16 columns, which fit 16 registers of 256 bits.
///
/// # Safety
/// The machine has AVX2 and FMA. [`Call::reach`] is within the operands of `call`, and its rows are within the target.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn avx2(call: &Call<'_>, target: &mut Target<'_>) {
    const BLOCK: usize = 6;
    let kernels: [unsafe fn(&Call<'_>, usize, usize, &mut Target<'_>); BLOCK] =
        [avx2_block::<1>, avx2_block::<2>, avx2_block::<3>, avx2_block::<4>, avx2_block::<5>, avx2_block::<6>];
    for first in (0..call.size.rows).step_by(BLOCK) {
        let rows = (call.size.rows - first).min(BLOCK);
        for vector in 0..call.size.vectors {
            // SAFETY: rows first .. first + rows and the vector are inside the tile.
            unsafe { kernels[rows - 1](call, first, vector, target) };
        }
    }
}

/// R rows from `first` of one block of 16 columns.
///
/// # Safety
/// As [`avx2`], and the block is inside the tile.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_block<const R: usize>(call: &Call<'_>, first: usize, vector: usize, target: &mut Target<'_>) {
    let mut registers = [[_mm256_setzero_ps(); 2]; R];
    let (sums, pitch) = (target.data.as_mut_ptr().wrapping_add(first * target.row + vector * LANES), target.row);
    if target.start == Start::Target {
        for (r, registers) in registers.iter_mut().enumerate() {
            for (half, register) in registers.iter_mut().enumerate() {
                // SAFETY: the caller has checked the last row of the target.
                *register = unsafe { _mm256_loadu_ps(sums.add(r * pitch + HALF * half)) };
            }
        }
    }
    let (row, step, next) = (call.left.row, call.left.step, call.right.step);
    for &(a, b) in call.segments {
        let mut left = call.left.data.as_ptr().wrapping_add(a + first * row);
        let mut right = call.right.data.as_ptr().wrapping_add(b + vector * LANES);
        for _ in 0..call.size.depth {
            // SAFETY: the caller has checked the largest offset of both operands.
            unsafe {
                let (low, high) = (_mm256_loadu_ps(right), _mm256_loadu_ps(right.add(HALF)));
                for (r, [first, second]) in registers.iter_mut().enumerate() {
                    let value = _mm256_set1_ps(*left.add(r * row));
                    *first = _mm256_fmadd_ps(value, low, *first);
                    *second = _mm256_fmadd_ps(value, high, *second);
                }
            }
            left = left.wrapping_add(step);
            right = right.wrapping_add(next);
        }
    }
    for (r, registers) in registers.iter().enumerate() {
        for (half, &register) in registers.iter().enumerate() {
            // SAFETY: as for the loads.
            unsafe { _mm256_storeu_ps(sums.add(r * pitch + HALF * half), register) };
        }
    }
}

/// # Safety
/// The machine has AVX-512F.
#[target_feature(enable = "avx512f")]
pub(crate) unsafe fn multiply_add_avx512(iterations: usize) -> u64 {
    let (factor, term) = (_mm512_set1_ps(black_box(0.999_9)), _mm512_set1_ps(black_box(1e-4)));
    let mut sums = [factor; CHAINS];
    for _ in 0..iterations {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, factor, term);
        }
    }
    black_box(sums);
    (2 * LANES * CHAINS * iterations) as u64
}

/// # Safety
/// The machine has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn multiply_add_avx2(iterations: usize) -> u64 {
    let (factor, term) = (_mm256_set1_ps(black_box(0.999_9)), _mm256_set1_ps(black_box(1e-4)));
    let mut sums = [factor; CHAINS];
    for _ in 0..iterations {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, factor, term);
        }
    }
    black_box(sums);
    (LANES * CHAINS * iterations) as u64
}

/// # Safety
/// The machine has AVX-512F and AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(crate) unsafe fn multiply_add_bf16(iterations: usize) -> u64 {
    let value = _mm512_set1_ps(black_box(1e-4));
    let pairs: __m512bh = _mm512_cvtne2ps_pbh(value, value);
    let mut sums = [_mm512_setzero_ps(); CHAINS];
    for _ in 0..iterations {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, pairs, pairs);
        }
    }
    black_box(sums);
    (4 * LANES * CHAINS * iterations) as u64
}

/// # Safety
/// The machine has these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(crate) unsafe fn run_avx512<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// # Safety
/// The machine has these instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
pub(crate) unsafe fn run_avx512_bf16<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// # Safety
/// The machine has these instructions.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn run_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// The order that interleaves the first 16 of 32 values with the second 16.
const INTERLEAVED: [u16; 2 * LANES] = {
    let (mut order, mut lane) = ([0; 2 * LANES], 0);
    while lane < LANES as u16 {
        order[2 * lane as usize] = lane;
        order[2 * lane as usize + 1] = lane + LANES as u16;
        lane += 1;
    }
    order
};

/// The bits of 1.0, which are those of the exponent's bias.
const ONE: i32 = 1.0_f32.to_bits() as i32;

/// One 512-bit register. Used only by [`super::Simd::vectorised`], which checks for AVX-512F and, with `BF16`, for AVX512-BF16.
#[derive(Clone, Copy)]
pub(crate) struct Wide512<const BF16: bool>(__m512);

impl<const BF16: bool> Vector for Wide512<BF16> {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: the machine has AVX-512F, see the type.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn load(data: &[f32], offset: usize) -> Self {
        let data = &data[offset..offset + LANES];
        // SAFETY: `data` has 16 floats.
        Self(unsafe { _mm512_loadu_ps(data.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, data: &mut [f32], offset: usize) {
        let data = &mut data[offset..offset + LANES];
        // SAFETY: as for `load`.
        unsafe { _mm512_storeu_ps(data.as_mut_ptr(), self.0) };
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: as for `splat`.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn where_greater(self, other: Self, then: Self, otherwise: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe {
            let greater = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, other.0);
            Self(_mm512_mask_blend_ps(greater, otherwise.0, then.0))
        }
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // SAFETY: as for `splat`.
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(self.0));
            Self(_mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(ONE))))
        }
    }

    #[inline(always)]
    fn pair(self, other: Self) -> Self {
        if !BF16 {
            return pair_in_memory(self, other);
        }
        // SAFETY: the machine has AVX512-BF16 and AVX-512BW; 512 bits are 32 bf16, first those of `self`, then those of `other`.
        unsafe {
            let joined = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(other.0, self.0));
            let order = _mm512_loadu_si512(INTERLEAVED.as_ptr().cast());
            Self(_mm512_castsi512_ps(_mm512_permutexvar_epi16(order, joined)))
        }
    }
}

/// Two 256-bit registers. Used only by [`super::Simd::vectorised`], which checks for AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Wide256([__m256; 2]);

impl Wide256 {
    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(__m256, __m256) -> __m256) -> Self {
        Self([f(self.0[0], other.0[0]), f(self.0[1], other.0[1])])
    }
}

impl Vector for Wide256 {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: the machine has AVX2 and FMA, see the type.
        Self([unsafe { _mm256_set1_ps(value) }; 2])
    }

    #[inline(always)]
    fn load(data: &[f32], offset: usize) -> Self {
        let data = &data[offset..offset + LANES];
        // SAFETY: `data` has 16 floats.
        Self(unsafe { [_mm256_loadu_ps(data.as_ptr()), _mm256_loadu_ps(data.as_ptr().add(HALF))] })
    }

    #[inline(always)]
    fn store(self, data: &mut [f32], offset: usize) {
        let data = &mut data[offset..offset + LANES];
        // SAFETY: as for `load`.
        unsafe {
            _mm256_storeu_ps(data.as_mut_ptr(), self.0[0]);
            _mm256_storeu_ps(data.as_mut_ptr().add(HALF), self.0[1]);
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        self.each(other, |a, b| unsafe { _mm256_add_ps(a, b) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        self.each(other, |a, b| unsafe { _mm256_sub_ps(a, b) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        self.each(other, |a, b| unsafe { _mm256_mul_ps(a, b) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        let fused = |half: usize| {
            // SAFETY: as for `splat`.
            unsafe { _mm256_fmadd_ps(self.0[half], factor.0[half], term.0[half]) }
        };
        Self([fused(0), fused(1)])
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        self.each(other, |a, b| unsafe { _mm256_div_ps(a, b) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        self.each(other, |a, b| unsafe { _mm256_min_ps(a, b) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        self.each(other, |a, b| unsafe { _mm256_max_ps(a, b) })
    }

    #[inline(always)]
    fn where_greater(self, other: Self, then: Self, otherwise: Self) -> Self {
        let chosen = |half: usize| {
            // SAFETY: as for `splat`.
            unsafe {
                let greater = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0[half], other.0[half]);
                _mm256_blendv_ps(otherwise.0[half], then.0[half], greater)
            }
        };
        Self([chosen(0), chosen(1)])
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        let power = |half: usize| {
            // SAFETY: as for `splat`.
            unsafe {
                let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(self.0[half]));
                _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(ONE)))
            }
        };
        Self([power(0), power(1)])
    }
}
