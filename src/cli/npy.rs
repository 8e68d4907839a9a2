use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ndarray::{Array, ArrayD, Dimension, ShapeBuilder};
use npyz::{AutoSerialize, NpyFile, Order, WriterBuilder};
use orthoscope::data::write_atomically;
use orthoscope::{Error, Result};

/// Writes a `.npy` array of f32 or f64 in C order.
///
/// # Errors
/// The file cannot be written.
pub fn write<T: AutoSerialize + Copy, D: Dimension>(path: &Path, array: &Array<T, D>) -> Result<()> {
    let shape: Vec<u64> = array.shape().iter().map(|&extent| extent as u64).collect();
    write_atomically(path, |file| {
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
        writer.extend(array.iter().copied())?;
        writer.finish()
    })
}

/// Reads a `.npy` array of f32 or f64, in C or Fortran order.
///
/// # Errors
/// An unreadable file, another type, a value that is not finite.
pub fn read(path: &Path) -> Result<ArrayD<f32>> {
    let failed = |reason: &dyn std::fmt::Display| Error::file(path, format!("not a usable .npy array: {reason}"));
    let file = File::open(path).map_err(|error| Error::read(path, error))?;
    let header = NpyFile::new(BufReader::new(file)).map_err(|error| failed(&error))?;
    let is_fortran = header.order() == Order::Fortran;
    let shape: Vec<usize> = header.shape().iter().map(|&extent| extent as usize).collect();
    let elements = shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent));
    if elements.is_none_or(|count| count > u32::MAX as usize) {
        return Err(failed(&format!("{shape:?} has more than {} elements", u32::MAX)));
    }
    let values = match header.try_data::<f32>() {
        Ok(data) => data.collect::<std::io::Result<Vec<f32>>>().map_err(|error| failed(&error))?,
        Err(header) => {
            let wide = header
                .try_data::<f64>()
                .map_err(|other| failed(&format!("type {} is neither f32 nor f64", other.dtype().descr())))?;
            wide.map(|value| value.map(|value| value as f32)).collect::<std::io::Result<_>>().map_err(|error| failed(&error))?
        }
    };
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(failed(&format!("holds {value}"))),
        None => ArrayD::from_shape_vec(shape.set_f(is_fortran), values).map_err(|error| failed(&error)),
    }
}
