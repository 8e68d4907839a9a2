//! The observer of the emulator: each fault that only it finds is planted (`kernels/emulator/faults_observed.cu`) and found with
//! its line, correct exchanges between threads are accepted, and counts equal those worked out by hand.

use orthoscope::backend::cuda::Mode;
use orthoscope::backend::cuda::driver::Driver;
use orthoscope::backend::cuda::driver::emulator::{Access, Emulator, Observation, Observer, Settings, SiteCount};
use orthoscope::backend::{Cuda, Storage};
use orthoscope::ops::{Backend, Conv2d, Conv2dOptions, Conv2dSpec};
use orthoscope::shape::Activation;

use super::broken::{Argument, Device, ONE_BLOCK, THREADS, both, marked_lines, target};
use crate::ops::common::shape;

const ONE_WARP: [u32; 2] = [1, 32];
/// Number of schedules in which each fault must be found.
const SEEDS: u64 = 4;

/// The error of a kernel on the observed device, in each schedule. It must name the kernel and a marked line.
#[track_caller]
fn errors(kernel: &'static str, size: [u32; 2], arguments: impl Fn(&Device) -> Vec<Argument>) -> Vec<String> {
    let error = |seed| {
        let device = Device::observed(seed, &Observer::of_all_blocks());
        let report = device.launch(kernel, size, &arguments(&device)).expect_err(kernel).to_string();
        assert!(report.contains(&format!("kernel `{kernel}`")) && report.contains("(block "), "{report}");
        assert!(marked_lines(kernel).iter().any(|line| report.contains(line)), "no line in: {report}");
        report
    };
    (0..SEEDS).map(error).collect()
}

/// Asserts that every error contains `what`.
#[track_caller]
fn assert_found(kernel: &'static str, what: &str, size: [u32; 2], arguments: impl Fn(&Device) -> Vec<Argument>) {
    for report in errors(kernel, size, arguments) {
        assert!(report.contains(what), "not `{what}`: {report}");
    }
}

/// Runs a correct kernel. Returns what was observed.
fn accepted(seed: u64, kernel: &'static str, size: [u32; 2], arguments: impl Fn(&Device) -> Vec<Argument>) -> Observation {
    let observer = Observer::of_all_blocks();
    let device = Device::observed(seed, &observer);
    device.launch(kernel, size, &arguments(&device)).unwrap();
    let [observation] = observer.take().try_into().unwrap();
    observation
}

fn zeros(device: &Device, len: usize) -> Argument {
    let address = device.unwritten(len);
    device.0.zero(address, 4 * len).unwrap();
    Argument::Buffer(address)
}

fn two_targets(device: &Device) -> Vec<Argument> {
    vec![target(device), target(device)]
}

#[test]
fn lost_updates_are_found() {
    assert_found("fault_lost_update", "a race in shared memory: ", ONE_BLOCK, |device| vec![target(device)]);
}

#[test]
fn a_shuffle_and_ldmatrix_order_no_memory() {
    for kernel in ["fault_warp_order", "fault_matrix_order"] {
        // Some schedules read before the write: of memory without a value, or the value before.
        let reports = errors(kernel, ONE_WARP, |device| vec![target(device)]);
        assert!(reports.iter().any(|report| report.contains("a race in shared memory: ")), "{reports:?}");
    }
}

#[test]
fn values_overwritten_before_they_are_read_are_found() {
    assert_found("fault_overwritten", "a race in shared memory: ", ONE_BLOCK, |device| vec![target(device)]);
}

#[test]
fn races_between_blocks_are_found() {
    for kernel in ["fault_between_blocks", "fault_read_between_blocks"] {
        assert_found(kernel, "a race in global memory: ", [3, THREADS], |device| vec![zeros(device, 3 * 64)]);
    }
}

#[test]
fn a_race_names_both_threads_and_lines() {
    let device = Device::observed(0, &Observer::of_all_blocks());
    let report = device.launch("fault_between_blocks", [3, THREADS], &[zeros(&device, 1)]).unwrap_err().to_string();
    let [line] = marked_lines("fault_between_blocks").try_into().unwrap();
    let sentence = format!(
        "emulator: kernel `fault_between_blocks`: {line}: a race in global memory: thread 0 reads what thread 0 of block 0 wrote at \
         {line}, and nothing orders them (block 1,0,0)"
    );
    assert_eq!(report, sentence);
}

#[test]
fn accesses_outside_of_the_buffers_of_the_launch_are_found() {
    let before = "4 bytes before the start of a buffer of 256 bytes";
    assert_found("fault_write_before", before, ONE_BLOCK, |device| vec![target(device), Argument::Number(1)]);
    // Another buffer, which is no argument.
    assert_found("fault_read_neighbour", " bytes after the start of a buffer of 4096 bytes", ONE_BLOCK, |device| {
        let (x, other) = (device.ones(64), device.ones(1024));
        vec![Argument::Buffer(x), target(device), Argument::Number((other - x) as u32 / 4)]
    });
    // Between two parts of one block, as of recorded work: a part ends where the next buffer was asked for.
    assert_found("fault_read_neighbour", "outside of the launch's buffers", ONE_BLOCK, |device| {
        let block = device.unwritten(256);
        [0, 512].iter().for_each(|offset| device.0.invalidate(block + offset, 256).unwrap());
        device.0.zero(block, 1024).unwrap();
        vec![Argument::Buffer(block), target(device), Argument::Number(64)]
    });
    assert_found("fault_read_past_end", "0 bytes past the end of a buffer of 768 bytes", [3, THREADS], |device| {
        vec![Argument::Buffer(device.ones(192)), Argument::Buffer(device.unwritten(192)), Argument::Number(1)]
    });
}

#[test]
fn unwritten_values_are_found_without_arithmetic() {
    let what = "a read of memory that was never written";
    for kernel in ["fault_unwritten_copied", "fault_unwritten_integer", "fault_unwritten_half", "fault_unwritten_copy"] {
        assert_found(kernel, what, ONE_BLOCK, two_targets);
    }
}

#[test]
fn copies_need_a_wait_and_then_a_barrier() {
    for kernel in ["fault_copy_without_barrier", "fault_copy_barrier_before_wait"] {
        let reports = errors(kernel, ONE_BLOCK, both);
        assert!(reports.iter().any(|report| report.contains("a race in shared memory: ")), "{reports:?}");
    }
}

#[test]
fn arithmetic_that_differs_between_processors_is_found() {
    let shift = "a shift by at least the width of its operand";
    assert_found("fault_shift", shift, ONE_BLOCK, |device| vec![target(device), Argument::Number(32)]);
    accepted(0, "fault_shift", ONE_BLOCK, |device| vec![target(device), Argument::Number(31)]);
    assert_found("fault_conversion", "a conversion to an integer type", ONE_BLOCK, both);
    let index = "an index outside of its array";
    assert_found("fault_index", index, ONE_BLOCK, |device| vec![target(device), Argument::Number(1)]);
}

#[test]
fn ordered_exchanges_are_accepted() {
    for seed in 0..20 {
        let seen = accepted(seed, "fault_not_a_race", [3, THREADS], |device| {
            vec![Argument::Buffer(device.ones(4)), Argument::Buffer(device.unwritten(192))]
        });
        assert_eq!(seen.races, []);
        let counts = [seen.barriers, seen.warp_barriers, seen.shuffles, seen.matrix_products, seen.observed_blocks];
        assert_eq!(counts, [3 * 3, 3 * 2, 3 * 2 * 2, 3 * 2, 3]);
        let loads = seen.total(Access::MatrixLoad);
        assert_eq!((loads.requests, loads.lanes, loads.bytes, loads.wavefronts), (6, 192, 6 * 512, 24));
        let copies = seen.total(Access::Copy);
        assert_eq!((copies.requests, copies.lanes, copies.bytes, copies.sectors, copies.wavefronts), (3, 3, 48, 3, 3));
    }
}

#[test]
fn buffers_of_os_threads_do_not_overlap() {
    let allocate = || {
        let device = Device::observed(0, &Observer::of_all_blocks());
        (0..2000).map(|_| device.unwritten(64)).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = std::thread::scope(|scope| {
        let threads = [(); 8].map(|()| scope.spawn(allocate));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    all.sort_unstable();
    assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= 256));
}

/// `[requests, lanes, bytes, sectors, ideal sectors, wavefronts, least wavefronts]`.
fn numbers(site: &SiteCount) -> [u64; 7] {
    [site.requests, site.lanes, site.bytes, site.sectors, site.ideal_sectors, site.wavefronts, site.least_wavefronts]
}

#[test]
fn sectors_and_wavefronts_equal_those_worked_out_by_hand() {
    // Two warps. A stride of s words spreads a warp's 128 bytes over 4 s sectors and puts s lanes into each bank.
    for (seed, stride) in [1, 2, 4, 8].into_iter().enumerate() {
        let seen = accepted(seed as u64, "fault_not_a_fault_strided", ONE_BLOCK, |device| {
            vec![Argument::Buffer(device.ones(64 * stride)), target(device), Argument::Number(stride as u32)]
        });
        let s = stride as u64;
        assert_eq!(numbers(&seen.total(Access::GlobalLoad)), [2, 64, 256, 2 * 4 * s, 2 * 4, 0, 0]);
        assert_eq!(numbers(&seen.total(Access::GlobalStore)), [2, 64, 256, 8, 8, 0, 0]);
        assert_eq!(numbers(&seen.total(Access::SharedStore)), [2, 64, 256, 0, 0, 2 * s, 2]);
        assert_eq!(numbers(&seen.total(Access::SharedLoad)), [2, 64, 256, 0, 0, 2 * s, 2]);
        let load = seen.sites.iter().find(|site| site.access == Access::GlobalLoad).unwrap();
        assert!((load.sector_excess(), load.wavefront_excess()) == (stride as f64, 1.0), "{load}");
        assert!(load.lines.len() == 1 && load.lines[0].starts_with("faults_observed.cu:"), "{load}");
    }
    // 16 bytes a lane: each warp moves 512 bytes in four wavefronts.
    let seen = accepted(1, "fault_not_a_fault_quads", ONE_BLOCK, |device| {
        vec![Argument::Buffer(device.ones(256)), Argument::Buffer(device.unwritten(256))]
    });
    assert_eq!(numbers(&seen.total(Access::GlobalLoad)), [2, 64, 1024, 32, 32, 0, 0]);
    assert_eq!(numbers(&seen.total(Access::SharedStore)), [2, 64, 1024, 0, 0, 8, 8]);
}

/// Buffers larger than the memory of this machine: only what the sampled blocks touch takes memory.
#[test]
fn a_sample_of_the_blocks_stands_for_the_grid() {
    let blocks = 1 << 22;
    for sample in [1, 2, 3, 5, 100] {
        let observer = Observer::of_sample(sample);
        let settings = Settings { memory: 1 << 40, observer: Some(observer.clone()), ..Settings::default() };
        let device = Device(Emulator::with(settings));
        let [x, y] = [0, 1].map(|_| Argument::Buffer(device.unwritten(blocks * 64 * 32)));
        device.launch("fault_not_a_fault", [blocks as u32, 64], &[x, y]).unwrap();
        let [seen] = observer.take().try_into().unwrap();
        assert_eq!((seen.observed_blocks, seen.blocks()), (sample as u64, blocks as u64));
        let warps = 2 * blocks as u64;
        let moved = [warps, 32 * warps, 128 * warps, 4 * warps, 4 * warps, 0, 0];
        assert_eq!(numbers(&seen.total(Access::GlobalLoad)), moved, "{sample} blocks");
        assert_eq!(numbers(&seen.total(Access::GlobalStore)), moved, "{sample} blocks");
    }
}

/// The counts of a grid of 16 x 16 pixels are the same when every block runs.
#[test]
fn a_sample_of_uniform_blocks_gives_the_counts_of_all() {
    let count = |observer: &Observer| {
        let device = Device::observed(0, observer);
        let arguments = [0, 1].map(|_| zeros(&device, 64 * 100));
        device.launch("fault_not_a_fault", [100, 64], &arguments).unwrap();
        let [mut seen] = observer.take().try_into().unwrap();
        seen.observed_blocks = 0;
        seen
    };
    assert_eq!(count(&Observer::of_all_blocks()), count(&Observer::of_sample(7)));
}

/// The largest convolution of a training step in bf16: 64 channels, 256 x 256 pixels, 32 images. Its images have 268 MB each, and
/// the number of matrix products is that of its multiply-adds.
#[test]
fn a_launch_of_full_size_can_be_sampled() {
    let observer = Observer::of_sample(3);
    let settings = Settings { memory: 1 << 40, observer: Some(observer.clone()), ..Settings::default() };
    let cuda = Cuda::emulated(settings).with_mode(Mode::Bf16);
    let options = Conv2dOptions { stride: 1, dilation: 1, padding: 1, activation: Activation::Elu };
    let [image, weight] = [shape(&[32, 256, 256, 64]), shape(&[64, 3, 3, 64])];
    let spec = Conv2dSpec::new(&image, &weight, None, options).unwrap();
    let [x, mut y] = [0, 1].map(|_| cuda.alloc_activation(&image).unwrap());
    let w = cuda.upload_parameter(&weight, &vec![0.0; weight.len()]).unwrap();
    cuda.run(Conv2d::Forward { spec: &spec, x: &x, w: &w, b: None, y: &mut y }).unwrap();
    let seen = observer.take();
    let products: u64 = seen.iter().map(|launch| launch.matrix_products).sum();
    assert_eq!(
        products * 16 * 8 * 16,
        image.len() as u64 * 9 * 64,
        "{:?}",
        seen.iter().map(|launch| launch.kernel).collect::<Vec<_>>()
    );
    assert!(seen.iter().all(|launch| launch.observed_blocks <= 3));
    // Every output is written once.
    let written: u64 =
        seen.iter().filter(|launch| launch.matrix_products > 0).map(|launch| launch.total(Access::GlobalStore).bytes).sum();
    assert_eq!(written, 2 * image.len() as u64, "bf16");
}
