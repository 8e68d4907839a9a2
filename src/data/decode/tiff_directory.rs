//! The first directory of a TIFF file, looked at before the decoder sees it, which takes memory for as many values as a field
//! claims.

use std::io::{Read, Result, Seek, SeekFrom};

use super::reason::{Reason, broken};

/// Bytes of a value of each type, by number; 0 for types that do not exist.
const SIZES: [u64; 19] = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8];

/// Version of a file whose offsets have 64 bits.
const BIG: u64 = 43;

/// Whether a file begins as one in this format does.
pub(super) fn is_tiff(bytes: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|start| bytes.starts_with(*start))
}

/// Refuses a file of so many bytes that has a field of more. Damage of other kinds is left to the decoder. The source is at its
/// first byte before and afterwards.
///
/// # Errors
/// Such a field, with its number.
pub(super) fn check_fields<R: Read + Seek>(source: &mut R, length: u64) -> Reason<()> {
    let found = Directory::begin(source).and_then(|directory| directory.longest());
    source.rewind().map_err(|error| broken("TIFF", &error))?;
    match found {
        Ok(Some((field, bytes))) if bytes > length => {
            Err(format!("the TIFF data cannot be read: field {field} claims {bytes} bytes, and the file has {length}"))
        }
        _ => Ok(()),
    }
}

/// The entries of the first directory.
struct Directory<'a, R> {
    source: &'a mut R,
    is_big_endian: bool,
    is_big: bool,
    entries: u64,
}

impl<'a, R: Read + Seek> Directory<'a, R> {
    fn begin(source: &'a mut R) -> Result<Self> {
        let mut order = [0; 2];
        source.read_exact(&mut order)?;
        let mut own = Self { source, is_big_endian: &order == b"MM", is_big: false, entries: 0 };
        own.is_big = own.number(2)? == BIG;
        if own.is_big {
            own.number(4)?;
        }
        let start = own.number(if own.is_big { 8 } else { 4 })?;
        own.source.seek(SeekFrom::Start(start))?;
        own.entries = own.number(if own.is_big { 8 } else { 2 })?;
        Ok(own)
    }

    /// The number of the field with the most bytes, and how many these are.
    fn longest(mut self) -> Result<Option<(u64, u64)>> {
        // Behind what is there of a directory that is cut short, the decoder has nothing to read either.
        let entries = (0..self.entries).map_while(|_| self.entry().ok());
        Ok(entries.max_by_key(|&(_, bytes)| bytes))
    }

    /// The next entry: the number of the field, and its bytes.
    fn entry(&mut self) -> Result<(u64, u64)> {
        let (field, kind) = (self.number(2)?, self.number(2)?);
        let wide = if self.is_big { 8 } else { 4 };
        let count = self.number(wide)?;
        self.number(wide)?;
        let size = usize::try_from(kind).ok().and_then(|kind| SIZES.get(kind)).copied().unwrap_or(0);
        Ok((field, count.saturating_mul(size)))
    }

    /// A number of so many bytes.
    fn number(&mut self, bytes: usize) -> Result<u64> {
        let mut raw = [0; 8];
        self.source.read_exact(&mut raw[..bytes])?;
        let digits = &raw[..bytes];
        let joined = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        Ok(if self.is_big_endian { digits.iter().fold(0, joined) } else { digits.iter().rev().fold(0, joined) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A file with one directory of one field of type `kind` with so many values.
    fn file(is_big: bool, kind: u16, count: u32) -> Vec<u8> {
        let (kind, count) = (kind.to_be_bytes(), count.to_be_bytes());
        match is_big {
            false => [&b"MM\0*\0\0\0\x08\0\x01\x01\x11"[..], &kind, &count, &[0; 8]].concat(),
            true => {
                let head = b"MM\0+\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x01\x01\x11";
                [&head[..], &kind, &[0; 4], &count, &[0; 16]].concat()
            }
        }
    }

    #[test]
    fn a_field_cannot_have_more_bytes_than_the_file() {
        for is_big in [false, true] {
            for (kind, count, bytes) in [(3, 100_000, 200_000), (4, 1 << 30, 1_u64 << 32), (16, 100, 800), (1, 1000, 1000)] {
                let file = file(is_big, kind, count);
                let text = check_fields(&mut Cursor::new(&file), file.len() as u64).unwrap_err();
                let expected = format!("field 273 claims {bytes} bytes, and the file has {}", file.len());
                assert!(text.ends_with(&expected), "{text}");
                let mut long = Cursor::new(&file);
                check_fields(&mut long, bytes).unwrap();
                assert_eq!(long.position(), 0);
            }
            // A type that does not exist, and a directory that is cut short, are the decoder's to refuse.
            check_fields(&mut Cursor::new(file(is_big, 99, u32::MAX)), 20).unwrap();
            check_fields(&mut Cursor::new(&file(is_big, 4, u32::MAX)[..15]), 20).unwrap();
        }
    }
}
