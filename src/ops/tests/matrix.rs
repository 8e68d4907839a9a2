//! Products that the CPU computes in bf16.

use super::*;
use crate::ops::Call;

/// FLOPs of `call` on the matrix unit. The call is not executed.
fn matrix_flops<'a>(cpu: &Cpu, call: impl FnOnce(&'a mut Buffer) -> Conv2d<'a, Buffer>) -> u64 {
    let call = Call::from(call(Box::leak(Box::new(cpu.zeros(1).unwrap()))));
    cpu.matrix_flops(&call)
}

/// bf16 products round their operands, so their bits differ from those of f32.
#[test]
fn products_counted_for_the_matrix_unit_run_in_bf16() {
    let (single, paired) = (Cpu::new(), Cpu::new().with_bf16());
    let values = |count: usize| single.upload(&(0..count).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>()).unwrap();
    for (kernel, stride, c_in, c_out) in
        [(1, 1, 32, 16), (1, 1, 16, 32), (3, 1, 32, 32), (5, 1, 32, 3), (5, 1, 3, 64), (3, 2, 64, 32), (3, 2, 8, 8)]
    {
        let options = Conv2dOptions { stride, ..Conv2dOptions::same(kernel, 1, Activation::Identity) };
        let shape = |dims: &[usize]| Shape::new(dims).unwrap();
        let (x, w) = (shape(&[1, 16, 16, c_in]), shape(&[c_out, kernel, kernel, c_in]));
        let spec = Conv2dSpec::new(&x, &w, None, options).unwrap();
        let y_len = (spec.h_out * spec.w_out * spec.c_out) as usize;
        let (x, w, dz) = (values(256 * c_in), values(c_out * kernel * kernel * c_in), values(y_len));
        let forward = |cpu: &Cpu| {
            let mut y = cpu.zeros(y_len).unwrap();
            cpu.run(Conv2d::Forward { spec: &spec, x: &x, w: &w, b: None, y: &mut y }).unwrap();
            y.to_vec()
        };
        let backward = |cpu: &Cpu| {
            let mut dx = cpu.zeros(256 * c_in).unwrap();
            cpu.run(Conv2d::InputGrad { spec: &spec, dz: &dz, w: &w, dx: &mut dx }).unwrap();
            dx.to_vec()
        };
        let is_rounded = [forward(&single) != forward(&paired), backward(&single) != backward(&paired)];
        let forward = |cpu: &Cpu| matrix_flops(cpu, |y| Conv2d::Forward { spec: &spec, x: &x, w: &w, b: None, y }) > 0;
        let backward = |cpu: &Cpu| matrix_flops(cpu, |dx| Conv2d::InputGrad { spec: &spec, dz: &dz, w: &w, dx }) > 0;
        let counted = [forward(&paired), backward(&paired)];
        let expected = is_rounded.map(|is_rounded| is_rounded && single.simd.has_bf16());
        assert_eq!(counted, expected, "{spec:?}");
        assert!(!forward(&single) && !backward(&single));
        assert_eq!(matrix_flops(&paired, |dw| Conv2d::WeightGrad { spec: &spec, x: &x, dz: &dz, dw, db: None }), 0);
    }
}
