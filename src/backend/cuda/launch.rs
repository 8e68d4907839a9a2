//! Typed kernel launches: each argument is written with its exact width, and pointers come only from buffers.

use std::borrow::Cow;

use bytemuck::NoUninit;
use serde::Serialize;

use super::cost::Variables;
use super::device::Cuda;
use super::driver::{Address, Launch};
use super::kernel::Kernel;
use super::operands::Operands;
use super::storage::Buffer;
use crate::error::{Error, Result};

/// Maximum size in bytes of the arguments of a launch, including padding.
const ARGUMENT_BYTES: usize = 768;
/// Maximum number of arguments of a launch.
const ARGUMENTS: usize = 40;
/// Alignment in bytes of every argument.
const ALIGNMENT: usize = 8;

/// A value that kernels take by value: a number, or a spec without padding, with the same size and field offsets as the struct of
/// the same name in `kernels/`. Its whole-number fields are variables of the cost formulas.
pub(crate) trait ByValue: NoUninit + Serialize {}

impl<V: NoUninit + Serialize> ByValue for V {}

/// Names and values of the whole-number fields of a spec; empty for a number.
fn fields(value: &impl Serialize) -> Variables {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(value) else { return Variables::new() };
    fields.into_iter().filter_map(|(name, value)| Some((Cow::Owned(name), value.as_u64()?))).collect()
}

/// Bytes at an address with [`ALIGNMENT`].
#[repr(align(8))]
struct AlignedBytes([u8; ARGUMENT_BYTES]);

/// The arguments of a launch, built up without heap allocation.
struct Arguments {
    bytes: AlignedBytes,
    /// `(start, length)` in bytes.
    ranges: [(usize, usize); ARGUMENTS],
    count: usize,
    end: usize,
}

impl Arguments {
    fn push(&mut self, value: &impl NoUninit) {
        let value = bytemuck::bytes_of(value);
        let (start, end) = (self.end, self.end + value.len());
        assert!(end <= ARGUMENT_BYTES && self.count < ARGUMENTS, "the kernel has too many arguments");
        self.bytes.0[start..end].copy_from_slice(value);
        self.ranges[self.count] = (start, value.len());
        self.count += 1;
        self.end = end.next_multiple_of(ALIGNMENT);
    }
}

/// Builder of a launch: first the grid, then the arguments in the kernel's order.
pub(crate) struct Builder<'a> {
    cuda: &'a Cuda,
    kernel: &'static Kernel,
    grid: [u32; 3],
    block: [u32; 3],
    arguments: Arguments,
    operands: Operands,
    /// Variables of the cost formulas; only while launches are recorded.
    variables: Option<Variables>,
}

impl Cuda {
    /// A launch of `kernel` on `grid`, with its default block of `kernel.threads` threads along x.
    pub(crate) fn launch(&self, kernel: &'static Kernel, grid: [u32; 3]) -> Builder<'_> {
        let arguments = Arguments { bytes: AlignedBytes([0; ARGUMENT_BYTES]), ranges: [(0, 0); ARGUMENTS], count: 0, end: 0 };
        let (block, operands) = ([kernel.threads, 1, 1], Operands::new());
        Builder { cuda: self, kernel, grid, block, arguments, operands, variables: self.launches.variables() }
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

/// One address per branch, null past the last branch: the kernels' `BranchPointers` and `BranchOutputs`.
fn branch_addresses<const N: usize>(addresses: impl Iterator<Item = Address>) -> [Address; N] {
    let mut slots = [0; N];
    slots.iter_mut().zip(addresses).for_each(|(slot, address)| *slot = address);
    slots
}

impl Builder<'_> {
    /// A buffer that the kernel reads.
    pub(crate) fn input(mut self, buffer: &Buffer) -> Self {
        self.note(buffer, false);
        self.arguments.push(&buffer.address());
        self
    }

    fn note(&mut self, buffer: &Buffer, written: bool) {
        self.operands.push(buffer.address(), buffer.len() * size_of::<f32>(), written);
    }

    /// An optional bias that the kernel reads; None is a null pointer. In formulas `bias` is the number of its elements.
    pub(crate) fn bias(mut self, buffer: Option<&Buffer>) -> Self {
        buffer.into_iter().for_each(|buffer| self.note(buffer, false));
        self.arguments.push(&buffer.map_or(0, Buffer::address));
        self.with("bias", buffer.map_or(0, Buffer::len))
    }

    /// A buffer that the kernel writes.
    pub(crate) fn output(mut self, buffer: &mut Buffer) -> Self {
        self.note(buffer, true);
        self.arguments.push(&buffer.address());
        self
    }

    /// Up to `N` buffers that the kernel reads, as one argument.
    pub(crate) fn inputs<const N: usize>(mut self, buffers: &[&Buffer]) -> Self {
        buffers.iter().for_each(|buffer| self.note(buffer, false));
        self.arguments.push(&branch_addresses::<N>(buffers.iter().map(|buffer| buffer.address())));
        self
    }

    /// Up to `N` buffers that the kernel writes, as one argument.
    pub(crate) fn outputs<const N: usize>(mut self, buffers: &mut [Buffer]) -> Self {
        buffers.iter().for_each(|buffer| self.note(buffer, true));
        self.arguments.push(&branch_addresses::<N>(buffers.iter().map(Buffer::address)));
        self
    }

    /// A number, or a spec whose whole-number fields are variables of the formulas.
    pub(crate) fn value(mut self, value: impl ByValue) -> Self {
        self.arguments.push(&value);
        if let Some(variables) = &mut self.variables {
            variables.extend(fields(&value));
        }
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
        if let Some((first, second)) = self.operands.conflict() {
            let name = self.kernel.name;
            let reason = format!("kernel `{name}`: its buffers {first} and {second} share memory, and it writes to it");
            return Err(Error::Device { device: self.cuda.driver.name(), reason });
        }
        let arguments = &self.arguments;
        let mut slices: [&[u8]; ARGUMENTS] = [&[]; ARGUMENTS];
        for (slice, &(start, length)) in slices.iter_mut().zip(&arguments.ranges[..arguments.count]) {
            *slice = &arguments.bytes.0[start..start + length];
        }
        let launch = Launch { kernel: self.kernel, grid: self.grid, block: self.block, arguments: &slices[..arguments.count] };
        self.cuda.send(&launch, self.variables.as_ref())
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
