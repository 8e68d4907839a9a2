use std::borrow::Cow;

use ndarray::{Array, Array2, Array3, Dimension};

use crate::error::{Error, Result};
use crate::shape::in_pixels;

/// An RGB image: `[height, width, 3]`, values in [0, 1].
pub type Image = Array3<f32>;

/// One value per pixel, `[height, width]`: a mask M, or an anomaly map.
pub type Plane = Array2<f32>;

/// An image from its values, row by row, red, green, blue.
///
/// # Errors
/// A side of 0, or another number of values than `height * width * 3`.
pub fn image(height: usize, width: usize, values: Vec<f32>) -> Result<Image> {
    check("image", height, width, 3, values.len())?;
    Image::from_shape_vec((height, width, 3), values).map_err(|error| Error::shape("image", error.to_string()))
}

/// A plane from its values, row by row.
///
/// # Errors
/// A side of 0, or another number of values than `height * width`.
pub fn plane(height: usize, width: usize, values: Vec<f32>) -> Result<Plane> {
    check("plane", height, width, 1, values.len())?;
    Plane::from_shape_vec((height, width), values).map_err(|error| Error::shape("plane", error.to_string()))
}

/// Height and width of an image. `op` names the caller in the error.
///
/// # Errors
/// A side of 0, or another number of channels than 3.
pub fn sides(op: &'static str, image: &Image) -> Result<(usize, usize)> {
    match image.dim() {
        (height, width, 3) if height > 0 && width > 0 => Ok((height, width)),
        _ => Err(Error::shape(op, format!("an image must be [height, width, 3] with no empty side, got {:?}", image.shape()))),
    }
}

/// Checks that an image can have this size.
pub(super) fn check_size(op: &'static str, height: usize, width: usize) -> Result<()> {
    let values = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(3));
    if values.is_none_or(|values| values == 0 || values > u32::MAX as usize) {
        let size = in_pixels(height, width);
        return Err(Error::shape(op, format!("an image of {size} must have 1 to {} values", u32::MAX)));
    }
    Ok(())
}

/// The values in row-major order. They are copied only if they are in another order in memory.
pub fn row_major<D: Dimension>(array: &Array<f32, D>) -> Cow<'_, [f32]> {
    array.as_slice().map_or_else(|| array.iter().copied().collect(), Cow::Borrowed)
}

fn check(op: &'static str, height: usize, width: usize, channels: usize, len: usize) -> Result<()> {
    let wanted = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
    if height == 0 || width == 0 || wanted != Some(len) {
        return Err(Error::shape(op, format!("{len} values cannot fill {height}x{width}x{channels}")));
    }
    Ok(())
}
