//! Max-pool as a selection: `y[n, p, q, c] = v[argmax of x over window (p, q)]`. With `v = x` it is max-pooling; with a tangent
//! as `v` it is its JVP. Windows do not overlap; leftover rows and columns at the far borders are ignored. Of equal maxima, the
//! first in row-major order is used.

pub(super) mod cpu;
pub(super) mod cuda;
pub(super) mod reference;
mod tape;

use bytemuck::NoUninit;
use serde::Serialize;

use super::contract::Contract;
use crate::backend::Phase;
use crate::backend::Slope;
use crate::error::{Error, Result};
use crate::shape::{Shape, extent};

/// Largest window. Some devices count the positions in a window in f32.
const MAX_WINDOW: usize = 4096;

/// Maximum over non-overlapping windows: x `[n, h, w, c]`, y `[n, h / window, w / window, c]` (rounded down).
#[derive(Clone, Copy, Debug, PartialEq, Eq, NoUninit, Serialize)]
#[repr(C)]
pub struct PoolSpec {
    /// Images.
    pub n: u32,
    /// Input height.
    pub h: u32,
    /// Input width.
    pub w: u32,
    /// Channels.
    pub c: u32,
    /// Window height and width, and the step between windows.
    pub window: u32,
}

impl PoolSpec {
    /// Checks the operand of a max-pool.
    ///
    /// # Errors
    /// Another rank than 4; a window of 0, larger than the image or than 4096.
    pub fn new(x: &Shape, window: usize) -> Result<Self> {
        let [n, h, w, c] = x.nhwc("max_pool")?;
        if window == 0 || window > h || window > w {
            return Err(Error::shape("max_pool", format!("window {window} does not fit {h}x{w} (x {x})")));
        }
        if window > MAX_WINDOW {
            return Err(Error::shape("max_pool", format!("window must be at most {MAX_WINDOW}, got {window} (x {x})")));
        }
        Ok(Self { n: extent(n), h: extent(h), w: extent(w), c: extent(c), window: extent(window) })
    }

    /// Shape of y.
    ///
    /// # Errors
    /// Never for a spec made by [`PoolSpec::new`].
    pub fn output(&self) -> Result<Shape> {
        Shape::new(&[self.n as usize, (self.h / self.window) as usize, (self.w / self.window) as usize, self.c as usize])
    }

    /// Elements of all windows together, and of y.
    pub(super) fn selected(&self) -> [usize; 2] {
        let [_, windows, output] = self.lengths();
        [windows, output]
    }

    /// Elements of x, of all windows together, and of y.
    fn lengths(&self) -> [usize; 3] {
        let [n, h, w, c, window] = [self.n, self.h, self.w, self.c, self.window].map(|extent| extent as usize);
        let output = n * (h / window) * (w / window) * c;
        [n * h * w * c, window * window * output, output]
    }
}

/// A call. See [`PoolSpec`].
#[expect(missing_docs, reason = "the fields are the symbols of the equations")]
pub enum MaxPool<'a, T> {
    /// `y = v[argmax x]`.
    Forward { spec: &'a PoolSpec, x: &'a T, v: &'a T, y: &'a mut T },
    /// `dv[argmax x] += dy`, then `dv *= slope` if this is the last contribution to the gradient of an activation.
    InputGrad { spec: &'a PoolSpec, x: &'a T, dy: &'a T, dv: &'a mut T, slope: Option<Slope<'a, T>> },
}

impl<T> MaxPool<'_, T> {
    pub(super) fn contract(&self) -> Contract<'_, T> {
        let contract = Contract::<T>::new("max_pool");
        match self {
            Self::Forward { spec, x, v, y } => {
                let [input, windows, output] = spec.lengths();
                // In the plain pool x and v are the same buffer, which is read once.
                let inputs = if std::ptr::eq(*x, *v) { 1 } else { 2 };
                let contract = contract.read("x", x, input).read("v", v, input).write("y", y, output);
                contract.flops(windows as u64).moves(inputs * windows + output)
            }
            Self::InputGrad { spec, x, dy, dv, slope } => {
                let [input, windows, output] = spec.lengths();
                let contract = contract.phase(Phase::InputGradient).read("x", x, input).read("dy", dy, output);
                // Within windows, x is read and dv is read and written.
                let contract = contract.update("dv", dv, input).through(*slope, input);
                contract.flops((windows + output) as u64).moves(3 * windows + output)
            }
        }
    }
}
