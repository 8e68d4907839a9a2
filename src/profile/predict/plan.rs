//! The launches of one step, from the real code of training or inference on a device that only notes what is submitted.

use std::collections::{HashMap, HashSet};

use super::super::job::Job;
use super::super::{Observed, Settings, Span};
use crate::backend::cuda::compiler::Arch;
use crate::backend::cuda::driver::planner::{BufferId, PlannedLaunch, Submission};
use crate::backend::cuda::{Cuda, Mode};
use crate::backend::{KernelLaunch, Phase, Work};
use crate::error::{Error, Result};

/// Names of what is submitted without a kernel.
pub(super) const ZEROS: &str = "(zeros)";
pub(super) const COPY: &str = "(copy)";

/// One submission of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Name of the kernel, or `(zeros)` or `(copy)`.
    pub kernel: &'static str,
    /// The operation that it belongs to.
    pub op: &'static str,
    /// The layer; empty where there is none.
    pub layer: String,
    /// The phase.
    pub phase: Phase,
    /// FLOPs and bytes by the formulas of the kernel's header.
    pub work: Work,
    /// Blocks, and threads per block; 0 without a kernel.
    pub blocks: u64,
    /// Threads of a block.
    pub threads: u32,
    /// Its buffers that the submission before also used, each once.
    pub shared_with_previous: Vec<BufferId>,
    /// The launch, for counts of its accesses; None without a kernel.
    pub launch: Option<PlannedLaunch>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is submitted, in order.
    pub items: Vec<Item>,
    /// What the host wrote to small buffers.
    pub tables: HashMap<BufferId, Vec<u8>>,
    /// Most bytes of device memory alive at a time, if every buffer has memory of its own.
    pub memory: usize,
    /// Bytes copied between host and device.
    pub host_bytes: u64,
}

impl Plan {
    /// Lists the second step of `settings` on a device of this architecture; the first allocates.
    ///
    /// # Errors
    /// No network has these settings.
    pub fn of(settings: &Settings, arch: &'static Arch, mode: Mode) -> Result<Self> {
        settings.validate()?;
        let (cuda, planner) = Cuda::planner(arch);
        let cuda = cuda.with_mode(mode);
        let observed = Observed::new(cuda.clone());
        let mut job = Job::new(&observed, settings)?;
        let mut step = || {
            job.prepare();
            job.step().map(drop)
        };
        step()?;
        let before = planner.submissions().len();
        observed.begin()?;
        step()?;
        let spans = observed.take()?;
        let submissions = planner.submissions().split_off(before);
        let items = spans.iter().map(|span| items(span, &submissions)).collect::<Result<Vec<_>>>()?.concat();
        if items.len() != submissions.len() {
            let reason = format!("{} of {} submissions of a step belong to an operation", items.len(), submissions.len());
            return Err(Error::Device { device: "planner", reason });
        }
        let host = spans.iter().filter(|span| ["upload", "write", "download"].contains(&span.op));
        Ok(Self {
            items,
            tables: planner.tables(),
            memory: cuda.peak_bytes(),
            host_bytes: host.map(|span| span.work.bytes).sum(),
        })
    }
}

/// The submissions of one operation. The planner's clock counts them, so start and length of the span are places in their list.
fn items(span: &Span, submissions: &[Submission]) -> Result<Vec<Item>> {
    let (start, end) = (span.start as usize, (span.start + span.seconds) as usize);
    let mut kernels = span.kernels.iter();
    let of = |at: usize| {
        let submission = submissions.get(at)?;
        let launch = match submission {
            Submission::Launch(_) => Some(kernels.next().map(|kernel| &kernel.launch)?),
            _ => None,
        };
        Some(item(span, submission, launch, at.checked_sub(1).and_then(|before| submissions.get(before))))
    };
    let items: Option<Vec<Item>> = (start..end).map(of).collect();
    items.ok_or_else(|| Error::Device { device: "planner", reason: format!("the launches of {} were lost", span.op) })
}

fn item(span: &Span, submission: &Submission, launch: Option<&KernelLaunch>, before: Option<&Submission>) -> Item {
    let (kernel, work) = match (submission, launch) {
        (Submission::Zero(_, bytes), _) => (ZEROS, Work::traffic(*bytes as u64)),
        (Submission::Copy(.., bytes), _) => (COPY, Work::traffic(2 * *bytes as u64)),
        (Submission::Launch(planned), launch) => (planned.kernel, launch.map(|launch| launch.work).unwrap_or_default()),
    };
    let planned = match submission {
        Submission::Launch(planned) => Some(planned.clone()),
        _ => None,
    };
    let count = |extents: [u32; 3]| extents.map(u64::from).iter().product::<u64>();
    let used: HashSet<BufferId> = before.map(buffers).unwrap_or_default();
    let mut shared: Vec<BufferId> = buffers(submission).intersection(&used).copied().collect();
    shared.sort_unstable();
    Item {
        kernel,
        op: span.op,
        layer: span.layer.clone(),
        phase: span.phase,
        work,
        blocks: planned.as_ref().map_or(0, |launch| count(launch.grid)),
        threads: planned.as_ref().map_or(0, |launch| count(launch.block) as u32),
        shared_with_previous: shared,
        launch: planned,
    }
}

fn buffers(submission: &Submission) -> HashSet<BufferId> {
    match submission {
        Submission::Launch(launch) => launch.buffers.iter().copied().collect(),
        Submission::Zero(buffer, _) => [*buffer].into(),
        Submission::Copy(from, to, _) => [*from, *to].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Task;
    use super::*;

    fn plan(settings: &Settings, mode: Mode) -> Plan {
        Plan::of(settings, Arch::named("sm_90a").unwrap(), mode).unwrap()
    }

    fn small() -> Settings {
        Settings { task: Task::Train, model: 2, width: 4, size: 16, batch: 2, steps: 1, warmup: 0, seed: 1 }
    }

    #[test]
    fn a_step_is_listed_with_layers_phases_and_buffers() {
        // Two images of 2 x 2 tiles.
        let plan = plan(&Settings { width: 8, size: 32, ..small() }, Mode::Bf16);
        let products = |phase| plan.items.iter().filter(move |item| item.phase == phase && item.kernel.starts_with("conv"));
        assert!(products(Phase::Forward).any(|item| item.layer == "e1.1" && item.work.matrix > 0 && item.blocks == 8));
        assert!(plan.items.iter().any(|item| item.kernel == "adam" && item.phase == Phase::Optimiser && item.threads == 256));
        assert!(plan.items.iter().any(|item| item.kernel == ZEROS) && plan.memory > 0 && plan.host_bytes > 0);
        // A convolution reads what the layer before has just written.
        let product = products(Phase::Forward).find(|item| item.layer == "e1.1").unwrap();
        assert!(!product.shared_with_previous.is_empty());
    }

    #[test]
    fn twice_the_batch_is_twice_the_work_in_equally_many_launches() {
        let (one, two) = (plan(&small(), Mode::Tiled), plan(&Settings { batch: 4, ..small() }, Mode::Tiled));
        let flops = |plan: &Plan| {
            let forward = plan.items.iter().filter(|item| item.op == "conv2d" && item.phase == Phase::Forward);
            forward.map(|item| item.work.flops).sum::<u64>()
        };
        assert_eq!((flops(&two), two.items.len()), (2 * flops(&one), one.items.len()));
        assert!(two.memory > one.memory);
    }

    /// At 128 px the first numbers of a spec, (images, pixels), look like an address just above 2^46.
    #[test]
    fn no_spec_is_taken_for_an_address() {
        let bytes = |size: usize| {
            let plan = plan(&Settings { size, ..small() }, Mode::Tiled);
            let own = plan.items.iter().filter(|item| item.kernel == "objective_derivative");
            let found: Vec<(u64, usize)> = own.map(|item| (item.work.bytes, item.shared_with_previous.len())).collect();
            assert_eq!(found.len(), 1);
            found[0]
        };
        let [small, middle, large] = [64, 128, 256].map(bytes);
        assert_eq!((4 * small.0, small.1), (middle.0, middle.1));
        assert_eq!((4 * middle.0, middle.1), (large.0, large.1));
    }

    #[test]
    fn inference_is_listed_and_impossible_settings_are_refused() {
        let items = plan(&Settings { task: Task::Infer, ..small() }, Mode::Tiled).items;
        assert!(items.iter().all(|item| item.phase == Phase::Forward), "{items:?}");
        assert!(Plan::of(&Settings { size: 12, ..small() }, Arch::named("sm_80").unwrap(), Mode::Tiled).is_err());
    }
}
