//! What the observer records about a launch: races, and what each load and store costs the memory system.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::place::{Place, place};
use crate::backend::cuda::driver::Launch;

/// Watches the launches of an emulator and keeps what it finds. Clones share one record.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    /// Number of blocks of a grid that run; 0 for all.
    sample: usize,
    record: Arc<Mutex<Vec<Observation>>>,
}

/// What happened in one launch. Counts are for the whole grid: with a sample of the blocks, each of them stands for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The kernel.
    pub kernel: &'static str,
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads per block along x, y, z.
    pub block: [u32; 3],
    /// Number of blocks that ran.
    pub observed_blocks: u64,
    /// Pairs of instructions that access the same bytes in no order, at least one of them writing.
    pub races: Vec<Race>,
    /// Every load, store, copy and `ldmatrix`, ordered by kind and place.
    pub sites: Vec<SiteCount>,
    /// `mma` instructions, one per warp.
    pub matrix_products: u64,
    /// Times that a block waited at `__syncthreads`.
    pub barriers: u64,
    /// Times that a warp waited at `__syncwarp`.
    pub warp_barriers: u64,
    /// Shuffles of 32 bits, one per warp.
    pub shuffles: u64,
}

/// What an instruction does with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// A load from global memory.
    GlobalLoad,
    /// A store to global memory.
    GlobalStore,
    /// A load from shared memory.
    SharedLoad,
    /// A store to shared memory.
    SharedStore,
    /// `cp.async` from global to shared memory.
    Copy,
    /// `ldmatrix` from shared memory.
    MatrixLoad,
}

/// The counts of one line of a kernel, reached by one chain of inlined calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteCount {
    /// What it does.
    pub access: Access,
    /// `file:line` of the access, then of the calls that lead to it, up to the kernel.
    pub lines: Vec<String>,
    /// Executions, each by one warp.
    pub requests: u64,
    /// Executions, each by one thread.
    pub lanes: u64,
    /// Bytes that all threads ask for.
    pub bytes: u64,
    /// Sectors of 32 bytes of global memory that the requests touch.
    pub sectors: u64,
    /// Sectors that would hold the distinct bytes of each request, if they lay together.
    pub ideal_sectors: u64,
    /// Wavefronts of shared memory: each serves one word of each of 32 banks.
    pub wavefronts: u64,
    /// Wavefronts without bank conflicts.
    pub least_wavefronts: u64,
}

/// Two instructions that access the same bytes in no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Race {
    /// Whether the bytes are in shared memory.
    pub is_shared: bool,
    /// The access that came first in this schedule.
    pub earlier: Party,
    /// The other.
    pub later: Party,
    /// How often these two instructions met.
    pub count: u64,
}

/// One side of a race.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// `file:line` of the access, then of the calls that lead to it.
    pub lines: Vec<String>,
    /// Whether it writes.
    pub writes: bool,
    /// The block's number in the grid.
    pub block: u64,
    /// The thread's number in the block.
    pub thread: u64,
}

/// Written by `kernels/emulator/hooks.cpp`.
#[repr(C)]
pub(super) struct Report {
    sites: *const SiteTotals,
    site_count: usize,
    races: *const RawRace,
    race_count: usize,
    matrix_products: u64,
    barriers: u64,
    warp_barriers: u64,
    shuffles: u64,
    observed_blocks: u64,
}

/// As in `kernels/emulator/counters.h`.
#[repr(C)]
struct SiteTotals {
    pc: u64,
    kind: u64,
    requests: u64,
    lanes: u64,
    bytes: u64,
    sectors: u64,
    ideal_sectors: u64,
    wavefronts: u64,
    least_wavefronts: u64,
}

/// As in `kernels/emulator/hooks.cpp`.
#[repr(C)]
struct RawRace {
    earlier: RawParty,
    later: RawParty,
    is_shared: u64,
    count: u64,
}

/// As in `kernels/emulator/hooks.cpp`.
#[repr(C)]
struct RawParty {
    pc: u64,
    writes: u64,
    block: u64,
    thread: u64,
}

// The sizes that the C++ side asserts, too.
const _: () = assert!(size_of::<SiteTotals>() == 72 && size_of::<RawParty>() == 32);
const _: () = assert!(size_of::<RawRace>() == 80 && size_of::<Report>() == 72);

impl Observer {
    /// Watches every block.
    pub fn of_all_blocks() -> Self {
        Self::default()
    }

    /// Watches up to `blocks` blocks of each grid, spread over it; no other block runs. Each stands for a part of the grid of
    /// equal size. Memory is not poisoned and takes no memory of the host until a kernel touches it, so that launches of any size
    /// can be watched. The values that kernels compute mean nothing, and races are not looked for.
    pub fn of_sample(blocks: usize) -> Self {
        Self { sample: blocks.max(1), ..Self::default() }
    }

    /// Number of blocks of a grid that run; 0 for all.
    pub(super) fn sample(&self) -> usize {
        self.sample
    }

    /// Returns and forgets the observations since the last call, in the order of the launches.
    pub fn take(&self) -> Vec<Observation> {
        std::mem::take(&mut *self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn push(&self, observation: Observation) {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).push(observation);
    }
}

/// The instruction before a return address.
fn caller(pc: u64) -> Place {
    place(pc.saturating_sub(1))
}

impl Observation {
    /// Reads the report of a launch that has just ended on this OS thread.
    pub(super) fn of(launch: &Launch<'_>, report: &Report) -> Self {
        let (sites, races) = report.slices();
        Self {
            kernel: launch.kernel.name,
            grid: launch.grid,
            block: launch.block,
            observed_blocks: report.observed_blocks,
            races: races.iter().map(Race::from).collect(),
            sites: joined(sites),
            matrix_products: report.matrix_products,
            barriers: report.barriers,
            warp_barriers: report.warp_barriers,
            shuffles: report.shuffles,
        }
    }

    /// Number of blocks in the grid.
    pub fn blocks(&self) -> u64 {
        self.grid.iter().map(|&extent| u64::from(extent)).product()
    }

    /// The sum over all sites with this access.
    pub fn total(&self, access: Access) -> SiteCount {
        let start = SiteCount::zero(access, Vec::new());
        self.sites.iter().filter(|site| site.access == access).fold(start, |mut sum, site| {
            sum.add(site);
            sum
        })
    }

    /// A sentence about the first race.
    pub(super) fn describe_race(&self) -> Option<String> {
        let race = self.races.first()?;
        let (later, earlier) = (&race.later, &race.earlier);
        let memory = if race.is_shared { "shared" } else { "global" };
        let of_block = if later.block == earlier.block { String::new() } else { format!(" of block {}", earlier.block) };
        let verb = |party: &Party, now: [&'static str; 2]| now[usize::from(party.writes)];
        Some(format!(
            "{}: a race in {memory} memory: thread {} {} what thread {}{of_block} {} at {}, and nothing orders them ({})",
            first(&later.lines),
            later.thread,
            verb(later, ["reads", "writes"]),
            earlier.thread,
            verb(earlier, ["read", "wrote"]),
            first(&earlier.lines),
            self.describe_block(later.block),
        ))
    }

    /// `block x,y,z` of a block's number.
    fn describe_block(&self, number: u64) -> String {
        let [width, height, _] = self.grid.map(|extent| u64::from(extent).max(1));
        format!("block {},{},{}", number % width, number / width % height, number / (width * height))
    }
}

/// The first line, or a word for an instruction without one.
fn first(lines: &[String]) -> &str {
    lines.first().map_or("an unknown line", String::as_str)
}

/// Adds up the copies that the compiler made of one line.
fn joined(sites: &[SiteTotals]) -> Vec<SiteCount> {
    let mut found: BTreeMap<(Access, Vec<String>), SiteCount> = BTreeMap::new();
    for site in sites {
        let count = SiteCount::from(site);
        let key = (count.access, count.lines.clone());
        found.entry(key).and_modify(|sum| sum.add(&count)).or_insert(count);
    }
    found.into_values().collect()
}

impl SiteCount {
    fn zero(access: Access, lines: Vec<String>) -> Self {
        Self { access, lines, requests: 0, lanes: 0, bytes: 0, sectors: 0, ideal_sectors: 0, wavefronts: 0, least_wavefronts: 0 }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.lanes += other.lanes;
        self.bytes += other.bytes;
        self.sectors += other.sectors;
        self.ideal_sectors += other.ideal_sectors;
        self.wavefronts += other.wavefronts;
        self.least_wavefronts += other.least_wavefronts;
    }

    /// Sectors over the ideal; 1 without any.
    pub fn sector_excess(&self) -> f64 {
        ratio(self.sectors, self.ideal_sectors)
    }

    /// Wavefronts over the least number; 1 without any.
    pub fn wavefront_excess(&self) -> f64 {
        ratio(self.wavefronts, self.least_wavefronts)
    }
}

fn ratio(found: u64, ideal: u64) -> f64 {
    if ideal == 0 { 1.0 } else { found as f64 / ideal as f64 }
}

/// `shared store at gemm.cuh:75 < conv2d.cu:20: 128 requests, 4096 B, 256 wavefronts (least 128)`.
impl fmt::Display for SiteCount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { access, lines, requests, bytes, .. } = self;
        write!(out, "{access} at {}: {requests} requests, {bytes} B", lines.join(" < "))?;
        if self.ideal_sectors > 0 {
            write!(out, ", {} sectors (ideal {})", self.sectors, self.ideal_sectors)?;
        }
        if self.least_wavefronts > 0 {
            write!(out, ", {} wavefronts (least {})", self.wavefronts, self.least_wavefronts)?;
        }
        Ok(())
    }
}

impl fmt::Display for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::GlobalLoad => "global load",
            Self::GlobalStore => "global store",
            Self::SharedLoad => "shared load",
            Self::SharedStore => "shared store",
            Self::Copy => "cp.async",
            Self::MatrixLoad => "ldmatrix",
        })
    }
}

impl From<&SiteTotals> for SiteCount {
    fn from(site: &SiteTotals) -> Self {
        let access = match site.kind {
            0 => Access::GlobalLoad,
            1 => Access::GlobalStore,
            2 => Access::SharedLoad,
            3 => Access::SharedStore,
            4 => Access::Copy,
            _ => Access::MatrixLoad,
        };
        Self {
            access,
            lines: caller(site.pc).to_vec(),
            requests: site.requests,
            lanes: site.lanes,
            bytes: site.bytes,
            sectors: site.sectors,
            ideal_sectors: site.ideal_sectors,
            wavefronts: site.wavefronts,
            least_wavefronts: site.least_wavefronts,
        }
    }
}

impl From<&RawRace> for Race {
    fn from(race: &RawRace) -> Self {
        let RawRace { earlier, later, is_shared, count } = race;
        Self { is_shared: *is_shared != 0, earlier: earlier.into(), later: later.into(), count: *count }
    }
}

impl From<&RawParty> for Party {
    fn from(party: &RawParty) -> Self {
        let &RawParty { pc, writes, block, thread } = party;
        Self { lines: caller(pc).to_vec(), writes: writes != 0, block, thread }
    }
}

impl Report {
    /// The sites and the races.
    fn slices(&self) -> (&[SiteTotals], &[RawRace]) {
        // SAFETY: the pointers come from two vectors of the emulator with these lengths, which this OS thread changes only in its
        // next launch; a report does not outlive the launch that it is about.
        unsafe { (slice(self.sites, self.site_count), slice(self.races, self.race_count)) }
    }
}

/// # Safety
/// `data` is null or points to `len` values that live as long as the result.
unsafe fn slice<'a, T>(data: *const T, len: usize) -> &'a [T] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: see above.
    unsafe { std::slice::from_raw_parts(data, len) }
}
