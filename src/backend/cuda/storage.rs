//! Buffers in device memory. Values are f32, or bf16 for activations and their gradients in [`Mode::Bf16`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use half::bf16;

use super::device::{Cuda, Mode};
use super::driver::{Address, Mark};
use super::kernels::convert as kernel;
use super::memory::Block;
use super::repeat::Program;
use crate::backend::{Arithmetic, Storage, Watched, check_len};
use crate::error::Result;
use crate::shape::Shape;

/// Values of bf16 in 16 bytes. Only buffers with whole chunks of channels are stored as bf16.
pub(crate) const CHUNK: usize = 8;

/// How a buffer stores its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    F32,
    Bf16,
}

impl Format {
    /// Bytes of a value.
    const fn bytes(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::Bf16 => size_of::<bf16>(),
        }
    }
}

/// A block of values on the device, freed when dropped.
pub struct Buffer {
    block: Arc<Block>,
    len: usize,
    format: Format,
    /// Whether the buffer stands for zeros that are not written yet. Gradients start like this, and the first addition overwrites
    /// the memory.
    blank: AtomicBool,
    /// The values of an f32 buffer rounded to bf16, for products that read them often. Whoever writes the values keeps it equal.
    rounded: Option<Box<Buffer>>,
}

impl Buffer {
    /// Its address, for work that is submitted immediately. The values must not be blank.
    pub(crate) fn address(&self) -> Address {
        Block::note_use(&self.block);
        self.block.address
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How the values are stored.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether the values are bf16.
    pub(crate) fn is_bf16(&self) -> bool {
        self.format == Format::Bf16
    }

    /// The rounded copy of the values, if one is kept.
    pub(crate) fn rounded(&self) -> Option<&Buffer> {
        self.rounded.as_deref()
    }

    /// Whether the buffer stands for zeros that are not written.
    pub(crate) fn is_blank(&self) -> bool {
        self.blank.load(Ordering::Relaxed)
    }

    /// Notes that the caller overwrites the values.
    pub(crate) fn overwrite(&self) {
        self.blank.store(false, Ordering::Relaxed);
    }

    /// Another handle to the same memory, for a launch that follows the caller's use of it.
    pub(crate) fn alias(&self) -> Self {
        let Self { ref block, len, format, .. } = *self;
        Self { block: Arc::clone(block), len, format, blank: AtomicBool::new(false), rounded: None }
    }

    /// Bytes of its values.
    pub(crate) fn bytes(&self) -> usize {
        self.len * self.format.bytes()
    }
}

impl Cuda {
    /// `len` values of a format, unspecified.
    pub(crate) fn alloc_as(&self, format: Format, len: usize) -> Result<Buffer> {
        let block = Arc::new(self.memory.take(len * format.bytes())?);
        Ok(Buffer { block, len, format, blank: AtomicBool::new(false), rounded: None })
    }

    /// How an activation of this shape, or a gradient of one, is stored: as bf16 in [`Mode::Bf16`] if it has whole chunks of
    /// channels. Images, masks, and vectors stay f32.
    fn format_of(&self, shape: &Shape) -> Format {
        let is_map = shape.dims().len() == 4 && shape.channels().is_multiple_of(CHUNK);
        if self.mode == Mode::Bf16 && is_map { Format::Bf16 } else { Format::F32 }
    }

    /// Writes the zeros of a blank buffer.
    pub(crate) fn write_zeros(&self, buffer: &Buffer) -> Result<()> {
        if !buffer.is_blank() {
            return Ok(());
        }
        buffer.overwrite();
        let _guard = self.memory.lock_shared();
        self.driver.zero(buffer.address(), buffer.bytes())
    }

    /// `target = source`, one of them f32 and the other bf16. Values are rounded to nearest even.
    pub(crate) fn convert(&self, source: &Buffer, target: &mut Buffer) -> Result<()> {
        let kernel = if target.is_bf16() { &kernel::ROUND_TO_BF16 } else { &kernel::WIDEN_TO_F32 };
        let len = source.len();
        let launch = self.launch_over(kernel, len.div_ceil(CHUNK)).stored(source).stored_output(target);
        launch.number("len", len as u32).run()
    }

    /// The values in another format, in new memory.
    pub(crate) fn converted(&self, buffer: &Buffer, format: Format) -> Result<Buffer> {
        let mut target = self.alloc_as(format, buffer.len)?;
        self.convert(buffer, &mut target)?;
        Ok(target)
    }

    /// A copy in f32 of a gradient in bf16, to be added to; blank if the gradient is.
    pub(crate) fn wide(&self, gradient: &Buffer) -> Result<Buffer> {
        if gradient.is_blank() {
            gradient.overwrite();
            let wide = self.alloc(gradient.len)?;
            wide.blank.store(true, Ordering::Relaxed);
            return Ok(wide);
        }
        self.converted(gradient, Format::F32)
    }

    /// After the values of an f32 buffer have changed: rounds them again if a rounded copy is kept.
    pub(crate) fn refresh(&self, buffer: &mut Buffer) -> Result<()> {
        let Some(mut rounded) = buffer.rounded.take() else { return Ok(()) };
        let done = self.convert(buffer, &mut rounded);
        buffer.rounded = Some(rounded);
        done
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
        let precision = if self.mode == Mode::Bf16 { ", bf16" } else { "" };
        let wgmma = if self.wgmma { ", wgmma" } else { "" };
        self.driver.description() + precision + wgmma
    }

    fn arithmetic(&self) -> Arithmetic {
        let architecture = self.arch().map_or("", |arch| arch.name);
        Arithmetic::new(self.name(), architecture).with_bf16(self.mode == Mode::Bf16)
    }

    fn alloc(&self, len: usize) -> Result<Buffer> {
        self.alloc_as(Format::F32, len)
    }

    fn alloc_activation(&self, shape: &Shape) -> Result<Buffer> {
        self.alloc_as(self.format_of(shape), shape.len())
    }

    fn zeros(&self, len: usize) -> Result<Buffer> {
        let buffer = self.alloc(len)?;
        buffer.blank.store(true, Ordering::Relaxed);
        self.write_zeros(&buffer)?;
        Ok(buffer)
    }

    fn gradient_of(&self, value: &Buffer) -> Result<Buffer> {
        let buffer = self.alloc_as(value.format, value.len)?;
        buffer.blank.store(true, Ordering::Relaxed);
        Ok(buffer)
    }

    fn upload(&self, host: &[f32]) -> Result<Buffer> {
        let mut buffer = self.alloc(host.len())?;
        self.write(host, &mut buffer)?;
        Ok(buffer)
    }

    /// In [`Mode::Bf16`] with a rounded copy, if the weight has whole chunks of channels.
    fn upload_parameter(&self, shape: &Shape, host: &[f32]) -> Result<Buffer> {
        let mut buffer = self.alloc(host.len())?;
        if self.format_of(shape) == Format::Bf16 {
            buffer.rounded = Some(Box::new(self.alloc_as(Format::Bf16, host.len())?));
        }
        self.write(host, &mut buffer)?;
        Ok(buffer)
    }

    fn write(&self, host: &[f32], target: &mut Buffer) -> Result<()> {
        check_len("write", "target", target.len, host.len())?;
        target.overwrite();
        {
            let _guard = self.memory.lock_outside_recording("data cannot be uploaded")?;
            match target.format {
                Format::F32 => self.driver.write(target.address(), bytemuck::cast_slice(host))?,
                Format::Bf16 => {
                    let host: Vec<u16> = host.iter().map(|&value| bf16::from_f32(value).to_bits()).collect();
                    self.driver.write(target.address(), bytemuck::cast_slice(&host))?;
                }
            }
        }
        self.refresh(target)
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<f32>> {
        let _guard = self.memory.lock_outside_recording("data cannot be downloaded")?;
        self.write_zeros(buffer)?;
        match buffer.format {
            Format::F32 => {
                let mut host = vec![0.0; buffer.len];
                self.driver.read(buffer.address(), bytemuck::cast_slice_mut(&mut host))?;
                Ok(host)
            }
            Format::Bf16 => {
                let mut host = vec![0u16; buffer.len];
                self.driver.read(buffer.address(), bytemuck::cast_slice_mut(&mut host))?;
                Ok(host.into_iter().map(|bits| bf16::from_bits(bits).to_f32()).collect())
            }
        }
    }

    fn copy(&self, source: &Buffer, target: &mut Buffer) -> Result<()> {
        check_len("copy", "target", target.len, source.len)?;
        self.write_zeros(source)?;
        target.overwrite();
        if source.format == target.format {
            let _guard = self.memory.lock_shared();
            self.driver.copy(source.address(), target.address(), source.bytes())?;
        } else {
            self.convert(source, target)?;
        }
        self.refresh(target)
    }

    fn len(&self, buffer: &Buffer) -> usize {
        buffer.len
    }

    fn element_bytes(&self, buffer: &Buffer) -> usize {
        buffer.format.bytes()
    }

    fn is_blank(&self, buffer: &Buffer) -> bool {
        buffer.is_blank()
    }

    fn live_bytes(&self) -> Option<usize> {
        Some(self.memory.live_bytes())
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
