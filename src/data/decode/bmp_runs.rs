//! The run-length codes of a BMP, looked at before the decoder sees them, which makes pixels black that they leave out.

use super::reason::Reason;

/// Positions in the file: where the pixels start, the bytes of the header, the kind of compression.
const START: usize = 10;
const HEADER: usize = 14;
const COMPRESSION: usize = 30;

/// Bytes of the shortest header that has a kind of compression.
const LEAST_HEADER: u32 = 40;

/// The kinds: runs of 8 and of 4 bits.
const RUNS_8: u32 = 1;
const RUNS_4: u32 = 2;

/// The reason where pixels are left out, of which nothing says what they look like.
const LEFT_OUT: &str = "has run-length codes that leave out pixels; save it without compression";

/// Whether the pixels of a BMP are in run-length codes.
pub(super) fn has_runs(bytes: &[u8]) -> bool {
    number(bytes, HEADER).is_some_and(|length| length >= LEAST_HEADER) && kind(bytes).is_some()
}

/// Refuses a picture of this height and width whose codes do not set every pixel. Codes that are cut short are left to the
/// decoder.
pub(super) fn check_runs(bytes: &[u8], [height, width]: [usize; 2]) -> Reason<()> {
    let start = number(bytes, START).and_then(|start| usize::try_from(start).ok());
    let Some(codes) = start.and_then(|start| bytes.get(start..)) else { return Ok(()) };
    let in_a_byte = if kind(bytes) == Some(RUNS_4) { 2 } else { 1 };
    let mut codes = codes.iter().copied();
    let (mut row, mut column) = (0, 0);
    while row < height {
        let (Some(count), Some(value)) = (codes.next(), codes.next()) else { return Ok(()) };
        match (count, value) {
            (0, 0) if column >= width => (row, column) = (row + 1, 0),
            (0, 1) if row + 1 == height && column >= width => return Ok(()),
            (0, 1) => return Err("the BMP data are cut short: the coded data end before the last pixel".to_owned()),
            // The end of a row, or a jump.
            (0, 0 | 2) => return Err(LEFT_OUT.to_owned()),
            (0, count) => {
                // Single pixels, filled up to an even number of bytes.
                let pixels = usize::from(count);
                codes.nth(pixels.div_ceil(in_a_byte).next_multiple_of(2) - 1);
                column += pixels;
            }
            (count, _) => column += usize::from(count),
        }
    }
    Ok(())
}

fn kind(bytes: &[u8]) -> Option<u32> {
    number(bytes, COMPRESSION).filter(|kind| [RUNS_8, RUNS_4].contains(kind))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}
