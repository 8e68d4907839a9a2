//! Results are bit-identical for any number of threads, on every instruction set, in f32 and bf16.

use super::*;

/// The bits of the result of `work` on a copy of `cpu` with its own memory, in a pool of `threads` threads.
fn bits(cpu: &Cpu, threads: usize, work: impl Fn(&Cpu) -> Result<Vec<Buffer>> + Sync) -> Vec<u32> {
    let fresh = cpu.with_fresh_memory();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let found = pool.install(|| work(&fresh)).unwrap();
    found.iter().flat_map(|buffer| buffer.iter().map(|value| value.to_bits()).collect::<Vec<_>>()).collect()
}

/// Checks that the results of `work` have the same bits for 1, 2 and 7 threads, for every instruction set in f32 and bf16.
fn same_for_any_threads(what: &str, work: impl Fn(&Cpu) -> Result<Vec<Buffer>> + Sync) {
    for cpu in every_cpu().iter().flat_map(|cpu| [cpu.clone(), cpu.with_bf16()]) {
        let one = bits(&cpu, 1, &work);
        for threads in [2, 7] {
            assert!(one == bits(&cpu, threads, &work), "{what}: {threads} threads differ from 1 on {cpu:?}");
        }
    }
}

#[test]
fn convolutions() {
    let specs = [
        // Direct; Winograd with whole images and with bands; Winograd with few tiles and large weights; direct in bf16; 1x1 in
        // bf16.
        conv(3, 19, 21, 7, 20, 3, Conv2dOptions::same(3, 1, Activation::Elu)),
        conv(5, 9, 10, 24, 16, 3, Conv2dOptions::same(3, 1, Activation::Elu)),
        conv(1, 40, 33, 16, 40, 3, Conv2dOptions::same(3, 2, Activation::Identity)),
        conv(1, 13, 12, 96, 90, 3, Conv2dOptions::same(3, 1, Activation::Identity)),
        conv(2, 16, 16, 32, 16, 3, Conv2dOptions::same(3, 9, Activation::Identity)),
        conv(2, 33, 9, 64, 40, 1, Conv2dOptions::same(1, 1, Activation::Sigmoid)),
    ];
    for spec in specs {
        let [x, w, b, dz] = operands(&spec);
        same_for_any_threads(&format!("{spec:?}"), |cpu| {
            let found = all_passes(cpu, &spec, [&x, &w, &b, &dz])?;
            found.iter().map(|host| cpu.upload(host)).collect()
        });
    }
}

#[test]
fn stacked_dilated_convolutions() {
    let (x_shape, w_shape) = (Shape::new(&[2, 12, 11, 32]).unwrap(), Shape::new(&[16, 3, 3, 32]).unwrap());
    let spec = SdcSpec::new(&x_shape, &[w_shape; 3], &[1, 4, 16], Activation::Elu).unwrap();
    same_for_any_threads("sdc", |cpu| {
        let (x, dz) = (draw(cpu, x_shape.len(), 1)?, draw(cpu, 2 * 132 * 48, 2)?);
        let each = |len: usize, seed: u32| (0..3).map(|k| draw(cpu, len, seed + k)).collect::<Result<Vec<_>>>();
        let (w, b, mut dw, mut db) = (each(w_shape.len(), 10)?, each(16, 20)?, each(w_shape.len(), 30)?, each(16, 40)?);
        let (w, b): (Vec<&Buffer>, Vec<&Buffer>) = (w.iter().collect(), b.iter().collect());
        let (mut y, mut dx) = (cpu.alloc(dz.len())?, draw(cpu, x.len(), 3)?);
        cpu.run(Sdc::Forward { spec: &spec, x: &x, w: &w, b: &b, y: &mut y })?;
        cpu.run(Sdc::InputGrad { spec: &spec, dz: &dz, w: &w, dx: &mut dx, slope: None })?;
        cpu.run(Sdc::WeightGrad { spec: &spec, x: &x, dz: &dz, dw: &mut dw, db: &mut db })?;
        Ok([y, dx].into_iter().chain(dw).chain(db).collect())
    });
}

#[test]
fn convex_combinations_and_sums() {
    for c in [7, 32] {
        let rows = 3001;
        let spec = CcmSpec { rows: rows as u32, c: c as u32 };
        let lengths = [rows * c, rows * c, 3 * c * c, c, c * c, c, rows * c];
        let operands: [Vec<f32>; 7] = std::array::from_fn(|i| values(lengths[i], 1 + i as u32));
        same_for_any_threads("ccm", |cpu| {
            let results = ccm_passes(cpu, &spec, &operands, 1.0)?;
            let [_, ds, du, ..] = &results;
            let (mut sum, mut db) = (cpu.alloc(1)?, cpu.zeros(c)?);
            cpu.run(Reduce::Sum { x: ds, y: &mut sum })?;
            cpu.run(Pointwise::BiasGrad { dy: du, db: &mut db })?;
            Ok(results.into_iter().chain([sum, db]).collect())
        });
    }
}

#[test]
fn linear_maps() {
    let shape = |dims: &[usize]| Shape::new(dims).unwrap();
    let spec = LinearSpec::new(&shape(&[1501, 64]), &shape(&[35, 64]), None, Activation::Tanh).unwrap();
    same_for_any_threads("linear", |cpu| {
        let (x, w, dz) = (draw(cpu, 1501 * 64, 1)?, draw(cpu, 35 * 64, 2)?, draw(cpu, 1501 * 35, 3)?);
        let (mut y, mut dx, mut dw, mut db) = (cpu.alloc(dz.len())?, cpu.zeros(x.len())?, cpu.zeros(w.len())?, cpu.zeros(35)?);
        cpu.run(Linear::Forward { spec: &spec, x: &x, w: &w, b: None, y: &mut y })?;
        cpu.run(Linear::InputGrad { spec: &spec, dz: &dz, w: &w, dx: &mut dx })?;
        cpu.run(Linear::WeightGrad { spec: &spec, x: &x, dz: &dz, dw: &mut dw, db: Some(&mut db) })?;
        Ok(vec![y, dx, dw, db])
    });
}

#[test]
fn pools_upsampling_averages_and_updates() {
    let image = Shape::new(&[3, 34, 26, 5]).unwrap();
    let (pool, up) = (PoolSpec::new(&image, 2).unwrap(), UpsampleSpec::new(&image).unwrap());
    let flat = Shape::new(&[3, 34, 26 * 5, 1]).unwrap();
    let average = BoxAverageSpec::new(&flat, 5, 3).unwrap();
    let adam = AdamSpec { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let step = AdamStep { rate: 1e-3, correction1: 0.1, correction2: 0.001, decay: 0.99 };
    same_for_any_threads("others", |cpu| {
        let x = draw(cpu, image.len(), 1)?;
        let (mut pooled, mut dv) = (cpu.alloc(image.len() / 4)?, cpu.zeros(image.len())?);
        cpu.run(MaxPool::Forward { spec: &pool, x: &x, v: &x, y: &mut pooled })?;
        cpu.run(MaxPool::InputGrad { spec: &pool, x: &x, dy: &pooled, dv: &mut dv, slope: None })?;
        let (mut large, mut dx) = (cpu.alloc(4 * image.len())?, cpu.zeros(image.len())?);
        cpu.run(Upsample::Forward { spec: &up, x: &x, y: &mut large })?;
        cpu.run(Upsample::InputGrad { spec: &up, dy: &large, dx: &mut dx, slope: None })?;
        let (mut mean, mut dmean) = (cpu.alloc(image.len())?, cpu.zeros(image.len())?);
        cpu.run(BoxAverage::Forward { spec: &average, x: &x, y: &mut mean })?;
        cpu.run(BoxAverage::InputGrad { spec: &average, dy: &x, dx: &mut dmean })?;
        let (control, loss) = (cpu.upload(&step.elements::<f32>())?, cpu.upload(&[1.0])?);
        let [mut p, mut m, mut v] = [draw(cpu, image.len(), 2)?, cpu.zeros(image.len())?, cpu.zeros(image.len())?];
        let mut moving = draw(cpu, image.len(), 3)?;
        let tensors = vec![Update { g: &x, p: &mut p, m: &mut m, v: &mut v, average: Some(&mut moving) }];
        cpu.run(Optimise::Adam { spec: &adam, step: &control, loss: &loss, tensors })?;
        Ok(vec![pooled, dv, large, dx, mean, dmean, p, m, v, moving])
    });
}
