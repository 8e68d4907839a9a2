//! Memory. Dropped buffers return to a free list, so that a training step reuses the buffers of the previous step.

use std::collections::HashMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::Cpu;
use crate::backend::{Arithmetic, Storage, check_len};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::spare;

/// Floats in a cache line. Every buffer starts at a cache line, so that no aligned vector crosses one.
const CACHE_LINE: usize = 16;

/// Values of bf16 in 16 bytes. GPUs store only activations with whole chunks of channels as bf16, so the same are rounded here.
const BF16_CHUNK: usize = 8;

/// The nearest bf16 value, to even in a tie, as [`half::bf16::from_f32`] but without branches, so that loops of it are
/// vectorised. A NaN stays a NaN.
fn nearest_bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    let nearest = bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000;
    f32::from_bits(if value.is_nan() { bits | 0x0040_0000 } else { nearest })
}

/// Rounds values to bf16.
fn round_to_bf16(values: &mut [f32]) {
    values.par_chunks_mut(PER_TASK).for_each(|part| part.iter_mut().for_each(|value| *value = nearest_bf16(*value)));
}

/// Floats per task that writes zeros or rounds.
const PER_TASK: usize = 1 << 17;

/// An empty vector with space for `len` values.
pub(crate) fn reserved<T>(len: usize) -> Result<Vec<T>> {
    let full = |_| Error::OutOfMemory { device: "cpu", reason: format!("{len} values of {} bytes", size_of::<T>()) };
    spare::reserved(len).map_err(full)
}

/// The free list: vectors by length.
#[derive(Default)]
pub(crate) struct FreeList {
    free: Mutex<HashMap<usize, Vec<Vec<f32>>>>,
    held_bytes: AtomicUsize,
    /// Bytes of the vectors that are in the list.
    free_bytes: AtomicUsize,
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
            self.free_bytes.fetch_sub(size_of_val(&reused[..]), Ordering::Relaxed);
            return Ok(reused);
        }
        let mut fresh = reserved(len)?;
        fresh.resize(len, 0.0);
        self.held_bytes.fetch_add(size_of_val(&fresh[..]), Ordering::Relaxed);
        Ok(fresh)
    }

    fn give_back(&self, data: Vec<f32>) {
        self.free_bytes.fetch_add(size_of_val(&data[..]), Ordering::Relaxed);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).entry(data.len()).or_default().push(data);
    }

    /// Memory returns to the system only when the list is dropped, so the bytes held now are the peak.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Bytes held outside the list.
    fn live_bytes(&self) -> usize {
        self.peak_bytes().saturating_sub(self.free_bytes.load(Ordering::Relaxed))
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
    /// Whether the values are rounded to bf16 when an operation has written them: those of activations and of their gradients.
    is_bf16: bool,
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
            data.par_chunks_mut(PER_TASK).for_each(|part| part.fill(0.0));
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

/// bf16, as a GPU has it: activations and their gradients are rounded when they are stored, weights for products between them.
impl Cpu {
    /// The device for products between two images: in bf16 if both are stored as bf16, else in f32.
    pub(crate) fn between(&self, images: [&Buffer; 2]) -> Self {
        if images.iter().all(|image| image.is_bf16) { self.clone() } else { self.with_f32() }
    }

    /// Weights as products read them: rounded if they are in bf16. None if they are as they are.
    pub(crate) fn rounded(&self, w: &Buffer) -> Result<Option<Buffer>> {
        if !self.bf16 {
            return Ok(None);
        }
        let mut rounded = self.alloc(w.len())?;
        rounded.copy_from_slice(w);
        round_to_bf16(&mut rounded);
        Ok(Some(rounded))
    }

    /// Rounds intermediate values of a product in bf16, such as a GPU stores.
    pub(crate) fn round(&self, values: &mut [f32]) {
        if self.bf16 {
            values.iter_mut().for_each(|value| *value = nearest_bf16(*value));
        }
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

    fn spare_host_memory(&self) -> Option<usize> {
        Some(self.memory.free_bytes.load(Ordering::Relaxed))
    }

    /// Names bf16, so that results of different precision can be told apart.
    fn description(&self) -> String {
        if self.bf16 { "cpu, bf16".to_owned() } else { self.name().to_owned() }
    }

    fn arithmetic(&self) -> Arithmetic {
        let pairs = if self.bf16 && self.simd.has_bf16() { " with BF16" } else { "" };
        Arithmetic::new(self.name(), format_args!("{}{pairs}", self.isa())).with_bf16(self.bf16)
    }

    fn alloc(&self, len: usize) -> Result<Buffer> {
        let data = self.memory.take(len.saturating_add(CACHE_LINE))?;
        let start = (data.as_ptr() as usize / size_of::<f32>()).wrapping_neg() % CACHE_LINE;
        Ok(Buffer { data, start, len, free_list: Arc::clone(&self.memory), blank: false, zeros: OnceLock::new(), is_bf16: false })
    }

    /// In bf16 if that was asked for and there are whole chunks of channels, as on a GPU.
    fn alloc_activation(&self, shape: &Shape) -> Result<Buffer> {
        let is_map = shape.dims().len() == 4 && shape.channels().is_multiple_of(BF16_CHUNK);
        let mut buffer = self.alloc(shape.len())?;
        buffer.is_bf16 = self.bf16 && is_map;
        Ok(buffer)
    }

    fn zeros(&self, len: usize) -> Result<Buffer> {
        let mut buffer = self.alloc(len)?;
        buffer.blank = true;
        buffer.write_zeros();
        Ok(buffer)
    }

    fn gradient_of(&self, value: &Buffer) -> Result<Buffer> {
        let mut buffer = self.alloc(value.len())?;
        buffer.blank = true;
        buffer.is_bf16 = value.is_bf16;
        Ok(buffer)
    }

    fn settle(&self, value: &mut Buffer) -> Result<()> {
        if value.is_bf16 && !value.blank {
            round_to_bf16(value);
        }
        Ok(())
    }

    fn upload(&self, host: &[f32]) -> Result<Buffer> {
        let mut buffer = self.alloc(host.len())?;
        buffer.copy_from_slice(host);
        Ok(buffer)
    }

    fn write(&self, host: &[f32], target: &mut Buffer) -> Result<()> {
        check_len("write", "target", target.len(), host.len())?;
        target.copy_from_slice(host);
        self.settle(target)
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<f32>> {
        let mut values = reserved(buffer.len())?;
        values.extend_from_slice(buffer);
        Ok(values)
    }

    fn copy(&self, source: &Buffer, target: &mut Buffer) -> Result<()> {
        check_len("copy", "target", target.len(), source.len())?;
        target.copy_from_slice(source);
        self.settle(target)
    }

    fn len(&self, buffer: &Buffer) -> usize {
        buffer.len()
    }

    fn live_bytes(&self) -> Option<usize> {
        Some(self.memory.live_bytes())
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
        assert_eq!(cpu.live_bytes(), Some(held));
        assert_eq!(cpu.spare_host_memory(), Some(0));
        drop(first);
        assert_eq!((cpu.live_bytes(), cpu.spare_host_memory()), (Some(0), Some(held)));
        let second = cpu.clone().alloc(1000).unwrap();
        assert_eq!((cpu.peak_bytes(), cpu.live_bytes()), (held, Some(held)));
        let _third = cpu.alloc(1000).unwrap();
        assert_eq!((cpu.peak_bytes(), cpu.live_bytes()), (2 * held, Some(2 * held)));
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
    fn values_are_rounded_to_the_nearest_bf16() {
        let patterns = (0..=u32::MAX).step_by(0x1235).map(f32::from_bits);
        let ties = (0..0x1_0000u32).map(|high| f32::from_bits(high << 16 | 0x8000));
        for value in patterns.chain(ties) {
            let (found, wanted) = (nearest_bf16(value), half::bf16::from_f32(value).to_f32());
            assert!(if value.is_nan() { found.is_nan() } else { found.to_bits() == wanted.to_bits() }, "{value:e}");
        }
    }

    #[test]
    fn activations_are_stored_as_bf16_if_that_was_asked_for() {
        let shape = |extents: &[usize]| Shape::new(extents).unwrap();
        let cpu = Cpu::new().with_bf16();
        let stored = |cpu: &Cpu, extents: &[usize]| {
            let mut buffer = cpu.alloc_activation(&shape(extents)).unwrap();
            let mut gradient = cpu.gradient_of(&buffer).unwrap();
            for buffer in [&mut buffer, &mut gradient] {
                buffer.fill(1.0 + 1.0 / 512.0);
                cpu.settle(buffer).unwrap();
            }
            assert_eq!(buffer[0], gradient[0]);
            buffer[0]
        };
        assert_eq!(stored(&cpu, &[1, 2, 2, 8]), 1.0);
        // Without whole chunks of channels, not an image, or in f32.
        for (cpu, extents) in [(&cpu, &[1, 2, 2, 3][..]), (&cpu, &[4, 8]), (&cpu.with_f32(), &[1, 2, 2, 8])] {
            assert_eq!(stored(cpu, extents), 1.0 + 1.0 / 512.0);
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
