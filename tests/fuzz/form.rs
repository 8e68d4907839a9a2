//! Mutations that keep a file readable as far as their change, so that they reach what is behind its checksums and lengths.

use orthoscope::rng::Stream;

use super::{bytes, text};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const NPY: &[u8] = b"\x93NUMPY";

/// Bytes of the number in front of a safetensors header.
const LENGTH: usize = 8;

/// A mutation of a file of the corpus; `other` is another one. The stream alone decides which.
pub fn mutated(random: &mut Stream, file: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    // Mostly one change, so that many files are still accepted.
    for _ in 0..[1, 1, 1, 2, 2, 4][random.below(6) as usize] {
        // One in eight knows nothing of the form.
        match random.below(8) {
            0 => bytes::mutate(random, &mut bytes, other),
            _ => mutate(random, &mut bytes, other),
        }
    }
    bytes
}

fn mutate(random: &mut Stream, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.starts_with(PNG) {
        *bytes = png(random, bytes, other);
    } else if bytes.starts_with(NPY) && bytes.len() > 10 {
        npy(random, bytes, other);
    } else if let Some(end) = header_end(bytes) {
        safetensors(random, bytes, end, other);
    } else if bytes.is_ascii() {
        text::mutate(random, bytes, other);
    } else {
        bytes::mutate(random, bytes, other);
    }
}

/// The end of the header of a safetensors file, if this is one.
fn header_end(bytes: &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    (rest.first() == Some(&b'{') && length <= rest.len()).then(|| LENGTH + length)
}

/// The header in text, or the values.
fn safetensors(random: &mut Stream, bytes: &mut Vec<u8>, end: usize, other: &[u8]) {
    let (mut header, mut values) = (bytes[LENGTH..end].to_vec(), bytes[end..].to_vec());
    let (theirs, their_values) = header_end(other).map_or((other, other), |end| (&other[LENGTH..end], &other[end..]));
    match random.below(4) {
        0 => bytes::mutate(random, &mut values, their_values),
        1 => bytes::mutate(random, &mut header, theirs),
        _ => text::mutate(random, &mut header, theirs),
    }
    *bytes = [&(header.len() as u64).to_le_bytes()[..], &header, &values].concat();
}

/// The header in text, with its length put right, or the rest.
fn npy(random: &mut Stream, bytes: &mut Vec<u8>, other: &[u8]) {
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]])).min(bytes.len() - 10);
    let (mut header, values) = (bytes[10..10 + length].to_vec(), bytes[10 + length..].to_vec());
    match random.below(4) {
        0 => bytes::mutate(random, bytes, other),
        _ => {
            text::mutate(random, &mut header, other);
            header.truncate(usize::from(u16::MAX));
            *bytes = [&bytes[..8], &(header.len() as u16).to_le_bytes(), &header, &values].concat();
        }
    }
}

/// A chunk of a PNG: its kind and its data.
type Chunk = ([u8; 4], Vec<u8>);

fn chunks(bytes: &[u8]) -> Vec<Chunk> {
    let mut rest = bytes.get(PNG.len()..).unwrap_or_default();
    let mut found = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<8>() {
        let length = (u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize).min(tail.len());
        found.push(([head[4], head[5], head[6], head[7]], tail[..length].to_vec()));
        rest = tail.get(length + 4..).unwrap_or_default();
    }
    found
}

/// Chunks removed, repeated, moved, taken from another file, changed within or renamed, with checksums that fit.
fn png(random: &mut Stream, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    let (mut own, theirs) = (chunks(bytes), chunks(other));
    let count = own.len() as u32;
    if count == 0 {
        return bytes.to_vec();
    }
    let (one, two) = (random.below(count) as usize, random.below(count) as usize);
    match random.below(8) {
        0 => drop(own.remove(one)),
        1 => own.insert(one, own[two].clone()),
        2 => own.swap(one, two),
        3 if !theirs.is_empty() => own.insert(one, theirs[random.below(theirs.len() as u32) as usize].clone()),
        4 => own[one].0 = *[b"tRNS", b"iCCP", b"zTXt", b"acTL", b"fdAT", b"PLTE", b"eXIf", b"IDAT"][random.below(8) as usize],
        // The header has the size, the depth and the kind of colour.
        5 => bytes::mutate(random, &mut own[0].1, &[]),
        _ => bytes::mutate(random, &mut own[one].1, &theirs.first().cloned().unwrap_or_default().1),
    }
    crate::fixture::png::png(&own.iter().map(|(kind, data)| (kind, data.clone())).collect::<Vec<_>>())
}
