//! Memory for what is large, such as the values of a picture. What the system has no memory for is then an error.
//!
//! Small things are allocated everywhere, and if there is no memory for one of them, the process ends. So whoever takes much
//! leaves some for all others, as long as nobody takes much without asking here.

use std::collections::TryReserveError;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Fewer bytes are small.
const LARGE: usize = 1 << 20;

/// Bytes that are left for small things. They are more than 32 MiB, because up to that glibc may answer from what it has kept for
/// one thread, and others would still find nothing.
const LEFT: usize = 33 << 20;

/// Bytes that are left beside those for code that takes them without asking.
static PROMISED: AtomicUsize = AtomicUsize::new(0);

/// An empty vector with space for `count` values.
///
/// # Errors
/// Too little memory.
pub(crate) fn reserved<T>(count: usize) -> Result<Vec<T>, TryReserveError> {
    let mut values = Vec::new();
    values.try_reserve_exact(count)?;
    if count.saturating_mul(size_of::<T>()) >= LARGE {
        ask(LEFT.saturating_add(PROMISED.load(Ordering::Relaxed)))?;
    }
    Ok(values)
}

/// Memory for code that takes it without asking, such as an encoder. As long as the promise lives, nothing else gets it.
#[must_use]
pub(crate) struct Promise(usize);

/// Promises so many bytes.
///
/// # Errors
/// Too little memory.
pub(crate) fn promised(bytes: usize) -> Result<Promise, TryReserveError> {
    drop(reserved::<u8>(bytes)?);
    PROMISED.fetch_add(bytes, Ordering::Relaxed);
    Ok(Promise(bytes))
}

impl Drop for Promise {
    fn drop(&mut self) {
        PROMISED.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Takes memory and gives it back.
fn ask(bytes: usize) -> Result<(), TryReserveError> {
    let mut asked = Vec::<u8>::new();
    asked.try_reserve_exact(bytes)?;
    // What nobody looks at, the compiler would not even take.
    black_box(&asked);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_memory_can_hold_is_an_error() {
        assert!(reserved::<u64>(usize::MAX).is_err() && reserved::<u8>(isize::MAX as usize).is_err());
        assert!(reserved::<u64>(1 << 20).unwrap().capacity() == 1 << 20 && reserved::<u64>(0).unwrap().capacity() == 0);
    }

    #[test]
    fn a_promise_is_kept_until_it_is_dropped() {
        assert!(promised(isize::MAX as usize).is_err());
        let (one, other) = (promised(1 << 20).unwrap(), promised(2 << 20).unwrap());
        assert!(PROMISED.load(Ordering::Relaxed) >= 3 << 20);
        drop((one, other));
    }
}
