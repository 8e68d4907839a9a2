//! How criterion is asked to measure: short, because there are hundreds of calls.

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput};
use orthoscope::profile::Work;
use orthoscope::{Error, Result};

/// Criterion as the command line wants it.
pub fn criterion() -> Criterion {
    Criterion::default().without_plots().nresamples(10_000).configure_from_args()
}

/// How one call is measured.
#[derive(Clone, Copy)]
pub struct Sampling {
    /// Samples.
    pub count: usize,
    /// Seconds of all samples at least.
    pub seconds: f64,
    /// A rate that the backend surely reaches, in FLOP/s: slow calls get as long as they need.
    pub rate: f64,
}

impl Sampling {
    fn seconds(&self, work: Work) -> Duration {
        Duration::from_secs_f64(self.seconds.max(self.count as f64 * work.flops as f64 / self.rate))
    }
}

/// Measures one call as `function` of `group`. A call that fails is an error after the measurement, which means nothing then.
pub fn measure(
    criterion: &mut Criterion,
    [group, function]: [&str; 2],
    sampling: Sampling,
    work: Work,
    call: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let mut failed: Option<Error> = None;
    let mut group = criterion.benchmark_group(group);
    group.sample_size(sampling.count).measurement_time(sampling.seconds(work)).warm_up_time(Duration::from_millis(100));
    group.throughput(throughput(work));
    // The same number of calls in each sample: growing numbers would make the slow ones take minutes.
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(function, |bencher| {
        bencher.iter(|| {
            if let Err(error) = call() {
                failed = Some(error);
            }
        });
    });
    group.finish();
    failed.map_or(Ok(()), Err)
}

/// FLOPs as elements, bytes where nothing is computed.
fn throughput(work: Work) -> Throughput {
    if work.flops > 0 { Throughput::Elements(work.flops) } else { Throughput::Bytes(work.bytes) }
}
