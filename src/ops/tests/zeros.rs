//! Lazy zero buffers, which are written only when something is added. Gradients must be the same as with written zeros.

use super::*;

/// Checks that adding to lazy zeros, in memory that held NaN, gives the same as adding to written zeros, on every instruction
/// set.
fn same_as_written(what: &str, len: usize, add: impl Fn(&Cpu, &mut Buffer) -> Result<()>) {
    for cpu in every_cpu() {
        drop(cpu.upload(&vec![f32::NAN; len]).unwrap());
        let (mut blank, mut written) = (cpu.gradient_of(&cpu.zeros(len).unwrap()).unwrap(), cpu.upload(&vec![0.0; len]).unwrap());
        add(&cpu, &mut blank).unwrap();
        add(&cpu, &mut written).unwrap();
        assert_eq!(*blank, *written, "{what} on {:?}", cpu.isa());
        assert!(written.iter().any(|&value| value != 0.0), "{what} adds nothing");
        // The second addition finds non-zero values.
        add(&cpu, &mut blank).unwrap();
        add(&cpu, &mut written).unwrap();
        assert_eq!(*blank, *written, "{what} after a second addition on {:?}", cpu.isa());
    }
}

#[test]
fn input_gradients_of_convolutions() {
    let strided = Conv2dOptions { stride: 2, ..Conv2dOptions::same(3, 1, Activation::Identity) };
    let specs = [
        // Direct, Winograd, 1x1, a stride that skips pixels, a dilation larger than the image.
        conv(2, 9, 11, 5, 7, 3, Conv2dOptions::same(3, 1, Activation::Identity)),
        conv(2, 9, 11, 16, 24, 3, Conv2dOptions::same(3, 1, Activation::Identity)),
        conv(2, 9, 11, 6, 40, 1, Conv2dOptions::same(1, 1, Activation::Identity)),
        conv(2, 10, 12, 6, 7, 3, strided),
        conv(2, 3, 5, 8, 8, 3, Conv2dOptions::same(3, 16, Activation::Identity)),
    ];
    for spec in specs {
        let [x, w, _, dz] = operands(&spec);
        same_as_written(&format!("{spec:?}"), x.len(), |cpu, dx| {
            cpu.run(Conv2d::InputGrad { spec: &spec, dz: &cpu.upload(&dz)?, w: &cpu.upload(&w)?, dx, slope: None })
        });
        same_as_written("weight gradient", w.len(), |cpu, dw| {
            cpu.run(Conv2d::WeightGrad { spec: &spec, x: &cpu.upload(&x)?, dz: &cpu.upload(&dz)?, dw, db: None })
        });
    }
    let linear =
        LinearSpec::new(&Shape::new(&[23, 40]).unwrap(), &Shape::new(&[17, 40]).unwrap(), None, Activation::Identity).unwrap();
    same_as_written("linear input", 23 * 40, |cpu, dx| {
        cpu.run(Linear::InputGrad { spec: &linear, dz: &draw(cpu, 23 * 17, 1)?, w: &draw(cpu, 17 * 40, 2)?, dx })
    });
    same_as_written("linear weight", 17 * 40, |cpu, dw| {
        cpu.run(Linear::WeightGrad { spec: &linear, x: &draw(cpu, 23 * 40, 1)?, dz: &draw(cpu, 23 * 17, 2)?, dw, db: None })
    });
    let (x, w) = (Shape::new(&[2, 7, 6, 16]).unwrap(), Shape::new(&[8, 3, 3, 16]).unwrap());
    let spec = SdcSpec::new(&x, &[w; 2], &[1, 4], Activation::Identity).unwrap();
    same_as_written("sdc", x.len(), |cpu, dx| {
        let (dz, w) = (draw(cpu, 84 * 16, 1)?, [draw(cpu, w.len(), 2)?, draw(cpu, w.len(), 3)?]);
        cpu.run(Sdc::InputGrad { spec: &spec, dz: &dz, w: &[&w[0], &w[1]], dx, slope: None })
    });
}

#[test]
fn pools_and_upsampling_of_odd_sizes() {
    let image = Shape::new(&[2, 7, 9, 5]).unwrap();
    let (pool, up) = (PoolSpec::new(&image, 2).unwrap(), UpsampleSpec::new(&image).unwrap());
    same_as_written("max-pool", image.len(), |cpu, dv| {
        cpu.run(MaxPool::InputGrad {
            spec: &pool,
            x: &draw(cpu, image.len(), 1)?,
            dy: &draw(cpu, 2 * 3 * 4 * 5, 2)?,
            dv,
            slope: None,
        })
    });
    same_as_written("upsampling", image.len(), |cpu, dx| {
        cpu.run(Upsample::InputGrad { spec: &up, dy: &draw(cpu, 4 * image.len(), 1)?, dx, slope: None })
    });
}

#[test]
fn both_operands_of_a_ccm() {
    let (rows, c) = (211, 17);
    let spec = CcmSpec { rows: rows as u32, c: c as u32 };
    for which in 0..2 {
        same_as_written("ccm", rows * c, |cpu, grad| {
            let [s, u, h, beta, dy] = std::array::from_fn(|seed| draw(cpu, rows * c, seed as u32).unwrap());
            let lens = [3 * c * c, c, c * c, c];
            let weights: [Buffer; 4] = std::array::from_fn(|k| draw(cpu, lens[k], 9 + k as u32).unwrap());
            let mut weight_grads = lens.map(|len| cpu.zeros(len).unwrap());
            let (weights, weight_grads) = (weights.each_ref().into(), weight_grads.each_mut().into());
            let mut other = cpu.zeros(rows * c)?;
            let [ds, du] = if which == 0 { [grad, &mut other] } else { [&mut other, grad] };
            cpu.run(Ccm::Grad {
                spec: &spec,
                s: &s,
                u: &u,
                weights,
                saved: [&h, &beta],
                dy: &dy,
                ds,
                du,
                slopes: [None, None],
                weight_grads,
            })
        });
    }
}

#[test]
fn reading_lazy_zeros_gives_zeros() {
    let cpu = Cpu::new();
    drop(cpu.upload(&[f32::NAN; 100]).unwrap());
    let mut zeros = cpu.gradient_of(&cpu.zeros(100).unwrap()).unwrap();
    assert_eq!(cpu.download(&zeros).unwrap(), [0.0; 100]);
    zeros[3] = 1.0;
    assert_eq!((zeros[2], zeros[3], zeros[99]), (0.0, 1.0, 0.0));
}
