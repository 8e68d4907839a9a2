use crate::error::{Error, Result};

/// An RGB picture: `pixels` is `[height, width, 3]`, values in [0, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Row by row, red, green, blue.
    pub pixels: Vec<f32>,
}

impl Image {
    /// A picture from its pixels.
    ///
    /// # Errors
    /// A side of 0, or another number of values than `height * width * 3`.
    pub fn new(height: usize, width: usize, pixels: Vec<f32>) -> Result<Self> {
        check("image", height, width, 3, pixels.len())?;
        Ok(Self { height, width, pixels })
    }
}

/// One value per pixel: a mask M, or an anomaly map. `values` is `[height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Row by row.
    pub values: Vec<f32>,
}

impl Plane {
    /// A plane from its values.
    ///
    /// # Errors
    /// A side of 0, or another number of values than `height * width`.
    pub fn new(height: usize, width: usize, values: Vec<f32>) -> Result<Self> {
        check("plane", height, width, 1, values.len())?;
        Ok(Self { height, width, values })
    }
}

fn check(op: &'static str, height: usize, width: usize, channels: usize, len: usize) -> Result<()> {
    let wanted = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
    if height == 0 || width == 0 || wanted != Some(len) {
        return Err(Error::shape(op, format!("{len} values cannot fill {height}x{width}x{channels}")));
    }
    Ok(())
}
