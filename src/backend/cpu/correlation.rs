use std::ops::Range;

use super::range::ChannelRange;

/// Geometry of a correlation: through `tap`, output pixel o reads input pixel `o * stride + tap * dilation - padding`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Correlation {
    /// Images.
    pub n: usize,
    /// Height and width of the input.
    pub source: (usize, usize),
    /// Height and width of the output.
    pub target: (usize, usize),
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    /// May be negative; then the border of the input is not read.
    pub padding: isize,
    /// Channels of the input.
    pub read: ChannelRange,
    /// Channels of the output.
    pub write: ChannelRange,
}

impl Correlation {
    /// Position of the input pixel of `tap`, relative to `o * stride`.
    pub fn shift(&self, tap: usize) -> isize {
        (tap * self.dilation) as isize - self.padding
    }

    /// Input row that output row `oy` reads through tap `ky`; None outside the image.
    pub fn row(&self, oy: usize, ky: usize) -> Option<usize> {
        (oy * self.stride).checked_add_signed(self.shift(ky)).filter(|&iy| iy < self.source.0)
    }

    /// Output columns whose input pixel through tap `kx` is inside the image.
    pub fn columns(&self, kx: usize) -> Range<usize> {
        let shift = self.shift(kx);
        let low = shift.min(0).unsigned_abs().div_ceil(self.stride);
        let room = self.source.1.saturating_add_signed(-shift);
        low..room.div_ceil(self.stride).min(self.target.1)
    }

    /// Multiply-adds of the direct sum, without taps that read padding.
    pub fn multiply_adds(&self) -> usize {
        let columns: usize = (0..self.kernel).map(|kx| self.columns(kx).len()).sum();
        let rows = (0..self.target.0).flat_map(|oy| (0..self.kernel).filter_map(move |ky| self.row(oy, ky))).count();
        self.n * rows * columns * self.read.count * self.write.count
    }

    /// Number of rows of the weight matrix: taps times input channels.
    pub fn depth(&self) -> usize {
        self.kernel * self.kernel * self.read.count
    }

    /// The correlation of dz with the flipped kernel, if this one has stride 1.
    pub(crate) fn adjoint(&self) -> Correlation {
        let padding = (self.dilation * (self.kernel - 1)) as isize - self.padding;
        Correlation { source: self.target, target: self.source, padding, read: self.write, write: self.read, ..*self }
    }

    /// The correlation of stride 1 whose dz is that of this one with zeros inserted between its pixels.
    pub(crate) fn unit_stride(&self) -> Correlation {
        let (height, width) = self.target;
        let target = ((height - 1) * self.stride + 1, (width - 1) * self.stride + 1);
        Correlation { target, stride: 1, ..*self }
    }
}
