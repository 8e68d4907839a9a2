//! Times every operation, a training step and inference of Model II on one device, and prints JSON.
//!
//! ```sh
//! cargo bench --bench device -- --device cpu            # or cuda, cuda-naive, cuda-bf16
//! cargo bench --bench device -- --device cuda --sizes small --json device.json
//! ```
//!
//! Protocol: a few calls are dropped as warm-up, then rounds of calls are timed by the wall clock, each ended by reading one element,
//! which waits for the device. Reported are the median and the fastest round, per call. FLOPs count two per multiply-add. It needs
//! neither a folder for results nor a terminal, so it runs where `benches/gpu.py` takes it; on a CPU `ops` and `step` say more.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use orthoscope::backend::cuda::Mode;
use orthoscope::backend::{Cpu, Cuda};
use orthoscope::ops::Backend;
use orthoscope::profile::{Phase, Span};
use orthoscope::{Error, Result};
use serde::Serialize;

mod common;

use common::{Bench, SIZES, Size};

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
    common::exit(run())
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |flag: &str| arguments.iter().position(|given| given == flag).and_then(|at| arguments.get(at + 1)).cloned();
    let device = value("--device").unwrap_or_else(|| "cpu".into());
    let only = value("--sizes");
    let sizes: Vec<Size> = SIZES.into_iter().filter(|size| only.as_deref().is_none_or(|only| only == size.name)).collect();
    if sizes.is_empty() {
        return Err(Error::argument(format!(
            "--sizes must be one of small, medium and large, got `{}`",
            only.unwrap_or_default()
        )));
    }
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

fn rows<B: Backend>(backend: &B, sizes: &[Size]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &size in sizes {
        operations(backend, size, &mut rows)?;
        network(backend, size, &mut rows)?;
    }
    Ok(rows)
}

fn operations<B: Backend>(backend: &B, size: Size, rows: &mut Vec<Row>) -> Result<()> {
    let mut spans = common::spans(size)?.into_iter();
    let mut clock = |_: &str, call: &mut dyn FnMut() -> Result<()>| {
        let span = spans.next().ok_or_else(|| Error::argument("the profiler saw fewer calls than there are"))?;
        rows.push(row(backend, size, name(&span), span.work.flops, call)?);
        Ok(())
    };
    Bench { backend, size, clock: &mut clock }.operations()
}

/// `e1.0 conv2d input grad`; `benches/torch_bench.py` has the same names.
fn name(span: &Span) -> String {
    match span.phase {
        Phase::Forward | Phase::Optimiser => format!("{} {}", span.layer, span.op),
        phase => format!("{} {} {}", span.layer, span.op, phase.words()),
    }
}

fn network<B: Backend>(backend: &B, size: Size, rows: &mut Vec<Row>) -> Result<()> {
    let [inference, training] = common::network::flops(size)?;
    let mut clock = |work: &str, call: &mut dyn FnMut() -> Result<()>| {
        let flops = match work {
            "inference" => inference,
            "batch on the host" => 0,
            _ => training,
        };
        rows.push(row(backend, size, work.to_owned(), flops, call)?);
        Ok(())
    };
    let mut bench = Bench { backend, size, clock: &mut clock };
    common::network::training(&mut bench)?;
    common::network::inference(&mut bench)
}

/// Times `call`; one element is read after each round, to wait for the device.
fn row<B: Backend>(backend: &B, size: Size, work: String, flops: u64, call: &mut dyn FnMut() -> Result<()>) -> Result<Row> {
    let probe = backend.zeros(1)?;
    let mut round = |calls: usize| -> Result<f64> {
        let start = Instant::now();
        for _ in 0..calls {
            call()?;
        }
        black_box(backend.download(&probe)?);
        Ok(start.elapsed().as_secs_f64())
    };
    round(3)?;
    let calls = ((ROUND_SECONDS / round(1)?).ceil() as usize).clamp(1, 1000);
    let mut seconds = (0..ROUNDS).map(|_| Ok(round(calls)? / calls as f64)).collect::<Result<Vec<_>>>()?;
    seconds.sort_by(f64::total_cmp);
    let (median, gflop) = (seconds[ROUNDS / 2], flops as f64 / 1e9);
    Ok(Row {
        size: size.name,
        work,
        calls: calls * ROUNDS,
        median_ms: median * 1e3,
        fastest_ms: seconds[0] * 1e3,
        gflop,
        gflop_per_second: gflop / median,
    })
}
