//! Memory. Dropped buffers return to a free list, so that a training step reuses the buffers of the previous step.

use std::collections::HashMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::Cpu;
use crate::backend::{Storage, check_len};
use crate::error::{Error, Result};

/// Floats in a cache line. Every buffer starts at a cache line, so that no aligned vector crosses one.
const CACHE_LINE: usize = 16;

/// Floats per task that writes zeros.
const ZEROS_PER_TASK: usize = 1 << 17;

/// The free list: vectors by length.
#[derive(Default)]
pub(crate) struct FreeList {
    free: Mutex<HashMap<usize, Vec<Vec<f32>>>>,
    held_bytes: AtomicUsize,
}

/// Leaves out the free vectors, which hold nothing of interest.
impl fmt::Debug for FreeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreeList").field("held_bytes", &self.held_bytes).finish_non_exhaustive()
    }
}

impl FreeList {
    /// A vector of `len` floats of unspecified content.
    fn take(&self, len: usize) -> Result<Vec<f32>> {
        let reused = self.free.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&len).and_then(Vec::pop);
        if let Some(reused) = reused {
            return Ok(reused);
        }
        let mut fresh = Vec::new();
        let full = || Error::OutOfMemory { device: "cpu", reason: format!("{len} values of {} bytes", size_of::<f32>()) };
        let bytes = len.checked_mul(size_of::<f32>()).ok_or_else(full)?;
        fresh.try_reserve_exact(len).map_err(|_| full())?;
        fresh.resize(len, 0.0);
        self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(fresh)
    }

    fn give_back(&self, data: Vec<f32>) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).entry(data.len()).or_default().push(data);
    }

    /// Memory returns to the system only when the list is dropped, so the bytes held now are the peak.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }
}

/// A block of floats that starts at a cache line and returns to its backend when dropped.
#[derive(Debug)]
pub struct Buffer {
    data: Vec<f32>,
    start: usize,
    len: usize,
    free_list: Arc<FreeList>,
    /// Whether the buffer stands for zeros that are not written yet. Gradients start like this, and the first addition overwrites
    /// the memory.
    blank: bool,
    /// The zeros, for a read before the first addition.
    zeros: OnceLock<Vec<f32>>,
}

/// The target of an accumulation.
pub(crate) struct Sum<'a> {
    pub data: &'a mut [f32],
    /// Whether the target stands for zeros that are not written. If so, all of it must be overwritten.
    pub blank: bool,
}

impl Buffer {
    /// Number of floats. Unlike the length of the slice, it does not make unwritten zeros.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Writes the zeros if they are not written yet.
    fn write_zeros(&mut self) {
        let Sum { data, blank } = self.sum();
        if blank {
            data.par_chunks_mut(ZEROS_PER_TASK).for_each(|part| part.fill(0.0));
        }
    }

    /// The buffer as the target of an accumulation, without writing zeros first.
    pub(crate) fn sum(&mut self) -> Sum<'_> {
        self.zeros.take();
        let blank = std::mem::take(&mut self.blank);
        Sum { data: &mut self.data[self.start..self.start + self.len], blank }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        if self.blank {
            return self.zeros.get_or_init(|| vec![0.0; self.len]);
        }
        &self.data[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.write_zeros();
        &mut self.data[self.start..self.start + self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.free_list.give_back(std::mem::take(&mut self.data));
    }
}

impl Storage for Cpu {
    type Elem = f32;
    type Buffer = Buffer;
    type Program = ();
    type Mark = Instant;

    fn name(&self) -> &'static str {
        "cpu"
    }

    /// Names bf16, so that results of different precision can be told apart.
    fn description(&self) -> String {
        if self.bf16 { "cpu, bf16".to_owned() } else { self.name().to_owned() }
    }

    fn alloc(&self, len: usize) -> Result<Buffer> {
        let data = self.memory.take(len.saturating_add(CACHE_LINE))?;
        let start = (data.as_ptr() as usize / size_of::<f32>()).wrapping_neg() % CACHE_LINE;
        Ok(Buffer { data, start, len, free_list: Arc::clone(&self.memory), blank: false, zeros: OnceLock::new() })
    }

    fn zeros(&self, len: usize) -> Result<Buffer> {
        let mut buffer = self.zeros_to_add_to(len)?;
        buffer.write_zeros();
        Ok(buffer)
    }

    fn zeros_to_add_to(&self, len: usize) -> Result<Buffer> {
        let mut buffer = self.alloc(len)?;
        buffer.blank = true;
        Ok(buffer)
    }

    fn upload(&self, host: &[f32]) -> Result<Buffer> {
        let mut buffer = self.alloc(host.len())?;
        buffer.copy_from_slice(host);
        Ok(buffer)
    }

    fn write(&self, host: &[f32], target: &mut Buffer) -> Result<()> {
        check_len("write", "target", target.len(), host.len())?;
        target.copy_from_slice(host);
        Ok(())
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<f32>> {
        Ok(buffer.to_vec())
    }

    fn copy(&self, source: &Buffer, target: &mut Buffer) -> Result<()> {
        check_len("copy", "target", target.len(), source.len())?;
        target.copy_from_slice(source);
        Ok(())
    }

    fn len(&self, buffer: &Buffer) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_memory_is_reused() {
        let cpu = Cpu::new();
        let first = cpu.upload(&[1.0; 1000]).unwrap();
        let held = cpu.peak_bytes();
        assert!(held >= 4000);
        drop(first);
        let second = cpu.clone().alloc(1000).unwrap();
        assert_eq!(cpu.peak_bytes(), held);
        let _third = cpu.alloc(1000).unwrap();
        assert_eq!(cpu.peak_bytes(), 2 * held);
        assert_eq!(second.len(), 1000);
    }

    #[test]
    fn buffers_start_on_cache_lines_and_zeros_are_zero() {
        let cpu = Cpu::new();
        for len in [1, 7, 16, 1001] {
            drop(cpu.upload(&vec![3.0; len]).unwrap());
            let buffer = cpu.zeros(len).unwrap();
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            assert_eq!(cpu.download(&buffer).unwrap(), vec![0.0; len]);
        }
    }

    #[test]
    fn copy_rejects_other_lengths() {
        let cpu = Cpu::new();
        let mut target = cpu.zeros(3).unwrap();
        assert!(cpu.copy(&cpu.zeros(4).unwrap(), &mut target).is_err());
        cpu.copy(&cpu.upload(&[1.0, 2.0, 3.0]).unwrap(), &mut target).unwrap();
        assert_eq!(cpu.download(&target).unwrap(), [1.0, 2.0, 3.0]);
    }
}
