//! `.npy` arrays (NumPy's format, version 1 to 3), in files and in streams.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use ndarray::{Array, ArrayD, Dimension, ShapeBuilder};
use npyz::{AutoSerialize, NpyFile, Order, WriterBuilder};

use super::write_atomically;
use crate::error::{Error, Result};

/// Writes a file with an array of f32 or f64 in C order.
///
/// # Errors
/// The file cannot be written.
pub fn write<T: AutoSerialize + Copy, D: Dimension>(path: &Path, array: &Array<T, D>) -> Result<()> {
    write_atomically(path, |file| write_to(file, array))
}

/// Writes an array of f32 or f64 in C order to a stream.
///
/// # Errors
/// The stream cannot be written.
pub fn write_to<T: AutoSerialize + Copy, D: Dimension>(out: impl Write, array: &Array<T, D>) -> io::Result<()> {
    let shape: Vec<u64> = array.shape().iter().map(|&extent| extent as u64).collect();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(out).begin_nd()?;
    writer.extend(array.iter().copied())?;
    writer.finish()
}

/// Reads a file with an array of f32 or f64, in C or Fortran order.
///
/// # Errors
/// An unreadable file, another type, a value that is not finite.
pub fn read(path: &Path) -> Result<ArrayD<f32>> {
    let file = File::open(path).map_err(|error| Error::read(path, error))?;
    let failed = |reason: String| Error::file(path, format!("not a usable .npy array: {reason}"));
    let array = read_from(BufReader::new(file)).map_err(failed)?;
    match array.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(failed(format!("holds {value}"))),
        None => Ok(array),
    }
}

/// Reads one array of f32 or f64 from a stream and nothing behind it. The error is the reason in words.
///
/// # Errors
/// No array of these types; more elements than 32 bits can number.
pub fn read_from(stream: impl Read) -> std::result::Result<ArrayD<f32>, String> {
    let header = NpyFile::new(stream).map_err(|error| error.to_string())?;
    let is_fortran = header.order() == Order::Fortran;
    let shape: Vec<usize> = header.shape().iter().map(|&extent| extent as usize).collect();
    let elements = shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent));
    if elements.is_none_or(|count| count > u32::MAX as usize) {
        return Err(format!("{shape:?} has more than {} elements", u32::MAX));
    }
    let values: io::Result<Vec<f32>> = match header.try_data::<f32>() {
        Ok(data) => data.collect(),
        Err(header) => {
            let refused = |other: NpyFile<_>| format!("type {} is neither f32 nor f64", other.dtype().descr());
            header.try_data::<f64>().map_err(refused)?.map(|value| value.map(|value| value as f32)).collect()
        }
    };
    let values = values.map_err(|error| error.to_string())?;
    ArrayD::from_shape_vec(shape.set_f(is_fortran), values).map_err(|error| error.to_string())
}
