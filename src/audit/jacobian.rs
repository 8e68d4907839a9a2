use ndarray::{Array1, Array2};

use super::map::Map;
use crate::error::Result;
use crate::rng::{Purpose, Stream};
use crate::theory::algebra::square_norm;

/// Products of the Jacobian with random signs z (Hutchinson 1990): E zᵀAz = tr A and E ‖Az‖² = ‖A‖_F² for every matrix A.
pub(super) struct Probes {
    /// z `[K, n]`.
    signs: Array2<f64>,
    /// Jz `[K, n]`.
    pushed: Array2<f64>,
    /// J Jz `[K, n]`.
    twice: Array2<f64>,
    /// Jᵀz `[K, n]`.
    pulled: Option<Array2<f64>>,
}

impl Probes {
    /// `count` probes of the Jacobian of `map` at `x`; `image` numbers their signs.
    pub fn of(map: &mut dyn Map, x: &Array1<f64>, count: usize, seed: u64, image: u32) -> Result<Self> {
        let signs = Self::signs(x.len(), count, seed, image);
        let pushed = map.jvp(x, &signs)?;
        let twice = map.jvp(x, &pushed)?;
        let pulled = map.vjp(x, &signs)?;
        Ok(Self { signs, pushed, twice, pulled })
    }

    /// z.
    pub fn signs(n: usize, count: usize, seed: u64, image: u32) -> Array2<f64> {
        let mut stream = Stream::new(seed, Purpose::Theory, u32::MAX - 1, image);
        Array2::from_shape_simple_fn((count, n), || if stream.bits() & 1 == 0 { 1.0 } else { -1.0 })
    }

    /// tr J.
    pub fn trace(&self) -> f64 {
        self.mean(|k| self.signs.row(k).dot(&self.pushed.row(k)))
    }

    /// ‖J‖_F².
    pub fn frobenius(&self) -> f64 {
        self.mean(|k| square_norm(&self.pushed.row(k)))
    }

    /// ‖J - Jᵀ‖_F². Without products with Jᵀ it is 2(‖J‖_F² - tr J²), with more noise.
    pub fn asymmetry(&self) -> f64 {
        match &self.pulled {
            Some(pulled) => self.mean(|k| square_norm(&(&self.pushed.row(k) - &pulled.row(k)))),
            None => 2.0 * (self.frobenius() - self.mean(|k| self.signs.row(k).dot(&self.twice.row(k)))),
        }
    }

    /// ‖J² - J‖_F².
    pub fn idempotence(&self) -> f64 {
        self.mean(|k| square_norm(&(&self.twice.row(k) - &self.pushed.row(k))))
    }

    /// ‖J - T Bᵀ‖_F² with T and B `[n, d]`.
    pub fn distance_to(&self, onto: &Array2<f64>, along: &Array2<f64>) -> f64 {
        self.mean(|k| {
            let projected = onto.dot(&along.t().dot(&self.signs.row(k)));
            square_norm(&(&self.pushed.row(k) - &projected))
        })
    }

    fn mean(&self, of: impl Fn(usize) -> f64) -> f64 {
        let count = self.signs.nrows();
        (0..count).map(of).sum::<f64>() / count.max(1) as f64
    }
}
