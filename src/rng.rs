//! Philox 4x32-10, the only source of randomness.
//!
//! Salmon, Moraes, Dror, Shaw: *Parallel Random Numbers: As Easy as 1, 2, 3*, SC 2011. A counter-based generator is a pure
//! function `(key, counter) -> 128 bits`. So sample k of a run is the same on every device, for any number of threads and after
//! any resume. A checkpoint stores only the seed and the step.

/// Purpose of a stream of random numbers. Streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial weights; index = parameter number.
    Weights = 1,
    /// Choice of the training images in a batch, and their flips, rotations and crops.
    Batch = 2,
    /// Corruption of one image.
    Corruption = 3,
    /// Generated textures and defects.
    Texture = 4,
    /// Probe vectors and sampled points in the theory experiments.
    Theory = 5,
    /// Property tests and examples.
    Test = 6,
}

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// One evaluation of Philox 4x32-10: 128 random bits for a 64-bit key and a 128-bit counter.
pub fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let (mut k, mut c) = (key, counter);
    for round in 0..10 {
        if round > 0 {
            k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
        }
        let a = u64::from(MULTIPLIER[0]) * u64::from(c[0]);
        let b = u64::from(MULTIPLIER[1]) * u64::from(c[2]);
        c = [(b >> 32) as u32 ^ c[1] ^ k[0], b as u32, (a >> 32) as u32 ^ c[3] ^ k[1], a as u32];
    }
    c
}

/// A stream of random numbers, determined by `(seed, purpose, step, index)`.
///
/// Key = the 64-bit seed; counter = `[block, purpose, step, index]`, where `block` counts evaluations. Streams cost little. Use
/// one per image; never share a stream between images.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    buffer: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream of `purpose` for item `index` of `step`.
    pub fn new(seed: u64, purpose: Purpose, step: u32, index: u32) -> Self {
        let key = [seed as u32, (seed >> 32) as u32];
        Self { key, counter: [0, purpose as u32, step, index], buffer: [0; 4], used: 4 }
    }

    /// 32 uniform random bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            self.buffer = philox(self.key, self.counter);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.buffer[self.used - 1]
    }

    /// Uniform in [0, 1), a multiple of 2^-24: exact in f32 and the same on every device.
    pub fn uniform(&mut self) -> f32 {
        (self.bits() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in [low, high).
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Uniform integer in [0, n) by multiply-shift (bias below n / 2^32). Returns 0 for n = 0.
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.bits()) * u64::from(n)) >> 32) as u32
    }

    /// Uniform integer in [low, high], both included.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Uniform in [0, 1) with 53 random bits.
    pub fn uniform_f64(&mut self) -> f64 {
        let high = u64::from(self.bits()) << 21;
        let low = u64::from(self.bits()) >> 11;
        (high ^ low) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Standard normal by Box and Muller, one value per call (two uniforms each).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform_f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform_f64()).cos()
    }

    /// `n` independent standard normals, in the order of [`Stream::normal`].
    pub fn normals(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.normal()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kat_vectors` of the Random123 library, rows `philox4x32 10`.
    #[test]
    fn random123_known_answers() {
        assert_eq!(philox([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi_counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let pi_key = [0xa409_3822, 0x299f_31d0];
        assert_eq!(philox(pi_key, pi_counter), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn streams_of_different_purpose_step_index_or_seed_differ() {
        let first = |seed, purpose, step, index| Stream::new(seed, purpose, step, index).bits();
        let base = first(1, Purpose::Test, 2, 3);
        for other in [
            first(2, Purpose::Test, 2, 3),
            first(1 << 32, Purpose::Test, 2, 3),
            first(1, Purpose::Batch, 2, 3),
            first(1, Purpose::Test, 3, 3),
            first(1, Purpose::Test, 2, 4),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn moments_and_ranges() {
        let mut stream = Stream::new(7, Purpose::Test, 0, 0);
        let n = 100_000;
        let (mut mean, mut square, mut uniform) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let x = stream.normal();
            mean += x / f64::from(n);
            square += x * x / f64::from(n);
            let u = stream.uniform();
            assert!((0.0..1.0).contains(&u));
            uniform += f64::from(u) / f64::from(n);
        }
        // Five standard errors.
        assert!(mean.abs() < 0.016 && (square - 1.0).abs() < 0.023 && (uniform - 0.5).abs() < 0.0046);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[stream.between(3, 7) as usize - 3] = true;
        }
        assert!(seen.iter().all(|&s| s));
    }
}
