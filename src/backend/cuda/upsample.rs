//! Bilinear upsampling by two, `kernels/upsample.cu`.

use super::kernel::{File, Kernel};
use super::{Buffer, Cuda, check_lengths};
use crate::backend::Upsample;
use crate::error::Result;
use crate::shape::UpsampleSpec;

static FILE: File = File { name: "upsample.cu", text: include_str!("../../../kernels/upsample.cu") };

const fn kernel(name: &'static str, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads: 256, dynamic_shared: 0, flops, bytes }
}

static UPSAMPLE2: Kernel = kernel("upsample2", "6 len", "5 len");
static UPSAMPLE2_GRAD: Kernel = kernel("upsample2_grad", "32 len", "24 len");
static UPSAMPLE2_NAIVE: Kernel = kernel("upsample2_naive", "6 len", "5 len");
static UPSAMPLE2_GRAD_NAIVE: Kernel = kernel("upsample2_grad_naive", "32 len", "24 len");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] = &[&UPSAMPLE2, &UPSAMPLE2_GRAD, &UPSAMPLE2_NAIVE, &UPSAMPLE2_GRAD_NAIVE];

/// Elements of x, and threads for them, each with up to four channels.
fn lengths(spec: &UpsampleSpec) -> (usize, usize) {
    let pixels: usize = [spec.n, spec.h, spec.w].map(|extent| extent as usize).iter().product();
    (pixels * spec.c as usize, pixels * spec.c.div_ceil(4) as usize)
}

impl Upsample for Cuda {
    fn upsample2(&self, spec: &UpsampleSpec, x: &Buffer, y: &mut Buffer) -> Result<()> {
        let (input, quads) = lengths(spec);
        check_lengths("upsample2", &[("x", x.len(), input), ("y", y.len(), 4 * input)])?;
        self.launch_over(&UPSAMPLE2, 4 * quads).input(x).output(y).value(*spec).run()
    }

    fn upsample2_grad(&self, spec: &UpsampleSpec, dy: &Buffer, dx: &mut Buffer) -> Result<()> {
        let (input, quads) = lengths(spec);
        check_lengths("upsample2_grad", &[("dy", dy.len(), 4 * input), ("dx", dx.len(), input)])?;
        self.launch_over(&UPSAMPLE2_GRAD, quads).input(dy).output(dx).value(*spec).run()
    }
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use super::super::naive::{assert_near, assert_same, device, values};
    use super::*;
    use crate::backend::Storage;

    #[test]
    fn quads_do_what_single_elements_do() -> Result<()> {
        let cuda = device();
        for (h, w, c) in [(5, 7, 3), (4, 3, 8), (1, 6, 1), (1, 1, 4)] {
            let spec = UpsampleSpec { n: 2, h, w, c };
            let (input, _) = lengths(&spec);
            let (x, dy) = (cuda.upload(&values(1, input))?, cuda.upload(&values(2, 4 * input))?);
            let [mut y, mut plain] = [cuda.alloc(4 * input)?, cuda.alloc(4 * input)?];
            cuda.upsample2(&spec, &x, &mut y)?;
            cuda.launch_over(&UPSAMPLE2_NAIVE, 4 * input).input(&x).output(&mut plain).value(spec).run()?;
            assert_same(&cuda, &y, &plain)?;
            let [mut dx, mut plain] = [cuda.upload(&values(3, input))?, cuda.upload(&values(3, input))?];
            cuda.upsample2_grad(&spec, &dy, &mut dx)?;
            cuda.launch_over(&UPSAMPLE2_GRAD_NAIVE, input).input(&dy).output(&mut plain).value(spec).run()?;
            assert_near(&cuda, &dx, &plain, 1e-6)?;
        }
        Ok(())
    }
}
