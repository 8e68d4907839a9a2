use super::{Shape, extent};
use crate::error::{Error, Result};

/// Largest window: the places of its square are counted in f32 on some devices.
const MOST_WINDOW: usize = 4096;

/// Maximum over non-overlapping windows: x `[n, h, w, c]`, y `[n, h / window, w / window, c]` (rounded down).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        if window > MOST_WINDOW {
            return Err(Error::shape("max_pool", format!("window must be at most {MOST_WINDOW}, got {window} (x {x})")));
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
}
