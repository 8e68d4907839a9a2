//! What uses instructions of Hopper alone: the probes, the peak of its matrix instruction, and a convolution.

use orthoscope::backend::cuda::OPERANDS;
use orthoscope::backend::cuda::hopper::{Conv3x3, probe};
use orthoscope::backend::{Cuda, Storage};

use crate::Open;

on_cuda!(
    operands_are_read_as_they_were_stored,
    the_peak_of_the_group_instruction_counts_its_operations,
    the_convolution_agrees_with_its_definition,
    sizes_are_checked,
);

/// Sizes that no tile divides, and one with several steps and blocks along every dimension.
const SIZES: [Conv3x3; 4] = [
    Conv3x3 { n: 2, h: 5, w: 17, ci: 64, co: 64 },
    Conv3x3 { n: 1, h: 1, w: 1, ci: 64, co: 64 },
    Conv3x3 { n: 1, h: 4, w: 16, ci: 128, co: 64 },
    Conv3x3 { n: 3, h: 9, w: 35, ci: 64, co: 128 },
];

/// Whether the device has the instructions; if not, says that `test` is skipped. The emulator has them.
fn has(cuda: &Cuda, test: &str) -> bool {
    let has = cuda.arch().is_none_or(|arch| arch.name == "sm_90a");
    if !has {
        eprintln!("skipped {test}: {} is no Hopper GPU", cuda.description());
    }
    has
}

/// What every convolution here relies on. The other probes are open questions.
fn operands_are_read_as_they_were_stored(open: &Open) {
    let cuda = open(3);
    if !has(&cuda, "operands_are_read_as_they_were_stored") {
        return;
    }
    for name in ["k-major", "k-advance"] {
        for reading in probe(&cuda, name).unwrap().cases {
            assert!(reading.holds.contains(&"whole address"), "{name}: {reading:?}");
        }
    }
}

/// The emulator is a model that agrees with one reading of the manual in each case, and refuses the phase that it does not model.
#[cfg(feature = "emulator")]
#[test]
fn the_emulator_answers_every_probe() {
    for (seed, question) in (1..).zip(orthoscope::backend::cuda::hopper::PROBES) {
        let answer = probe(&Cuda::emulator(seed), question.name).unwrap();
        assert_eq!((answer.probe, answer.cases.len()), (question.name, question.cases.len()));
        for reading in answer.cases {
            let wanted = if reading.case.transposed { "stride between groups" } else { "whole address" };
            if reading.case.phase > 0 {
                assert!(reading.error.as_ref().is_some_and(|error| error.contains("a phase is not modelled")), "{reading:?}");
            } else {
                assert_eq!((&reading.holds[..1], reading.error), (&[wanted][..], None), "{}", question.name);
            }
        }
    }
    let refused = probe(&Cuda::emulator(1), "no-such").unwrap_err().to_string();
    assert!(refused.contains("no probe `no-such`; known are k-major, "), "{refused}");
}

fn the_peak_of_the_group_instruction_counts_its_operations(open: &Open) {
    let cuda = open(4);
    if !has(&cuda, "the_peak_of_the_group_instruction_counts_its_operations") {
        return;
    }
    let (ones, mut results) = (cuda.upload(&[1.0; OPERANDS]).unwrap(), cuda.multiply_add_results().unwrap());
    let threads = cuda.len(&results) as u64;
    for iterations in [0, 1, 5] {
        let operations = cuda.group_multiply_adds(&ones, iterations, &mut results).unwrap();
        let found = cuda.download(&results).unwrap();
        // 64 values of 64 products each.
        assert!(found.iter().all(|&sum| sum == 64.0 * 64.0 * iterations as f32), "{iterations}: {:?}", &found[..4]);
        assert_eq!(operations, 2 * 64 * 128 * 64 * (threads / 128) * u64::from(iterations));
    }
}

/// Values of both signs that bf16 holds exactly.
fn values(len: usize, step: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * step + i / 7) % 33) as f32 / 16.0 - 1.0).collect()
}

/// Operands of a convolution: x, weights and bias.
fn operands(sizes: &Conv3x3) -> [Vec<f32>; 3] {
    let &Conv3x3 { n, h, w, ci, co } = sizes;
    let len = |sizes: &[u32]| sizes.iter().product::<u32>() as usize;
    [values(len(&[n, h, w, ci]), 5), values(len(&[co, 9, ci]), 11), values(co as usize, 3)]
}

fn convolved(cuda: &Cuda, sizes: &Conv3x3) -> orthoscope::Result<Vec<f32>> {
    let [x, weights, bias] = operands(sizes);
    let mut y = cuda.zeros((sizes.n * sizes.h * sizes.w * sizes.co) as usize)?;
    let (x, weights, bias) = (cuda.upload_bf16(&x)?, cuda.upload_bf16(&weights)?, cuda.upload(&bias)?);
    sizes.run(cuda, &x, &weights, &bias, &mut y)?;
    cuda.download(&y)
}

/// The equation of `kernels/conv2d_wgmma.cu` in f64.
fn by_definition(sizes: &Conv3x3) -> Vec<f64> {
    let [x, weights, bias] = operands(sizes);
    let &Conv3x3 { n, h, w, ci, co } = sizes;
    let pixel = |image: u32, i: i64, j: i64| {
        let inside = (0..i64::from(h)).contains(&i) && (0..i64::from(w)).contains(&j);
        inside.then(|| ((image as usize * h as usize + i as usize) * w as usize + j as usize) * ci as usize)
    };
    let one = |image: u32, i: u32, j: u32, o: u32| {
        let mut sum = f64::from(bias[o as usize]);
        for tap in 0..9 {
            let Some(from) = pixel(image, i64::from(i) + tap / 3 - 1, i64::from(j) + tap % 3 - 1) else { continue };
            let taps = (o as usize * 9 + tap as usize) * ci as usize;
            sum += (0..ci as usize).map(|c| f64::from(x[from + c]) * f64::from(weights[taps + c])).sum::<f64>();
        }
        sum
    };
    let all = (0..n).flat_map(|image| (0..h).flat_map(move |i| (0..w).flat_map(move |j| (0..co).map(move |o| (image, i, j, o)))));
    all.map(|(image, i, j, o)| one(image, i, j, o)).collect()
}

fn the_convolution_agrees_with_its_definition(open: &Open) {
    if !has(&open(1), "the_convolution_agrees_with_its_definition") {
        return;
    }
    for sizes in SIZES {
        let wanted = by_definition(&sizes);
        let largest = wanted.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        for seed in 0..4 {
            let found = convolved(&open(seed), &sizes).unwrap();
            let error = found.iter().zip(&wanted).map(|(&found, wanted)| (f64::from(found) - wanted).abs()).fold(0.0, f64::max);
            assert!(error <= 1e-5 * largest, "{sizes:?}, seed {seed}: {error} of {largest}");
        }
    }
}

fn sizes_are_checked(open: &Open) {
    let cuda = open(2);
    let [x, weights, bias] = operands(&SIZES[0]).map(|values| cuda.upload_bf16(&values).unwrap());
    let mut y = cuda.zeros(5).unwrap();
    let mut refused = |sizes: Conv3x3| sizes.run(&cuda, &x, &weights, &bias, &mut y).unwrap_err().to_string();
    assert_eq!(refused(Conv3x3 { ci: 48, ..SIZES[0] }), "conv2d_wgmma: channels must be multiples of 64, got 48 and 64");
    assert!(refused(Conv3x3 { h: 6, ..SIZES[0] }).starts_with("conv2d_wgmma: x must have 6528 elements"));
    assert!(refused(SIZES[0]).starts_with("conv2d_wgmma: bias must have 64 elements"));
}

/// Every wait in these kernels is necessary: without it, some schedule gives other values or an error.
#[cfg(feature = "emulator")]
#[test]
fn every_wait_is_necessary() {
    use orthoscope::backend::cuda::driver::emulator::omit;

    let results = |cuda: &Cuda| -> orthoscope::Result<Vec<f32>> {
        let (ones, mut sums) = (cuda.upload(&[1.0; OPERANDS])?, cuda.multiply_add_results()?);
        cuda.group_multiply_adds(&ones, 2, &mut sums)?;
        let read = |name| -> orthoscope::Result<Vec<f32>> {
            Ok(probe(cuda, name)?.cases.iter().map(|reading| reading.holds.len() as f32).collect())
        };
        Ok([convolved(cuda, &SIZES[0])?, cuda.download(&sums)?, read("mn-major-a")?, read("mn-major-b")?].concat())
    };
    let expected = results(&Cuda::emulator(0)).unwrap();
    let sites = super::mutations::sites(|file| file.only.is_some());
    let is_kernel = |file: &str| orthoscope::backend::cuda::KERNELS.iter().any(|kernel| kernel.file.name == file);
    // `__syncwarp` makes the lanes converge, as `wgmma` needs; the emulator cannot tell, and the observer does not follow Hopper.
    let sites: Vec<_> = sites.into_iter().filter(|site| is_kernel(site.file) && !site.text.contains("__syncwarp")).collect();
    assert!(sites.len() >= 9, "only {} waits found", sites.len());
    for site in sites {
        let caught = (1..=20).any(|seed| {
            omit(site.file, site.line);
            let found = results(&Cuda::emulator(seed));
            assert!(omit("", 0) > 0, "{}:{} `{}` is not reached", site.file, site.line, site.text);
            !found.is_ok_and(|found| found == expected)
        });
        assert!(caught, "{}:{} `{}` is not necessary", site.file, site.line, site.text);
    }
}
