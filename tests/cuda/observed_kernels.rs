//! Every kernel on the observed emulator, at irregular sizes: no races, no reads of unwritten memory, no access outside of the
//! buffers of its launch.

use std::collections::BTreeSet;

use orthoscope::backend::cuda::driver::emulator::{Observation, Observer};
use orthoscope::backend::cuda::{KERNELS, OPERANDS};
use orthoscope::backend::{Cuda, Storage};

use crate::ops::exercises;

/// Kernels that a unit test in `ops/corruption/cuda.rs` observes, because no operation launches them.
const ELSEWHERE: [&str; 2] = ["corruption_mask_field_naive", "corruption_replacement_field_naive"];

/// Runs the loops that measure peaks, which no exercise has.
fn peaks(cuda: &Cuda) {
    let mut results = cuda.multiply_add_results().unwrap();
    let operands = cuda.upload(&[1.0; OPERANDS]).unwrap();
    cuda.multiply_adds(&operands, [1.0, 1.0], 1, &mut results).unwrap();
    cuda.matrix_multiply_adds(&operands, 1, &mut results).unwrap();
    cuda.download(&results).unwrap();
}

/// Launches every kernel with an observer.
fn observe(observer: &Observer) -> Vec<Observation> {
    let mut wrong = Vec::new();
    for exercise in exercises() {
        if let Err(error) = exercise.run(&Cuda::observed(1, observer)) {
            wrong.push(format!("{}: {error}", exercise.name));
        }
    }
    peaks(&Cuda::observed(1, observer));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    observer.take()
}

/// Prints, for every kernel, the lines that move more sectors or take more wavefronts than they need; see with `--nocapture`.
fn print_excess(launches: &[Observation]) {
    let mut printed = BTreeSet::new();
    for launch in launches {
        for site in launch.sites.iter().filter(|site| site.sector_excess() > 1.5 || site.wavefront_excess() > 1.05) {
            if printed.insert((launch.kernel, site.access, site.lines.clone())) {
                println!("{}: {site}", launch.kernel);
            }
        }
    }
}

#[test]
fn every_kernel_is_observed_and_none_races() {
    let launches = observe(&Observer::of_all_blocks());
    let races: Vec<_> = launches.iter().filter(|launch| !launch.races.is_empty()).collect();
    assert!(races.is_empty(), "{races:#?}");
    let launched: BTreeSet<&str> = launches.iter().map(|launch| launch.kernel).collect();
    // Hopper's instructions access memory by another way, which the observer does not follow; the loops of `rates.cu` keep time.
    let kernels = KERNELS.iter().filter(|kernel| kernel.file.only.is_none() && kernel.file.name != "rates.cu");
    let missing = kernels.map(|kernel| kernel.name).filter(|name| !launched.contains(name) && !ELSEWHERE.contains(name));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0], "kernels that were never observed");
    for launch in &launches {
        assert!(launch.observed_blocks == launch.blocks() && !launch.sites.is_empty(), "{}", launch.kernel);
        assert!(launch.sites.iter().all(|site| !site.lines.is_empty()), "{}: an access has no line", launch.kernel);
    }
    println!("{} launches of {} kernels", launches.len(), launched.len());
    print_excess(&launches);
}
