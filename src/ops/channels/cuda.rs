//! Copies of channel ranges, `kernels/channels.cu`.

use super::{Channels, ChannelsSpec};
use crate::backend::cuda::kernels::channels as kernel;
use crate::backend::cuda::{Buffer, Cuda, Kernel};
use crate::error::Result;

pub(in crate::ops) fn run(cuda: &Cuda, call: Channels<'_, Buffer>) -> Result<()> {
    match call {
        Channels::Copy { spec, source, target } => {
            move_channels(cuda, [&kernel::CHANNELS_COPY, &kernel::CHANNELS_COPY_NAIVE], spec, source, target)
        }
        Channels::Add { spec, source, target } => {
            move_channels(cuda, [&kernel::CHANNELS_ADD, &kernel::CHANNELS_ADD_NAIVE], spec, source, target)
        }
    }
}

/// Copies a range with `kernel`, up to four channels per thread, or with its naive version.
fn move_channels(
    cuda: &Cuda,
    [kernel, naive]: [&'static Kernel; 2],
    spec: &ChannelsSpec,
    source: &Buffer,
    target: &mut Buffer,
) -> Result<()> {
    let (rows, count) = (spec.rows as usize, spec.count as usize);
    let launch =
        if cuda.is_naive() { cuda.launch_over(naive, rows * count) } else { cuda.launch_over(kernel, rows * count.div_ceil(4)) };
    launch.input(source).update(target).value(*spec).run()
}
