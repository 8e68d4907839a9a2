//! Updates of the optimiser, `kernels/optimise.cu`.

use super::kernel::{File, Kernel};
use super::{Buffer, Cuda, check_lengths};
use crate::backend::{AdamSpec, AdamStep, Optimise, Unit};
use crate::error::Result;

static FILE: File = File { name: "optimise.cu", text: include_str!("../../../kernels/optimise.cu") };

const fn kernel(name: &'static str, flops: &'static str, bytes: &'static str) -> Kernel {
    Kernel { name, file: &FILE, threads: 256, dynamic_shared: 0, unit: Unit::Fma, flops, bytes }
}

static ADAM: Kernel = kernel("adam", "13 len", "28 len");
static MOVING_AVERAGE: Kernel = kernel("moving_average", "3 len", "12 len");

/// The kernels of this file.
pub(super) const KERNELS: &[&Kernel] = &[&ADAM, &MOVING_AVERAGE];

fn check_control(op: &'static str, [step, loss]: [&Buffer; 2]) -> Result<()> {
    check_lengths(op, &[("step", step.len(), AdamStep::LEN), ("loss", loss.len(), 1)])
}

impl Optimise for Cuda {
    fn adam(
        &self,
        spec: &AdamSpec,
        control: [&Buffer; 2],
        g: &Buffer,
        p: &mut Buffer,
        m: &mut Buffer,
        v: &mut Buffer,
    ) -> Result<()> {
        let len = g.len();
        check_control("adam", control)?;
        check_lengths("adam", &[("p", p.len(), len), ("m", m.len(), len), ("v", v.len(), len)])?;
        let launch = self.launch_over(&ADAM, len).input(control[0]).input(control[1]).input(g);
        launch.output(p).output(m).output(v).value(*spec).number("len", len as u32).run()
    }

    fn moving_average(&self, control: [&Buffer; 2], p: &Buffer, average: &mut Buffer) -> Result<()> {
        let len = p.len();
        check_control("moving_average", control)?;
        check_lengths("moving_average", &[("average", average.len(), len)])?;
        let launch = self.launch_over(&MOVING_AVERAGE, len).input(control[0]).input(control[1]);
        launch.input(p).output(average).number("len", len as u32).run()
    }
}
