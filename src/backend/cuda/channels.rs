//! Moves of channel ranges, `kernels/channels.cu`.

use super::kernel::{File, Kernel};
use super::{Buffer, Cuda, check_lengths};
use crate::backend::Channels;
use crate::error::Result;
use crate::shape::ChannelsSpec;

static FILE: File = File { name: "channels.cu", text: include_str!("../../../kernels/channels.cu") };

const fn kernel(name: &'static str, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads: 256, dynamic_shared: 0, flops, bytes }
}

static CHANNELS_COPY: Kernel = kernel("channels_copy", "0", "8 rows count");
static CHANNELS_ADD: Kernel = kernel("channels_add", "rows count", "12 rows count");
static CHANNELS_COPY_NAIVE: Kernel = kernel("channels_copy_naive", "0", "8 rows count");
static CHANNELS_ADD_NAIVE: Kernel = kernel("channels_add_naive", "rows count", "12 rows count");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] = &[&CHANNELS_COPY, &CHANNELS_ADD, &CHANNELS_COPY_NAIVE, &CHANNELS_ADD_NAIVE];

impl Cuda {
    /// Moves a range with `kernel`, up to four channels per thread.
    fn move_channels(&self, kernel: &'static Kernel, spec: &ChannelsSpec, source: &Buffer, target: &mut Buffer) -> Result<()> {
        let [rows, from, to] = [spec.rows, spec.source, spec.target].map(|extent| extent as usize);
        check_lengths(kernel.name, &[("source", source.len(), rows * from), ("target", target.len(), rows * to)])?;
        let quads = rows * spec.count.div_ceil(4) as usize;
        self.launch_over(kernel, quads).input(source).output(target).value(*spec).run()
    }
}

impl Channels for Cuda {
    fn channels_copy(&self, spec: &ChannelsSpec, source: &Buffer, target: &mut Buffer) -> Result<()> {
        self.move_channels(&CHANNELS_COPY, spec, source, target)
    }

    fn channels_add(&self, spec: &ChannelsSpec, source: &Buffer, target: &mut Buffer) -> Result<()> {
        self.move_channels(&CHANNELS_ADD, spec, source, target)
    }
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use super::super::naive::{assert_same, device, values};
    use super::*;
    use crate::backend::Storage;

    #[test]
    fn quads_do_what_single_elements_do() -> Result<()> {
        let cuda = device();
        for [source, source_start, target, target_start, count] in
            [[8, 4, 12, 0, 4], [12, 0, 12, 4, 8], [8, 4, 12, 1, 4], [7, 2, 5, 0, 5], [8, 0, 16, 4, 7]]
        {
            let spec = ChannelsSpec { rows: 83, source, source_start, target, target_start, count };
            let moved = (spec.rows * count) as usize;
            let [from, onto] = [(1, source), (2, target)].map(|(index, width)| values(index, (spec.rows * width) as usize));
            let from = cuda.upload(&from)?;
            for (kernel, naive) in [(&CHANNELS_COPY, &CHANNELS_COPY_NAIVE), (&CHANNELS_ADD, &CHANNELS_ADD_NAIVE)] {
                let [mut to, mut plain] = [cuda.upload(&onto)?, cuda.upload(&onto)?];
                cuda.move_channels(kernel, &spec, &from, &mut to)?;
                cuda.launch_over(naive, moved).input(&from).output(&mut plain).value(spec).run()?;
                assert_same(&cuda, &to, &plain)?;
            }
        }
        Ok(())
    }
}
