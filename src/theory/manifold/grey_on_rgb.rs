use std::sync::Arc;

use ndarray::{Array1, Array2};

use super::{Manifold, check_vector};
use crate::error::Result;
use crate::rng::Stream;

/// Channels of an RGB image.
const CHANNELS: usize = 3;

/// A manifold of grey images `[H, W]` as RGB images `[H, W, 3]` with equal channels, the input of the convolutional networks.
///
/// x ↦ (x, x, x) multiplies every distance by √3. With m the mean over the channels, `‖y - (x, x, x)‖² = ‖y - (m, m, m)‖² +
/// 3‖m - x‖²`, so the nearest point is that of m.
#[derive(Clone)]
pub struct GreyOnRgb {
    grey: Arc<dyn Manifold>,
}

impl GreyOnRgb {
    /// The images of `grey` on three channels.
    pub fn new(grey: Arc<dyn Manifold>) -> Self {
        Self { grey }
    }
}

/// `(x, x, x)`, channels innermost: `[n]` to `[3n]`.
pub fn grey_to_rgb(x: &Array1<f64>) -> Array1<f64> {
    x.iter().flat_map(|&value| [value; CHANNELS]).collect()
}

/// The mean over the channels: `[3n]` to `[n]`; an incomplete last pixel is ignored.
pub fn mean_of_channels(y: &Array1<f64>) -> Array1<f64> {
    y.exact_chunks(CHANNELS).into_iter().map(|pixel| pixel.iter().sum::<f64>() / CHANNELS as f64).collect()
}

impl Manifold for GreyOnRgb {
    fn name(&self) -> String {
        format!("{} on {CHANNELS} channels", self.grey.name())
    }

    fn dimensions(&self) -> [usize; 2] {
        [self.grey.dimension(), CHANNELS * self.grey.ambient()]
    }

    fn project_point(&self, y: &Array1<f64>) -> Result<Array1<f64>> {
        check_vector(&self.name(), self.ambient(), y)?;
        Ok(grey_to_rgb(&self.grey.project_point(&mean_of_channels(y))?))
    }

    fn tangent_basis(&self, x: &Array1<f64>) -> Result<Array2<f64>> {
        check_vector(&self.name(), self.ambient(), x)?;
        let basis = self.grey.tangent_basis(&mean_of_channels(x))?;
        let scale = (1.0 / CHANNELS as f64).sqrt();
        Ok(Array2::from_shape_fn((self.ambient(), basis.ncols()), |(row, column)| scale * basis[[row / CHANNELS, column]]))
    }

    fn reach(&self) -> f64 {
        (CHANNELS as f64).sqrt() * self.grey.reach()
    }

    fn sample(&self, stream: &mut Stream) -> Array1<f64> {
        grey_to_rgb(&self.grey.sample(stream))
    }
}
