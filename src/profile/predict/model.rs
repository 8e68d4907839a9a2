//! The time of one launch: by each resource that it needs, and of the one that it needs longest.
//!
//! | resource | amount | rate |
//! |---|---|---|
//! | DRAM | bytes of the header's formula, less what L2 still holds | DRAM |
//! | L2 | sectors of loads that bypass L1, or of stores, or the bytes of the formula, whichever is more | L2 |
//! | shared | wavefronts of shared memory, with their bank conflicts, and of L1 | 128 bytes per clock |
//! | issue | instructions | 4 per clock |
//! | matrix | FLOPs of the matrix unit | `mma.sync` |
//! | fma | other FLOPs | f32 multiply-adds |
//! | latency | loads that wait for each other (Little's law) | bytes in flight |
//! | launch | one | gap between kernels |
//!
//! All but those of DRAM, latency and launches are those of the multiprocessor with the most blocks. Sectors, wavefronts and
//! products of the matrix unit are counted where the emulator is at hand; else they are those of the code. What a warp executes
//! is the longest path through its code, with the hot loop as often as its FLOPs need it.

use serde::{Deserialize, Serialize};

use super::Hardware;
use super::compiled::KernelFacts;
use super::counts::Counts;
use super::plan::Item;
use crate::backend::cuda::compiler::Code;

/// Threads of a warp.
const WARP: u32 = 32;

/// What the time of a launch is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Bytes of DRAM.
    Dram,
    /// Bytes between L2 and the multiprocessors.
    L2,
    /// Accesses of shared memory and L1.
    Shared,
    /// Issue slots of the schedulers.
    Issue,
    /// The matrix unit.
    Matrix,
    /// f32 multiply-adds.
    Fma,
    /// Loads that wait for each other, with too few in flight.
    Latency,
    /// The launch itself.
    Launch,
}

impl Resource {
    /// All, in the order of [`Times`].
    pub const ALL: [Self; 8] =
        [Self::Dram, Self::L2, Self::Shared, Self::Issue, Self::Matrix, Self::Fma, Self::Latency, Self::Launch];

    /// One word for tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dram => "DRAM",
            Self::L2 => "L2",
            Self::Shared => "shared",
            Self::Issue => "issue",
            Self::Matrix => "matrix",
            Self::Fma => "fma",
            Self::Latency => "latency",
            Self::Launch => "launch",
        }
    }
}

/// Milliseconds by resource, each as if it were the only one; 0 where it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// [`Resource::Dram`].
    pub dram: f64,
    /// [`Resource::L2`].
    pub l2: f64,
    /// [`Resource::Shared`].
    pub shared: f64,
    /// [`Resource::Issue`].
    pub issue: f64,
    /// [`Resource::Matrix`].
    pub matrix: f64,
    /// [`Resource::Fma`].
    pub fma: f64,
    /// [`Resource::Latency`].
    pub latency: f64,
    /// [`Resource::Launch`].
    pub launch: f64,
}

impl Times {
    /// The time of one resource.
    pub fn of(&self, resource: Resource) -> f64 {
        match resource {
            Resource::Dram => self.dram,
            Resource::L2 => self.l2,
            Resource::Shared => self.shared,
            Resource::Issue => self.issue,
            Resource::Matrix => self.matrix,
            Resource::Fma => self.fma,
            Resource::Latency => self.latency,
            Resource::Launch => self.launch,
        }
    }

    pub(super) fn plus(self, other: &Self) -> Self {
        Self {
            dram: self.dram + other.dram,
            l2: self.l2 + other.l2,
            shared: self.shared + other.shared,
            issue: self.issue + other.issue,
            matrix: self.matrix + other.matrix,
            fma: self.fma + other.fma,
            latency: self.latency + other.latency,
            launch: self.launch + other.launch,
        }
    }

    /// The resource that is needed longest.
    fn longest(&self) -> Resource {
        // Of equal ones the first: `max_by` would take the last.
        Resource::ALL.into_iter().rev().max_by(|a, b| self.of(*a).total_cmp(&self.of(*b))).unwrap_or(Resource::Dram)
    }
}

/// The predicted time of a launch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Predicted {
    pub times: Times,
    pub bound: Resource,
    pub ms: f64,
    pub dram_bytes: f64,
    /// Milliseconds by formula at the card's highest rates.
    pub floor: f64,
}

/// Bytes of a sector of global memory, and of a wavefront.
const SECTOR: f64 = 32.0;
const WAVEFRONT: f64 = 128.0;

/// The time of one submission on `hardware`; `facts` of its kernel and `counts` of its accesses, where they are known.
pub(super) fn predict(item: &Item, facts: Option<&KernelFacts>, counts: Option<&Counts>, hardware: &Hardware) -> Predicted {
    let bytes = item.work.bytes as f64;
    let dram_bytes = bytes - kept(item, hardware).min(bytes);
    let by_formula = item.work.matrix.min(item.work.executed());
    let others = (item.work.executed() - by_formula) as f64;
    let matrix = counts.map_or(by_formula, |counts| counts.matrix_products * Counts::FLOPS_OF_PRODUCT) as f64;
    // Blocks of the multiprocessor with the most, compared with an even share.
    let blocks = item.blocks as f64;
    let most = (blocks / f64::from(hardware.multiprocessors)).ceil();
    let uneven = if blocks > 0.0 { most * f64::from(hardware.multiprocessors) / blocks } else { 1.0 };
    let of_blocks = facts.and_then(|facts| Some((facts, facts.code.as_ref()?))).map(|(facts, code)| {
        let warps = f64::from(item.threads.div_ceil(WARP));
        blocks_times(code, facts, [blocks, most, warps], [matrix, others], hardware)
    });
    let of_code = of_blocks.unwrap_or_default();
    let of_blocks = counts.map_or(of_code, |counts| counted(counts, uneven, hardware, of_code));
    let seconds = Times {
        dram: dram_bytes / hardware.dram,
        l2: of_blocks.l2.max(bytes / hardware.l2),
        matrix: uneven * matrix / hardware.matrix,
        fma: uneven * others / hardware.fma,
        launch: hardware.launch,
        ..of_blocks
    };
    let longest = Times { launch: 0.0, ..seconds }.longest();
    let busy = seconds.of(longest) / hardware.efficiency;
    let times = seconds.scaled(1e3);
    Predicted {
        times,
        bound: if busy < hardware.launch { Resource::Launch } else { longest },
        ms: 1e3 * (busy + hardware.launch),
        dram_bytes,
        floor: 1e3 * hardware.floor(bytes, by_formula as f64, others),
    }
}

impl Times {
    fn scaled(self, factor: f64) -> Self {
        Self {
            dram: factor * self.dram,
            l2: factor * self.l2,
            shared: factor * self.shared,
            issue: factor * self.issue,
            matrix: factor * self.matrix,
            fma: factor * self.fma,
            latency: factor * self.latency,
            launch: factor * self.launch,
        }
    }
}

/// Bytes that need not come from DRAM, because the launch before used the same buffer and L2 holds it whole.
fn kept(item: &Item, hardware: &Hardware) -> f64 {
    let sizes = item.shared_with_previous.iter().map(|buffer| buffer.bytes as f64);
    sizes.filter(|bytes| *bytes <= hardware.l2_kept).sum::<f64>().min(hardware.l2_kept)
}

/// Seconds by the resources of a multiprocessor, from what its blocks execute.
fn blocks_times(
    code: &Code,
    facts: &KernelFacts,
    [blocks, most, warps]: [f64; 3],
    [matrix, others]: [f64; 2],
    hardware: &Hardware,
) -> Times {
    let per_warp = |amount: f64| amount / (blocks * warps).max(1.0);
    let trips = trips(code, per_warp(matrix), per_warp(others));
    let amounts = code.repeated(trips);
    let on_busiest = |amount: f64| most * warps * amount;
    let clocks = |amount: f64, rate: f64| on_busiest(amount) / rate / hardware.clock;
    // Bytes in flight are those of one path; the others wait for them.
    let in_flight = code.path.global_read as f64;
    let rounds =
        if in_flight > 0.0 { 1.0 + (trips - 1.0) * code.hot.map_or(0.0, |hot| hot.global_read as f64) / in_flight } else { 0.0 };
    let resident = f64::from(facts.resident_blocks.max(1));
    let waves = (blocks / (resident * f64::from(hardware.multiprocessors))).max(1.0);
    Times {
        // Loads and stores cross to L2 in opposite directions.
        l2: on_busiest(amounts.bypassing.max(amounts.written)) * f64::from(hardware.multiprocessors) / hardware.l2,
        shared: clocks(amounts.wavefronts, hardware.shared / WAVEFRONT),
        issue: clocks(amounts.instructions, hardware.issue),
        latency: waves * rounds * hardware.latency,
        ..Times::default()
    }
}

/// The times with those of counted accesses in place of those of the code.
fn counted(counts: &Counts, uneven: f64, hardware: &Hardware, of_code: Times) -> Times {
    // Loads and stores cross to L2 in opposite directions.
    let to_l2 = counts.copied_sectors.max(counts.stored_sectors) as f64 * SECTOR;
    let through_l1 = (counts.sectors - counts.copied_sectors) as f64 * SECTOR;
    let wavefronts = counts.wavefronts as f64 + through_l1 / WAVEFRONT;
    let clocks = wavefronts * WAVEFRONT / hardware.shared / f64::from(hardware.multiprocessors);
    Times { l2: uneven * to_l2 / hardware.l2, shared: uneven * clocks / hardware.clock, ..of_code }
}

/// How often a warp runs the hot loop, if it does these FLOPs.
fn trips(code: &Code, matrix: f64, others: f64) -> f64 {
    let Some(hot) = code.hot else { return 1.0 };
    let trips = if hot.matrix > 0 { matrix / hot.matrix as f64 } else { others / hot.flops as f64 };
    trips.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::super::{Phase, Work};
    use super::*;
    use crate::backend::cuda::compiler::{Arch, Executed, Limiter};
    use crate::backend::cuda::driver::planner::BufferId;

    fn hardware() -> Hardware {
        Hardware::of(Arch::named("sm_90a").unwrap()).unwrap()
    }

    fn item(work: Work, blocks: u64) -> Item {
        let (kernel, op, layer, phase) = ("conv2d_bf16", "conv2d", String::new(), Phase::Forward);
        Item { kernel, op, layer, phase, work, blocks, threads: 128, shared_with_previous: Vec::new(), launch: None }
    }

    /// The loop of `conv2d_bf16` as the compiler made it in November 2026.
    fn facts() -> KernelFacts {
        let hot = Executed {
            instructions: 183,
            matrix: 32 * 4096,
            flops: 0,
            global_read: 6 * 512,
            bypassing: 6 * 512,
            global_written: 0,
            wavefronts: 12 * 4 + 6 * 4,
        };
        let path = Executed { instructions: 3183, global_read: 3 * 6 * 512, bypassing: 3 * 6 * 512, ..hot };
        KernelFacts {
            kernel: "conv2d_bf16".into(),
            file: "conv2d_bf16.cu".into(),
            threads: 128,
            code_bytes: 171_264,
            registers: 125,
            shared_bytes: 36_864,
            spills: 0,
            stack: 0,
            occupancy: 0.25,
            resident_blocks: 4,
            limiter: Limiter::Registers,
            code: Some(Code { instructions: 10_704, mix: Default::default(), path, hot: Some(hot) }),
        }
    }

    /// Checked by hand: 64 -> 64 channels of 256 px, 3 x 3, one block of 128 pixels on every multiprocessor.
    #[test]
    fn a_convolution_is_bound_by_l2() {
        let hardware = hardware();
        let blocks = u64::from(hardware.multiprocessors);
        let flops = blocks * 2 * 128 * 64 * 576;
        let work = Work { matrix: flops, ..Work::new(flops, 1) };
        let found = predict(&item(work, blocks), Some(&facts()), None, &hardware);
        let clocks = |ms: f64| ms / 1e3 * hardware.clock;
        // 18 steps of 12 288 bytes at 23.7 bytes per clock, two of them fetched ahead.
        assert!((clocks(found.times.l2) - 18.0 * 12_288.0 / 23.74).abs() < 10.0, "{}", clocks(found.times.l2));
        assert!((clocks(found.times.issue) - (18.0 * 183.0 + 3000.0)).abs() < 1e-6, "{}", clocks(found.times.issue));
        assert!((clocks(found.times.shared) - 18.0 * 288.0).abs() < 1e-6, "{}", clocks(found.times.shared));
        assert!((clocks(found.times.matrix) / (18.0 * 206.0) - 1.0).abs() < 0.05, "{}", clocks(found.times.matrix));
        assert_eq!(found.bound, Resource::L2);
        assert!((found.ms - found.times.l2 / 0.75 - 1.5e-3).abs() < 1e-9);
    }

    /// The same with counts: half as many products as the formula says, and twice the wavefronts.
    #[test]
    fn counts_take_the_place_of_the_formula_and_the_code() {
        let hardware = hardware();
        let blocks = u64::from(hardware.multiprocessors);
        let flops = blocks * 2 * 128 * 64 * 576;
        let item = item(Work { matrix: flops, ..Work::new(flops, 1) }, blocks);
        let counts = Counts {
            sectors: blocks * 12_288,
            ideal_sectors: blocks * 12_288,
            copied_sectors: blocks * 8192,
            stored_sectors: blocks * 1024,
            requests: 0,
            wavefronts: blocks * 18 * 576,
            least_wavefronts: blocks * 18 * 288,
            matrix_products: flops / 2 / Counts::FLOPS_OF_PRODUCT,
        };
        let (code, counted) =
            (predict(&item, Some(&facts()), None, &hardware), predict(&item, Some(&facts()), Some(&counts), &hardware));
        let clocks = |ms: f64| ms / 1e3 * hardware.clock;
        assert!((code.times.matrix / counted.times.matrix - 2.0).abs() < 1e-9 && counted.times.issue < code.times.issue);
        assert_eq!(code.floor, counted.floor, "the floor is that of the work, not of the kernel");
        // 4096 sectors come through L1, four at a time.
        assert!((clocks(counted.times.shared) - (18.0 * 576.0 + 1024.0)).abs() < 1e-6, "{}", clocks(counted.times.shared));
        assert!((counted.times.l2 / (1e3 * (blocks * 8192 * 32) as f64 / hardware.l2) - 1.0).abs() < 1e-9);
        assert_eq!((counts.sector_excess(), counts.wavefront_excess()), (Some(1.0), Some(2.0)));
    }

    #[test]
    fn one_block_more_than_fits_evenly_takes_twice_as_long() {
        let hardware = hardware();
        let at = |blocks: u64| {
            let flops = blocks << 30;
            predict(&item(Work { matrix: flops, ..Work::new(flops, 1) }, blocks), Some(&facts()), None, &hardware).times
        };
        let (even, more) = (at(132), at(133));
        for resource in [Resource::L2, Resource::Issue, Resource::Matrix, Resource::Shared] {
            assert!((more.of(resource) / even.of(resource) - 2.0).abs() < 1e-9, "{resource:?}");
        }
    }

    #[test]
    fn elementwise_work_is_bound_by_dram_and_small_work_by_its_launch() {
        let hardware = hardware();
        let large = predict(&item(Work::new(1 << 28, 3 << 30), 1 << 20), None, None, &hardware);
        assert_eq!((large.bound, large.dram_bytes), (Resource::Dram, (3u64 << 30) as f64));
        assert!((large.ms - (3u64 << 30) as f64 / hardware.dram / 0.75 * 1e3 - 1.5e-3).abs() < 1e-9 && large.floor < large.ms);
        assert_eq!(predict(&item(Work::new(1, 1000), 1), None, None, &hardware).bound, Resource::Launch);
    }

    #[test]
    fn too_few_bytes_in_flight_are_bound_by_latency() {
        let path = Executed { instructions: 20, global_read: 128, global_written: 128, ..Executed::default() };
        let code = Some(Code { path, ..Code::default() });
        let slow = KernelFacts { resident_blocks: 1, code, ..facts() };
        let found = predict(&item(Work::new(0, 1 << 28), 1 << 18), Some(&slow), None, &hardware());
        assert_eq!(found.bound, Resource::Latency);
        let enough = KernelFacts { resident_blocks: 32, ..slow };
        assert_eq!(predict(&item(Work::new(0, 1 << 28), 1 << 18), Some(&enough), None, &hardware()).bound, Resource::Dram);
    }

    #[test]
    fn a_small_buffer_of_the_launch_before_comes_from_l2() {
        let hardware = hardware();
        let with = |bytes: usize| {
            let shared_with_previous = vec![BufferId { address: 1, bytes }];
            predict(&Item { shared_with_previous, ..item(Work::new(0, 100 << 20), 9) }, None, None, &hardware).dram_bytes
        };
        let mib = |count: usize| (count << 20) as f64;
        assert_eq!((with(20 << 20), with(40 << 20)), (mib(80), mib(100)), "L2 keeps 30 MiB");
    }
}
