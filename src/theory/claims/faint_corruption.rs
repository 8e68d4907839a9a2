//! Networks trained on a circle in R⁴ with faint corruption, whose Jacobian on D is compared with what the theory calls best.

use std::f64::consts::TAU;

use ndarray::{Array1, Array2, array};

use super::training::{batch, mean_square_error, minimise, network_jacobians, schedule};
use crate::error::Result;
use crate::model::{Architecture, Parameters};
use crate::theory::algebra::{blend, gaussian_vector, norm, projector};
use crate::theory::claim::Setting;
use crate::theory::manifold::{Gratings, Manifold};
use crate::theory::statistics::root_mean_square;

/// n.
const N: usize = 4;
/// t.
const SIZE: f64 = 0.15;
/// Draws of x, e and noise in one step, each with all signs reversed beside it.
const BATCH: usize = 32;
const RATE: f64 = 1e-2;
/// Points of D at which Jacobians are compared.
const GRID: usize = 24;

/// The unit circle about ½ in the plane of a grating of four pixels, with equally spaced points.
pub(super) struct FaintCorruption<'a> {
    setting: &'a Setting,
    circle: Gratings,
    points: Vec<Array1<f64>>,
    bases: Vec<Array2<f64>>,
}

/// What a network sees and what it is to return: `x + te + t ς ξ` and x, or, if the noise is kept, `x + t ς ξ`.
#[derive(Clone)]
pub(super) struct Task {
    /// A square root of the second moment C of e, which is this times normal values, cut at three standard deviations so
    /// that e is bounded, which makes C smaller by half a per cent.
    pub(super) root: Array2<f64>,
    /// ς.
    pub(super) noise: f64,
    pub(super) is_kept: bool,
}

impl Task {
    /// C of a corruption that leaves no tangent space of the circle invariant: stronger along one direction, which is neither in
    /// the plane of the circle nor orthogonal to it.
    pub(super) fn oblique() -> Self {
        let along = array![1.0, 0.4, -0.2, 0.5];
        let along = &along / norm(&along);
        let mut root = 0.5 * Array2::<f64>::eye(N);
        root.rows_mut().into_iter().zip(&along).for_each(|(mut row, value)| row.scaled_add(0.6 * value, &along));
        Self { root, noise: 0.0, is_kept: false }
    }

    /// Isotropic with the same tr C.
    pub(super) fn isotropic(&self) -> Self {
        Self { root: norm(&self.root) / (N as f64).sqrt() * Array2::<f64>::eye(N), ..self.clone() }
    }

    /// C.
    pub(super) fn moment(&self) -> Array2<f64> {
        self.root.dot(&self.root.t())
    }
}

impl<'a> FaintCorruption<'a> {
    pub(super) fn new(setting: &'a Setting) -> Result<Self> {
        let circle = Gratings::new(N, 1, &[[1, 0]], 0.5_f64.sqrt())?;
        let points: Vec<Array1<f64>> = (0..GRID).map(|k| circle.point(&array![TAU * k as f64 / GRID as f64])).collect();
        let bases = points.iter().map(|x| circle.tangent_basis(x)).collect::<Result<_>>()?;
        Ok(Self { setting, circle, points, bases })
    }

    /// P_T at each point.
    pub(super) fn tangents(&self) -> Vec<Array2<f64>> {
        self.bases.iter().map(projector).collect()
    }

    /// A matrix for the basis of T at each point.
    pub(super) fn matrices(&self, of: impl Fn(&Array2<f64>) -> Result<Array2<f64>>) -> Result<Vec<Array2<f64>>> {
        self.bases.iter().map(of).collect()
    }

    /// Trains a network, with a random stream of claim `number`, and returns its Jacobian at each point.
    pub(super) fn jacobians(&self, number: u32, task: &Task) -> Result<Vec<Array2<f64>>> {
        let backend = self.setting.cpu()?;
        let mut network = Parameters::initialise(&backend, &Architecture::mlp(N, &[32, 32])?, self.setting.seed())?;
        let mut stream = self.setting.stream(number, 100);
        minimise(&backend, schedule(self.setting.pick(4000, 12_000), RATE), &mut network, |tape, network, _| {
            let (mut seen, mut wanted) = (Vec::with_capacity(2 * BATCH), Vec::with_capacity(2 * BATCH));
            for _ in 0..BATCH {
                let x = self.circle.sample(&mut stream);
                let values = gaussian_vector(&mut stream, N).mapv(|value| value.clamp(-3.0, 3.0));
                let (e, noise) = (SIZE * task.root.dot(&values), SIZE * task.noise * gaussian_vector(&mut stream, N));
                let kept = if task.is_kept { noise.clone() } else { Array1::zeros(N) };
                seen.extend([&x + &e + &noise, &x - &e - &noise]);
                wanted.extend([&x + &kept, &x - &kept]);
            }
            let bound = network.bind(tape, true);
            let (seen, wanted) = (tape.constant(batch(&backend, &seen)?), tape.constant(batch(&backend, &wanted)?));
            let output = network.forward(tape, &bound, seen)?;
            Ok((mean_square_error(tape, output, wanted)?, bound.vars().to_vec()))
        })?;
        network_jacobians(&backend, &network, &self.points)
    }
}

/// Root mean square of `‖A - B‖_F` over the points.
pub(super) fn apart(a: &[Array2<f64>], b: &[Array2<f64>]) -> f64 {
    root_mean_square(a.iter().zip(b).map(|(a, b)| norm(&(a - b))))
}

/// `(1-share) A + share B` at each point.
pub(super) fn mixed(a: &[Array2<f64>], b: &[Array2<f64>], share: f64) -> Vec<Array2<f64>> {
    a.iter().zip(b).map(|(a, b)| blend(a, b, share)).collect()
}
