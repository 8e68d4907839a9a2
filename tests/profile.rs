//! The profiler as a library: it changes no bits, sees every operation with its cost, and its records are read back and compared.

use orthoscope::backend::{Cpu, Reference};
use orthoscope::model::Architecture;
use orthoscope::profile::{
    Change, Known, MIN_STEPS, Peaks, Phase, Profile, Settings, Steps, Task, bf16_speedup, compare, profile,
};
use orthoscope::shape::Shape;

fn settings(task: Task, model: u8) -> Settings {
    Settings { task, model, width: 2, size: 16, batch: 2, steps: 3, warmup: 1, seed: 5 }
}

fn peaks() -> Known {
    let peaks = Peaks { machine: "a machine".into(), copy: 1e10, fma: Some(1e11), matrix: None };
    Known { peaks, occasion: None }
}

#[test]
fn observing_changes_no_bits_and_sees_every_operation() {
    for model in [1, 2] {
        let settings = settings(Task::Train, model);
        let (profile, spans) = profile(&Cpu::new(), &settings, peaks()).unwrap();
        assert!(profile.same_bits && spans.len() == 3 && spans.iter().all(|step| step.len() == spans[0].len()));
        let plan = Architecture::autoencoder(model, 2).unwrap().plan(Shape::new(&[2, 16, 16, 3]).unwrap()).unwrap();
        let products = |phase: Phase| {
            let of = profile.rows.iter().filter(|row| row.phase == phase && matches!(row.op.as_str(), "conv2d" | "sdc"));
            of.map(|row| row.measure.work.flops).sum::<u64>()
        };
        let without_ccm = plan.layers.iter().filter(|layer| !layer.kind.starts_with("CCM")).map(|layer| layer.flops).sum::<u64>();
        assert_eq!(products(Phase::Forward), without_ccm);
        assert_eq!(products(Phase::WeightGradient), without_ccm);
        // The input of the first layer needs no gradient.
        assert_eq!(products(Phase::InputGradient), without_ccm - plan.layers[0].flops);
        for layer in plan.layers.iter().filter(|layer| !layer.name.is_empty()) {
            assert!(profile.rows.iter().any(|row| row.layer == layer.name && row.phase == Phase::Forward), "{}", layer.name);
        }
        let adam = profile.rows.iter().find(|row| row.op == "adam").unwrap();
        // One call updates all parameters and their averages.
        assert_eq!((adam.measure.launches, adam.phase), (1, Phase::Optimiser));
        assert_eq!(adam.measure.work.flops, (13 + 3) * plan.parameter_count() as u64);
    }
}

#[test]
fn winograd_executes_fewer_operations_than_the_formula_counts() {
    let settings = Settings { width: 16, size: 32, ..settings(Task::Train, 2) };
    let (profile, _) = profile(&Cpu::new(), &settings, peaks()).unwrap();
    for phase in [Phase::Forward, Phase::InputGradient, Phase::WeightGradient] {
        let work = |layer: &str| {
            let row = profile.rows.iter().find(|row| row.layer == layer && row.phase == phase && row.op == "conv2d").unwrap();
            row.measure.work
        };
        // 36 of 144 products, and the transforms of 16 channels: 150 (16 + 16) / (36 · 16 · 16) of the products once more.
        let e11 = work("e1.1");
        assert_eq!(e11.executed() * 144, e11.flops * 36 / 9216 * (9216 + 4800), "{phase:?}");
        assert_eq!(work("out").saved, 0, "1 x 1");
    }
    let sdc = profile.rows.iter().find(|row| row.op == "sdc").unwrap().measure.work;
    assert!(sdc.saved > sdc.flops / 2, "dilations beyond the image meet only padding: {sdc:?}");
}

#[test]
fn inference_has_no_backward_pass() {
    let (profile, _) = profile(&Cpu::new(), &settings(Task::Infer, 2), peaks()).unwrap();
    assert!(profile.same_bits && profile.rows.iter().all(|row| matches!(row.phase, Phase::Forward | Phase::Data)));
    assert!(profile.rows.iter().any(|row| row.op == "ccm" && row.layer == "ccm1" && row.measure.launches == 1));
}

#[test]
fn sums_and_gaps_make_a_step() {
    let (profile, spans) = profile(&Reference::<f32>::default(), &settings(Task::Infer, 1), peaks()).unwrap();
    let Steps { operations, gaps, observed, .. } = profile.steps;
    assert!(operations.median > 0.0 && gaps.min > -1e-9 && operations.min <= observed.p99);
    // On a device that is done when a call returns, operations do not overlap.
    for step in &spans {
        assert!(step.windows(2).all(|pair| pair[1].start >= pair[0].start + pair[0].seconds - 1e-9));
    }
}

#[test]
fn records_are_read_back_and_compared() {
    let (mut a, _) = profile(&Cpu::new(), &settings(Task::Train, 1), peaks()).unwrap();
    let text = serde_json::to_string(&a).unwrap();
    assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), a);
    let compare = |a: &Profile, b: &Profile| compare(std::slice::from_ref(a), std::slice::from_ref(b));
    assert!(compare(&a, &a).unwrap().iter().all(|row| row.change == Change::Unclear), "3 steps are too few");
    a.settings.steps = MIN_STEPS;
    let same = compare(&a, &a).unwrap();
    assert!(same.iter().all(|row| row.change == Change::Same) && same[0].row.is_none());
    let mut b = a.clone();
    let row = b.rows.iter_mut().find(|row| row.op == "adam").unwrap();
    row.measure.ms.median *= 100.0;
    let (rows, slower) = (compare(&a, &b).unwrap(), Change::Slower);
    assert!(rows.iter().filter(|row| row.change == slower).count() == 1 && rows[1].change == slower);
    b.settings.width = 4;
    b.device = "cuda".into();
    let error = compare(&a, &b).unwrap_err().to_string();
    assert_eq!(error, "these cannot be compared: width is 2 and 4; device is cpu and cuda");
    a.rows.clear();
    assert!(compare(&a, &serde_json::from_str(&text).unwrap()).unwrap().iter().any(|row| row.change == Change::New));
}

#[test]
fn impossible_settings_are_named() {
    let refused = |settings: Settings| profile(&Cpu::new(), &settings, peaks()).err().unwrap().to_string();
    let good = settings(Task::Train, 2);
    assert!(refused(Settings { steps: 0, ..good.clone() }).contains("steps must be at least 1"));
    assert!(refused(Settings { warmup: usize::MAX, ..good.clone() }).contains("warmup must be at most 100000"));
    assert!(refused(Settings { batch: 0, ..good.clone() }).contains("batch must be at least 1"));
    assert!(refused(Settings { model: 3, ..good.clone() }).contains('3'));
    assert!(refused(Settings { size: 20, ..good.clone() }).contains("20"));
    assert!(refused(Settings { width: 0, ..good }).contains("width"));
}

#[test]
fn the_speedup_by_bf16_is_a_positive_number() {
    let speedup = bf16_speedup(&Cpu::new()).unwrap();
    assert!(speedup > 0.0 && speedup.is_finite(), "{speedup}");
}

#[cfg(feature = "emulator")]
#[test]
fn every_peak_of_a_device_is_a_rate() {
    let peaks = Peaks::of_device(&orthoscope::backend::Cuda::emulator(7), true).unwrap().peaks;
    assert_eq!(peaks.machine, "emulator");
    for rate in [Some(peaks.copy), peaks.fma, peaks.matrix] {
        assert!(rate.is_some_and(|rate| rate.is_finite() && rate > 0.0), "{peaks:?}");
    }
}
