//! What the launches of a plan do to memory, counted: some blocks of each run on the emulator, on memory of the real sizes.

use serde::{Deserialize, Serialize};

use super::plan::Plan;

/// Accesses and products of some launches, counted from a sample of their blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Sectors of 32 bytes of global memory that loads, copies and stores touch.
    pub sectors: u64,
    /// Sectors that would hold the distinct bytes of each request of a warp, if they lay together.
    pub ideal_sectors: u64,
    /// Sectors of copies to shared memory, which bypass L1.
    pub copied_sectors: u64,
    /// Sectors of stores.
    pub stored_sectors: u64,
    /// Requests to global memory, each by one warp.
    pub requests: u64,
    /// Wavefronts of shared memory: each serves one word of each of 32 banks.
    pub wavefronts: u64,
    /// Wavefronts without bank conflicts.
    pub least_wavefronts: u64,
    /// `mma` instructions of 4096 FLOPs, each by one warp.
    pub matrix_products: u64,
}

impl Counts {
    /// FLOPs of an `mma` of 16 x 8 x 16.
    pub(super) const FLOPS_OF_PRODUCT: u64 = 2 * 16 * 8 * 16;

    /// The sums of both. They saturate: counts of a record may be anything.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            sectors: self.sectors.saturating_add(other.sectors),
            ideal_sectors: self.ideal_sectors.saturating_add(other.ideal_sectors),
            copied_sectors: self.copied_sectors.saturating_add(other.copied_sectors),
            stored_sectors: self.stored_sectors.saturating_add(other.stored_sectors),
            requests: self.requests.saturating_add(other.requests),
            wavefronts: self.wavefronts.saturating_add(other.wavefronts),
            least_wavefronts: self.least_wavefronts.saturating_add(other.least_wavefronts),
            matrix_products: self.matrix_products.saturating_add(other.matrix_products),
        }
    }

    /// Sectors over the ideal; None without any.
    pub fn sector_excess(&self) -> Option<f64> {
        excess(self.sectors, self.ideal_sectors)
    }

    /// Wavefronts over the least number; None without any.
    pub fn wavefront_excess(&self) -> Option<f64> {
        excess(self.wavefronts, self.least_wavefronts)
    }
}

fn excess(found: u64, least: u64) -> Option<f64> {
    (least > 0).then(|| found as f64 / least as f64)
}

/// The counts of each item of a plan, and what could not be counted.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// One per item; None without a kernel, or where it could not be counted.
    pub items: Vec<Option<Counts>>,
    /// Clauses on what is left out, and why.
    pub left_out: Vec<String>,
}

#[cfg(not(feature = "emulator"))]
impl Counted {
    /// Nothing can be counted without the emulator.
    pub fn of(plan: &Plan) -> Self {
        let clause =
            "sectors, bank conflicts and matrix products as counted, because the program was built without `--features emulator`";
        Self { items: vec![None; plan.items.len()], left_out: vec![clause.into()] }
    }
}

#[cfg(feature = "emulator")]
mod counting {
    use std::collections::BTreeMap;

    use indexmap::IndexMap;
    use rayon::prelude::*;

    use super::{Counted, Counts, Plan};
    use crate::backend::cuda::driver::emulator::{Access, Observation, replay};
    use crate::backend::cuda::driver::planner::PlannedLaunch;
    use crate::error::Result;

    /// Blocks of each launch that run.
    const BLOCKS: usize = 4;

    impl Counted {
        /// Counts each launch of `plan` from up to four of its blocks. Launches that differ only in where their buffers are count
        /// once.
        pub fn of(plan: &Plan) -> Self {
            // Launches are equal if they differ only in where their buffers are. The tables of the launch itself are found by its
            // own addresses.
            type Key = (PlannedLaunch, Vec<Option<Vec<u8>>>);
            let mut groups: IndexMap<Key, (&PlannedLaunch, Vec<usize>)> = IndexMap::new();
            for (at, item) in plan.items.iter().enumerate() {
                if let Some(launch) = &item.launch {
                    let tables = launch.distinct_buffers().iter().map(|buffer| plan.tables.get(buffer).cloned()).collect();
                    groups.entry((launch.placed_in_order(), tables)).or_insert((launch, Vec::new())).1.push(at);
                }
            }
            let count = |(launch, _): &(&PlannedLaunch, _)| Ok(Counts::from(&replay(launch, &plan.tables, BLOCKS)?));
            let groups: Vec<_> = groups.into_values().collect();
            let counts: Vec<Result<Counts>> = groups.par_iter().map(count).collect();
            let mut counted = Self { items: vec![None; plan.items.len()], left_out: Vec::new() };
            let mut failed: BTreeMap<&str, String> = BTreeMap::new();
            for ((launch, places), found) in groups.iter().zip(counts) {
                match found {
                    Ok(found) => places.iter().for_each(|&at| counted.items[at] = Some(found)),
                    Err(error) => drop(failed.entry(launch.kernel).or_insert_with(|| error.to_string())),
                }
            }
            let clause = |(kernel, error): (&&str, &String)| format!("accesses of `{kernel}`, because of an error: {error}");
            counted.left_out = failed.iter().map(clause).collect();
            counted
        }
    }

    impl From<&Observation> for Counts {
        fn from(seen: &Observation) -> Self {
            let global = [Access::GlobalLoad, Access::GlobalStore, Access::Copy].map(|access| seen.total(access));
            let shared =
                [Access::SharedLoad, Access::SharedStore, Access::Copy, Access::MatrixLoad].map(|access| seen.total(access));
            let [_, stores, copies] = &global;
            Self {
                sectors: global.iter().map(|site| site.sectors).sum(),
                ideal_sectors: global.iter().map(|site| site.ideal_sectors).sum(),
                copied_sectors: copies.sectors,
                stored_sectors: stores.sectors,
                requests: global.iter().map(|site| site.requests).sum(),
                wavefronts: shared.iter().map(|site| site.wavefronts).sum(),
                least_wavefronts: shared.iter().map(|site| site.least_wavefronts).sum(),
                matrix_products: seen.matrix_products,
            }
        }
    }
}
