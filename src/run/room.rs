//! Memory for a checkpoint, left free while the network trains, so that no training is lost at its end for want of it.

use super::config::Config;
use super::memory::{checkpoint_bytes, memory_words};
use crate::error::{Error, Result};
use crate::spare::{Promise, promised};

/// Memory that nothing else takes. It is needed again at every checkpoint.
pub(super) struct Room {
    bytes: usize,
    promise: Option<Promise>,
}

impl Room {
    /// For the checkpoints of a run.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn for_checkpoint(config: &Config) -> Result<Self> {
        let bytes = usize::try_from(checkpoint_bytes(config)?).unwrap_or(usize::MAX);
        Ok(Self { bytes, promise: Some(promise(bytes)?) })
    }

    /// Lets `save` have the memory.
    ///
    /// # Errors
    /// Those of `save`; afterwards there is too little memory for the next time.
    pub(super) fn used_by<T>(&mut self, save: impl FnOnce() -> Result<T>) -> Result<T> {
        self.promise = None;
        let saved = save()?;
        self.promise = Some(promise(self.bytes)?);
        Ok(saved)
    }
}

fn promise(bytes: usize) -> Result<Promise> {
    promised(bytes).map_err(|_| {
        let needed = memory_words(bytes as u64);
        Error::config(
            "model.width",
            format!("a checkpoint needs {needed} of memory, and less is free; a smaller value needs less"),
        )
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
        assert!(room.bytes > 1000 && room.used_by(|| Ok(7)).unwrap() == 7 && room.promise.is_some());
        assert!(room.used_by(|| Err::<(), _>(Error::format("full"))).is_err());
        room.bytes = isize::MAX as usize;
        let error = room.used_by(|| Ok(())).unwrap_err().to_string();
        assert!(error.starts_with("config key `model.width`: a checkpoint needs 8192.0 PiB"), "{error}");
    }
}
