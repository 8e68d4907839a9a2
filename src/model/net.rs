use crate::error::Result;
use crate::shape::Activation;

/// The layers that a network is built from. `name` is the prefix of the layer's parameters, e.g. `e1.0` for `e1.0.weight` and
/// `e1.0.bias`.
pub trait Net {
    /// A value flowing through the network.
    type Value: Copy;

    /// `A(conv(x))`: `kernel x kernel`, stride 1, zero padding that keeps the size, bias.
    ///
    /// # Errors
    /// Shapes or parameters that do not fit, named with the layer.
    fn conv(&mut self, name: &str, x: Self::Value, c_out: usize, kernel: usize, activation: Activation) -> Result<Self::Value>;

    /// [`Net::conv`] and the [`Net::max_pool2`] of its result, as `[y, pooled]`.
    ///
    /// # Errors
    /// Those of both.
    fn conv_and_pool(
        &mut self,
        name: &str,
        x: Self::Value,
        c_out: usize,
        kernel: usize,
        activation: Activation,
    ) -> Result<[Self::Value; 2]> {
        let y = self.conv(name, x, c_out, kernel, activation)?;
        Ok([y, self.max_pool2(y)?])
    }

    /// Stacked dilated convolution: parallel 3x3 convolutions `name.0`, `name.1`, … with `c_out` channels each, concatenated,
    /// ELU.
    ///
    /// # Errors
    /// As [`Net::conv`].
    fn sdc(&mut self, name: &str, x: Self::Value, c_out: usize, dilations: &[usize]) -> Result<Self::Value>;

    /// Convex combination of skip s and upsampled u with the gate `name.mix`, `name.gate`.
    ///
    /// # Errors
    /// As [`Net::conv`].
    fn ccm(&mut self, name: &str, s: Self::Value, u: Self::Value) -> Result<Self::Value>;

    /// `A(x wᵀ + b)`.
    ///
    /// # Errors
    /// As [`Net::conv`].
    fn linear(&mut self, name: &str, x: Self::Value, c_out: usize, activation: Activation) -> Result<Self::Value>;

    /// Maximum over 2 x 2 pixels.
    ///
    /// # Errors
    /// An image smaller than 2 x 2.
    fn max_pool2(&mut self, x: Self::Value) -> Result<Self::Value>;

    /// Bilinear upsampling by two.
    ///
    /// # Errors
    /// A result too large.
    fn upsample2(&mut self, x: Self::Value) -> Result<Self::Value>;
}
