//! Launch records for profilers: every launch has its time and its cost, and recording changes no bit of the results.

use orthoscope::backend::cuda::{KERNELS, Kernel, Mode, OPERANDS};
use orthoscope::backend::{Storage, Unit, Work};
use orthoscope::ops::{Backend, Reduce};
use orthoscope::profile::Span;

use crate::Open;
use crate::ops::exercises;

on_cuda!(
    recording_launches_changes_no_bit_and_times_every_launch,
    the_cost_of_kernels_matches_that_of_their_operation,
    every_kernel_is_launched_by_an_exercise,
    launches_of_recorded_work_cannot_be_timed,
    marks_enclose_the_work_between_them,
);
mod peaks {
    use super::the_peak_kernels_perform_the_operations_that_they_count;
    on_matrix_units!(the_peak_kernels_perform_the_operations_that_they_count);
}

fn recording_launches_changes_no_bit_and_times_every_launch(open: &Open) {
    for exercise in exercises() {
        let plain = exercise.run(&open(3)).unwrap();
        let (found, spans) = exercise.observe(&open(3)).unwrap();
        let same = plain.iter().map(|value| value.to_bits()).eq(found.iter().map(|value| value.to_bits()));
        assert!(same, "{}: recording launches changes results", exercise.name);
        assert!(spans.iter().any(|span| !span.kernels.is_empty()), "{}: no kernel was recorded", exercise.name);
        for span in &spans {
            assert_inside(exercise.name, span);
        }
    }
}

/// Tolerance of times in seconds. Events of a GPU have a resolution of half a microsecond, and the end of a kernel is computed
/// from three of them.
const TOLERANCE: f64 = 3e-6;

/// Asserts that the kernels of an operation run one after another within the time of the operation.
fn assert_inside(exercise: &str, span: &Span) {
    let mut end = span.start - TOLERANCE;
    for kernel in &span.kernels {
        let place = format!("{exercise}: {} of {}", kernel.launch.kernel, span.op);
        assert!(kernel.seconds >= 0.0 && kernel.start >= end, "{place} begins at {}, not after {end}", kernel.start);
        end = kernel.start + kernel.seconds - TOLERANCE;
    }
    assert!(end <= span.start + span.seconds + TOLERANCE, "{exercise}: kernels of {} last longer than it does", span.op);
}

/// If an operation launches one kernel, the kernel's formulas give the cost of the operation. Several kernels cost at least as
/// much, because they also write and read intermediate results. Naive kernels may repeat work and also cost at least as much.
fn the_cost_of_kernels_matches_that_of_their_operation(open: &Open) {
    let (mut single, mut several) = (0, 0);
    for exercise in exercises() {
        let (_, spans) = exercise.observe(&open(1)).unwrap();
        for span in spans.iter().filter(|span| !span.kernels.is_empty()) {
            let sum: Work = span.kernels.iter().map(|kernel| kernel.launch.work).sum();
            let place = format!("{}: {} {:?}: kernels {sum:?}, operation {:?}", exercise.name, span.op, span.phase, span.work);
            if span.kernels.len() == 1 && span.op == "max_pool" && exercise.mode == Mode::Bf16 {
                // The operation's cost does not know that x gives the slope, and that a blank gradient is not read.
                assert!(sum.flops == span.work.flops && sum.bytes <= span.work.bytes, "{place}");
            } else if span.kernels.len() == 1 && exercise.mode != Mode::Naive {
                single += 1;
                assert!(sum == span.work, "{place}");
            } else {
                several += 1;
                assert!(sum.flops >= span.work.flops && sum.bytes >= span.work.bytes, "{place}");
            }
        }
    }
    assert!(single > 30 && several > 30, "only {single} operations with one kernel and {several} others");
}

/// Every kernel is launched by an exercise, so the test above checks the formulas of all of them. Exceptions are the kernels that
/// only measure, tested below and in `rates.rs`, those of Hopper, tested in `hopper.rs`, and two naive kernels that only unit
/// tests in `ops/corruption/cuda.rs` launch. Rounding for the matrix unit does not count as arithmetic.
fn every_kernel_is_launched_by_an_exercise(open: &Open) {
    let spans = exercises().flat_map(|exercise| exercise.observe(&open(1)).unwrap().1).collect::<Vec<_>>();
    let launches: Vec<_> = spans.iter().flat_map(|span| &span.kernels).map(|kernel| &kernel.launch).collect();
    let exceptions = ["corruption_mask_field_naive", "corruption_replacement_field_naive"];
    let is_exercised = |kernel: &&Kernel| {
        let measures = ["peak.cu", "rates.cu"].contains(&kernel.file.name) || kernel.file.only.is_some();
        !measures && !exceptions.contains(&kernel.name)
    };
    for kernel in KERNELS.iter().copied().filter(is_exercised) {
        let own: Vec<_> = launches.iter().filter(|launch| launch.kernel == kernel.name).collect();
        assert!(!own.is_empty(), "no exercise launches {}", kernel.name);
        let uses_matrix = kernel.unit == Unit::Matrix;
        for launch in own {
            assert_eq!(launch.work.unit() == Unit::Matrix, uses_matrix, "{}", kernel.name);
            assert!(launch.work.bytes > 0 && (launch.work.flops > 0) == (kernel.flops != "0"), "{launch:?}");
        }
    }
}

/// With operands, a and b of 1 the sums count the steps: each multiply-add of a chain adds 1, each product of matrices of ones
/// (16 x 16 by 16 x 8) adds 16.
fn the_peak_kernels_perform_the_operations_that_they_count(open: &Open) {
    let cuda = open(9);
    let (ones, mut results) = (cuda.upload(&[1.0; OPERANDS]).unwrap(), cuda.multiply_add_results().unwrap());
    let threads = cuda.len(&results) as u64;
    for iterations in [0, 1, 19] {
        let operations = cuda.multiply_adds(&ones, [1.0, 1.0], iterations, &mut results).unwrap();
        let found = cuda.download(&results).unwrap();
        assert!(found.iter().all(|&sum| sum == 16.0 * (1 + iterations) as f32), "{iterations}: {:?}", &found[..40]);
        // Two operations per multiply-add, for every chain of every thread.
        assert_eq!(operations, 2 * 16 * threads * u64::from(iterations));

        let operations = cuda.matrix_multiply_adds(&ones, iterations, &mut results).unwrap();
        let (found, wanted) = (cuda.download(&results).unwrap(), 8.0 * 4.0 * 16.0 * iterations as f32);
        assert!(found.iter().all(|&sum| sum == wanted), "{iterations}: {:?} is not {wanted}", &found[..4]);
        // 16 x 8 values of 16 multiply-adds each, for each of a warp's 8 products.
        assert_eq!(operations, 2 * 16 * 8 * 16 * 8 * (threads / 32) * u64::from(iterations));
    }
    // The factors and every operand are used: chain k of thread i starts at operand (16 i + k) mod 1024, and becomes 2⁻¹ x + 3.
    let numbers: Vec<f32> = (0..OPERANDS).map(|i| (i % 251) as f32).collect();
    let operands = cuda.upload(&numbers).unwrap();
    cuda.multiply_adds(&operands, [0.5, 3.0], 2, &mut results).unwrap();
    let found = cuda.download(&results).unwrap();
    for (thread, sum) in found.into_iter().enumerate() {
        let start: f32 = (0..16).map(|k| numbers[(16 * thread + k) % OPERANDS]).sum();
        assert_eq!(sum, 0.25 * start + 16.0 * 4.5, "thread {thread}");
    }
    // Operands of a multiply every product by a².
    cuda.matrix_multiply_adds(&cuda.upload(&[0.5; OPERANDS]).unwrap(), 3, &mut results).unwrap();
    assert_eq!(cuda.download(&results).unwrap()[0], 3.0 * 32.0 * 4.0);
    let mut few = cuda.zeros(5).unwrap();
    let refused = cuda.matrix_multiply_adds(&ones, 1, &mut few).unwrap_err().to_string();
    assert_eq!(refused, format!("peak_matrix: results must have {threads} elements, has 5"));
    let refused = cuda.matrix_multiply_adds(&few, 1, &mut results).unwrap_err().to_string();
    assert_eq!(refused, "peak_matrix: operands must have 1024 elements, has 5");
}

fn launches_of_recorded_work_cannot_be_timed(open: &Open) {
    let cuda = open(2);
    let (x, mut sum, mut program) = (cuda.upload(&[1.0, 2.0]).unwrap(), cuda.zeros(1).unwrap(), Default::default());
    let (done, launches) = cuda
        .watched(format_args!("a recorded sum"), || cuda.repeat(&mut program, || cuda.run(Reduce::Sum { x: &x, y: &mut sum })));
    let reason = done.unwrap_err().to_string();
    assert!(reason.ends_with("a kernel cannot be timed inside repeated work; do it before or after"), "{reason}");
    assert!(launches.is_empty());
}

fn marks_enclose_the_work_between_them(open: &Open) {
    let cuda = open(2);
    let (x, mut sum) = (cuda.upload(&[1.0, 2.0]).unwrap(), cuda.zeros(1).unwrap());
    for _ in 0..20 {
        let before = cuda.mark().unwrap();
        cuda.run(Reduce::Sum { x: &x, y: &mut sum }).unwrap();
        let after = cuda.mark().unwrap();
        assert!(cuda.seconds_between(&before, &after).unwrap() > 0.0);
    }
}
