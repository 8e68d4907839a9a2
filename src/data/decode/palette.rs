//! Palettes of TIFF files, which the decoder does not know: it reads their numbers as grey values.

use super::reason::Reason;

/// The tag that says what samples mean, and its values for a palette and for grey.
const MEANING: u16 = 262;
const PALETTE: u16 = 3;
const GREY: u16 = 1;

/// A file with a palette as one with grey values; `None` for any other file. BigTIFF is left alone.
pub(super) fn as_grey(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_big = match bytes.get(..4)? {
        b"II*\0" => false,
        b"MM\0*" => true,
        _ => return None,
    };
    let short = |at: usize| {
        let pair = bytes.get(at..)?.first_chunk::<2>()?;
        Some(if is_big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) })
    };
    let place = bytes.get(4..)?.first_chunk::<4>()?;
    let directory = if is_big { u32::from_be_bytes(*place) } else { u32::from_le_bytes(*place) } as usize;
    let entries = (0..short(directory)?).map(|number| directory + 2 + 12 * usize::from(number));
    let value = entries.into_iter().find(|&at| short(at) == Some(MEANING))? + 8;
    if short(value)? != PALETTE {
        return None;
    }
    let mut changed = bytes.to_vec();
    changed[value..value + 2].copy_from_slice(&if is_big { GREY.to_be_bytes() } else { GREY.to_le_bytes() });
    Some(changed)
}

/// The colours for samples of so many bits, from all red values, all green ones, all blue ones. The standard has 16 bits, of
/// which programs fill the lower 8 in different ways, so only the upper ones count; some old programs write 8.
pub(super) fn colours(map: &[u16], bits: u8) -> Reason<Vec<[f32; 3]>> {
    let count = 1_usize << bits.min(16);
    if map.len() != 3 * count {
        return Err(format!("the TIFF data cannot be read: the palette has {} values, {} are needed", map.len(), 3 * count));
    }
    let shift = if map.iter().all(|&value| value < 256) { 0 } else { 8 };
    let colour = |number: usize| [0, 1, 2].map(|channel| f32::from(map[channel * count + number] >> shift) / 255.0);
    Ok((0..count).map(colour).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_bits_count_in_whatever_way_the_lower_ones_are_filled() {
        for white in [65535, 65280, 255] {
            let map = [0, white, 0, white, white, 0];
            assert_eq!(colours(&map, 1).unwrap(), [[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]], "{white}");
        }
        assert!(colours(&[0; 5], 1).unwrap_err().ends_with("the palette has 5 values, 6 are needed"));
    }
}
