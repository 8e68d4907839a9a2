//! A file that a command writes piece by piece.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use sha2::{Digest, Sha256};

use super::atomic::Written;
use crate::error::{Error, Result};

/// Bytes of a draft that are written together.
const TOGETHER: usize = 1 << 16;

/// A file that is written piece by piece and has no name yet.
pub struct Draft {
    written: Written,
    hash: Sha256,
    waiting: Vec<u8>,
}

impl Draft {
    /// An empty one. Its digest begins with `hash`.
    pub(super) fn new(written: Written, hash: Sha256) -> Self {
        Self { written, hash, waiting: Vec::new() }
    }

    /// The file with all of its bytes, and its digest.
    pub(super) fn finish(mut self) -> Result<(Written, String)> {
        self.flush().map_err(|error| Error::write(self.written.path(), error))?;
        Ok((self.written, hexadecimal(self.hash)))
    }

    /// The bytes written so far, from the first one on. They are read through the same handle, so that nothing may be written
    /// meanwhile.
    ///
    /// # Errors
    /// The file cannot be written or read.
    pub fn reread(&mut self) -> io::Result<impl Read + '_> {
        self.flush()?;
        let file = self.written.file();
        file.seek(SeekFrom::Start(0))?;
        Ok(BufReader::new(file))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        let file = self.written.file();
        file.seek(SeekFrom::End(0))?;
        file.write_all(bytes)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting.is_empty() && bytes.len() >= TOGETHER {
            return self.append(bytes).map(|()| bytes.len());
        }
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= TOGETHER {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        self.append(&waiting)?;
        waiting.clear();
        self.waiting = waiting;
        Ok(())
    }
}

pub(super) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Outputs;

    #[test]
    fn a_large_piece_of_a_draft_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs::new(folder.path(), "detect", false).unwrap();
        let draft = outputs.filled(&folder.path().join("a"), &vec![7; 2 * TOGETHER]).unwrap();
        assert_eq!(draft.waiting.capacity(), 0);
        outputs.replace_by_drafts(vec![draft], &[]).unwrap();
        assert!(outputs.is_own(&folder.path().join("a")).unwrap());
    }

    #[test]
    fn a_draft_is_nothing_until_it_is_complete_and_then_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/a.npy");
        let outputs = || Outputs::new(folder.path(), "detect", false).unwrap();
        let pieces: Vec<u8> = (0..200_000_u32).map(|k| (k % 251) as u8).collect();
        let mut draft = outputs().draft(&path).unwrap();
        pieces.chunks(777).try_for_each(|piece| draft.write_all(piece)).unwrap();
        let mut again = Vec::new();
        draft.reread().unwrap().read_to_end(&mut again).unwrap();
        assert_eq!(again, pieces);
        draft.write_all(b"end").unwrap();
        drop(draft);
        assert!(!path.exists() && std::fs::read_dir(path.parent().unwrap()).unwrap().next().is_none());
        for round in 0..2 {
            let mut draft = outputs().draft(&path).unwrap();
            pieces.chunks(777).try_for_each(|piece| draft.write_all(piece)).unwrap();
            draft.reread().unwrap();
            draft.write_all(b"end").unwrap();
            outputs().replace_by_drafts(vec![draft], &[]).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), [&pieces[..], b"end"].concat(), "{round}");
        }
        std::fs::write(&path, "edited").unwrap();
        assert!(outputs().draft(&path).is_err());
    }
}
