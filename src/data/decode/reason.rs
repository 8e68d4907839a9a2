//! Why a picture cannot be read, in words.

use std::fmt::Display;

use image::ImageFormat;

/// A reason why data cannot be decoded.
pub(in crate::data) type Reason<T> = Result<T, String>;

/// The name of a format.
pub(super) fn name(format: ImageFormat) -> String {
    if format == ImageFormat::WebP { "WebP".to_owned() } else { format!("{format:?}").to_uppercase() }
}

/// A decoder's reason as one short clause. The decoder of PNG names a chunk by all its properties.
pub(super) fn broken(format: &str, error: &dyn Display) -> String {
    let mut text = error.to_string();
    for end in ["failed to fill whole buffer", "unexpected end of file"] {
        text = text.replace(end, "the file ends too early");
    }
    while let Some((before, (name, after))) =
        text.split_once("ChunkType { type: ").and_then(|(before, rest)| Some((before, rest.split_once(',')?)))
    {
        let after = after.split_once('}').map_or("", |(_, after)| after);
        text = format!("{before}{name}{after}");
    }
    format!("the {format} data cannot be read: {}", text.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_named_by_its_four_letters() {
        let text = "CRC error: while decoding ChunkType { type: IDAT, critical: true, private: false } chunk.";
        assert_eq!(broken("PNG", &text), "the PNG data cannot be read: CRC error: while decoding IDAT chunk");
        assert_eq!(broken("PNG", &"odd ChunkType { type: no end"), "the PNG data cannot be read: odd ChunkType { type: no end");
    }
}
