//! Every operation of the backends by phase, at three sizes of Model II, on the CPU and beside the loops that specify it.
//!
//! ```sh
//! cargo bench --bench ops                                # all, about six minutes on two cores
//! cargo bench --bench ops -- small                       # one size
//! cargo bench --bench ops -- conv2d/.*/weight_grad       # or what a regular expression finds
//! ORTHOSCOPE_BENCH_REFERENCE=small,medium cargo bench --bench ops
//! ```
//!
//! Groups are `operation/layer/phase/size`, with a function for each backend: `cpu`, and `reference`, the plain loops in f32. Elements per
//! second are FLOPs by formula, two per multiply-add (`orthoscope::profile::Work`); bytes per second where an operation only moves.
//! The loops are a hundred times slower, so they run at the small size only, with 10 samples and as many calls in each; the variable
//! names other sizes, and may be empty. Results stay in `target/criterion`, and the next run says what changed.

use std::process::ExitCode;

use criterion::Criterion;
use orthoscope::backend::{Cpu, Reference};
use orthoscope::ops::Backend;
use orthoscope::profile::Span;
use orthoscope::{Error, Result};

mod common;
#[path = "common/sampling.rs"]
mod sampling;

use common::{Bench, SIZES, Size, word};
use sampling::Sampling;

/// Of the fast backend.
const FAST: Sampling = Sampling { count: 20, seconds: 0.3, rate: 30e9 };
/// Of the loops.
const LOOPS: Sampling = Sampling { count: 10, seconds: 0.2, rate: 0.4e9 };

fn main() -> ExitCode {
    // As the command does: on a thread of the pool, so that a loop need not wake one.
    common::exit(rayon::scope(|_| run()))
}

fn run() -> Result<()> {
    let mut criterion = sampling::criterion();
    let reference = std::env::var("ORTHOSCOPE_BENCH_REFERENCE").unwrap_or_else(|_| SIZES[0].name.into());
    for size in SIZES {
        let spans = common::spans(size)?;
        operations(&mut criterion, &Cpu::default(), size, &spans, FAST)?;
        if reference.split(',').any(|name| name == size.name) {
            operations(&mut criterion, &Reference::<f32>::default(), size, &spans, LOOPS)?;
        }
    }
    criterion.final_summary();
    Ok(())
}

fn operations<B: Backend>(criterion: &mut Criterion, backend: &B, size: Size, spans: &[Span], sampling: Sampling) -> Result<()> {
    let mut spans = spans.iter();
    let mut clock = |_: &str, call: &mut dyn FnMut() -> Result<()>| {
        let span = spans.next().ok_or_else(|| Error::argument("the profiler saw fewer calls than there are"))?;
        let group = format!("{}/{}/{}/{}", span.op, span.layer, word(span.phase), size.name);
        sampling::measure(criterion, [&group, backend.name()], sampling, span.work, call)
    };
    Bench { backend, size, clock: &mut clock }.operations()
}
