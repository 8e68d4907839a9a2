//! Times every operation, a training step and inference of Model II on one device, and prints JSON.
//!
//! ```sh
//! cargo bench --bench device -- --device cpu            # or cuda, cuda-naive, cuda-bf16
//! cargo bench --bench device -- --device cuda --sizes small --json device.json
//! ```
//!
//! Protocol: a few calls are dropped as warm-up, then rounds of calls are timed by the wall clock, each ended by reading one element,
//! which waits for the device. Reported are the median and the fastest round, per call. FLOPs count two per multiply-add.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use orthoscope::backend::cuda::Mode;
use orthoscope::backend::{Backend, CcmWeights, Cpu, Cuda};
use orthoscope::data::corruption::CorruptionConfig;
use orthoscope::data::{AugmentConfig, Batch, Family, GenerateOptions, TrainingSet};
use orthoscope::model::{Architecture, Autoencoder, DILATIONS, Inference, Parameters};
use orthoscope::rng::{Purpose, Stream};
use orthoscope::shape::{Activation, CcmSpec, Conv2dOptions, Conv2dSpec, SdcSpec, Shape};
use orthoscope::train::{ObjectiveConfig, OptimiserConfig, Recipe, Trainer};
use orthoscope::{Error, Result};
use serde::Serialize;

/// Model II at three sizes: base width, side in pixels, batch.
const SIZES: [(&str, [usize; 3]); 3] = [("small", [16, 64, 8]), ("medium", [32, 128, 4]), ("large", [64, 256, 1])];
/// Rounds of which the median is taken.
const ROUNDS: usize = 9;
/// A round lasts at least this long, in seconds, so that the clock's grain does not matter.
const ROUND_SECONDS: f64 = 0.02;

/// One timed piece of work.
#[derive(Serialize)]
struct Row {
    size: &'static str,
    work: String,
    calls: usize,
    median_ms: f64,
    fastest_ms: f64,
    gflop: f64,
    gflop_per_second: f64,
}

#[derive(Serialize)]
struct Report {
    device: String,
    rows: Vec<Row>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |flag: &str| arguments.iter().position(|given| given == flag).and_then(|at| arguments.get(at + 1)).cloned();
    let device = value("--device").unwrap_or_else(|| "cpu".into());
    let only = value("--sizes");
    let sizes: Vec<_> = SIZES.into_iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)).collect();
    let rows = match device.as_str() {
        "cpu" => rows(&Cpu::default(), &sizes)?,
        "cuda" => rows(&Cuda::gpu(0)?, &sizes)?,
        "cuda-naive" => rows(&Cuda::gpu(0)?.with_mode(Mode::Naive), &sizes)?,
        "cuda-bf16" => rows(&Cuda::gpu(0)?.with_mode(Mode::Bf16), &sizes)?,
        other => return Err(Error::argument(format!("device must be cpu, cuda, cuda-naive or cuda-bf16, got `{other}`"))),
    };
    for row in &rows {
        let Row { size, work, median_ms, gflop_per_second, .. } = row;
        eprintln!("{size:<8}{work:<44}{median_ms:>10.4} ms {gflop_per_second:>10.1} GFLOP/s");
    }
    let json = serde_json::to_string_pretty(&Report { device, rows }).map_err(Error::argument)?;
    match value("--json") {
        Some(path) => std::fs::write(&path, json).map_err(|error| Error::file(path, error)),
        None => {
            println!("{json}");
            Ok(())
        }
    }
}

fn rows<B: Backend>(backend: &B, sizes: &[(&'static str, [usize; 3])]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &(name, size) in sizes {
        let clock = Clock { backend, size: name };
        rows.extend(convolutions(&clock, size)?);
        rows.extend(sdc(&clock, size)?);
        rows.extend(ccm(&clock, size)?);
        rows.extend(network(&clock, size)?);
    }
    Ok(rows)
}

struct Clock<'a, B> {
    backend: &'a B,
    size: &'static str,
}

impl<B: Backend> Clock<'_, B> {
    fn draw(&self, len: usize) -> Result<B::Buffer> {
        let mut stream = Stream::new(0, Purpose::Test, 2, len as u32);
        let host: Vec<B::Elem> = (0..len).map(|_| num_traits::cast(stream.range(-1.0, 1.0)).unwrap_or_default()).collect();
        self.backend.upload(&host)
    }

    /// Times `call`; `probe` gives a buffer of one element that is read to wait for the device.
    fn time(&self, work: &str, flops: u64, mut call: impl FnMut() -> Result<()>) -> Result<Row> {
        let probe = self.backend.zeros(1)?;
        let mut round = |calls: usize| -> Result<f64> {
            let start = Instant::now();
            for _ in 0..calls {
                call()?;
            }
            black_box(self.backend.download(&probe)?);
            Ok(start.elapsed().as_secs_f64())
        };
        round(3)?;
        let calls = ((ROUND_SECONDS / round(1)?).ceil() as usize).clamp(1, 1000);
        let mut seconds = (0..ROUNDS).map(|_| Ok(round(calls)? / calls as f64)).collect::<Result<Vec<_>>>()?;
        seconds.sort_by(f64::total_cmp);
        let (median, gflop) = (seconds[ROUNDS / 2], flops as f64 / 1e9);
        Ok(Row {
            size: self.size,
            work: work.to_owned(),
            calls: calls * ROUNDS,
            median_ms: median * 1e3,
            fastest_ms: seconds[0] * 1e3,
            gflop,
            gflop_per_second: gflop / median,
        })
    }
}

/// The 3x3 convolutions of one level each, and the two ends.
fn convolutions<B: Backend>(clock: &Clock<'_, B>, [w, side, n]: [usize; 3]) -> Result<Vec<Row>> {
    let layers = [
        ("e1.0", side, 3, w, 3),
        ("e1.1", side, w, w, 3),
        ("e2.1", side / 2, 2 * w, 2 * w, 3),
        ("e3.1", side / 4, 4 * w, 4 * w, 3),
        ("b", side / 8, 6 * w, 4 * w, 1),
        ("out", side, w, 3, 1),
    ];
    let mut rows = Vec::new();
    for (name, side, c_in, c_out, kernel) in layers {
        let (x, w) = (Shape::new(&[n, side, side, c_in])?, Shape::new(&[c_out, kernel, kernel, c_in])?);
        let spec = Conv2dSpec::new(&x, &w, None, Conv2dOptions::same(kernel, 1, Activation::Elu))?;
        let y = spec.output()?;
        let [bx, bw, bb, bdz] = [clock.draw(x.len())?, clock.draw(w.len())?, clock.draw(c_out)?, clock.draw(y.len())?];
        let (mut by, mut bdx) = (clock.draw(y.len())?, clock.draw(x.len())?);
        let (mut bdw, mut bdb) = (clock.draw(w.len())?, clock.draw(c_out)?);
        let (b, flops) = (clock.backend, spec.flops());
        rows.push(clock.time(&format!("{name} conv2d"), flops, || b.conv2d(&spec, &bx, &bw, Some(&bb), &mut by))?);
        rows.push(clock.time(&format!("{name} conv2d input grad"), flops, || b.conv2d_input_grad(&spec, &bdz, &bw, &mut bdx))?);
        rows.push(clock.time(&format!("{name} conv2d weight grad"), flops, || {
            b.conv2d_weight_grad(&spec, &bx, &bdz, &mut bdw, Some(&mut bdb))
        })?);
    }
    Ok(rows)
}

fn sdc<B: Backend>(clock: &Clock<'_, B>, [w, side, n]: [usize; 3]) -> Result<Vec<Row>> {
    let count = DILATIONS.len();
    let (x, weight) = (Shape::new(&[n, side / 8, side / 8, count * w])?, Shape::new(&[w, 3, 3, count * w])?);
    let spec = SdcSpec::new(&x, &vec![weight; count], &DILATIONS, Activation::Elu)?;
    let (y, flops) = (spec.output()?, count as u64 * spec.branch(0).flops());
    let draw_each = |len: usize| (0..count).map(|_| clock.draw(len)).collect::<Result<Vec<_>>>();
    let (bx, bdz, weights, biases) = (clock.draw(x.len())?, clock.draw(y.len())?, draw_each(weight.len())?, draw_each(w)?);
    let (mut by, mut bdx, mut dw, mut db) = (clock.draw(y.len())?, clock.draw(x.len())?, draw_each(weight.len())?, draw_each(w)?);
    let (rw, rb): (Vec<_>, Vec<_>) = (weights.iter().collect(), biases.iter().collect());
    let b = clock.backend;
    Ok(vec![
        clock.time("sdc", flops, || b.sdc(&spec, &bx, &rw, &rb, &mut by))?,
        clock.time("sdc input grad", flops, || b.sdc_input_grad(&spec, &bdz, &rw, &mut bdx))?,
        clock.time("sdc weight grad", flops, || b.sdc_weight_grad(&spec, &bx, &bdz, &mut dw, &mut db))?,
    ])
}

fn ccm<B: Backend>(clock: &Clock<'_, B>, [w, side, n]: [usize; 3]) -> Result<Vec<Row>> {
    let (rows, c) = (n * side * side, w);
    let spec = CcmSpec { rows: rows as u32, c: c as u32 };
    let flops = 8 * (rows * c * c) as u64;
    let [s, u, dy] = [clock.draw(rows * c)?, clock.draw(rows * c)?, clock.draw(rows * c)?];
    let [w_mix, b_mix, w_gate, b_gate] = [clock.draw(3 * c * c)?, clock.draw(c)?, clock.draw(c * c)?, clock.draw(c)?];
    let weights = CcmWeights { w_mix: &w_mix, b_mix: &b_mix, w_gate: &w_gate, b_gate: &b_gate };
    let [mut h, mut beta, mut y] = [clock.draw(rows * c)?, clock.draw(rows * c)?, clock.draw(rows * c)?];
    let b = clock.backend;
    let forward = clock.time("ccm1", flops, || b.ccm(&spec, [&s, &u], &weights, [&mut h, &mut beta], &mut y))?;
    let [mut ds, mut du] = [clock.draw(rows * c)?, clock.draw(rows * c)?];
    let [mut dw_mix, mut db_mix, mut dw_gate, mut db_gate] =
        [clock.draw(3 * c * c)?, clock.draw(c)?, clock.draw(c * c)?, clock.draw(c)?];
    let backward = clock.time("ccm1 grad", 2 * flops, || {
        let grads = CcmWeights { w_mix: &mut dw_mix, b_mix: &mut db_mix, w_gate: &mut dw_gate, b_gate: &mut db_gate };
        b.ccm_grad(&spec, [&s, &u], &weights, [&h, &beta], &dy, [&mut ds, &mut du], grads)
    })?;
    Ok(vec![forward, backward])
}

/// A whole training step and inference.
fn network<B: Backend>(clock: &Clock<'_, B>, [w, side, n]: [usize; 3]) -> Result<Vec<Row>> {
    let architecture = Architecture::Autoencoder(Autoencoder { model: 2, width: w, dilations: DILATIONS.to_vec() });
    let image = Shape::new(&[n, side, side, 3])?;
    let plan = architecture.plan(image)?;
    let mut stream = Stream::new(0, Purpose::Test, 3, 0);
    let mut pixels = |len: usize| (0..len).map(|_| stream.uniform()).collect::<Vec<f32>>();
    let (corrupted, target) = (pixels(image.len()), pixels(image.len()));
    let batch = Batch {
        image_shape: image,
        region_shape: Shape::new(&[n, side, side, 1])?,
        region: pixels(n * side * side).into_iter().map(f32::round).collect(),
        corrupted: corrupted.clone(),
        target,
    };
    let recipe = Recipe {
        architecture: architecture.clone(),
        objective: ObjectiveConfig::default(),
        optimiser: OptimiserConfig { steps: 1_000_000, batch: n, ..OptimiserConfig::default() },
        seed: 0,
    };
    let mut trainer = Trainer::new(clock.backend, recipe.clone())?;
    let training = clock.time("training step", plan.training_flops(), || trainer.advance(&batch).map(drop))?;
    let resident = with_corruption(clock, recipe, [side, n])?;
    let parameters = Arc::new(Parameters::initialise(clock.backend, &architecture, 0)?);
    let mut inference = Inference::new(clock.backend, parameters);
    let inference = clock.time("inference", plan.flops(), || inference.run(image, &corrupted).map(|y| drop(black_box(y))))?;
    Ok(vec![training, resident, inference])
}

/// A training step as `train` does it: batch made and corrupted, on the device where it can be.
fn with_corruption<B: Backend>(clock: &Clock<'_, B>, recipe: Recipe, [side, n]: [usize; 2]) -> Result<Row> {
    let options = GenerateOptions { family: Family::Tiles, size: side + 32, train: 8, good: 0, defects_per_kind: 1, seed: 0 };
    let set = TrainingSet {
        images: (0..8).map(|index| options.train_image(index)).collect::<Result<_>>()?,
        textures: Vec::new(),
        size: side,
        augment: AugmentConfig::default(),
        corruption: CorruptionConfig::default(),
        seed: 0,
    };
    let flops = recipe.architecture.plan(Shape::new(&[n, side, side, 3])?)?.training_flops();
    let (resident, mut trainer) = (set.resident(clock.backend, n)?, Trainer::new(clock.backend, recipe)?);
    clock.time("training step with corruption", flops, || {
        let step = trainer.step();
        match &resident {
            Some(resident) => trainer.advance_resident(resident, &set.picks(step, n))?,
            None => trainer.advance(&set.batch(step, n)?)?,
        };
        Ok(())
    })
}
