//! Pictures as PNG bytes and as data URIs.

use crate::data::Image;
use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// The picture as an 8-bit RGB PNG file; values outside [0, 1] are clamped, NaN is black.
pub(super) fn encode(picture: &Image) -> Result<Vec<u8>> {
    let size = |side: usize| {
        u32::try_from(side).map_err(|_| Error::argument(format!("a side of {side} pixels does not fit into a PNG file")))
    };
    if picture.pixels.len() != picture.height * picture.width * 3 {
        let (height, width, values) = (picture.height, picture.width, picture.pixels.len());
        return Err(Error::shape("png", format!("{values} values cannot fill a picture of {height}x{width}x3")));
    }
    let (width, height) = (size(picture.width)?, size(picture.height)?);
    let bytes: Vec<u8> = picture.pixels.iter().map(|value| (value * 255.0).round() as u8).collect();
    let mut file = Vec::new();
    PngEncoder::new(&mut file)
        .write_image(&bytes, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| Error::argument(format!("a {height}x{width} picture cannot be written as PNG: {error}")))?;
    Ok(file)
}

/// The picture as a `data:image/png;base64,` URI (RFC 2397), for pages that need no other file.
pub(super) fn data_uri(picture: &Image) -> Result<String> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(encode(picture)?)))
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
        let picture = Image::new(2, 3, values).unwrap();
        let expected = [0, 255, 128, 255, 0, 0, 64, 191, 1, 26, 51, 77, 102, 153, 179, 204, 230, 255];
        assert_eq!(decode_data_uri(&data_uri(&picture).unwrap()), (2, 3, expected.to_vec()));
    }
}
