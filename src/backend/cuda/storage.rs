//! Buffers of f32 in device memory.

use std::sync::Arc;

use super::device::{Cuda, Mode};
use super::driver::{Address, Mark};
use super::memory::Block;
use super::repeat::Program;
use crate::backend::{Storage, Watched, check_len};
use crate::error::Result;

/// A block of floats on the device, freed when dropped.
pub struct Buffer {
    block: Arc<Block>,
    len: usize,
}

impl Buffer {
    /// Its address, for work that is submitted immediately.
    pub(crate) fn address(&self) -> Address {
        Block::note_use(&self.block);
        self.block.address
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn bytes(&self) -> usize {
        self.len * size_of::<f32>()
    }

    /// A second buffer with the same memory, which only tests make.
    #[cfg(all(test, feature = "emulator"))]
    pub(crate) fn alias(&self) -> Self {
        Self { block: Arc::clone(&self.block), len: self.len }
    }
}

impl Storage for Cuda {
    type Elem = f32;
    type Buffer = Buffer;
    type Program = Program;
    type Mark = Mark;

    fn name(&self) -> &'static str {
        self.driver.name()
    }

    fn description(&self) -> String {
        let convolutions = if self.mode == Mode::Bf16 { ", bf16 convolutions" } else { "" };
        self.driver.description() + convolutions
    }

    fn alloc(&self, len: usize) -> Result<Buffer> {
        let block = self.memory.take(len * size_of::<f32>())?;
        Ok(Buffer { block: Arc::new(block), len })
    }

    fn zeros(&self, len: usize) -> Result<Buffer> {
        let buffer = self.alloc(len)?;
        let _guard = self.memory.lock_shared();
        self.driver.zero(buffer.address(), buffer.bytes())?;
        Ok(buffer)
    }

    fn upload(&self, host: &[f32]) -> Result<Buffer> {
        let mut buffer = self.alloc(host.len())?;
        self.write(host, &mut buffer)?;
        Ok(buffer)
    }

    fn write(&self, host: &[f32], target: &mut Buffer) -> Result<()> {
        check_len("write", "target", target.len, host.len())?;
        let _guard = self.memory.lock_outside_recording("data cannot be uploaded")?;
        self.driver.write(target.address(), as_bytes(host))
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<f32>> {
        let mut host = vec![0.0; buffer.len];
        let _guard = self.memory.lock_outside_recording("data cannot be downloaded")?;
        self.driver.read(buffer.address(), as_bytes_mut(&mut host))?;
        Ok(host)
    }

    fn copy(&self, source: &Buffer, target: &mut Buffer) -> Result<()> {
        check_len("copy", "target", target.len, source.len)?;
        let _guard = self.memory.lock_shared();
        self.driver.copy(source.address(), target.address(), source.bytes())
    }

    fn len(&self, buffer: &Buffer) -> usize {
        buffer.len
    }

    fn repeat(&self, program: &mut Program, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.advance(program, work)
    }

    fn mark(&self) -> Result<Mark> {
        let _guard = self.memory.lock_outside_recording("a point in time cannot be marked")?;
        self.driver.mark()
    }

    fn seconds_between(&self, from: &Mark, to: &Mark) -> Result<f64> {
        self.driver.seconds_between(from, to)
    }

    fn watched<R>(&self, name: std::fmt::Arguments<'_>, work: impl FnOnce() -> R) -> (R, Vec<Watched<Mark>>) {
        self.watch(name, work)
    }
}

fn as_bytes(floats: &[f32]) -> &[u8] {
    // SAFETY: each float has four initialised bytes, and bytes need no alignment.
    unsafe { std::slice::from_raw_parts(floats.as_ptr().cast(), size_of_val(floats)) }
}

fn as_bytes_mut(floats: &mut [f32]) -> &mut [u8] {
    // SAFETY: as above, and every bit pattern is a valid float.
    unsafe { std::slice::from_raw_parts_mut(floats.as_mut_ptr().cast(), size_of_val(floats)) }
}
