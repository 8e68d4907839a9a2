//! Memory for a checkpoint, left free while the network trains, so that under a limit of address space no training is lost at its
//! end for want of it.

use super::config::Config;
use super::memory::{checkpoint_bytes, memory_words};
use crate::error::{Error, Result};
use crate::spare::{Kept, LEFT, kept};

/// Memory that nothing else takes. It is needed again at every checkpoint.
pub(super) struct Room {
    bytes: usize,
    kept: Option<Kept>,
}

impl Room {
    /// For the checkpoints of a run.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn for_checkpoint(config: &Config) -> Result<Self> {
        let bytes = usize::try_from(checkpoint_bytes(config)?).unwrap_or(usize::MAX);
        Ok(Self { bytes, kept: Some(keep(bytes)?) })
    }

    /// Lets `save` have the memory. If it cannot be had again afterwards, the run goes on without: this time it was enough.
    ///
    /// # Errors
    /// Those of `save`.
    pub(super) fn used_by<T>(&mut self, save: impl FnOnce() -> Result<T>) -> Result<T> {
        self.kept = None;
        let saved = save()?;
        self.kept = keep(self.bytes).ok();
        Ok(saved)
    }
}

fn keep(bytes: usize) -> Result<Kept> {
    kept(bytes).map_err(|_| {
        // Once beside what is kept, and once in it.
        let [needed, own] = [bytes.saturating_add(2 * LEFT), bytes].map(|bytes| memory_words(bytes as u64));
        Error::argument(format!(
            "a training needs {needed} of free memory for its checkpoints ({own}) and for small things, and there is less; fewer threads, smaller \
             images or a smaller network need less"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Autoencoder;

    #[test]
    fn what_no_memory_can_hold_is_refused_before_the_first_step() {
        let of_width = |width| {
            let base = Config::default();
            Config { model: Autoencoder { width, ..base.model.clone() }, ..base }
        };
        let mut room = Room::for_checkpoint(&of_width(4)).unwrap();
        assert!(room.bytes > 1000 && room.used_by(|| Ok(7)).unwrap() == 7 && room.kept.is_some());
        assert!(room.used_by(|| Err::<(), _>(Error::format("full"))).is_err());
        room.bytes = isize::MAX as usize;
        assert!(room.used_by(|| Ok(())).is_ok() && room.kept.is_none());
        let error = keep(room.bytes).map(drop).unwrap_err().to_string();
        assert!(error.starts_with("a training needs 8192.0 PiB of free memory"), "{error}");
    }
}
