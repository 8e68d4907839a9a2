//! Host memory: a buffer is a `Vec`.

use std::time::Instant;

use super::Reference;
use crate::backend::{Real, Storage, check_len};
use crate::error::{Error, Result};

impl<T: Real> Storage for Reference<T> {
    type Elem = T;
    type Buffer = Vec<T>;
    type Program = ();
    type Mark = Instant;

    fn name(&self) -> &'static str {
        "reference"
    }

    fn spare_host_memory(&self) -> Option<usize> {
        Some(0)
    }

    /// Filled with NaN, to expose reads of elements that are not written yet.
    fn alloc(&self, len: usize) -> Result<Vec<T>> {
        filled(len, T::nan())
    }

    fn zeros(&self, len: usize) -> Result<Vec<T>> {
        filled(len, T::zero())
    }

    fn upload(&self, host: &[T]) -> Result<Vec<T>> {
        let mut buffer = filled(host.len(), T::zero())?;
        buffer.copy_from_slice(host);
        Ok(buffer)
    }

    fn write(&self, host: &[T], target: &mut Vec<T>) -> Result<()> {
        check_len("write", "target", target.len(), host.len())?;
        target.copy_from_slice(host);
        Ok(())
    }

    fn download(&self, buffer: &Vec<T>) -> Result<Vec<T>> {
        self.upload(buffer)
    }

    fn copy(&self, source: &Vec<T>, target: &mut Vec<T>) -> Result<()> {
        check_len("copy", "target", target.len(), source.len())?;
        target.copy_from_slice(source);
        Ok(())
    }

    fn len(&self, buffer: &Vec<T>) -> usize {
        buffer.len()
    }

    fn repeat(&self, (): &mut (), work: impl FnOnce() -> Result<()>) -> Result<()> {
        work()
    }

    fn mark(&self) -> Result<Instant> {
        Ok(Instant::now())
    }

    fn seconds_between(&self, from: &Instant, to: &Instant) -> Result<f64> {
        Ok(to.duration_since(*from).as_secs_f64())
    }
}

fn filled<T: Real>(len: usize, value: T) -> Result<Vec<T>> {
    let mut buffer = Vec::new();
    let refused = |_| Error::Device { device: "reference", reason: format!("no memory for {len} elements") };
    buffer.try_reserve_exact(len).map_err(refused)?;
    buffer.resize(len, value);
    Ok(buffer)
}
