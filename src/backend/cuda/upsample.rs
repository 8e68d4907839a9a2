//! Bilinear upsampling by two, `kernels/upsample.cu`.

use super::kernel::{File, Kernel};
use super::{Buffer, Cuda, Mode, check_lengths};
use crate::backend::{Unit, Upsample};
use crate::error::Result;
use crate::shape::UpsampleSpec;

static FILE: File = File { name: "upsample.cu", text: include_str!("../../../kernels/upsample.cu") };

const fn kernel(name: &'static str, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads: 256, dynamic_shared: 0, unit: Unit::Fma, flops, bytes }
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
        let launch = match self.mode {
            Mode::Naive => self.launch_over(&UPSAMPLE2_NAIVE, 4 * input),
            _ => self.launch_over(&UPSAMPLE2, 4 * quads),
        };
        launch.input(x).output(y).value(*spec).with("len", 4 * input).run()
    }

    fn upsample2_grad(&self, spec: &UpsampleSpec, dy: &Buffer, dx: &mut Buffer) -> Result<()> {
        let (input, quads) = lengths(spec);
        check_lengths("upsample2_grad", &[("dy", dy.len(), 4 * input), ("dx", dx.len(), input)])?;
        let launch = match self.mode {
            Mode::Naive => self.launch_over(&UPSAMPLE2_GRAD_NAIVE, input),
            _ => self.launch_over(&UPSAMPLE2_GRAD, quads),
        };
        launch.input(dy).output(dx).value(*spec).with("len", input).run()
    }
}
