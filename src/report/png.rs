//! Images as data URIs.

use crate::data::{Image, encode_png};
use crate::error::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The image as a `data:image/png;base64,` URI (RFC 2397), so that a page needs no other file.
pub(super) fn data_uri(picture: &Image) -> Result<String> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(encode_png(picture)?)))
}

/// The 8-bit pixels of a data URI, height and width first.
#[cfg(test)]
pub(super) fn decode_data_uri(uri: &str) -> (u32, u32, Vec<u8>) {
    let file = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
    let picture = image::load_from_memory(&file).unwrap().into_rgb8();
    (picture.height(), picture.width(), picture.into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_survive_and_strange_values_are_clamped() {
        let values =
            vec![0.0, 1.0, 0.5, 2.0, -1.0, f32::NAN, 0.25, 0.75, 1.0 / 255.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0];
        let picture = crate::data::image(2, 3, values).unwrap();
        let expected = [0, 255, 128, 255, 0, 0, 64, 191, 1, 26, 51, 77, 102, 153, 179, 204, 230, 255];
        assert_eq!(decode_data_uri(&data_uri(&picture).unwrap()), (2, 3, expected.to_vec()));
    }
}
