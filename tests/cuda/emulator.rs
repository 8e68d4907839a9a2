//! Tests of the emulator: specs have the same layout in Rust and C++, kernels that are wrong on purpose
//! (`kernels/emulator/faults.cu`) are rejected with kernel, block and line, schedules depend on the seed, arguments are checked,
//! and OS threads are independent of each other.

use std::collections::BTreeSet;

use orthoscope::Result;
use orthoscope::backend::cuda::driver::emulator::{kernels, read_spec};
use orthoscope::backend::{Cuda, Storage};
use orthoscope::ops::{Backend, Linear, LinearSpec};
use orthoscope::shape::Activation;

use super::broken::{Argument, Device, ONE_BLOCK, THREADS, both, marked_lines, target};
use crate::ops::SPECS;
use crate::ops::spec::{self, SpecValue};

/// Every spec has the same size in Rust and C++, and its fields have the same names, types and offsets.
#[test]
fn kernels_read_every_spec_as_it_was_written() {
    for SpecValue { name, bytes, fields } in SPECS.iter().map(|spec| spec()) {
        let found = read_spec(name, &bytes);
        let found =
            serde_json::from_str(&found).unwrap_or_else(|error| panic!("{name} of {} bytes: {error}: {found}", bytes.len()));
        assert_eq!(spec::fields(&found), fields, "{name}");
        assert_eq!(read_spec(name, &bytes[1..]), "", "{name} of another size");
    }
    assert_eq!(read_spec("NoSpec", &[0; 4]), "");
}

/// Runs a faulty kernel in index order and under several other schedules. Every error must contain `what` and name kernel, block
/// and line.
#[track_caller]
fn assert_rejected(kernel: &'static str, what: &str, block: u32, size: [u32; 2], arguments: impl Fn(&Device) -> Vec<Argument>) {
    for seed in 0..8 {
        let device = Device::new(seed);
        let report = device.launch(kernel, size, &arguments(&device)).expect_err(kernel).to_string();
        assert!(report.contains(&format!("kernel `{kernel}`")), "no kernel in: {report}");
        assert!(report.contains(&format!("(block {block},0,0")), "no block in: {report}");
        assert!(marked_lines(kernel).iter().any(|line| report.contains(line)), "no line in: {report}");
        assert!(report.contains(what), "not `{what}`: {report}");
        // The device is still usable.
        let (x, y) = (device.ones(1), device.unwritten(1));
        device.launch("fault_not_a_fault", [1, 1], &[Argument::Buffer(x), Argument::Buffer(y)]).unwrap();
    }
}

#[test]
fn arithmetic_on_unwritten_shared_memory_is_rejected() {
    let what = "arithmetic on memory that was never written";
    assert_rejected("fault_unwritten_shared", what, 0, ONE_BLOCK, |device| vec![target(device)]);
}

#[test]
fn copies_read_too_early_are_rejected_if_they_complete_late() {
    let reports = (1..=20).filter_map(|seed| {
        let device = Device::new(seed);
        device.launch("fault_copy_read_early", [1, 1], &both(&device)).err()
    });
    let reports: Vec<String> = reports.map(|report| report.to_string()).collect();
    let line = &marked_lines("fault_copy_read_early")[0];
    assert!(reports.iter().all(|report| report.contains(line) && report.contains("(block 0,0,0")), "{reports:?}");
    assert!((5..=15).contains(&reports.len()), "{} of 20 schedules", reports.len());
}

#[test]
fn arithmetic_on_unwritten_global_memory_is_rejected() {
    let what = "arithmetic on memory that was never written";
    let unwritten = |device: &Device| vec![target(device), target(device)];
    assert_rejected("fault_unwritten_global", what, 0, ONE_BLOCK, unwritten);
    assert_rejected("fault_unwritten_exponent", what, 0, ONE_BLOCK, unwritten);
}

#[test]
fn nans_that_a_kernel_computes_are_allowed() {
    let device = Device::new(1);
    let (x, y) = (device.ones(64), device.unwritten(64));
    device.launch("fault_not_a_fault", ONE_BLOCK, &[Argument::Buffer(x), Argument::Buffer(y)]).unwrap();
    assert!(device.floats(y, 64).iter().all(|value| value.is_nan()));
}

#[test]
fn a_missing_barrier_is_found_even_in_index_order_if_a_thread_reads_ahead() {
    let what = "arithmetic on memory that was never written";
    assert_rejected("fault_missing_barrier", what, 0, ONE_BLOCK, |device| vec![target(device)]);
}

#[test]
fn barriers_in_divergent_code_are_rejected() {
    assert_rejected("fault_divergent_barrier", "__syncthreads", 0, ONE_BLOCK, |_| vec![]);
    assert_rejected("fault_two_barriers", "different __syncthreads", 0, ONE_BLOCK, |_| vec![]);
}

#[test]
fn accesses_past_the_end_are_rejected() {
    // Three blocks, and buffers with one element per thread: the last thread of the last block accesses one element past the end,
    // in the guard page.
    let (size, len) = ([3, THREADS], 3 * THREADS as usize);
    assert_rejected("fault_read_past_end", "0 bytes past the end of a buffer of 768 bytes", 2, size, |device| {
        vec![Argument::Buffer(device.ones(len)), Argument::Buffer(device.unwritten(len)), Argument::Number(1)]
    });
    assert_rejected("fault_write_past_end", "0 bytes past the end of a buffer of 768 bytes", 2, size, |device| {
        vec![Argument::Buffer(device.unwritten(len)), Argument::Number(1)]
    });
}

#[test]
fn writes_into_the_slack_before_the_guard_page_are_rejected() {
    assert_rejected("fault_write_past_end", "wrote past the end of argument 0", 1, [2, 31], |device| {
        vec![Argument::Buffer(device.unwritten(62)), Argument::Number(1)]
    });
    let device = Device::new(1);
    let y = device.unwritten(62);
    device.launch("fault_write_past_end", [2, 31], &[Argument::Buffer(y), Argument::Number(0)]).unwrap();
    assert_eq!(device.floats(y, 62), [1.0; 62]);
}

#[test]
fn misaligned_vectors_are_rejected() {
    assert_rejected("fault_misaligned_load", "load4 needs an address that is a multiple of 16", 0, ONE_BLOCK, both);
    assert_rejected("fault_misaligned_store", "store4 needs", 0, ONE_BLOCK, |device| vec![target(device)]);
}

#[test]
fn copies_never_waited_for_are_rejected() {
    assert_rejected("fault_copy_without_wait", "cp.async never waited for", 0, ONE_BLOCK, |device| vec![both(device)[0]]);
}

#[test]
fn shuffles_with_wrong_masks_are_rejected() {
    let one_warp = [1, 32];
    let y = |device: &Device| vec![target(device)];
    // In some orders the lane returns while others are already waiting for it.
    for seed in 0..8 {
        let device = Device::new(seed);
        let report = device.launch("fault_dead_lane", one_warp, &y(&device)).unwrap_err().to_string();
        assert!(report.contains("a mask names a lane that has returned") || report.contains("deadlock: "), "{report}");
    }
    assert_rejected("fault_dead_lane", "", 0, one_warp, y);
    assert_rejected("fault_not_in_mask", "a lane is not in its own mask", 0, one_warp, y);
    assert_rejected("fault_two_collectives", "lanes of one warp meet in different collectives", 0, one_warp, y);
}

#[test]
fn deadlocks_name_every_place_where_threads_wait() {
    assert_rejected("fault_deadlock", "deadlock: ", 0, [1, 32], |device| vec![target(device)]);
    let device = Device::new(0);
    let report = device.launch("fault_deadlock", [1, 32], &[target(&device)]).unwrap_err().to_string();
    let [barrier, shuffle] = marked_lines("fault_deadlock").try_into().unwrap();
    assert!(report.contains(&format!("1 thread waits at {barrier}, 31 threads wait at {shuffle}")), "{report}");
}

#[test]
fn integer_division_by_zero_is_rejected() {
    let arguments = |device: &Device| vec![target(device), Argument::Number(0)];
    assert_rejected("fault_division", "an integer division by zero", 0, ONE_BLOCK, arguments);
}

#[test]
fn a_race_passes_in_index_order_and_fails_in_most_other_orders() {
    let wrong = |seed: &u64| {
        let device = Device::new(*seed);
        let y = device.unwritten(64);
        device.launch("fault_race", ONE_BLOCK, &[Argument::Buffer(y)]).unwrap();
        device.floats(y, 64) != [1.0; 64]
    };
    assert!(!wrong(&0), "index order");
    let failures = (1..=20).filter(wrong).count();
    assert!(failures > 10, "only {failures} of 20 schedules show the race");
}

#[test]
fn schedules_differ_between_launches_and_seeds_and_are_reproducible() {
    let schedules = |seed: u64| {
        let device = Device::new(seed);
        let run = |_| {
            let y = device.unwritten(64);
            device.launch("fault_race", ONE_BLOCK, &[Argument::Buffer(y)]).unwrap();
            device.floats(y, 64).iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        (0..6).map(run).collect::<Vec<_>>()
    };
    assert_eq!(schedules(3), schedules(3));
    assert_ne!(schedules(3), schedules(4));
    assert!(schedules(3).iter().collect::<BTreeSet<_>>().len() > 1, "all launches alike");
}

#[test]
fn arguments_of_wrong_number_or_width_are_rejected_with_the_kernel_name() {
    let device = Device::new(1);
    let y = target(&device);
    let rejected = |name, arguments: &[Argument], what: &str| {
        let report = device.launch(name, ONE_BLOCK, arguments).unwrap_err().to_string();
        assert!(report.contains(&format!("kernel `{name}`")) && report.contains(what), "{report}");
    };
    rejected("fault_write_past_end", &[y], "takes 2 arguments, got 1");
    rejected("fault_write_past_end", &[y, Argument::Number(0), Argument::Number(0)], "takes 2 arguments, got 3");
    rejected("fault_write_past_end", &[y, y], "argument 1 has 4 bytes, got 8");
    rejected("fault_write_past_end", &[Argument::Number(0), Argument::Number(0)], "argument 0 has 8 bytes, got 4");
    rejected("fault_of_no_kernel", &[], "there is no such kernel");
}

#[test]
fn impossible_launches_are_rejected() {
    let device = Device::new(1);
    for size in [[0, 64], [1, 0], [1, 1025]] {
        let report = device.launch("fault_race", size, &[target(&device)]).unwrap_err().to_string();
        assert!(report.contains("kernel `fault_race`") && report.contains(char::is_numeric), "{report}");
    }
}

#[test]
fn broken_kernels_are_not_listed() {
    let listed = kernels();
    assert!(listed.iter().any(|name| name == "linear") && listed.iter().all(|name| !name.starts_with("fault_")), "{listed:?}");
}

/// `y` of a linear map with more rows and columns than a tile; its kernel has barriers in a loop.
fn linear(cuda: &Cuda) -> Result<Vec<f32>> {
    let spec = LinearSpec { rows: 70, c_in: 37, c_out: 67, activation: Activation::Tanh };
    let values = |len: usize| (0..len).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<_>>();
    let [x, w] = [70 * 37, 67 * 37].map(|len| cuda.upload(&values(len)).unwrap());
    let mut y = cuda.alloc(70 * 67)?;
    cuda.run(Linear::Forward { spec: &spec, x: &x, w: &w, b: None, y: &mut y })?;
    cuda.download(&y)
}

#[test]
fn four_os_threads_launch_at_once() {
    let expected = linear(&Cuda::emulator(0)).unwrap();
    let shared = Cuda::emulator(5);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (expected, shared) = (&expected, &shared);
            scope.spawn(move || {
                let own = Cuda::emulator(10 + thread);
                for _ in 0..4 {
                    assert_eq!(&linear(shared).unwrap(), expected);
                    assert_eq!(&linear(&own).unwrap(), expected);
                }
                // A faulty kernel on one thread does not affect the others.
                let device = Device::new(thread);
                let arguments = [target(&device), target(&device)];
                device.launch("fault_unwritten_global", ONE_BLOCK, &arguments).unwrap_err();
            });
        }
    });
}
