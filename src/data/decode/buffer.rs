//! Memory of decoded pictures and its limits.

use std::fmt::Display;

use super::reason::{self, Reason};
use crate::shape::in_pixels;
use crate::spare::{self, Promise};

/// The largest image that is read, in pixels: 64 Mpx, e.g. 8192 x 8192. Its decoded form takes 768 MB.
pub const MAX_PIXELS: u64 = 64 * 1024 * 1024;

/// The most bytes that the samples of a file may take as stored: four of 32 bits for each of [`MAX_PIXELS`].
pub(super) const MAX_SAMPLE_BYTES: u64 = MAX_PIXELS * 16;

/// A buffer of zeros for the samples of a picture of this height and width.
pub(super) fn buffer(bytes: u64, [height, width]: [usize; 2]) -> Reason<Vec<u8>> {
    let length = usize::try_from(bytes).ok().filter(|_| bytes <= MAX_SAMPLE_BYTES);
    let length = length.ok_or_else(|| {
        let size = in_pixels(height, width);
        format!("has {size} with {bytes} bytes of samples, the limit is {MAX_SAMPLE_BYTES}; use fewer bits")
    })?;
    let mut raw = reserved(length, [height, width])?;
    raw.resize(length, 0);
    Ok(raw)
}

/// Bytes for each pixel that a decoder may take beside the samples: a JPEG decoder keeps coefficients of 16 bits in three
/// channels, others a copy of the samples.
const OF_DECODER: usize = 8;

/// Memory for a decoder that takes what it needs for a picture of this size without asking.
pub(super) fn for_decoder(size @ [height, width]: [u32; 2]) -> Reason<Promise> {
    let bytes = (height as usize).saturating_mul(width as usize).saturating_mul(OF_DECODER);
    spare::promised(bytes).map_err(|_| short(size))
}

fn short<T: Display + PartialEq>([height, width]: [T; 2]) -> String {
    reason::short(in_pixels(height, width))
}

/// Refuses a file of so many bytes that claims more samples than it can hold, if each byte becomes at most `most` bytes of
/// samples. Without this a header alone would take the memory of the largest picture.
pub(super) fn check_claim(format: &str, samples: u64, file: usize, most: u64) -> Reason<()> {
    match samples <= most.saturating_mul(file as u64) {
        true => Ok(()),
        false => Err(format!("the {format} data are cut short: {file} bytes cannot hold {samples} bytes of samples")),
    }
}

/// An empty vector with space for `count` values of an image of this height and width.
pub(super) fn reserved<T>(count: usize, size: [usize; 2]) -> Reason<Vec<T>> {
    spare::reserved(count).map_err(|_| short(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_beyond_the_limit_are_refused_before_memory_is_taken() {
        assert!(
            buffer(MAX_SAMPLE_BYTES + 1, [8, 9])
                .unwrap_err()
                .contains("8x9 pixels (height x width) with 1073741825 bytes of samples")
        );
        assert_eq!(buffer(3, [1, 1]), Ok(vec![0; 3]));
    }
}
