//! Moves of channel ranges, `kernels/channels.cu`.

use super::kernel::{File, Kernel};
use super::{Buffer, Cuda, Mode, check_lengths};
use crate::backend::{Channels, Unit};
use crate::error::Result;
use crate::shape::ChannelsSpec;

static FILE: File = File { name: "channels.cu", text: include_str!("../../../kernels/channels.cu") };

const fn kernel(name: &'static str, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads: 256, dynamic_shared: 0, unit: Unit::Fma, flops, bytes }
}

static CHANNELS_COPY: Kernel = kernel("channels_copy", "0", "8 rows count");
static CHANNELS_ADD: Kernel = kernel("channels_add", "rows count", "12 rows count");
static CHANNELS_COPY_NAIVE: Kernel = kernel("channels_copy_naive", "0", "8 rows count");
static CHANNELS_ADD_NAIVE: Kernel = kernel("channels_add_naive", "rows count", "12 rows count");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] = &[&CHANNELS_COPY, &CHANNELS_ADD, &CHANNELS_COPY_NAIVE, &CHANNELS_ADD_NAIVE];

impl Cuda {
    /// Moves a range with `kernel`, up to four channels per thread, or with its naive sibling.
    fn move_channels(
        &self,
        [kernel, naive]: [&'static Kernel; 2],
        spec: &ChannelsSpec,
        source: &Buffer,
        target: &mut Buffer,
    ) -> Result<()> {
        let [rows, from, to, count] = [spec.rows, spec.source, spec.target, spec.count].map(|extent| extent as usize);
        check_lengths(kernel.name, &[("source", source.len(), rows * from), ("target", target.len(), rows * to)])?;
        let launch = match self.mode {
            Mode::Naive => self.launch_over(naive, rows * count),
            _ => self.launch_over(kernel, rows * count.div_ceil(4)),
        };
        launch.input(source).output(target).value(*spec).run()
    }
}

impl Channels for Cuda {
    fn channels_copy(&self, spec: &ChannelsSpec, source: &Buffer, target: &mut Buffer) -> Result<()> {
        self.move_channels([&CHANNELS_COPY, &CHANNELS_COPY_NAIVE], spec, source, target)
    }

    fn channels_add(&self, spec: &ChannelsSpec, source: &Buffer, target: &mut Buffer) -> Result<()> {
        self.move_channels([&CHANNELS_ADD, &CHANNELS_ADD_NAIVE], spec, source, target)
    }
}
