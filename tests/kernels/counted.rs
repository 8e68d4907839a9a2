//! Limits of what the kernels of a training step do to memory: sectors of global memory over the fewest that would hold the same
//! bytes, and wavefronts of shared memory over the fewest. Counted on the emulator, from some blocks of each launch of the
//! planned step.

use std::collections::{BTreeMap, BTreeSet};

use orthoscope::backend::cuda::Mode;
use orthoscope::backend::cuda::compiler::Arch;
use orthoscope::backend::cuda::driver::emulator::{SiteCount, replay};
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

/// A training step.
struct Step {
    plan: Plan,
    counts: BTreeMap<&'static str, Counts>,
    /// Kernels that could not be counted, and why.
    failed: Vec<String>,
}

impl Step {
    fn of(width: usize, size: usize, mode: Mode) -> Self {
        let settings = Settings { task: Task::Train, model: 2, width, size, batch: 4, steps: 1, warmup: 0, seed: 1 };
        let plan = Plan::of(&settings, Arch::named("sm_90a").unwrap(), mode).unwrap();
        let counted = Counted::of(&plan);
        let mut counts: BTreeMap<&'static str, Counts> = BTreeMap::new();
        for (item, own) in plan.items.iter().zip(&counted.items) {
            if let Some(own) = own {
                let sum = counts.entry(item.kernel).or_default();
                *sum = sum.plus(own);
            }
        }
        Self { plan, counts, failed: counted.left_out }
    }

    /// What is wrong: kernels that fail, and those beyond their limits, with the line that wastes the most.
    fn faults(&self) -> Vec<String> {
        let beyond_own = |(kernel, counts): (&&str, &Counts)| {
            let clauses = beyond(counts, limit(kernel));
            (!clauses.is_empty()).then(|| format!("{kernel}: {}; {}", clauses.join(", "), self.worst_site(kernel)))
        };
        self.failed.iter().cloned().chain(self.counts.iter().filter_map(beyond_own)).collect()
    }

    /// The line of a kernel's first launch with the most sectors or wavefronts beyond the fewest.
    fn worst_site(&self, kernel: &str) -> String {
        let launch = self.plan.items.iter().find(|item| item.kernel == kernel).and_then(|item| item.launch.as_ref()).unwrap();
        let seen = replay(launch, &self.plan.tables, 4).unwrap();
        let waste = |site: &&SiteCount| (site.sectors - site.ideal_sectors).max(site.wavefronts - site.least_wavefronts);
        seen.sites.iter().max_by_key(waste).map_or_else(String::new, ToString::to_string)
    }
}

/// At the width and size of the goals, in both precisions.
#[test]
fn every_kernel_of_a_step_keeps_its_limits() {
    let steps = [Mode::Tiled, Mode::Bf16].map(|mode| Step::of(64, 256, mode));
    let kernels: BTreeSet<&str> = steps.iter().flat_map(|step| step.counts.keys()).copied().collect();
    assert!(kernels.len() > 50, "only {} kernels", kernels.len());
    let mut wrong: Vec<String> = steps.iter().flat_map(Step::faults).collect();
    let needs_it =
        |name: &str| steps.iter().filter_map(|step| step.counts.get(name)).any(|counts| !beyond(counts, LIMIT).is_empty());
    let spared = OTHERS.iter().flat_map(|(names, ..)| *names).filter(|name| !needs_it(name));
    wrong.extend(spared.map(|name| format!("{name} keeps the common limit, or is in no step: take it out of the list")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The limits can be missed: here by a convolution with one thread per output value, which reads its weights across their rows.
#[test]
fn a_naive_kernel_is_beyond_the_limits_and_its_line_is_named() {
    let faults = Step::of(16, 32, Mode::Naive).faults();
    let own: Vec<&String> = faults.iter().filter(|fault| fault.starts_with("conv2d_naive: ")).collect();
    assert!(
        own.len() == 1
            && own[0].contains(" times the fewest sectors")
            && own[0].contains("global load at ")
            && own[0].contains("conv2d.cu:"),
        "{faults:?}"
    );
}
