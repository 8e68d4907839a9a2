//! Linear autoencoders trained on the tape for a covariance of rank d < n.

use ndarray::{Array1, Array2, s};

use crate::error::Result;
use crate::ops::Backend;
use crate::shape::Activation;
use crate::tape::{Tape, Tensor, Var};
use crate::theory::algebra::{gaussian_matrix, orthonormal_basis};
use crate::theory::claim::Setting;
use crate::theory::claims::training::{matrix, mean_square_error, minimise, schedule, weighted_sum};
use crate::theory::derivative::contraction_exact;

use super::NUMBER;

/// The nonzero eigenvalues.
pub(super) const LAMBDA: [f64; 5] = [2.0, 1.5, 1.0, 0.6, 0.3];
/// Dimension of the space; three directions carry no data.
pub(super) const N: usize = 8;
/// Rows of U and W₁: more than d, so that the bottleneck is no restriction.
const HIDDEN: usize = 6;
/// Rows of U where the bottleneck is narrower than the data.
pub(super) const NARROW: usize = 3;

/// λ of a column of Q; 0 in directions without data.
pub(super) fn eigenvalue(direction: usize) -> f64 {
    LAMBDA.get(direction).copied().unwrap_or(0.0)
}

/// The loss.
#[derive(Clone, Copy)]
pub(super) enum Loss {
    /// `E‖f(x+ε) - x‖²` with ε of covariance σ²I; holds σ².
    Denoising(f64),
    /// `E‖f(x) - x‖² + γ‖J‖_F²` by tangents, J as [`Net`] says; holds γ, 0 for a plain autoencoder.
    Contraction(f64),
}

/// A network that is linear in x, and the Jacobian J in its contraction penalty.
#[derive(Clone, Copy)]
pub(super) enum Net {
    /// W, J = W.
    Full,
    /// UᵀU, J = UᵀU.
    Tied,
    /// UᵀU, J = U of the encoder.
    TiedEncoder,
    /// UᵀU with fewer rows than there are directions with data, J = U of the encoder.
    Narrow,
    /// W₂W₁, J = W₁ of the encoder.
    UntiedEncoder,
}

/// A covariance Σ = Q diag(λ) Qᵀ and the number of training steps.
pub(super) struct Bench<'a, B: Backend<Elem = f64>> {
    pub(super) backend: &'a B,
    setting: &'a Setting,
    pub(super) q: Array2<f64>,
    pub(super) steps: u64,
}

impl<'a, B: Backend<Elem = f64>> Bench<'a, B> {
    pub(super) fn new(backend: &'a B, setting: &'a Setting) -> Self {
        let q = orthonormal_basis(&gaussian_matrix(&mut setting.stream(NUMBER, 0), N, N));
        Self { backend, setting, q, steps: setting.pick(3000, 8000) }
    }

    /// `Q diag(g(λ)) Qᵀ`.
    pub(super) fn function(&self, g: impl Fn(f64) -> f64) -> Array2<f64> {
        let values = Array1::from_shape_fn(N, |k| g(eigenvalue(k)));
        (&self.q * &values).dot(&self.q.t())
    }

    /// P, the projector onto the range of Σ.
    pub(super) fn projector(&self) -> Array2<f64> {
        self.function(|lambda| f64::from(u8::from(lambda > 0.0)))
    }

    /// The trained map.
    pub(super) fn map(&self, net: Net, loss: Loss) -> Result<Array2<f64>> {
        net.map(self.backend, &self.train(net, loss, &self.function(f64::sqrt), |_, _| Ok(()))?)
    }

    /// Trains for the covariance `root²` and returns the weights. Calls `watch` with the weights before each step.
    pub(super) fn train(
        &self,
        net: Net,
        loss: Loss,
        root: &Array2<f64>,
        mut watch: impl FnMut(u64, &[Tensor<B>]) -> Result<()>,
    ) -> Result<Vec<Tensor<B>>> {
        let mut weights = self.start(net)?;
        let [input, target] = self.batch(loss, root);
        let [input, target] = [Tensor::from_array(self.backend, &input)?, Tensor::from_array(self.backend, &target)?];
        minimise(self.backend, schedule(self.steps, 0.02), &mut weights, |tape, weights, step| {
            watch(step, weights)?;
            let vars: Vec<Var> = weights.iter().map(|weight| tape.variable(weight.clone())).collect();
            let (x, target) = (tape.variable(input.clone()), tape.constant(target.clone()));
            Ok((net.record(tape, loss, &vars, [x, target])?, vars))
        })?;
        Ok(weights)
    }

    fn start(&self, net: Net) -> Result<Vec<Tensor<B>>> {
        let mut stream = self.setting.stream(NUMBER, 2);
        let mut start = |rows: usize, columns: usize| {
            Tensor::from_array(self.backend, &(0.5 / (N as f64).sqrt() * gaussian_matrix(&mut stream, rows, columns)))
        };
        match net {
            Net::Full => Ok(vec![start(N, N)?]),
            Net::Tied | Net::TiedEncoder => Ok(vec![start(N, HIDDEN)?]),
            Net::Narrow => Ok(vec![start(N, NARROW)?]),
            Net::UntiedEncoder => Ok(vec![start(HIDDEN, N)?, start(N, HIDDEN)?]),
        }
    }

    /// Inputs and targets with exactly the moments in the expectation of the loss. With an orthogonal matrix R of 2n rows, point
    /// k is `x_k = Σ_i R[k, i] a_i`, `ε_k = σ R[k, n..]`, where the a_i are the columns of √Σ. So Σ_k x xᵀ = Σ, Σ_k ε εᵀ = σ²I
    /// and Σ_k x εᵀ = 0.
    fn batch(&self, loss: Loss, root: &Array2<f64>) -> [Array2<f64>; 2] {
        let Loss::Denoising(variance) = loss else { return [root.clone(), root.clone()] };
        let r = orthonormal_basis(&gaussian_matrix(&mut self.setting.stream(NUMBER, 1), 2 * N, 2 * N));
        let (signal, noise) = (r.slice(s![.., ..N]), r.slice(s![.., N..]));
        let clean = signal.dot(root);
        [&clean + variance.sqrt() * &noise, clean]
    }
}

impl Net {
    /// The loss of a batch `[x, target]`.
    fn record<B: Backend>(self, tape: &mut Tape<B>, loss: Loss, weights: &[Var], [x, target]: [Var; 2]) -> Result<Var> {
        let (code, y) = self.forward(tape, weights, x)?;
        let mean = mean_square_error(tape, y, target)?;
        // The moments are sums over the batch.
        let sum = tape.affine(mean, tape.shape(x).rows() as f64, 0.0)?;
        let Loss::Contraction(weight) = loss else { return Ok(sum) };
        let output = if matches!(self, Self::Full | Self::Tied) { y } else { code };
        let penalty = contraction_exact(tape, x, output)?;
        weighted_sum(tape, sum, weight, penalty)
    }

    /// Code and reconstruction of x.
    fn forward<B: Backend>(self, tape: &mut Tape<B>, weights: &[Var], x: Var) -> Result<(Var, Var)> {
        let linear = |tape: &mut Tape<B>, x: Var, w: Var| tape.linear(x, w, None, Activation::Identity);
        match (self, weights) {
            (Self::Tied | Self::TiedEncoder | Self::Narrow, &[v, ..]) => {
                // U = Vᵀ: the linear map of V applied to the unit vectors.
                let unit = tape.constant(Tensor::from_array(tape.backend(), &Array2::<f64>::eye(tape.shape(v).channels()))?);
                let u = linear(tape, unit, v)?;
                let code = linear(tape, x, u)?;
                Ok((code, linear(tape, code, v)?))
            }
            (Self::UntiedEncoder, &[encoder, decoder]) => {
                let code = linear(tape, x, encoder)?;
                Ok((code, linear(tape, code, decoder)?))
            }
            _ => {
                let y = linear(tape, x, weights[0])?;
                Ok((y, y))
            }
        }
    }

    /// The matrix of the map.
    pub(super) fn map<B: Backend>(self, backend: &B, weights: &[Tensor<B>]) -> Result<Array2<f64>> {
        let mut tape = Tape::new(backend.clone());
        let vars: Vec<Var> = weights.iter().map(|weight| tape.constant(weight.clone())).collect();
        let unit = tape.constant(Tensor::from_array(backend, &Array2::<f64>::eye(N))?);
        let (_, y) = self.forward(&mut tape, &vars, unit)?;
        Ok(matrix(backend, tape.value(y))?.reversed_axes())
    }
}
