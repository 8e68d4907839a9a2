//! Typed launches: arguments are written one by one with their exact width, pointers only from buffers.

use std::borrow::Cow;

use bytemuck::NoUninit;
use serde::Serialize;

use super::cost::Numbers;
use super::device::Cuda;
use super::driver::{Address, Launch};
use super::kernel::Kernel;
use super::storage::Buffer;
use crate::error::Result;

/// Most bytes that the arguments of one launch may have, padding included.
const ARGUMENT_BYTES: usize = 768;
/// Maximum number of arguments of a launch.
const ARGUMENTS: usize = 40;
/// Every argument starts at a multiple of this.
const ALIGNMENT: usize = 8;

/// A value that kernels take as it is: a number, or a spec of the same size and offsets as the struct of its name in `kernels/`,
/// without padding. Formulas know its whole-number fields by their names.
pub(crate) trait ByValue: NoUninit + Serialize {}

impl<V: NoUninit + Serialize> ByValue for V {}

/// The whole-number fields of a spec, by their names.
fn numbers(value: &impl Serialize) -> Numbers {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(value) else { return Numbers::new() };
    fields.into_iter().filter_map(|(name, value)| Some((Cow::Owned(name), value.as_u64()?))).collect()
}

/// Bytes at an address that suits every argument.
#[repr(align(8))]
struct AlignedBytes([u8; ARGUMENT_BYTES]);

/// Arguments under construction, without allocation.
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
        assert!(end <= ARGUMENT_BYTES && self.count < ARGUMENTS, "a kernel with too many arguments");
        self.bytes.0[start..end].copy_from_slice(value);
        self.ranges[self.count] = (start, value.len());
        self.count += 1;
        self.end = end.next_multiple_of(ALIGNMENT);
    }
}

/// A launch under construction: grid first, then the arguments in the kernel's order.
pub(crate) struct Builder<'a> {
    cuda: &'a Cuda,
    kernel: &'static Kernel,
    grid: [u32; 3],
    block: [u32; 3],
    arguments: Arguments,
    /// What formulas may name, while somebody watches.
    numbers: Option<Numbers>,
}

impl Cuda {
    /// A launch of `kernel` with its usual block of `threads` along x.
    pub(crate) fn launch(&self, kernel: &'static Kernel, grid: [u32; 3]) -> Builder<'_> {
        let arguments = Arguments { bytes: AlignedBytes([0; ARGUMENT_BYTES]), ranges: [(0, 0); ARGUMENTS], count: 0, end: 0 };
        Builder { cuda: self, kernel, grid, block: [kernel.threads, 1, 1], arguments, numbers: self.journal.numbers() }
    }

    /// A launch with one thread per element of `len`.
    pub(crate) fn launch_over(&self, kernel: &'static Kernel, len: usize) -> Builder<'_> {
        self.launch(kernel, [blocks(len, kernel.threads), 1, 1])
    }
}

/// Blocks of `size` that cover `len`.
pub(crate) fn blocks(len: usize, size: u32) -> u32 {
    len.div_ceil(size as usize) as u32
}

/// One address per branch, null where there are fewer: `BranchPointers` and `BranchOutputs` of the kernels.
fn branch_addresses<const N: usize>(addresses: impl Iterator<Item = Address>) -> [Address; N] {
    let mut slots = [0; N];
    slots.iter_mut().zip(addresses).for_each(|(slot, address)| *slot = address);
    slots
}

impl Builder<'_> {
    /// A buffer that the kernel reads.
    pub(crate) fn input(mut self, buffer: &Buffer) -> Self {
        self.arguments.push(&buffer.address());
        self
    }

    /// A bias that the kernel reads if there is one, else a null pointer. In formulas `bias` is the number of its elements.
    pub(crate) fn bias(mut self, buffer: Option<&Buffer>) -> Self {
        self.arguments.push(&buffer.map_or(0, Buffer::address));
        self.with("bias", buffer.map_or(0, Buffer::len))
    }

    /// A buffer that the kernel writes.
    pub(crate) fn output(mut self, buffer: &mut Buffer) -> Self {
        self.arguments.push(&buffer.address());
        self
    }

    /// Up to `N` buffers that the kernel reads, as one argument.
    pub(crate) fn inputs<const N: usize>(mut self, buffers: &[&Buffer]) -> Self {
        self.arguments.push(&branch_addresses::<N>(buffers.iter().map(|buffer| buffer.address())));
        self
    }

    /// Up to `N` buffers that the kernel writes, as one argument.
    pub(crate) fn outputs<const N: usize>(mut self, buffers: &mut [Buffer]) -> Self {
        self.arguments.push(&branch_addresses::<N>(buffers.iter().map(Buffer::address)));
        self
    }

    /// A number, or a spec by value whose fields formulas know by their names.
    pub(crate) fn value(mut self, value: impl ByValue) -> Self {
        self.arguments.push(&value);
        if let Some(known) = &mut self.numbers {
            known.extend(numbers(&value));
        }
        self
    }

    /// A number that formulas know as `name`.
    pub(crate) fn number(self, name: &'static str, value: u32) -> Self {
        self.value(value).with(name, value as usize)
    }

    /// What formulas know as `name`, though the kernel is not told.
    pub(crate) fn with(mut self, name: &'static str, value: usize) -> Self {
        if let Some(numbers) = &mut self.numbers {
            numbers.push((Cow::Borrowed(name), value as u64));
        }
        self
    }

    /// Launches.
    pub(crate) fn run(self) -> Result<()> {
        let arguments = &self.arguments;
        let mut slices: [&[u8]; ARGUMENTS] = [&[]; ARGUMENTS];
        for (slice, &(start, length)) in slices.iter_mut().zip(&arguments.ranges[..arguments.count]) {
            *slice = &arguments.bytes.0[start..start + length];
        }
        let launch = Launch { kernel: self.kernel, grid: self.grid, block: self.block, arguments: &slices[..arguments.count] };
        self.cuda.send(&launch, self.numbers.as_ref())
    }
}
