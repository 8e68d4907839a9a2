//! Pictures in formats that are known and not read, so that an error names the format.

use std::path::Path;

use super::tiff_directory::is_tiff;

/// A format that is not read.
pub(in crate::data) struct Other {
    /// What `picture` is to follow: the name of the format with its article.
    name: &'static str,
    /// In lower case. An SVG has none here: it is a drawing, and a folder of images may well hold one.
    pub extensions: &'static [&'static str],
    /// Whether a file is one by its content.
    is: fn(&[u8]) -> bool,
    /// Whether the extension tells it of a file that has no content of its own kind: cameras write raw pictures as TIFF files, of
    /// which one would read a small preview.
    by_extension: bool,
}

const fn other(name: &'static str, extensions: &'static [&'static str], is: fn(&[u8]) -> bool) -> Other {
    Other { name, extensions, is, by_extension: false }
}

/// All of them.
pub(in crate::data) const OTHERS: [Other; 17] = [
    other("a GIF", &["gif"], |b| b.starts_with(b"GIF8")),
    other("a JPEG 2000", &["jp2", "j2k", "j2c", "jpf", "jpx"], |b| {
        b.starts_with(b"\0\0\0\x0cjP  ") || b.starts_with(b"\xff\x4f\xff\x51")
    }),
    other("a JPEG XL", &["jxl"], |b| b.starts_with(b"\0\0\0\x0cJXL ") || b.starts_with(b"\xff\x0a")),
    other("an AVIF", &["avif"], |b| has_brand(b, &[b"avif", b"avis"])),
    other("a HEIC", &["heic", "heif"], |b| {
        has_brand(b, &[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"])
    }),
    Other {
        name: "a camera raw",
        extensions: &[
            "3fr", "arw", "cr2", "cr3", "dcr", "dng", "erf", "fff", "gpr", "iiq", "kdc", "mef", "mos", "nef", "nrw", "orf",
            "pef", "raf", "rw2", "rwl", "sr2", "srf", "srw",
        ],
        is: |b| {
            let starts: [&[u8]; 5] = [b"II*\0\x10\0\0\0CR", b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"IIU\0"];
            starts.iter().any(|start| b.starts_with(start)) || has_brand(b, &[b"crx "])
        },
        by_extension: true,
    },
    other("a Photoshop", &["psd", "psb"], |b| b.starts_with(b"8BPS")),
    // Before its mark there is room for the header of another format, by which such a file can be read as a TIFF.
    other("a DICOM", &["dcm"], |b| b.get(128..132) == Some(b"DICM") && !is_tiff(b)),
    other("an SVG", &[], |b| b.starts_with(b"<svg") || b.starts_with(b"<?xml") && b.windows(4).any(|part| part == b"<svg")),
    Other { name: "a TGA", extensions: &["tga"], is: |b| b.ends_with(b"TRUEVISION-XFILE.\0"), by_extension: true },
    other("an OpenEXR", &["exr"], |b| b.starts_with(b"\x76\x2f\x31\x01")),
    other("a Radiance HDR", &["hdr"], |b| b.starts_with(b"#?RADIANCE") || b.starts_with(b"#?RGBE")),
    other("a PFM", &["pfm"], |b| b.starts_with(b"PF\n") || b.starts_with(b"Pf\n")),
    other("an ICO", &["ico"], |b| b.starts_with(&[0, 0, 1, 0])),
    other("a DDS", &["dds"], |b| b.starts_with(b"DDS ")),
    other("a QOI", &["qoi"], |b| b.starts_with(b"qoif")),
    other("a farbfeld", &["ff"], |b| b.starts_with(b"farbfeld")),
];

/// What a file is whose content tells it.
pub(super) fn by_content(bytes: &[u8]) -> Option<&'static str> {
    OTHERS.iter().find(|other| (other.is)(bytes)).map(|other| other.name)
}

/// What a file is whose content is that of a TIFF file or of nothing known.
pub(super) fn by_extension(path: &Path) -> Option<&'static str> {
    let extension = extension(path);
    let is_that = |other: &&Other| other.by_extension && other.extensions.contains(&extension.as_str());
    OTHERS.iter().find(is_that).map(|other| other.name)
}

/// The extension of a file in lower case.
pub(in crate::data) fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

/// Whether a file is in the container of ISO/IEC 14496-12 and of one of these brands. If its own brand does not tell how pictures
/// are coded, the further brands count, too.
fn has_brand(bytes: &[u8], brands: &[&[u8; 4]]) -> bool {
    let Some((&[a, b, c, d, b'f', b't', b'y', b'p'], rest)) = bytes.split_first_chunk() else { return false };
    let is_one = |brand: &[u8]| brands.iter().any(|known| brand == *known);
    let content = &rest[..rest.len().min((u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(8))];
    match content.split_first_chunk() {
        Some((own @ (b"mif1" | b"msf1"), further)) => is_one(own) || further.chunks_exact(4).skip(1).any(is_one),
        Some((own, _)) => is_one(own),
        None => false,
    }
}
