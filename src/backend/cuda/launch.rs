//! Typed launches: arguments are written one by one with their exact width, pointers only from buffers.

use super::cost::Numbers;
use super::driver::{Address, Launch};
use super::kernel::Kernel;
use super::{Buffer, Cuda};
use crate::backend::AdamSpec;
use crate::error::Result;
use crate::shape::{
    BoxAverageSpec, CcmSpec, ChannelsSpec, Conv2dSpec, CorruptionSpec, LinearSpec, MAX_BRANCHES, ObjectiveSpec, PoolSpec,
    SdcSpec, UpsampleSpec,
};

/// Most bytes that the arguments of one launch may have, padding included.
const ARGUMENT_BYTES: usize = 768;
/// Most arguments of one launch.
const ARGUMENTS: usize = 40;
/// Every argument starts at a multiple of this.
const ALIGNMENT: usize = 8;

/// A value that kernels take as it is.
///
/// # Safety
/// The type must be `Copy` without padding that matters, and have the size and offsets of its twin in `kernels/spec.cuh`.
pub unsafe trait ByValue: Copy {
    /// Those of its fields that formulas of kernels name.
    fn numbers(&self) -> Numbers {
        Numbers::new()
    }
}

// SAFETY: numbers have the same size and bits on both sides.
unsafe impl ByValue for u32 {}
// SAFETY: as above.
unsafe impl ByValue for u64 {}
// SAFETY: as above.
unsafe impl ByValue for f32 {}

/// One address per branch, null where there are fewer: `BranchPointers` and `BranchOutputs` of the kernels.
type BranchAddresses = [Address; MAX_BRANCHES];
// SAFETY: pointers are addresses of 64 bits on both sides.
unsafe impl ByValue for BranchAddresses {}

/// Specs are `#[repr(C)]`; a test compares size and offsets with the kernels' side. Fields are those that formulas name.
macro_rules! by_value {
    ($($spec:ty { $($field:ident),* })+) => {
        $(
            // SAFETY: see the macro's comment.
            unsafe impl ByValue for $spec {
                fn numbers(&self) -> Numbers {
                    vec![$((stringify!($field), u64::from(self.$field))),*]
                }
            }
        )+
    };
}
by_value! {
    AdamSpec {}
    BoxAverageSpec { n, h, w, size }
    CcmSpec { rows, c }
    ChannelsSpec { rows, count }
    Conv2dSpec { n, h, w, c_in, h_out, w_out, c_out, kernel }
    CorruptionSpec { n, side, patches_max, mask_side, replacement_side }
    LinearSpec { rows, c_in, c_out }
    ObjectiveSpec { n, pixels, channels }
    PoolSpec { window }
    SdcSpec { n, h, w, c_in, c_out, branches }
    UpsampleSpec {}
}

/// Arguments under construction, without allocation.
struct Arguments {
    bytes: [u64; ARGUMENT_BYTES / 8],
    /// `(start, length)` in bytes.
    ranges: [(usize, usize); ARGUMENTS],
    count: usize,
    end: usize,
}

impl Arguments {
    fn push<T: ByValue>(&mut self, value: T) {
        let (start, length) = (self.end, size_of::<T>());
        assert!(start + length <= ARGUMENT_BYTES && self.count < ARGUMENTS, "a kernel with too many arguments");
        // SAFETY: the range was just checked; writing bytes needs no alignment.
        unsafe { self.bytes.as_mut_ptr().cast::<u8>().add(start).cast::<T>().write_unaligned(value) };
        self.ranges[self.count] = (start, length);
        self.count += 1;
        self.end = (start + length).next_multiple_of(ALIGNMENT);
    }
}

/// A launch under construction: grid first, then the arguments in the kernel's order.
pub(super) struct Builder<'a> {
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
    pub(super) fn launch(&self, kernel: &'static Kernel, grid: [u32; 3]) -> Builder<'_> {
        let arguments = Arguments { bytes: [0; ARGUMENT_BYTES / 8], ranges: [(0, 0); ARGUMENTS], count: 0, end: 0 };
        Builder { cuda: self, kernel, grid, block: [kernel.threads, 1, 1], arguments, numbers: self.journal.numbers() }
    }

    /// A launch with one thread per element of `len`.
    pub(super) fn launch_over(&self, kernel: &'static Kernel, len: usize) -> Builder<'_> {
        self.launch(kernel, [blocks(len, kernel.threads), 1, 1])
    }
}

/// Blocks of `size` that cover `len`.
pub(super) fn blocks(len: usize, size: u32) -> u32 {
    len.div_ceil(size as usize) as u32
}

fn branch_addresses(addresses: impl Iterator<Item = Address>) -> BranchAddresses {
    let mut slots = [0; MAX_BRANCHES];
    slots.iter_mut().zip(addresses).for_each(|(slot, address)| *slot = address);
    slots
}

impl Builder<'_> {
    /// A buffer that the kernel reads.
    pub(super) fn input(mut self, buffer: &Buffer) -> Self {
        self.arguments.push(buffer.address());
        self
    }

    /// A bias that the kernel reads if there is one, else a null pointer. In formulas `bias` is the number of its elements.
    pub(super) fn bias(mut self, buffer: Option<&Buffer>) -> Self {
        self.arguments.push(buffer.map_or(0, Buffer::address));
        self.with("bias", buffer.map_or(0, Buffer::len))
    }

    /// A buffer that the kernel writes.
    pub(super) fn output(mut self, buffer: &mut Buffer) -> Self {
        self.arguments.push(buffer.address());
        self
    }

    /// One buffer per branch that the kernel reads, as one argument.
    pub(super) fn inputs(self, buffers: &[&Buffer]) -> Self {
        self.value(branch_addresses(buffers.iter().map(|buffer| buffer.address())))
    }

    /// One buffer per branch that the kernel writes, as one argument.
    pub(super) fn outputs(self, buffers: &mut [Buffer]) -> Self {
        self.value(branch_addresses(buffers.iter().map(Buffer::address)))
    }

    /// A number, or a spec by value whose fields formulas know by their names.
    pub(super) fn value(mut self, value: impl ByValue) -> Self {
        self.arguments.push(value);
        if let Some(numbers) = &mut self.numbers {
            numbers.extend(value.numbers());
        }
        self
    }

    /// A number that formulas know as `name`.
    pub(super) fn number(self, name: &'static str, value: u32) -> Self {
        self.value(value).with(name, value as usize)
    }

    /// What formulas know as `name`, though the kernel is not told.
    pub(super) fn with(mut self, name: &'static str, value: usize) -> Self {
        if let Some(numbers) = &mut self.numbers {
            numbers.push((name, value as u64));
        }
        self
    }

    /// Launches.
    pub(super) fn run(self) -> Result<()> {
        let arguments = &self.arguments;
        // SAFETY: the array is fully initialised and u64s are readable as bytes.
        let bytes = unsafe { std::slice::from_raw_parts(arguments.bytes.as_ptr().cast::<u8>(), ARGUMENT_BYTES) };
        let mut slices: [&[u8]; ARGUMENTS] = [&[]; ARGUMENTS];
        for (slice, &(start, length)) in slices.iter_mut().zip(&arguments.ranges[..arguments.count]) {
            *slice = &bytes[start..start + length];
        }
        let launch = Launch { kernel: self.kernel, grid: self.grid, block: self.block, arguments: &slices[..arguments.count] };
        self.cuda.send(&launch, self.numbers.as_ref())
    }
}
