//! Every barrier and every asynchronous wait is necessary: without it, some exercise gives different bits or an error on the
//! emulator, and the observer finds a race or a read of unwritten memory. A missing `__syncwarp` is found by the observer alone,
//! because the lanes of the emulator also wait for each other at a shuffle.

use std::sync::Mutex;

use orthoscope::Result;
use orthoscope::backend::Cuda;
use orthoscope::backend::cuda::driver::emulator::{Observer, omit};
use orthoscope::backend::cuda::{File, HEADERS, KERNELS};

use crate::ops::{Exercise, exercises};

/// Number of schedules under which each mutant runs.
const SEEDS: u64 = 20;
/// Calls that make threads wait for each other or for memory.
const WAITS: [&str; 6] = ["__syncthreads()", "cp_wait<", "barrier_wait(", "wgmma_wait<0", "wgmma_wait<1", WARP_WAIT];
/// The one that only the observer can tell from its absence.
const WARP_WAIT: &str = "__syncwarp(";

/// A wait in the kernels.
pub struct Site {
    pub file: &'static str,
    pub line: u32,
    pub text: &'static str,
}

/// The waits in all kernels of the files that `wanted` names, and in the headers.
pub fn sites(wanted: impl Fn(&File) -> bool) -> Vec<Site> {
    let kernels = KERNELS.iter().copied().filter(|kernel| wanted(kernel.file)).map(|kernel| (kernel.file.name, kernel.file.text));
    let is_header = |(name, _): &(&str, &str)| !["dev.cuh", "hopper.cuh"].contains(name);
    let mut files: Vec<(&str, &str)> = kernels.chain(HEADERS.iter().copied()).filter(is_header).collect();
    files.sort_unstable();
    files.dedup();
    let lines = files.into_iter().flat_map(|(file, text)| (1..).zip(text.lines()).map(move |(line, text)| (file, line, text)));
    let code = |text: &'static str| text.split("//").next().unwrap_or_default().trim();
    let waits = lines.map(|(file, line, text)| Site { file, line, text: code(text) });
    waits.filter(|site| WAITS.iter().any(|wait| site.text.contains(wait))).collect()
}

/// In how many runs a mutant's site was reached, and in how many of these the mutant was detected.
#[derive(Default)]
struct Outcome {
    reached: u64,
    caught: u64,
    /// The number of exercises in which the observer reported an error, of those that reached the site.
    observed: u64,
}

/// Runs one exercise under every seed, without the wait at `site`.
fn mutate(site: &Site, exercise: &Exercise, expected: &[f32], outcome: &mut Outcome) {
    for seed in 1..=SEEDS {
        let (found, hits) = without(site, exercise, &Cuda::emulator(seed));
        if hits == 0 {
            return;
        }
        outcome.reached += 1;
        let same = |found: &Vec<f32>| found.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits());
        outcome.caught += u64::from(!found.as_ref().is_ok_and(same));
    }
    // What the observer finds does not depend on the schedule; one run is enough.
    let (found, _) = without(site, exercise, &Cuda::observed(1, &Observer::of_all_blocks()));
    outcome.observed += u64::from(found.is_err());
}

/// Runs an exercise without the wait at `site`. Also returns how often it was skipped.
fn without(site: &Site, exercise: &Exercise, cuda: &Cuda) -> (Result<Vec<f32>>, u64) {
    omit(site.file, site.line);
    let found = exercise.run(cuda);
    (found, omit("", 0))
}

/// The results for all sites, in order. Each thread has its own emulator, and with it its own site; threads of rayon would begin
/// with another site while they wait.
fn in_threads(sites: &[Site], judge: impl Fn(&Site) -> Outcome + Sync) -> Vec<Outcome> {
    let queue = Mutex::new(sites.iter().enumerate());
    let next = || queue.lock().unwrap().next();
    let work = || std::iter::from_fn(next).map(|(place, site)| (place, judge(site))).collect::<Vec<_>>();
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, outcome)| outcome).collect()
}

#[test]
fn every_wait_is_necessary() {
    let expected: Vec<_> = exercises().map(|exercise| exercise.run(&Cuda::emulator(0)).unwrap()).collect();
    // Those of Hopper are in `hopper.rs`; those of `rates.cu` keep time.
    let sites = sites(|file| file.only.is_none() && file.name != "rates.cu");
    assert!(sites.len() >= 5, "only {} waits found", sites.len());
    let outcomes = in_threads(&sites, |site| {
        let mut outcome = Outcome::default();
        exercises().zip(&expected).for_each(|(exercise, expected)| mutate(site, exercise, expected, &mut outcome));
        outcome
    });
    let mut survivors = Vec::new();
    println!("{:<20} {:>5}  {:>7} of {:<7} {:>8} wait", "file", "line", "caught", "runs", "observed");
    for (site, Outcome { reached, caught, observed }) in sites.iter().zip(outcomes) {
        println!("{:<20} {:>5}  {caught:>7} of {reached:<7} {observed:>8} {}", site.file, site.line, site.text);
        if observed == 0 || caught == 0 && !site.text.contains(WARP_WAIT) {
            survivors.push(format!("{}:{} `{}`", site.file, site.line, site.text));
        }
    }
    assert!(survivors.is_empty(), "no exercise detected the removal of these waits: {survivors:#?}");
}
