//! Linear map.

use super::Linear;
use crate::backend::cpu::columns::add_column_sums;
use crate::backend::cpu::dense::{dense, dense_input_grad};
use crate::backend::cpu::finish::Finish;
use crate::backend::cpu::outer::dense_weight_grad;
use crate::backend::cpu::pack::pack_forward;
use crate::backend::cpu::range::ChannelRange;
use crate::backend::cpu::{Buffer, Cpu};
use crate::error::Result;

/// Always in f32: only images are stored as bf16.
pub(in crate::ops) fn run(cpu: &Cpu, call: Linear<'_, Buffer>) -> Result<()> {
    let cpu = &cpu.with_f32();
    let (Linear::Forward { spec, .. } | Linear::InputGrad { spec, .. } | Linear::WeightGrad { spec, .. }) = &call;
    let [read, write] = [spec.c_in, spec.c_out].map(|channels| ChannelRange::all(channels as usize));
    match call {
        Linear::Forward { spec, x, w, b, y } => {
            let finish = Finish::Assign { bias: b.map(|b| &**b), activation: spec.activation };
            let weights = pack_forward(cpu, read.count, write.count, w, (cpu.precision(read.count), read.count))?;
            dense(cpu, (x, read), &weights, finish, (y, write))
        }
        Linear::InputGrad { dz, w, dx, .. } => dense_input_grad(cpu, (dz, write), w, (dx.sum(), read)),
        Linear::WeightGrad { x, dz, dw, db, .. } => {
            if let Some(db) = db {
                add_column_sums(cpu.simd, dz, write, db);
            }
            dense_weight_grad(cpu, (x, read), (dz, write), dw.sum())
        }
    }
}
