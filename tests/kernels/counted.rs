//! Limits of what the kernels of a training step do to memory: sectors of global memory over the fewest that would hold the same bytes, and
//! wavefronts of shared memory over the fewest. Counted on the emulator, from some blocks of each launch of the planned step.

use std::collections::BTreeMap;

use orthoscope::backend::cuda::Mode;
use orthoscope::backend::cuda::compiler::Arch;
use orthoscope::profile::predict::{Counted, Counts, Plan};
use orthoscope::profile::{Settings, Task};

/// What every kernel keeps.
const LIMIT: Limit = Limit { sectors: 1.15, conflicts: 1.15 };

/// Most sectors and wavefronts, as multiples of the fewest.
#[derive(Clone, Copy)]
struct Limit {
    sectors: f64,
    conflicts: f64,
}

/// Kernels with limits of their own, and why.
const OTHERS: [(&[&str], Limit, &str); 6] = [
    (
        &["conv2d_few_inputs", "conv2d_few_inputs_bf16"],
        Limit { sectors: 1.6, ..LIMIT },
        "neighbouring pixels have three channels between them; the loads of the others find the sectors in L1",
    ),
    (
        &[
            "conv2d_few_inputs_weight_grad",
            "conv2d_few_inputs_weight_grad_bf16",
            "conv2d_few_outputs_weight_grad",
            "conv2d_few_outputs_weight_grad_bf16",
        ],
        Limit { conflicts: 1.6, ..LIMIT },
        "sums change places once per block",
    ),
    (
        &["conv3x3_weight_grad_bf16", "sdc_rows_weight_grad_bf16", "conv2d_weight_grad_bf16"],
        Limit { sectors: 1.4, conflicts: 1.3 },
        "partial sums are stored by pairs; they are few at larger batches",
    ),
    (&["conv2d_input_grad_bf16"], Limit { conflicts: 1.25, ..LIMIT }, "one layer with a kernel of 1x1"),
    (
        &["corruption_crop", "corruption_lay", "corruption_mask_field", "corruption_plan"],
        Limit { sectors: 3.0, conflicts: 1.6 },
        "places are drawn at random, or a thread has a patch of its own",
    ),
    (&["region_weights"], Limit { sectors: 2.0, ..LIMIT }, "a few numbers for each image"),
];

fn limit(kernel: &str) -> Limit {
    OTHERS.iter().find(|(names, ..)| names.contains(&kernel)).map_or(LIMIT, |(_, limit, _)| *limit)
}

/// What a kernel does beyond a limit, as clauses.
fn beyond(counts: &Counts, limit: Limit) -> Vec<String> {
    let found = [("sectors", counts.sector_excess(), limit.sectors), ("wavefronts", counts.wavefront_excess(), limit.conflicts)];
    let clause = |(what, excess, most): (_, Option<f64>, f64)| {
        excess.filter(|excess| *excess > most).map(|excess| format!("{excess:.2} times the fewest {what}, {most} allowed"))
    };
    found.into_iter().filter_map(clause).collect()
}

/// The counts of each kernel of a training step.
fn step(width: usize, size: usize, mode: Mode) -> BTreeMap<&'static str, Counts> {
    let settings = Settings { task: Task::Train, model: 2, width, size, batch: 4, steps: 1, warmup: 0, seed: 1 };
    let plan = Plan::of(&settings, Arch::named("sm_90a").unwrap(), mode).unwrap();
    let counted = Counted::of(&plan);
    assert!(counted.left_out.is_empty(), "{:?}", counted.left_out);
    let mut found: BTreeMap<&'static str, Counts> = BTreeMap::new();
    for (item, counts) in plan.items.iter().zip(&counted.items) {
        if let Some(counts) = counts {
            let sum = found.entry(item.kernel).or_default();
            *sum = sum.plus(counts);
        }
    }
    found
}

/// At the width and size of the goals, in both precisions.
#[test]
fn every_kernel_of_a_step_keeps_its_limits() {
    let mut steps = step(64, 256, Mode::Tiled);
    steps.extend(step(64, 256, Mode::Bf16));
    assert!(steps.len() > 50, "only {} kernels", steps.len());
    let of_kernel = |(kernel, counts): (&&str, &Counts)| {
        (!beyond(counts, limit(kernel)).is_empty()).then(|| format!("{kernel}: {}", beyond(counts, limit(kernel)).join(", ")))
    };
    let mut wrong: Vec<String> = steps.iter().filter_map(of_kernel).collect();
    let needless = |name: &&str| steps.get(name).is_none_or(|counts| beyond(counts, LIMIT).is_empty());
    let spared = OTHERS.iter().flat_map(|(names, ..)| *names).copied();
    wrong.extend(
        spared.filter(needless).map(|name| format!("{name} keeps the common limit, or is in no step: take it out of the list")),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The limits can be missed: here by a convolution with one thread per output value, which reads its weights across their rows.
#[test]
fn a_naive_kernel_is_beyond_the_limits() {
    let naive = step(16, 32, Mode::Naive);
    let counts = naive.get("conv2d_naive").unwrap_or_else(|| panic!("not among {:?}", naive.keys()));
    assert!(counts.sector_excess() > Some(4.0) && beyond(counts, LIMIT).len() == 1, "{counts:?}");
}
