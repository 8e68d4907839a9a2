//! Memory for what is large, such as the values of a picture. What the system has no memory for is then an error.
//!
//! Small things are allocated everywhere, and if there is no memory for one of them, the process ends. So whoever takes much
//! first asks for some more, which is left for all others, as long as nobody takes much without asking here. While a thread asks,
//! the others may find less for a moment.

use std::collections::TryReserveError;
use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Fewer bytes are small.
const LARGE: usize = 1 << 20;

/// Bytes that are left for small things. They are more than 32 MiB, because up to that glibc may answer from what it has kept for
/// one thread, and others would still find nothing.
pub(crate) const LEFT: usize = 33 << 20;

/// Bytes that are left beside those for code that takes them without asking, whether it has taken them yet or not. Held while
/// memory is asked for and taken, so that two threads do not both get the last of it.
static PROMISED: Mutex<usize> = Mutex::new(0);

/// An empty vector with space for `count` values.
///
/// # Errors
/// Too little memory.
pub(crate) fn reserved<T>(count: usize) -> Result<Vec<T>, TryReserveError> {
    let (mut values, bytes) = (Vec::new(), count.saturating_mul(size_of::<T>()));
    if bytes < LARGE {
        values.try_reserve_exact(count)?;
        return Ok(values);
    }
    let promised = locked(&PROMISED);
    ask(bytes.saturating_add(LEFT).saturating_add(*promised))?;
    values.try_reserve_exact(count)?;
    Ok(values)
}

/// Address space that is taken and not used, as long as this lives, so that nothing else takes it. Small things, which take memory
/// without asking, may use up what is promised, but not this. It holds for a limit of address space; other limits count only memory
/// that is used.
#[must_use]
pub(crate) struct Kept {
    _space: Vec<u8>,
}

/// Keeps so many bytes.
///
/// # Errors
/// Too little memory.
pub(crate) fn kept(bytes: usize) -> Result<Kept, TryReserveError> {
    let space = reserved(bytes.saturating_add(LEFT))?;
    // What nobody looks at, the compiler would not even take.
    Ok(Kept { _space: black_box(space) })
}

/// Memory that is left for code which takes it without asking, such as an encoder, as long as this lives.
#[must_use]
pub(crate) struct Promise {
    all: &'static Mutex<usize>,
    bytes: usize,
}

/// Promises so many bytes.
///
/// # Errors
/// Too little memory.
pub(crate) fn promised(bytes: usize) -> Result<Promise, TryReserveError> {
    promised_of(&PROMISED, bytes)
}

fn promised_of(all: &'static Mutex<usize>, bytes: usize) -> Result<Promise, TryReserveError> {
    let mut promised = locked(all);
    if bytes >= LARGE {
        ask(bytes.saturating_add(LEFT).saturating_add(*promised))?;
    }
    *promised += bytes;
    Ok(Promise { all, bytes })
}

impl Drop for Promise {
    fn drop(&mut self) {
        *locked(self.all) -= self.bytes;
    }
}

fn locked(all: &Mutex<usize>) -> MutexGuard<'_, usize> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What memory is asked for in. Nothing else is aligned so, which tells an allocator that counts that nothing is kept.
#[expect(dead_code, reason = "there is never a page, only space for some")]
#[repr(align(4096))]
struct Page([u8; 4096]);

/// Lets all threads allocate from one place if the address space is limited (`ulimit -v`). glibc otherwise keeps 64 MiB of it
/// for each thread, for small things, which are then missing for others, and a thread that finds no 64 MiB asks for them again at
/// each allocation. To be called before there are threads.
#[cfg(feature = "cli")]
pub(crate) fn share_limited_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if rustix::process::getrlimit(rustix::process::Resource::As).current.is_some() {
        // SAFETY: it changes a setting of the allocator, which may refuse it, and no other thread allocates yet.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}

/// Takes memory and gives it back.
fn ask(bytes: usize) -> Result<(), TryReserveError> {
    let mut asked = Vec::<Page>::new();
    asked.try_reserve_exact(bytes.div_ceil(size_of::<Page>()))?;
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
    fn what_is_kept_has_room_for_small_things_beside_it() {
        assert!(kept(isize::MAX as usize).is_err());
        assert_eq!(kept(5).unwrap()._space.capacity(), LEFT + 5);
    }

    #[test]
    fn a_promise_is_kept_until_it_is_dropped() {
        static ALL: Mutex<usize> = Mutex::new(0);
        assert!(promised_of(&ALL, isize::MAX as usize).is_err());
        assert_eq!(*locked(&ALL), 0, "what cannot be had is not promised");
        let (one, other) = (promised_of(&ALL, 1 << 20).unwrap(), promised_of(&ALL, 2 << 20).unwrap());
        assert_eq!(*locked(&ALL), 3 << 20);
        drop(one);
        assert_eq!(*locked(&ALL), 2 << 20);
        drop(other);
        assert_eq!(*locked(&ALL), 0);
    }
}
