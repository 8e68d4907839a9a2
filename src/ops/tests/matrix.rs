//! Products that the CPU computes in bf16.

use super::*;
use crate::ops::Call;

/// FLOPs of `call` on the matrix unit, with a result that is stored as `like`. The call is not executed.
fn matrix_flops<'a>(cpu: &Cpu, like: &Buffer, call: impl FnOnce(&'a mut Buffer) -> Conv2d<'a, Buffer>) -> u64 {
    let call = Call::from(call(Box::leak(Box::new(cpu.gradient_of(like).unwrap()))));
    cpu.matrix_flops(&call)
}

/// Products of pairs of bf16 add in another order, so that their bits differ from those of f32 for the same operands, which bf16
/// represents exactly.
#[test]
fn products_counted_for_the_matrix_unit_run_in_bf16() {
    let (single, paired) = (Cpu::new(), Cpu::new().with_bf16());
    let values = |count: usize| (0..count).map(|i| half::bf16::from_f32((i as f32 * 0.7).sin()).to_f32()).collect::<Vec<_>>();
    for (kernel, stride, c_in, c_out) in
        [(1, 1, 32, 16), (1, 1, 16, 32), (3, 1, 32, 32), (5, 1, 32, 3), (5, 1, 3, 64), (3, 2, 64, 32), (3, 2, 8, 8)]
    {
        let options = Conv2dOptions { stride, ..Conv2dOptions::same(kernel, 1, Activation::Identity) };
        let shape = |dims: &[usize]| Shape::new(dims).unwrap();
        let (x, w) = (shape(&[1, 16, 16, c_in]), shape(&[c_out, kernel, kernel, c_in]));
        let spec = Conv2dSpec::new(&x, &w, None, options).unwrap();
        let extents = [1, spec.h_out as usize, spec.w_out as usize, c_out];
        let y_len = extents.iter().product();
        let (x_values, dz_values) = (values(256 * c_in), values(y_len));
        let w = single.upload(&values(c_out * kernel * kernel * c_in)).unwrap();
        let images = |cpu: &Cpu| [image(cpu, &[1, 16, 16, c_in], &x_values), image(cpu, &extents, &dz_values)];
        let forward = |cpu: &Cpu| {
            let ([x, _], mut y) = (images(cpu), image(cpu, &extents, &vec![0.0; y_len]));
            cpu.run(Conv2d::Forward { spec: &spec, x: &x, w: &w, b: None, y: &mut y }).unwrap();
            y.to_vec()
        };
        let backward = |cpu: &Cpu| {
            let [x, dz] = images(cpu);
            let mut dx = cpu.gradient_of(&x).unwrap();
            cpu.run(Conv2d::InputGrad { spec: &spec, dz: &dz, w: &w, dx: &mut dx, slope: None }).unwrap();
            dx.to_vec()
        };
        let is_rounded = [forward(&single) != forward(&paired), backward(&single) != backward(&paired)];
        let [x, dz] = images(&paired);
        let forward = |cpu: &Cpu| matrix_flops(cpu, &dz, |y| Conv2d::Forward { spec: &spec, x: &x, w: &w, b: None, y }) > 0;
        let backward =
            |cpu: &Cpu| matrix_flops(cpu, &x, |dx| Conv2d::InputGrad { spec: &spec, dz: &dz, w: &w, dx, slope: None }) > 0;
        let counted = [forward(&paired), backward(&paired)];
        let expected = is_rounded.map(|is_rounded| is_rounded && single.simd.has_bf16());
        assert_eq!(counted, expected, "{spec:?}");
        assert!(!forward(&single) && !backward(&single));
        assert_eq!(matrix_flops(&paired, &w, |dw| Conv2d::WeightGrad { spec: &spec, x: &x, dz: &dz, dw, db: None }), 0);
    }
}
