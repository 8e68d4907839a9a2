//! Why a picture cannot be read, in words.

use std::fmt::Display;
use std::path::Path;

use image::ImageFormat;

use crate::error::Error;

/// A reason why data cannot be decoded.
pub(in crate::data) type Reason<T> = Result<T, String>;

/// How a reason begins that says nothing about the data: there is too little memory for what follows.
const SHORT: &str = "memory is short for ";

/// Too little memory for this.
pub(super) fn short(what: impl Display) -> String {
    format!("{SHORT}{what}")
}

/// Whether memory, and not the data, is the reason.
pub(super) fn is_short(reason: &str) -> bool {
    reason.starts_with(SHORT)
}

/// The error about a file that cannot be decoded.
pub(in crate::data) fn refusal(path: &Path, reason: String) -> Error {
    match reason.strip_prefix(SHORT) {
        Some(what) => {
            let reason = format!("{what}; fewer threads or smaller pictures need less");
            Error::OutOfMemory { device: "cpu", reason }.in_file(path)
        }
        None => Error::file(path, reason),
    }
}

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
    fn a_file_for_which_memory_is_short_is_not_a_damaged_one() {
        let error = refusal(Path::new("a.png"), short("9 pixels"));
        assert_eq!(error.to_string(), "a.png: cpu: out of memory: 9 pixels; fewer threads or smaller pictures need less");
        assert!(error.is_out_of_memory() && !refusal(Path::new("a.png"), "is odd".to_owned()).is_out_of_memory());
    }

    #[test]
    fn a_chunk_is_named_by_its_four_letters() {
        let text = "CRC error: while decoding ChunkType { type: IDAT, critical: true, private: false } chunk.";
        assert_eq!(broken("PNG", &text), "the PNG data cannot be read: CRC error: while decoding IDAT chunk");
        assert_eq!(broken("PNG", &"odd ChunkType { type: no end"), "the PNG data cannot be read: odd ChunkType { type: no end");
    }
}
