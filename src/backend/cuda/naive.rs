//! What the tests share that compare kernels with their naive siblings.

use super::{Buffer, Cuda};
use crate::backend::Storage;
use crate::error::Result;
use crate::rng::{Purpose, Stream};

/// The emulator with random schedules.
pub(super) fn device() -> Cuda {
    Cuda::emulator(2206)
}

/// `len` values, uniform in [-1, 1); another `index` gives other values.
pub(super) fn values(index: u32, len: usize) -> Vec<f32> {
    let mut stream = Stream::new(2206, Purpose::Test, 1, index);
    (0..len).map(|_| stream.range(-1.0, 1.0)).collect()
}

/// The same numbers.
#[track_caller]
pub(super) fn assert_same(cuda: &Cuda, found: &Buffer, naive: &Buffer) -> Result<()> {
    assert_eq!(cuda.download(found)?, cuda.download(naive)?);
    Ok(())
}

/// The same numbers up to `tolerance`.
#[track_caller]
pub(super) fn assert_near(cuda: &Cuda, found: &Buffer, naive: &Buffer, tolerance: f32) -> Result<()> {
    for (i, (found, naive)) in cuda.download(found)?.iter().zip(cuda.download(naive)?).enumerate() {
        assert!((found - naive).abs() <= tolerance, "element {i} is {found}, the naive kernel gives {naive}");
    }
    Ok(())
}
