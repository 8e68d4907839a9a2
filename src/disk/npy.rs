//! `.npy` arrays (NumPy's format, version 1 to 3), in files and in streams.

use std::io::{self, BufReader, Chain, Cursor, Read, Write};
use std::path::Path;

use ndarray::{Array, ArrayD, Dimension, ShapeBuilder};
pub use npyz::NpyWriter;
use npyz::{AutoSerialize, NpyFile, Order, WriterBuilder};

use super::{bounded, write_atomically};
use crate::error::{Error, Result, shortened};
use crate::spare;

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

/// Begins an array `[height, width]` of f32 in C order, whose values follow row by row.
///
/// # Errors
/// The stream cannot be written.
pub fn begin<W: Write>(out: W, (height, width): (usize, usize)) -> io::Result<NpyWriter<f32, W>> {
    npyz::WriteOptions::new().default_dtype().shape(&[height as u64, width as u64]).writer(out).begin_nd()
}

/// The bytes of a file with an array of f32 or f64 in C order.
///
/// # Errors
/// Too little memory.
pub fn encode<T: AutoSerialize + Copy, D: Dimension>(array: &Array<T, D>) -> Result<Vec<u8>> {
    let short = |_| Error::format(format!("an array of {} values, for which memory is short", array.len()));
    let length = array.len().saturating_mul(size_of::<T>()).saturating_add(HEADER);
    let mut bytes = spare::reserved(length).map_err(short)?;
    write_to(&mut bytes, array).map_err(Error::format)?;
    Ok(bytes)
}

/// Bytes that a header takes, more or less.
const HEADER: usize = 256;

/// Longest header that is read, in bytes; NumPy's own are about 100 long.
const MAX_HEADER: u32 = 1 << 16;

/// Deepest brackets of a header that is parsed. NumPy's own have two, and four with fields. The time of the parser doubles with
/// each.
const MAX_DEPTH: usize = 4;

/// Longest part of a reason that quotes the file, in characters.
const MAX_QUOTED: usize = 200;

/// A type that values of f32 and f64 are read as.
pub trait Element: Copy {
    /// From the narrower type.
    fn of_f32(value: f32) -> Self;
    /// From the wider type.
    fn of_f64(value: f64) -> Self;
    /// The value in f64.
    fn wide(self) -> f64;
}

impl Element for f32 {
    fn of_f32(value: f32) -> Self {
        value
    }

    fn of_f64(value: f64) -> Self {
        value as Self
    }

    fn wide(self) -> f64 {
        self.into()
    }
}

impl Element for f64 {
    fn of_f32(value: f32) -> Self {
        value.into()
    }

    fn of_f64(value: f64) -> Self {
        value
    }

    fn wide(self) -> f64 {
        self
    }
}

/// Reads a file with an array of f32 or f64, in C or Fortran order. Only the bytes that the file has are allocated.
///
/// # Errors
/// An unreadable or truncated file, another type, a value that is not finite.
pub fn read<T: Element>(path: &Path) -> Result<ArrayD<T>> {
    let (file, length) = bounded::open(path, bounded::NUMBERS)?;
    let failed = |reason: String| unusable(path, &reason);
    let array: ArrayD<T> = read_known(BufReader::new(file), Some(length)).map_err(failed)?;
    match array.iter().map(|value| value.wide()).find(|value| !value.is_finite()) {
        Some(value) => Err(failed(format!("holds {value}"))),
        None => Ok(array),
    }
}

/// The values of an array of f32 from a stream, one by one. The error is the reason in words.
///
/// # Errors
/// No array of this type.
pub fn values<R: Read>(stream: R) -> std::result::Result<impl Iterator<Item = io::Result<f32>>, String> {
    let (file, _) = header(stream)?;
    file.try_data::<f32>().map_err(|other| first_line(&format!("type {} is not f32", other.dtype().descr())))
}

/// Whether the values of a file are f64, from its header.
///
/// # Errors
/// An unreadable file.
pub fn is_f64(path: &Path) -> Result<bool> {
    let (file, _) = bounded::open(path, bounded::NUMBERS)?;
    let (header, _) = header(BufReader::new(file)).map_err(|reason| unusable(path, &reason))?;
    Ok(header.try_data::<f64>().is_ok())
}

fn unusable(path: &Path, reason: &str) -> Error {
    Error::file(path, format!("not a usable .npy array: {reason}"))
}

/// Reads one array of f32 or f64 from a stream and nothing behind it. The error is the reason in words.
///
/// # Errors
/// No array of these types; more elements than 32 bits can number.
pub fn read_from<T: Element>(stream: impl Read) -> std::result::Result<ArrayD<T>, String> {
    read_known(stream, None)
}

/// The same of a stream that has `length` bytes, if that is known.
fn read_known<T: Element>(stream: impl Read, length: Option<u64>) -> std::result::Result<ArrayD<T>, String> {
    let (header, start) = header(stream)?;
    let is_fortran = header.order() == Order::Fortran;
    let shape: Vec<usize> = header.shape().iter().map(|&extent| extent as usize).collect();
    let elements = shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent));
    let Some(count) = elements.filter(|&count| count <= u32::MAX as usize) else {
        return Err(first_line(&format!("{shape:?} has more than {} elements", u32::MAX)));
    };
    let fits = |width: u64| match length.map(|length| length.saturating_sub(start)) {
        Some(rest) if rest < count as u64 * width => {
            Err(format!("its shape {shape:?} needs {} bytes and {rest} follow its header", count as u64 * width))
        }
        _ => Ok(length.map_or(0, |_| count)),
    };
    let values = match header.try_data::<f32>() {
        Ok(data) => collected(data, fits(4)?, T::of_f32),
        Err(header) => match header.try_data::<f64>() {
            Ok(data) => collected(data, fits(8)?, T::of_f64),
            Err(other) => Err(first_line(&format!("type {} is neither f32 nor f64", other.dtype().descr()))),
        },
    }?;
    ArrayD::from_shape_vec(shape.set_f(is_fortran), values).map_err(|error| error.to_string())
}

/// The values one by one, so that no more is allocated than was read or `known` to be there.
fn collected<S, T>(
    data: impl Iterator<Item = io::Result<S>>,
    known: usize,
    convert: impl Fn(S) -> T,
) -> std::result::Result<Vec<T>, String> {
    let short = |_| "memory is short for its values".to_owned();
    let mut values = spare::reserved(known).map_err(short)?;
    for value in data {
        values.try_reserve(1).map_err(short)?;
        values.push(convert(value.map_err(|error| reason(&error))?));
    }
    Ok(values)
}

/// What an array's bytes follow: the header that was read, in front of the rest of the stream.
type Rest<R> = Chain<Cursor<Vec<u8>>, R>;

/// An array whose header was read, and the number of bytes of the header.
fn header<R: Read>(mut stream: R) -> std::result::Result<(NpyFile<Rest<R>>, u64), String> {
    let cut = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends within its header".to_owned(),
        _ => reason(&error),
    };
    let mut start = [0; 8];
    stream.read_exact(&mut start).map_err(cut)?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err("it does not begin as such a file does".to_owned());
    }
    let mut size = [0; 4];
    let digits = if start[6] == 1 { 2 } else { 4 };
    stream.read_exact(&mut size[..digits]).map_err(cut)?;
    let length = u32::from_le_bytes(size);
    if length > MAX_HEADER {
        return Err(format!("its header claims {length} bytes, at most {MAX_HEADER} are read"));
    }
    let before = start.len() + digits;
    let mut bytes = [&start, &size[..digits]].concat();
    stream.by_ref().take(length.into()).read_to_end(&mut bytes).map_err(cut)?;
    let whole = bytes.len() as u64;
    if whole < before as u64 + u64::from(length) {
        return Err("it ends within its header".to_owned());
    }
    check_header(&bytes[before..])?;
    let file = NpyFile::new(Cursor::new(bytes).chain(stream)).map_err(|error| first_line(&reason(&error)))?;
    Ok((file, whole))
}

/// Refuses what the parser of headers would take forever for, or multiply beyond the largest number.
fn check_header(text: &[u8]) -> std::result::Result<(), String> {
    if depth(text) > MAX_DEPTH {
        return Err(format!("its header has brackets within brackets, more than {MAX_DEPTH} deep"));
    }
    let words = text.split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'));
    let mut numbers = words.filter(|word| word.first().is_some_and(u8::is_ascii_digit));
    let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<u64>().ok();
    match numbers.try_fold(1_u64, |product, word| product.checked_mul(number(word)?.max(1))) {
        Some(_) => Ok(()),
        None => Err(format!("its shape has more than {} elements, or is not written in digits", u32::MAX)),
    }
}

/// How deep brackets are nested in a text, closed or not.
fn depth(text: &[u8]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for byte in text {
        match byte {
            b'{' | b'[' | b'(' => now += 1,
            b'}' | b']' | b')' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends before its last value".to_owned(),
        _ => error.to_string(),
    }
}

/// The first line of a text that may quote the file, and not much of it.
fn first_line(text: &str) -> String {
    shortened(text.lines().next().unwrap_or_default(), MAX_QUOTED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    fn written(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn doubles_keep_their_digits_and_every_cut_is_refused() {
        let mut bytes = Vec::new();
        write_to(&mut bytes, &arr2(&[[1.5, 1.0 + 1e-12], [-1e-60, 0.25]])).unwrap();
        let (_folder, path) = written(&bytes);
        assert!(is_f64(&path).unwrap());
        let array = read::<f64>(&path).unwrap();
        assert_eq!((array[[0, 1]], array[[1, 0]]), (1.0 + 1e-12, -1e-60));
        assert_eq!(read::<f32>(&path).unwrap()[[0, 1]], 1.0);
        for length in 0..bytes.len() {
            let (_folder, path) = written(&bytes[..length]);
            let text = read::<f64>(&path).unwrap_err().to_string();
            assert!(text.contains("not a usable .npy array: it"), "{length}: {text}");
            assert!(read_from::<f64>(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn claims_beyond_the_file_allocate_nothing() {
        let made = |version: u8, length: &[u8], text: &str| [&b"\x93NUMPY"[..], &[version, 0], length, text.as_bytes()].concat();
        for (bytes, words) in [
            (made(2, &[0xFF; 4], "{"), "its header claims 4294967295 bytes, at most 65536 are read"),
            (made(2, &[0, 0, 1, 0], "{"), "it ends within its header"),
            (b"no array".to_vec(), "it does not begin as such a file does"),
        ] {
            let (_folder, path) = written(&bytes);
            assert!(read::<f32>(&path).unwrap_err().to_string().ends_with(words), "{words}");
        }
        let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (60000, 60000), }\n";
        let (_folder, path) = written(&made(1, &(text.len() as u16).to_le_bytes(), text));
        let refused = read::<f32>(&path).unwrap_err().to_string();
        assert!(refused.ends_with("its shape [60000, 60000] needs 28800000000 bytes and 0 follow its header"), "{refused}");
    }

    #[test]
    fn a_header_of_many_brackets_is_not_parsed() {
        // The parser took 2^40 steps for the first, and more stack than there is for the last.
        for (open, close, count) in [("{'a':", "}", 40), ("[", "]", 40), ("(", "", 40), ("[", "]", 30_000)] {
            let text = format!("{{'descr': {}1{}}}\n", open.repeat(count), close.repeat(count));
            let bytes = [&b"\x93NUMPY\x01\0"[..], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
            let refused = read_from::<f32>(&bytes[..]).unwrap_err();
            assert_eq!(refused, "its header has brackets within brackets, more than 4 deep");
        }
    }

    #[test]
    fn a_shape_beyond_all_numbers_is_refused_before_its_product_is_taken() {
        for shape in
            ["(9223372036854775808, 4)", "(4294967296, 4294967296, 0)", "(18446744073709551616,)", "(0xffffffffffffffff, 2)"]
        {
            let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
            let bytes = [&b"\x93NUMPY\x01\0"[..], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
            let refused = read_from::<f32>(&bytes[..]).unwrap_err();
            assert_eq!(refused, "its shape has more than 4294967295 elements, or is not written in digits");
        }
    }

    #[test]
    fn a_broken_header_is_one_short_line() {
        let text = format!("{{'descr': {}\n\n\n", "x".repeat(60_000));
        let bytes = [&b"\x93NUMPY\x01\0"[..], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
        let refused = read_from::<f32>(&bytes[..]).unwrap_err();
        assert!(refused.chars().count() <= MAX_QUOTED + 1 && !refused.contains('\n'), "{refused}");
    }
}
