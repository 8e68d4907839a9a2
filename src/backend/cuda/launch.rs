//! Typed kernel launches: each argument is written with its exact width, and pointers come only from buffers.

use std::borrow::Cow;
use std::ops::Range;

use bytemuck::NoUninit;
use half::bf16;
use serde::Serialize;

use super::cost::Variables;
use super::device::Cuda;
use super::driver::{Address, Launch, Tiles};
use super::kernel::Kernel;
use super::operands::Operands;
use super::storage::{Buffer, Format};
use crate::backend::Slope;
use crate::error::{Error, Result};
use crate::shape::Activation;

/// Maximum size in bytes of the arguments of a launch, including padding: what every driver accepts.
const ARGUMENT_BYTES: usize = 4096;
/// Alignment in bytes of every argument.
const ALIGNMENT: usize = size_of::<u64>();

/// A value that kernels take by value: a number, or a spec without padding, with the same size and field offsets as the struct of
/// the same name in `kernels/`. Its whole-number fields are variables of the cost formulas.
pub(crate) trait ByValue: NoUninit + Serialize {}

impl<V: NoUninit + Serialize> ByValue for V {}

/// Names and values of the whole-number fields of a spec; empty for a number.
fn fields(value: &impl Serialize) -> Variables {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(value) else { return Variables::new() };
    fields.into_iter().filter_map(|(name, value)| Some((Cow::Owned(name), value.as_u64()?))).collect()
}

/// The arguments of a launch.
#[derive(Default)]
struct Arguments {
    /// The bytes of every argument, filled up to words of [`ALIGNMENT`] bytes.
    words: Vec<u64>,
    /// The bytes of each argument.
    ranges: Vec<Range<usize>>,
}

impl Arguments {
    fn push(&mut self, value: &impl NoUninit) {
        let (value, start) = (bytemuck::bytes_of(value), ALIGNMENT * self.words.len());
        let end = start + value.len();
        assert!(end <= ARGUMENT_BYTES, "the kernel has too many arguments");
        self.words.resize(end.div_ceil(ALIGNMENT), 0);
        bytemuck::cast_slice_mut(&mut self.words)[start..end].copy_from_slice(value);
        self.ranges.push(start..end);
    }

    /// Each argument as its bytes.
    fn slices(&self) -> Vec<&[u8]> {
        self.ranges.iter().map(|range| &bytemuck::cast_slice(&self.words)[range.clone()]).collect()
    }
}

/// Builder of a launch: first the grid, then the arguments in the kernel's order.
///
/// Most kernels read and write f32, some bf16. An operand that is stored in the other format is converted: inputs before the
/// launch, outputs after it. So every kernel works with every buffer, and a kernel for the format in which its operands are
/// stored saves the conversions.
pub(crate) struct Builder<'a> {
    cuda: &'a Cuda,
    kernel: &'static Kernel,
    grid: [u32; 3],
    block: [u32; 3],
    arguments: Arguments,
    operands: Operands,
    /// Variables of the cost formulas; only while launches are recorded.
    variables: Option<Variables>,
    /// Inputs in the kernel's format, which live until the launch is submitted.
    converted: Vec<Buffer>,
    /// Conversions to be done after the launch: source and target.
    after: Vec<[Buffer; 2]>,
    /// The first error of a conversion.
    failed: Option<Error>,
}

impl Cuda {
    /// A launch of `kernel` on `grid`, with its default block of `kernel.threads` threads along x.
    pub(crate) fn launch(&self, kernel: &'static Kernel, grid: [u32; 3]) -> Builder<'_> {
        Builder {
            cuda: self,
            kernel,
            grid,
            block: [kernel.threads, 1, 1],
            arguments: Arguments::default(),
            operands: Operands::default(),
            variables: self.launches.variables(),
            converted: Vec::new(),
            after: Vec::new(),
            failed: None,
        }
    }

    /// A launch with one thread for each of `len` elements.
    pub(crate) fn launch_over(&self, kernel: &'static Kernel, len: usize) -> Builder<'_> {
        self.launch(kernel, [blocks(len, kernel.threads), 1, 1])
    }
}

/// Number of blocks of `size` that cover `len`.
pub(crate) fn blocks(len: usize, size: u32) -> u32 {
    len.div_ceil(size as usize) as u32
}

/// One address per buffer, null past the last: a kernel's struct of pointers, such as `BranchPointers`.
fn table<const N: usize>(addresses: impl Iterator<Item = Address>) -> [Address; N] {
    let mut slots = [0; N];
    slots.iter_mut().zip(addresses).for_each(|(slot, address)| *slot = address);
    slots
}

/// Operands. A method takes buffers of either format and gives the kernel the one in its name, f32 if there is none.
impl Builder<'_> {
    /// A buffer that the kernel reads.
    pub(crate) fn input(self, buffer: &Buffer) -> Self {
        self.read(buffer, Format::F32)
    }

    /// A buffer that the kernel reads as bf16.
    pub(crate) fn bf16_input(self, buffer: &Buffer) -> Self {
        self.read(buffer, Format::Bf16)
    }

    /// A buffer that the kernel reads as bf16 through the copy engine of Hopper, as an array with these lengths from the
    /// innermost dimension on, in tiles of this size.
    pub(crate) fn bf16_tiles(mut self, buffer: &Buffer, len: [u32; 4], tile: [u32; 4]) -> Self {
        let address = self.readable(buffer, Format::Bf16);
        let row = u64::from(len[0]) * size_of::<bf16>() as u64;
        let stride = [row, row * u64::from(len[1]), row * u64::from(len[1]) * u64::from(len[2])];
        if let Some(map) = self.attempt(|cuda| cuda.driver.tensor_map(&Tiles { address, len, stride, tile })) {
            self.arguments.push(&map);
        }
        self
    }

    /// An optional bias that the kernel reads; None is a null pointer. In formulas `bias` is the number of its elements.
    pub(crate) fn bias(mut self, buffer: Option<&Buffer>) -> Self {
        let address = buffer.map_or(0, |buffer| self.readable(buffer, Format::F32));
        self.arguments.push(&address);
        self.with("bias", buffer.map_or(0, Buffer::len))
    }

    /// A buffer that the kernel overwrites completely.
    pub(crate) fn output(self, buffer: &mut Buffer) -> Self {
        self.overwritten(buffer, Format::F32)
    }

    /// An output that may be absent; None is a null pointer. In formulas `name` is the number of its elements.
    pub(crate) fn output_if(self, buffer: Option<&mut Buffer>, name: &'static str) -> Self {
        let len = buffer.as_ref().map_or(0, |buffer| buffer.len());
        let launch = match buffer {
            Some(buffer) => self.output(buffer),
            None => self.value(0u64),
        };
        launch.with(name, len)
    }

    /// As [`Builder::output_if`] in bf16.
    pub(crate) fn bf16_output_if(self, buffer: Option<&mut Buffer>, name: &'static str) -> Self {
        let len = buffer.as_ref().map_or(0, |buffer| buffer.len());
        let launch = match buffer {
            Some(buffer) => self.bf16_output(buffer),
            None => self.value(0u64),
        };
        launch.with(name, len)
    }

    /// A buffer that the kernel overwrites completely with bf16.
    pub(crate) fn bf16_output(self, buffer: &mut Buffer) -> Self {
        self.overwritten(buffer, Format::Bf16)
    }

    /// A buffer that the kernel reads and writes, or of which it writes only a part.
    pub(crate) fn update(mut self, buffer: &mut Buffer) -> Self {
        let address = self.updated(buffer, Format::F32);
        self.arguments.push(&address);
        self
    }

    /// As [`Builder::update`] in bf16.
    pub(crate) fn bf16_update(mut self, buffer: &mut Buffer) -> Self {
        let address = self.updated(buffer, Format::Bf16);
        self.arguments.push(&address);
        self
    }

    /// The slope that multiplies a sum in bf16. These are two arguments: the output of the activation, null if there is no slope,
    /// and the activation. In formulas `sloped` is 1 if the output must be read for it, else 0.
    pub(crate) fn slope(self, slope: Option<Slope<'_, Buffer>>, sloped: &'static str) -> Self {
        let activation = slope.map_or(Activation::Identity, |slope| slope.activation);
        let launch = match slope {
            Some(slope) => self.bf16_input(slope.y),
            None => self.value(0u64),
        };
        launch.value(activation as u32).with(sloped, usize::from(slope.is_some()))
    }

    /// A buffer that the kernel adds to. These are two arguments: its address, and whether it is blank, so that the kernel
    /// assigns. In formulas `adds` is 1, or 0 if it assigns.
    pub(crate) fn sum(self, buffer: &mut Buffer) -> Self {
        self.added_to(buffer, Format::F32, "adds")
    }

    /// As [`Builder::sum`], with its own name for the variable.
    pub(crate) fn named_sum(self, buffer: &mut Buffer, adds: &'static str) -> Self {
        self.added_to(buffer, Format::F32, adds)
    }

    /// As [`Builder::sum`] in bf16, with its own name for the variable.
    pub(crate) fn bf16_sum(self, buffer: &mut Buffer, adds: &'static str) -> Self {
        self.added_to(buffer, Format::Bf16, adds)
    }

    /// Up to `N` buffers that the kernel reads, as one argument.
    pub(crate) fn inputs<const N: usize>(self, buffers: &[&Buffer]) -> Self {
        self.read_all::<N>(buffers, Format::F32)
    }

    /// Up to `N` buffers that the kernel reads as bf16, as one argument.
    pub(crate) fn bf16_inputs<const N: usize>(self, buffers: &[&Buffer]) -> Self {
        self.read_all::<N>(buffers, Format::Bf16)
    }

    /// Up to `N` buffers that the kernel reads and writes, as one argument; None is a null pointer.
    pub(crate) fn updates<'b, const N: usize>(mut self, buffers: impl IntoIterator<Item = Option<&'b mut Buffer>>) -> Self {
        let mut address = |buffer: Option<&mut Buffer>| buffer.map_or(0, |buffer| self.updated(buffer, Format::F32));
        let addresses = table::<N>(buffers.into_iter().map(&mut address));
        self.arguments.push(&addresses);
        self
    }

    /// Up to `N` buffers that the kernel reads and writes, as two arguments: their values, and the rounded copies that the kernel
    /// keeps equal to them, a null pointer where there is none. In formulas `rounded` is the number of elements of the copies.
    pub(crate) fn updates_with_copies<'b, const N: usize>(mut self, buffers: impl IntoIterator<Item = &'b mut Buffer>) -> Self {
        let (mut values, mut copies, mut elements) = ([0; N], [0; N], 0);
        for ((value, copy), buffer) in values.iter_mut().zip(&mut copies).zip(buffers) {
            match buffer.rounded() {
                Some(rounded) => {
                    self.attempt(|cuda| cuda.write_zeros(buffer));
                    [*value, *copy] = [self.note(buffer, true), self.note(rounded, true)];
                    elements += rounded.len();
                }
                None => *value = self.updated(buffer, Format::F32),
            }
        }
        self.arguments.push(&values);
        self.arguments.push(&copies);
        self.with("rounded", elements)
    }

    /// Up to `N` buffers that the kernel adds to, as two arguments; see [`Builder::sum`]. If only some of them are blank, their
    /// zeros are written first.
    pub(crate) fn sums<const N: usize>(mut self, buffers: &mut [Buffer]) -> Self {
        let all_blank = buffers.iter().all(Buffer::is_blank);
        for buffer in buffers.iter() {
            match all_blank {
                true => buffer.overwrite(),
                false => self.attempt(|cuda| cuda.write_zeros(buffer)).unwrap_or_default(),
            }
        }
        let addresses = table::<N>(buffers.iter().map(|buffer| self.writable(buffer, Format::F32, !all_blank)));
        self.arguments.push(&addresses);
        self.value(u32::from(all_blank)).with("adds", usize::from(!all_blank))
    }

    /// A buffer that the kernel reads in the format in which it is stored.
    pub(crate) fn stored(mut self, buffer: &Buffer) -> Self {
        self.attempt(|cuda| cuda.write_zeros(buffer));
        let address = self.note(buffer, false);
        self.arguments.push(&address);
        self
    }

    /// A buffer that the kernel overwrites in the format in which it is stored.
    pub(crate) fn stored_output(mut self, buffer: &mut Buffer) -> Self {
        let address = self.note(buffer, true);
        self.arguments.push(&address);
        self
    }
}

/// Conversions of operands.
impl Builder<'_> {
    fn read(mut self, buffer: &Buffer, format: Format) -> Self {
        let address = self.readable(buffer, format);
        self.arguments.push(&address);
        self
    }

    fn read_all<const N: usize>(mut self, buffers: &[&Buffer], format: Format) -> Self {
        let addresses = table::<N>(buffers.iter().map(|buffer| self.readable(buffer, format)));
        self.arguments.push(&addresses);
        self
    }

    fn overwritten(mut self, buffer: &mut Buffer, format: Format) -> Self {
        buffer.overwrite();
        let address = self.writable(buffer, format, false);
        self.arguments.push(&address);
        self
    }

    fn added_to(mut self, buffer: &mut Buffer, format: Format, adds: &'static str) -> Self {
        let blank = buffer.is_blank();
        buffer.overwrite();
        let address = self.writable(buffer, format, !blank);
        self.arguments.push(&address);
        self.value(u32::from(blank)).with(adds, usize::from(!blank))
    }

    /// The address of the values in a format.
    fn readable(&mut self, buffer: &Buffer, format: Format) -> Address {
        self.attempt(|cuda| cuda.write_zeros(buffer));
        if buffer.format() == format {
            return self.note(buffer, false);
        }
        if let Some(rounded) = buffer.rounded() {
            return self.note(rounded, false);
        }
        let Some(converted) = self.attempt(|cuda| cuda.converted(buffer, format)) else { return 0 };
        let address = self.note(&converted, false);
        self.converted.push(converted);
        address
    }

    /// The address of memory in a format for a buffer that the kernel reads and writes.
    fn updated(&mut self, buffer: &Buffer, format: Format) -> Address {
        self.attempt(|cuda| cuda.write_zeros(buffer));
        self.writable(buffer, format, true)
    }

    /// The address of memory in a format for the values of `buffer`, which are in it already if `keep`.
    fn writable(&mut self, buffer: &Buffer, format: Format, keep: bool) -> Address {
        if buffer.format() == format {
            if let Some(rounded) = buffer.rounded() {
                self.after.push([buffer.alias(), rounded.alias()]);
            }
            return self.note(buffer, true);
        }
        let memory = self.attempt(|cuda| match keep {
            true => cuda.converted(buffer, format),
            false => cuda.alloc_as(format, buffer.len()),
        });
        let Some(memory) = memory else { return 0 };
        let address = self.note(&memory, true);
        self.after.push([memory, buffer.alias()]);
        address
    }

    /// Notes what the launch reads or writes. Returns its address.
    fn note(&mut self, buffer: &Buffer, written: bool) -> Address {
        self.operands.push(buffer.address(), buffer.bytes(), written);
        buffer.address()
    }

    /// The result of `work`; None after an error, which the launch then reports.
    fn attempt<T>(&mut self, work: impl FnOnce(&Cuda) -> Result<T>) -> Option<T> {
        match work(self.cuda) {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }
}

/// Values, and the launch.
impl Builder<'_> {
    /// A number, or a spec whose whole-number fields are variables of the formulas.
    pub(crate) fn value(mut self, value: impl ByValue) -> Self {
        self.arguments.push(&value);
        if let Some(variables) = &mut self.variables {
            variables.extend(fields(&value));
        }
        self
    }

    /// Numbers as one argument.
    pub(crate) fn numbers<const N: usize>(mut self, values: &[u64; N]) -> Self {
        self.arguments.push(values);
        self
    }

    /// A number that is the variable `name` of the formulas.
    pub(crate) fn number(self, name: &'static str, value: u32) -> Self {
        self.value(value).with(name, value as usize)
    }

    /// Sets the variable `name` of the formulas, without a kernel argument.
    pub(crate) fn with(mut self, name: &'static str, value: usize) -> Self {
        if let Some(variables) = &mut self.variables {
            variables.push((Cow::Borrowed(name), value as u64));
        }
        self
    }

    /// Launches the kernel.
    ///
    /// # Errors
    /// A buffer that it writes is also another of its operands, or the device failed.
    pub(crate) fn run(self) -> Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let Some((first, second)) = self.operands.conflict() {
            let name = self.kernel.name;
            let reason = format!("kernel `{name}`: its buffers {first} and {second} share memory, and it writes to it");
            return Err(Error::Device { device: self.cuda.driver.name(), reason });
        }
        let launch = Launch { kernel: self.kernel, grid: self.grid, block: self.block, arguments: &self.arguments.slices() };
        self.cuda.send(&launch, self.variables.as_ref())?;
        self.after.into_iter().try_for_each(|[source, mut target]| self.cuda.convert(&source, &mut target))
    }
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use super::*;
    use crate::backend::Storage;
    use crate::backend::cuda::kernels::pointwise as kernel;

    /// Two buffers with the same memory: what a mistake in a plan of memory would give.
    #[test]
    fn a_kernel_must_not_write_to_another_of_its_operands() {
        let cuda = Cuda::emulator(1);
        let (mut x, z) = (cuda.upload(&[1.0; 3]).unwrap(), cuda.upload(&[2.0; 3]).unwrap());
        let (alias, mut y) = (x.alias(), z.alias());
        let launch = |a: &Buffer, b: &Buffer, y: &mut Buffer| {
            cuda.launch_over(&kernel::MUL, 3).input(a).input(b).output(y).number("len", 3).run()
        };
        let refused = launch(&z, &alias, &mut x).unwrap_err().to_string();
        assert_eq!(refused, "emulator: kernel `mul`: its buffers 1 and 2 share memory, and it writes to it");
        assert_eq!(cuda.download(&x).unwrap(), [1.0; 3]);
        // Two inputs may be one buffer.
        launch(&x, &alias, &mut y).unwrap();
        assert_eq!(cuda.download(&y).unwrap(), [1.0; 3]);
    }
}
