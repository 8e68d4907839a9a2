//! Mutations that know nothing of a format.

use orthoscope::rng::Stream;

/// Values that lengths and counts do not expect.
const EXTREMES: [u64; 12] =
    [0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x0000_2000, 0x7FFF_FFFF_FFFF_FFFF, u64::MAX];

/// A place below `length`, half the time within the first 64, where headers are; 0 if there is none.
fn place(random: &mut Stream, length: usize) -> usize {
    let end = if random.bits() & 1 == 0 { length.min(64) } else { length };
    random.below(end as u32) as usize
}

/// A range within `length`, mostly a short one.
pub fn range(random: &mut Stream, length: usize) -> std::ops::Range<usize> {
    let start = place(random, length);
    let most = if random.below(4) == 0 { length - start } else { (length - start).min(16) };
    start..start + random.below(most as u32 + 1) as usize
}

/// Changes one thing. `other` is another file of the corpus.
pub fn mutate(random: &mut Stream, bytes: &mut Vec<u8>, other: &[u8]) {
    let length = bytes.len();
    match random.below(9) {
        0 if length > 0 => bytes[place(random, length)] ^= 1 << random.below(8),
        1 if length > 0 => bytes[place(random, length)] = [0, 1, 0x7F, 0x80, 0xFF, random.bits() as u8][random.below(6) as usize],
        2 => bytes.truncate(random.below(length as u32 + 1) as usize),
        3 => drop(bytes.drain(range(random, length))),
        4 => insert(random, bytes),
        5 => splice(random, bytes, other),
        6 | 7 => number(random, bytes),
        _ => exchange(random, bytes),
    }
}

/// Inserts zeros, noise or a part of the file again.
fn insert(random: &mut Stream, bytes: &mut Vec<u8>) {
    let (at, count) = (place(random, bytes.len() + 1), random.between(1, 64) as usize);
    let part: Vec<u8> = match random.below(3) {
        0 => vec![0; count],
        1 => (0..count).map(|_| random.bits() as u8).collect(),
        _ => bytes[range(random, bytes.len())].to_vec(),
    };
    bytes.splice(at..at, part);
}

/// The beginning of one file before the end of another.
fn splice(random: &mut Stream, bytes: &mut Vec<u8>, other: &[u8]) {
    bytes.truncate(random.below(bytes.len() as u32 + 1) as usize);
    bytes.extend_from_slice(&other[random.below(other.len() as u32 + 1) as usize..]);
}

/// Overwrites a number of 1, 2, 4 or 8 bytes, in one order of bytes or the other, by an extreme value.
fn number(random: &mut Stream, bytes: &mut [u8]) {
    let width = 1 << random.below(4);
    if bytes.len() < width {
        return;
    }
    let at = place(random, bytes.len() - width + 1);
    let value = EXTREMES[random.below(EXTREMES.len() as u32) as usize];
    let number =
        if random.bits() & 1 == 0 { value.to_le_bytes()[..width].to_vec() } else { value.to_be_bytes()[8 - width..].to_vec() };
    bytes[at..at + width].copy_from_slice(&number);
}

/// Moves a part to another place.
fn exchange(random: &mut Stream, bytes: &mut Vec<u8>) {
    let part: Vec<u8> = bytes.drain(range(random, bytes.len())).collect();
    let at = place(random, bytes.len() + 1);
    bytes.splice(at..at, part);
}
