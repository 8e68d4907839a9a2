//! Times every operation of a backend by layer and phase, at three sizes of Model II.
//!
//! ```sh
//! cargo bench --bench ops                                # all on the CPU, about six minutes on two cores
//! cargo bench --bench ops -- small                       # one size
//! cargo bench --bench ops -- conv2d/.*/weight_grad       # everything that matches a regular expression
//! ORTHOSCOPE_BENCH_REFERENCE=small,medium cargo bench --bench ops
//! ORTHOSCOPE_BENCH_DEVICES=cuda,cuda-naive,cuda-bf16 cargo bench --bench ops
//! ```
//!
//! Groups are `operation/layer/phase/size` with a function for each device: `cpu`, and `reference`, the plain f32 loops. Elements
//! per second are FLOPs by formula, two per multiply-add (`orthoscope::profile::Work`), or bytes per second where nothing is
//! computed. The loops are a hundred times slower, so they run at the small size only, unless the variable names other sizes or
//! none. Results stay in
//! `target/criterion`, and the next run reports changes. Whole steps are measured by `orthoscope profile`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput};
use orthoscope::backend::cuda::Mode;
use orthoscope::backend::{Cpu, Cuda, Reference};
use orthoscope::ops::Backend;
use orthoscope::profile::{Span, Work};
use orthoscope::{Error, Result};

mod common;

use common::{Bench, SIZES, Size};

/// How one call is sampled.
#[derive(Clone, Copy)]
struct Sampling {
    count: usize,
    /// Shortest time of all samples, in seconds.
    seconds: f64,
    /// A rate in FLOP/s that the backend certainly reaches; slow calls get more time.
    rate: f64,
}

const FAST: Sampling = Sampling { count: 20, seconds: 0.3, rate: 30e9 };
const LOOPS: Sampling = Sampling { count: 10, seconds: 0.2, rate: 0.4e9 };

fn main() -> ExitCode {
    // On a thread of the pool, as the command does, so that loops need not wake one.
    match rayon::scope(|_| run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut criterion = Criterion::default().without_plots().nresamples(10_000).configure_from_args();
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let devices = variable("ORTHOSCOPE_BENCH_DEVICES", "cpu");
    let reference = variable("ORTHOSCOPE_BENCH_REFERENCE", SIZES[0].name);
    for size in SIZES {
        let spans = common::spans(size)?;
        for device in devices.split(',') {
            match device {
                "cpu" => operations(&mut criterion, (device, &Cpu::default()), size, &spans, FAST)?,
                "cuda" => operations(&mut criterion, (device, &Cuda::gpu(0)?), size, &spans, FAST)?,
                "cuda-naive" => operations(&mut criterion, (device, &Cuda::gpu(0)?.with_mode(Mode::Naive)), size, &spans, FAST)?,
                "cuda-bf16" => operations(&mut criterion, (device, &Cuda::gpu(0)?.with_mode(Mode::Bf16)), size, &spans, FAST)?,
                _ => {
                    return Err(Error::argument(format!(
                        "ORTHOSCOPE_BENCH_DEVICES may list cpu, cuda, cuda-naive and cuda-bf16, got `{device}`"
                    )));
                }
            }
        }
        if devices.split(',').any(|device| device == "cpu") && reference.split(',').any(|name| name == size.name) {
            operations(&mut criterion, ("reference", &Reference::<f32>::default()), size, &spans, LOOPS)?;
        }
    }
    criterion.final_summary();
    Ok(())
}

fn operations<B: Backend>(
    criterion: &mut Criterion,
    (device, backend): (&str, &B),
    size: Size,
    spans: &[Span],
    sampling: Sampling,
) -> Result<()> {
    let (mut spans, probe) = (spans.iter(), backend.zeros(1)?);
    let wait = || backend.download(&probe).map(drop);
    let mut clock = |call: &mut dyn FnMut() -> Result<()>| {
        let span = spans.next().ok_or_else(|| Error::argument("the profiler saw fewer calls than there are"))?;
        let group = format!("{}/{}/{}/{}", span.op, span.layer, span.phase.words().replace(' ', "_"), size.name);
        measure(criterion, [&group, device], sampling, span.work, call, &wait)
    };
    Bench { backend, size, clock: &mut clock }.operations()
}

/// Measures one call as `function` of `group`. `wait` returns when the device is done. An error of a call is returned afterwards.
fn measure(
    criterion: &mut Criterion,
    [group, function]: [&str; 2],
    sampling: Sampling,
    work: Work,
    call: &mut dyn FnMut() -> Result<()>,
    wait: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let mut outcome = Ok(());
    let mut group = criterion.benchmark_group(group);
    let seconds = sampling.seconds.max(sampling.count as f64 * work.flops as f64 / sampling.rate);
    group.sample_size(sampling.count).measurement_time(Duration::from_secs_f64(seconds)).warm_up_time(Duration::from_millis(100));
    group.throughput(if work.flops > 0 { Throughput::Elements(work.flops) } else { Throughput::Bytes(work.bytes) });
    // The same number of calls in each sample: growing numbers would make the slow ones take minutes.
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(function, |bencher| {
        bencher.iter_custom(|calls| {
            let start = Instant::now();
            let done = (0..calls).try_for_each(|_| call()).and_then(|()| wait());
            if done.is_err() {
                outcome = done;
            }
            start.elapsed()
        });
    });
    group.finish();
    outcome
}
