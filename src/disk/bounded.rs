//! Input files are regular files and have a limit: what reads without end, waits for a writer or is a folder is refused in one
//! sentence.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use super::missing::hint;
use crate::error::{Error, Result};
use crate::spare;

/// Limit of a config in bytes.
pub const CONFIG: u64 = 1 << 20;

/// Limit of a text in bytes: a record, a report, a log.
pub const TEXT: u64 = 256 << 20;

/// Limit of a file of numbers in bytes: weights, checkpoints, arrays.
pub const NUMBERS: u64 = 64 << 30;

/// Opens a regular file of at most `limit` bytes.
///
/// # Errors
/// No such file; a folder, a pipe, a socket or a device, which is not opened; a longer file.
pub fn open(path: &Path, limit: u64) -> Result<(File, u64)> {
    let refuse = |error| Error::read(path, error);
    // Before it is opened, because opening a pipe waits for its writer.
    check_kind(path, &std::fs::metadata(path).map_err(|error| refuse(with_hint(path, error)))?)?;
    let file = File::open(path).map_err(refuse)?;
    let about = file.metadata().map_err(refuse)?;
    check_kind(path, &about)?;
    if about.len() > limit {
        return Err(Error::file(path, format!("has {} bytes; at most {limit} are read", about.len())));
    }
    Ok((file, about.len()))
}

/// All bytes of a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open`], or too little memory.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let (file, length) = open(path, limit)?;
    let wanted = usize::try_from(length).unwrap_or(usize::MAX);
    let short = |_| Error::OutOfMemory { device: "cpu", reason: format!("{length} bytes of a file") }.in_file(path);
    let mut bytes = spare::reserved(wanted).map_err(short)?;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| Error::read(path, error))?;
    Ok(bytes)
}

/// The text of a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`read`], or bytes that are not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::file(path, format!("is not text: byte {at} is not UTF-8"))
    })
}

/// The error with what was probably meant, if there is nothing at `path`.
fn with_hint(path: &Path, error: io::Error) -> io::Error {
    match hint(path) {
        meant if error.kind() == io::ErrorKind::NotFound && !meant.is_empty() => {
            io::Error::new(error.kind(), format!("no such file{meant}"))
        }
        _ => error,
    }
}

fn check_kind(path: &Path, about: &Metadata) -> Result<()> {
    if about.is_file() {
        return Ok(());
    }
    Err(Error::file(path, format!("is {}; a file is needed here", kind(about))))
}

/// What something that is no regular file is, with its article.
pub fn kind(about: &Metadata) -> &'static str {
    if about.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = about.file_type();
        let known = [
            (kind.is_fifo(), "a named pipe"),
            (kind.is_socket(), "a socket"),
            (kind.is_char_device() || kind.is_block_device(), "a device"),
        ];
        if let Some((_, words)) = known.into_iter().find(|(is_that, _)| *is_that) {
            return words;
        }
    }
    "no regular file"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"12345\xff").unwrap();
        assert_eq!(read(&path, 6).unwrap(), b"12345\xff");
        assert!(read(&path, 5).unwrap_err().to_string().ends_with("a: has 6 bytes; at most 5 are read"));
        assert!(read_text(&path, TEXT).unwrap_err().to_string().ends_with("is not text: byte 5 is not UTF-8"));
        assert!(read(folder.path(), 5).unwrap_err().to_string().ends_with("is a folder; a file is needed here"));
        assert!(read(&folder.path().join("none"), 5).unwrap_err().to_string().ends_with("none: no such file"));
    }

    #[cfg(unix)]
    #[test]
    fn pipes_sockets_and_devices_are_refused_unopened() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _held = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, what) in [(pipe.as_path(), "a named pipe"), (&socket, "a socket"), (Path::new("/dev/zero"), "a device")] {
            let text = read(path, TEXT).unwrap_err().to_string();
            assert_eq!(text, format!("{}: is {what}; a file is needed here", path.display()));
        }
    }
}
