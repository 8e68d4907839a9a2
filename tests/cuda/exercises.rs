//! Small calls that between them reach every kernel: ragged, and large enough for several blocks and several steps of depth.

use orthoscope::Result;
use orthoscope::backend::Cuda;
use orthoscope::backend::cuda::Mode;
use orthoscope::data::corruption::{CorruptionConfig, Patches};
use orthoscope::data::{AugmentConfig, Image, TrainingSet};
use orthoscope::ops::{
    AdamSpec, AdamStep, Backend, Batch, BoxAverage, BoxAverageSpec, Ccm, CcmSpec, CcmWeights, Channels, ChannelsSpec, Conv2d,
    Conv2dOptions, Conv2dSpec, Linear, LinearSpec, MaxPool, Objective, ObjectiveSpec, Optimise, Penalty, Pointwise, PoolSpec,
    Reduce, Sdc, SdcSpec, Upsample, UpsampleSpec, WindowedMean, WindowedMeanSpec,
};
use orthoscope::profile::{Observed, Span};
use orthoscope::rng::{Purpose, Stream};
use orthoscope::shape::{Activation, Shape};

/// One call or a few, and every number that came out.
pub struct Exercise {
    pub name: &'static str,
    pub mode: Mode,
    plain: fn(&Cuda) -> Result<Vec<f32>>,
    observed: fn(&Observed<Cuda>) -> Result<Vec<f32>>,
}

impl Exercise {
    pub fn run(&self, cuda: &Cuda) -> Result<Vec<f32>> {
        (self.plain)(&cuda.with_mode(self.mode))
    }

    /// The same, and what the profiler saw of it.
    pub fn observe(&self, cuda: &Cuda) -> Result<(Vec<f32>, Vec<Span>)> {
        let observed = Observed::new(cuda.with_mode(self.mode));
        observed.begin()?;
        let found = (self.observed)(&observed)?;
        Ok((found, observed.take()?))
    }
}

/// An exercise for either backend from one text.
macro_rules! exercise {
    ($name:literal, $mode:ident, $run:expr) => {
        Exercise { name: $name, mode: Mode::$mode, plain: $run, observed: $run }
    };
}

/// Every exercise.
pub const EXERCISES: &[Exercise] = &[
    exercise!("conv2d", Tiled, |cuda| convolution(cuda, [1, 9, 11, 20], 70, 3, 1)),
    exercise!("conv2d, stride 2", Tiled, |cuda| convolution(cuda, [2, 9, 7, 5], 6, 5, 2)),
    exercise!("conv2d, 3 channels in", Tiled, |cuda| convolution(cuda, [2, 13, 11, 3], 9, 3, 1)),
    exercise!("conv2d, 3 channels out", Tiled, |cuda| convolution(cuda, [2, 13, 11, 9], 3, 1, 1)),
    exercise!("conv2d, naive", Naive, |cuda| convolution(cuda, [1, 5, 4, 3], 6, 3, 1)),
    exercise!("conv2d, bf16", Bf16, |cuda| convolution(cuda, [1, 9, 11, 70], 70, 3, 1)),
    exercise!("sdc, bf16", Bf16, sdc),
    exercise!("corruption", Tiled, corruption),
    exercise!("sdc", Tiled, sdc),
    exercise!("sdc, naive", Naive, sdc),
    exercise!("linear", Tiled, linear),
    exercise!("linear, naive", Naive, linear),
    exercise!("ccm", Tiled, ccm),
    exercise!("ccm, naive", Naive, ccm),
    exercise!("max_pool", Tiled, pool),
    exercise!("reductions, naive", Naive, reduce),
    exercise!("objective, naive", Naive, objective),
    exercise!("box_average, naive", Naive, box_average),
    exercise!("upsample2, naive", Naive, upsample),
    exercise!("max_pool, naive", Naive, pool),
    exercise!("channels, naive", Naive, channels),
    exercise!("corruption, naive", Naive, corruption),
    exercise!("upsample2", Tiled, upsample),
    exercise!("channels", Tiled, channels),
    exercise!("pointwise", Tiled, pointwise),
    exercise!("reduce", Tiled, reduce),
    exercise!("objective", Tiled, objective),
    exercise!("optimise", Tiled, optimise),
    exercise!("box_average", Tiled, box_average),
    exercise!("windowed_mean", Tiled, windowed_mean),
    exercise!("windowed_mean, naive", Naive, windowed_mean),
];

/// What exercises run on: CUDA, or CUDA observed.
trait Engine: Backend<Elem = f32> {}
impl<B: Backend<Elem = f32>> Engine for B {}

/// Operands by number, results in order.
struct Bench<'a, B> {
    cuda: &'a B,
    drawn: u32,
    found: Vec<f32>,
}

impl<'a, B: Engine> Bench<'a, B> {
    fn new(cuda: &'a B) -> Self {
        Self { cuda, drawn: 0, found: Vec::new() }
    }

    /// Random numbers in [-1, 1).
    fn draw(&mut self, len: usize) -> Result<B::Buffer> {
        let mut stream = Stream::new(3, Purpose::Test, 1, self.drawn);
        self.drawn += 1;
        self.cuda.upload(&(0..len).map(|_| stream.range(-1.0, 1.0)).collect::<Vec<_>>())
    }

    fn keep(&mut self, buffers: &[&B::Buffer]) -> Result<()> {
        for buffer in buffers {
            self.found.extend(self.cuda.download(buffer)?);
        }
        Ok(())
    }
}

fn shape(extents: &[usize]) -> Shape {
    Shape::new(extents).unwrap()
}

fn convolution<B: Engine>(cuda: &B, x: [usize; 4], c_out: usize, kernel: usize, stride: usize) -> Result<Vec<f32>> {
    let options = Conv2dOptions { stride, dilation: 1, padding: kernel / 2, activation: Activation::Elu };
    let spec = Conv2dSpec::new(&shape(&x), &shape(&[c_out, kernel, kernel, x[3]]), None, options)?;
    let (x_len, w_len, y_len) = (x.iter().product(), c_out * kernel * kernel * x[3], spec.output()?.len());
    let mut bench = Bench::new(cuda);
    let [x, w, b, dz] = [bench.draw(x_len)?, bench.draw(w_len)?, bench.draw(c_out)?, bench.draw(y_len)?];
    let (mut y, mut dx, mut dw, mut db) = (cuda.alloc(y_len)?, cuda.zeros(x_len)?, cuda.zeros(w_len)?, cuda.zeros(c_out)?);
    cuda.run(Conv2d::Forward { spec: &spec, x: &x, w: &w, b: Some(&b), y: &mut y })?;
    cuda.run(Conv2d::InputGrad { spec: &spec, dz: &dz, w: &w, dx: &mut dx })?;
    cuda.run(Conv2d::WeightGrad { spec: &spec, x: &x, dz: &dz, dw: &mut dw, db: Some(&mut db) })?;
    bench.keep(&[&y, &dx, &dw, &db])?;
    Ok(bench.found)
}

fn sdc<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let (extents, c_out, dilations) = ([1, 9, 11, 5], 4, [1, 2, 8]);
    let weight = shape(&[c_out, 3, 3, extents[3]]);
    let spec = SdcSpec::new(&shape(&extents), &[weight; 3], &dilations, Activation::Elu)?;
    let (x_len, y_len) = (extents.iter().product(), spec.output()?.len());
    let mut bench = Bench::new(cuda);
    let (x, dz) = (bench.draw(x_len)?, bench.draw(y_len)?);
    let w = [bench.draw(weight.len())?, bench.draw(weight.len())?, bench.draw(weight.len())?];
    let b = [bench.draw(c_out)?, bench.draw(c_out)?, bench.draw(c_out)?];
    let (mut y, mut dx) = (cuda.alloc(y_len)?, cuda.zeros(x_len)?);
    let mut dw = [cuda.zeros(weight.len())?, cuda.zeros(weight.len())?, cuda.zeros(weight.len())?];
    let mut db = [cuda.zeros(c_out)?, cuda.zeros(c_out)?, cuda.zeros(c_out)?];
    cuda.run(Sdc::Forward { spec: &spec, x: &x, w: &w.each_ref(), b: &b.each_ref(), y: &mut y })?;
    cuda.run(Sdc::InputGrad { spec: &spec, dz: &dz, w: &w.each_ref(), dx: &mut dx })?;
    cuda.run(Sdc::WeightGrad { spec: &spec, x: &x, dz: &dz, dw: &mut dw, db: &mut db })?;
    bench.keep(&[&y, &dx, &dw[0], &dw[1], &dw[2], &db[0], &db[1], &db[2]])?;
    Ok(bench.found)
}

fn linear<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let spec = LinearSpec { rows: 150, c_in: 37, c_out: 67, activation: Activation::Tanh };
    let [rows, c_in, c_out] = [150, 37, 67];
    let mut bench = Bench::new(cuda);
    let [x, w, b] = [bench.draw(rows * c_in)?, bench.draw(c_out * c_in)?, bench.draw(c_out)?];
    let dz = bench.draw(rows * c_out)?;
    let (mut y, mut dx) = (cuda.alloc(rows * c_out)?, cuda.zeros(rows * c_in)?);
    let (mut dw, mut db) = (cuda.zeros(c_out * c_in)?, cuda.zeros(c_out)?);
    cuda.run(Linear::Forward { spec: &spec, x: &x, w: &w, b: Some(&b), y: &mut y })?;
    cuda.run(Linear::InputGrad { spec: &spec, dz: &dz, w: &w, dx: &mut dx })?;
    cuda.run(Linear::WeightGrad { spec: &spec, x: &x, dz: &dz, dw: &mut dw, db: Some(&mut db) })?;
    bench.keep(&[&y, &dx, &dw, &db])?;
    Ok(bench.found)
}

fn ccm<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let (rows, c) = (150, 21);
    let spec = CcmSpec { rows: 150, c: 21 };
    let mut bench = Bench::new(cuda);
    let [s, u, dy] = [bench.draw(rows * c)?, bench.draw(rows * c)?, bench.draw(rows * c)?];
    let [w_mix, b_mix] = [bench.draw(3 * c * c)?, bench.draw(c)?];
    let [w_gate, b_gate] = [bench.draw(c * c)?, bench.draw(c)?];
    let weights = CcmWeights { w_mix: &w_mix, b_mix: &b_mix, w_gate: &w_gate, b_gate: &b_gate };
    let [mut h, mut beta, mut y] = [cuda.alloc(rows * c)?, cuda.alloc(rows * c)?, cuda.alloc(rows * c)?];
    cuda.run(Ccm::Forward { spec: &spec, s: &s, u: &u, weights, saved: Some([&mut h, &mut beta]), y: &mut y })?;
    let [mut ds, mut du] = [cuda.zeros(rows * c)?, cuda.zeros(rows * c)?];
    let [mut dw_mix, mut db_mix] = [cuda.zeros(3 * c * c)?, cuda.zeros(c)?];
    let [mut dw_gate, mut db_gate] = [cuda.zeros(c * c)?, cuda.zeros(c)?];
    let grads = CcmWeights { w_mix: &mut dw_mix, b_mix: &mut db_mix, w_gate: &mut dw_gate, b_gate: &mut db_gate };
    cuda.run(Ccm::Grad {
        spec: &spec,
        s: &s,
        u: &u,
        weights,
        saved: [&h, &beta],
        dy: &dy,
        ds: &mut ds,
        du: &mut du,
        weight_grads: grads,
    })?;
    let mut combined = cuda.alloc(rows * c)?;
    cuda.run(Ccm::Combination { beta: &beta, s: &s, u: &u, y: &mut combined })?;
    let mut dbeta = cuda.zeros(rows * c)?;
    cuda.run(Ccm::CombinationGrad { beta: &beta, s: &s, u: &u, dy: &dy, d_beta: &mut dbeta, ds: &mut ds, du: &mut du })?;
    bench.keep(&[&h, &beta, &y, &ds, &du, &dw_mix, &db_mix, &dw_gate, &db_gate, &combined, &dbeta])?;
    Ok(bench.found)
}

fn pool<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let spec = PoolSpec::new(&shape(&[2, 17, 13, 5]), 2)?;
    let mut bench = Bench::new(cuda);
    let (x, dy) = (bench.draw(2210)?, bench.draw(480)?);
    let (mut y, mut dx) = (cuda.alloc(480)?, cuda.zeros(2210)?);
    cuda.run(MaxPool::Forward { spec: &spec, x: &x, v: &x, y: &mut y })?;
    cuda.run(MaxPool::InputGrad { spec: &spec, x: &x, dy: &dy, dv: &mut dx })?;
    bench.keep(&[&y, &dx])?;
    Ok(bench.found)
}

fn upsample<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let spec = UpsampleSpec::new(&shape(&[2, 7, 9, 5]))?;
    let mut bench = Bench::new(cuda);
    let (x, dy) = (bench.draw(630)?, bench.draw(2520)?);
    let (mut y, mut dx) = (cuda.alloc(2520)?, cuda.zeros(630)?);
    cuda.run(Upsample::Forward { spec: &spec, x: &x, y: &mut y })?;
    cuda.run(Upsample::InputGrad { spec: &spec, dy: &dy, dx: &mut dx })?;
    bench.keep(&[&y, &dx])?;
    Ok(bench.found)
}

fn channels<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let spec = ChannelsSpec::new("exercise", &shape(&[301, 5]), 1, &shape(&[301, 7]), 3, 3)?;
    let mut bench = Bench::new(cuda);
    let (source, mut target) = (bench.draw(1505)?, bench.draw(2107)?);
    cuda.run(Channels::Copy { spec: &spec, source: &source, target: &mut target })?;
    cuda.run(Channels::Add { spec: &spec, source: &source, target: &mut target })?;
    bench.keep(&[&target])?;
    Ok(bench.found)
}

fn pointwise<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let len = 1173;
    let mut bench = Bench::new(cuda);
    let (a, b, bias) = (bench.draw(len)?, bench.draw(len)?, bench.draw(17)?);
    for activation in [Activation::Elu, Activation::Tanh, Activation::Sigmoid, Activation::Softplus] {
        let (mut y, mut dz, mut s) = (cuda.alloc(len)?, cuda.alloc(len)?, cuda.alloc(len)?);
        cuda.copy(&b, &mut dz)?;
        cuda.run(Pointwise::Activation { activation, x: &a, y: &mut y })?;
        cuda.run(Pointwise::ActivationGrad { activation, y: &y, dz: &mut dz })?;
        cuda.run(Pointwise::ActivationSlope { activation, order: 1, y: &y, s: &mut s })?;
        bench.keep(&[&y, &dz, &s])?;
    }
    let mut y = cuda.alloc(len)?;
    cuda.run(Pointwise::Add { a: &a, b: &b, y: &mut y })?;
    bench.keep(&[&y])?;
    cuda.run(Pointwise::Sub { a: &a, b: &b, y: &mut y })?;
    bench.keep(&[&y])?;
    cuda.run(Pointwise::Mul { a: &a, b: &b, y: &mut y })?;
    bench.keep(&[&y])?;
    cuda.run(Pointwise::MulAdd { a: &a, b: &b, y: &mut y })?;
    bench.keep(&[&y])?;
    cuda.run(Pointwise::Affine { alpha: 0.5, beta: 2.0, x: &a, y: &mut y })?;
    cuda.run(Pointwise::Axpy { alpha: 3.0, x: &b, y: &mut y })?;
    bench.keep(&[&y])?;
    let mut biased = cuda.alloc(len)?;
    cuda.run(Pointwise::AddBias { x: &a, b: &bias, y: &mut biased })?;
    bench.keep(&[&biased])?;
    Ok(bench.found)
}

fn reduce<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let mut bench = Bench::new(cuda);
    let (x, mut sum, mut dx) = (bench.draw(5003)?, cuda.alloc(1)?, cuda.zeros(300)?);
    cuda.run(Reduce::Sum { x: &x, y: &mut sum })?;
    cuda.run(Reduce::SumGrad { alpha: 2.0, dy: &sum, dx: &mut dx })?;
    let (wide, mut db) = (bench.draw(701 * 70)?, cuda.zeros(70)?);
    cuda.run(Pointwise::BiasGrad { dy: &wide, db: &mut db })?;
    bench.keep(&[&sum, &dx, &db])?;
    Ok(bench.found)
}

fn objective<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let (image, mask) = (shape(&[3, 23, 17, 3]), shape(&[3, 23, 17, 1]));
    let mut bench = Bench::new(cuda);
    let [output, target] = [bench.draw(image.len())?, bench.draw(image.len())?];
    let region: Vec<f32> = (0..mask.len()).map(|k| f32::from(u8::from(k % 7 < 2))).collect();
    let region = cuda.upload(&region)?;
    for penalty in [Penalty::Squared, Penalty::Charbonnier] {
        let spec = ObjectiveSpec::new(&image, &image, &mask, penalty, 0.3, 0.1)?;
        let (mut loss, mut slope) = (cuda.alloc(1)?, cuda.alloc(image.len())?);
        cuda.run(Objective::Loss { spec: &spec, output: &output, target: &target, mask: &region, loss: &mut loss })?;
        cuda.run(Objective::Derivative {
            spec: &spec,
            order: 1,
            output: &output,
            target: &target,
            mask: &region,
            d: &mut slope,
        })?;
        bench.keep(&[&loss, &slope])?;
    }
    Ok(bench.found)
}

fn optimise<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let len = 1173;
    let step = AdamStep { rate: 0.01, correction1: 0.1, correction2: 0.001, decay: 0.9 }.elements::<f32>();
    let (step, loss) = (cuda.upload(&step)?, cuda.upload(&[1.0])?);
    let mut bench = Bench::new(cuda);
    let (g, mut p) = (bench.draw(len)?, bench.draw(len)?);
    let (mut m, mut v, mut average) = (cuda.zeros(len)?, cuda.zeros(len)?, cuda.zeros(len)?);
    let spec = AdamSpec { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    cuda.run(Optimise::Adam { spec: &spec, step: &step, loss: &loss, g: &g, p: &mut p, m: &mut m, v: &mut v })?;
    cuda.run(Optimise::MovingAverage { step: &step, loss: &loss, p: &p, average: &mut average })?;
    bench.keep(&[&p, &m, &v, &average])?;
    Ok(bench.found)
}

fn box_average<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let spec = BoxAverageSpec::new(&shape(&[2, 37, 41]), 7, 2)?;
    let mut bench = Bench::new(cuda);
    let (x, dy) = (bench.draw(3034)?, bench.draw(3034)?);
    let (mut y, mut dx) = (cuda.alloc(3034)?, cuda.zeros(3034)?);
    cuda.run(BoxAverage::Forward { spec: &spec, x: &x, y: &mut y })?;
    cuda.run(BoxAverage::InputGrad { spec: &spec, dy: &dy, dx: &mut dx })?;
    bench.keep(&[&y, &dx])?;
    Ok(bench.found)
}

fn windowed_mean<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let spec = WindowedMeanSpec::new(&shape(&[2, 19, 23, 3]), 11, 1.5)?;
    let mut bench = Bench::new(cuda);
    let [a, b, dy] = [bench.draw(2622)?, bench.draw(2622)?, bench.draw(2622)?];
    let (mut y, mut mean, mut da) = (cuda.alloc(2622)?, cuda.alloc(2622)?, cuda.zeros(2622)?);
    cuda.run(WindowedMean::Forward { spec: &spec, a: &a, b: Some(&b), y: &mut y })?;
    cuda.run(WindowedMean::Forward { spec: &spec, a: &a, b: None, y: &mut mean })?;
    cuda.run(WindowedMean::InputGrad { spec: &spec, dy: &dy, b: Some(&b), da: &mut da })?;
    cuda.run(WindowedMean::InputGrad { spec: &spec, dy: &dy, b: None, da: &mut da })?;
    bench.keep(&[&y, &mean, &da])?;
    Ok(bench.found)
}

/// Two crops with a patch of every source.
fn corruption<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let picture = |number| {
        let mut stream = Stream::new(4, Purpose::Test, 1, number);
        Image::from_shape_simple_fn((40, 48, 3), || stream.uniform())
    };
    let patches = Patches { min: 5, max: 8 };
    let set = TrainingSet {
        images: vec![picture(0), picture(1)],
        textures: vec![picture(2)],
        size: 24,
        augment: AugmentConfig { flip_horizontal: true, flip_vertical: true, quarter_turns: true },
        corruption: CorruptionConfig { patches, ..CorruptionConfig::default() },
        seed: 5,
    };
    let resident = set.resident(cuda, 2)?.expect("a device with memory of its own");
    let picks = cuda.upload(&set.picks(1, 2).elements::<f32>())?;
    let (image, region) = (2 * 24 * 24 * 3, 2 * 24 * 24);
    let [mut corrupted, mut target, mut mask] = [cuda.alloc(image)?, cuda.alloc(image)?, cuda.alloc(region)?];
    let batch = Batch { corrupted: &mut corrupted, images: &mut target, region: &mut mask };
    resident.batch(&picks, batch)?;
    let mut bench = Bench::new(cuda);
    bench.keep(&[&corrupted, &target, &mask])?;
    Ok(bench.found)
}
