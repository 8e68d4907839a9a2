//! What uses instructions of Hopper alone: the probes, the peak of its matrix instruction, and a convolution.

use orthoscope::backend::cuda::compiler::Arch;
use orthoscope::backend::cuda::hopper::probe;
use orthoscope::backend::cuda::{Mode, OPERANDS};
use orthoscope::backend::{Cuda, Storage};
use orthoscope::ops::{Backend, Conv2d, Conv2dOptions, Conv2dSpec, Pointwise, PoolSpec};
use orthoscope::shape::Activation;

use crate::Open;
use crate::ops::common::{oracle, overwritten, shape, upload};
use crate::ops::conv2d::by_definition;

on_cuda!(
    operands_are_read_as_they_were_stored,
    the_peak_of_the_group_instruction_counts_its_operations,
    the_convolution_agrees_with_its_definition,
    it_is_used_only_where_it_was_turned_on,
);

/// A convolution in bf16: images of `x` and output channels.
#[derive(Clone, Copy, Debug)]
struct Case {
    x: [usize; 4],
    c_out: usize,
    activation: Activation,
    bias: bool,
}

/// Sizes that no tile divides, and one with several steps and blocks along every dimension.
const CASES: [Case; 4] = [
    Case { x: [2, 5, 17, 64], c_out: 64, activation: Activation::Elu, bias: true },
    Case { x: [1, 1, 1, 64], c_out: 64, activation: Activation::Identity, bias: false },
    Case { x: [1, 4, 16, 128], c_out: 64, activation: Activation::Sigmoid, bias: true },
    Case { x: [3, 9, 35, 64], c_out: 128, activation: Activation::Identity, bias: true },
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

impl Case {
    fn spec(&self) -> Conv2dSpec {
        let options = Conv2dOptions { activation: self.activation, ..Conv2dOptions::same(3, 1, Activation::Identity) };
        Conv2dSpec::new(&shape(&self.x), &shape(&[self.c_out, 3, 3, self.x[3]]), None, options).unwrap()
    }

    /// Values of both signs that bf16 holds exactly: x, weights and bias.
    fn operands(&self) -> [Vec<f64>; 3] {
        let values =
            |len: usize, step: usize| (0..len).map(|i| ((i * step + i / 7) % 33) as f64 / 16.0 - 1.0).collect::<Vec<_>>();
        let bias = values(self.c_out, 3).into_iter().map(|b| if self.bias { b } else { 0.0 }).collect();
        [values(shape(&self.x).len(), 5), values(self.c_out * 9 * self.x[3], 11), bias]
    }

    /// y in f64 before it is rounded, and the largest size of a sum.
    fn by_definition(&self) -> (Vec<f64>, f64) {
        let [x, w, b] = self.operands();
        let sums = by_definition(&self.spec(), &x, &w, &b);
        let largest = sums.iter().fold(0.0f64, |most, sum| most.max(sum.abs()));
        let z = upload(&oracle(), &sums);
        let activation = self.activation;
        let [y] = overwritten(&oracle(), [sums.len()], |[y]| oracle().run(Pointwise::Activation { activation, x: &z, y }));
        (y, largest)
    }

    /// y, or y and its maxima over windows of 2 x 2 pixels, and the kernels that were launched.
    fn run(&self, cuda: &Cuda, pooled: bool) -> orthoscope::Result<([Vec<f32>; 2], Vec<&'static str>)> {
        let (spec, [x, w, b]) = (self.spec(), self.operands().map(|values| values.iter().map(|&v| v as f32).collect::<Vec<_>>()));
        let (y_shape, w_shape) = (spec.output()?, shape(&[self.c_out, 3, 3, self.x[3]]));
        let mut image = cuda.alloc_activation(&shape(&self.x))?;
        cuda.write(&x, &mut image)?;
        let (w, b) = (cuda.upload_parameter(&w_shape, &w)?, cuda.upload(&b)?);
        let (x, b) = (&image, self.bias.then_some(&b));
        let mut y = cuda.alloc_activation(&y_shape)?;
        if !pooled {
            let work = || cuda.run(Conv2d::Forward { spec: &spec, x, w: &w, b, y: &mut y });
            let (done, launches) = cuda.watched(format_args!("a convolution"), work);
            done?;
            return Ok(([cuda.download(&y)?, Vec::new()], launches.iter().map(|(launch, _)| launch.kernel).collect()));
        }
        let pool = PoolSpec::new(&y_shape, 2)?;
        let mut maxima = cuda.alloc_activation(&pool.output()?)?;
        let call = Conv2d::ForwardPooled { spec: &spec, pool: &pool, x, w: &w, b, y: &mut y, pooled: &mut maxima };
        let (done, launches) = cuda.watched(format_args!("a convolution and a pool"), || cuda.run(call));
        done?;
        Ok(([cuda.download(&y)?, cuda.download(&maxima)?], launches.iter().map(|(launch, _)| launch.kernel).collect()))
    }
}

/// In bf16, with the convolution turned on.
fn with_wgmma(cuda: &Cuda) -> Cuda {
    cuda.with_mode(Mode::Bf16).with_wgmma().unwrap()
}

fn the_convolution_agrees_with_its_definition(open: &Open) {
    if !has(&open(1), "the_convolution_agrees_with_its_definition") {
        return;
    }
    for case in CASES {
        let (wanted, largest) = case.by_definition();
        for seed in 0..4 {
            let ([found, _], launched) = case.run(&with_wgmma(&open(seed)), false).unwrap();
            assert_eq!(launched, ["conv2d_wgmma"]);
            for (i, (&found, wanted)) in found.iter().zip(&wanted).enumerate() {
                // Half a unit in the last of the eight places of bf16, and the rounding of the f32 sums.
                let bound = wanted.abs() / 256.0 + 1e-5 * largest;
                assert!((f64::from(found) - wanted).abs() <= bound, "{case:?}, seed {seed}, {i}: {found}, expected {wanted}");
                assert_eq!(f32::from(half::bf16::from_f32(found)), found, "{i} is no bf16");
            }
        }
    }
}

fn it_is_used_only_where_it_was_turned_on(open: &Open) {
    let cuda = open(1);
    if !has(&cuda, "it_is_used_only_where_it_was_turned_on") {
        return;
    }
    let (off, on, case) = (cuda.with_mode(Mode::Bf16), with_wgmma(&cuda), CASES[0]);
    assert_eq!((on.description(), off.description() + ", wgmma"), (off.description() + ", wgmma", on.description()));
    let ([y, maxima], launched) = case.run(&off, true).unwrap();
    assert_eq!(launched, ["conv3x3_bf16"]);
    // Operands whose sums are exact: both kernels give the same bits.
    let ([found, found_maxima], launched) = case.run(&on, true).unwrap();
    assert_eq!(launched, ["conv2d_wgmma", "max_pool_bf16"]);
    assert_eq!((found, found_maxima), (y, maxima));
    // Channels that are no multiples of 64, and a device in f32.
    for (cuda, case) in [(&on, Case { c_out: 32, ..case }), (&on, Case { x: [1, 3, 4, 72], ..case })] {
        assert_eq!(case.run(cuda, false).unwrap().1, ["conv3x3_bf16"], "{case:?}");
    }
    let (_, launched) = case.run(&on.with_mode(Mode::Tiled), false).unwrap();
    assert_eq!(launched, ["conv2d"]);
}

#[test]
fn other_devices_refuse_it() {
    let (ampere, _) = Cuda::planner(Arch::named("sm_80").unwrap());
    let refused = ampere.with_wgmma().err().unwrap().to_string();
    assert!(refused.contains("compiled for sm_80, and only sm_90a has it"), "{refused}");
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
        let ([y, _], _) = CASES[0].run(&with_wgmma(cuda), false)?;
        Ok([y, cuda.download(&sums)?, read("mn-major-a")?, read("mn-major-b")?].concat())
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
