//! What is known of the kernels of a plan from their compiled code.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::backend::cuda::compiler::{Arch, Code, Compiler, Cubin, Disassembler, Limiter, Version};
use crate::backend::cuda::{File, KERNELS, Kernel};
use crate::error::{Error, Result};

/// A compiled kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelFacts {
    /// Name of the kernel.
    pub kernel: String,
    /// Its file in `kernels/`.
    pub file: String,
    /// Threads per block.
    pub threads: u32,
    /// Bytes of machine code.
    pub code_bytes: u64,
    /// Registers per thread.
    pub registers: u32,
    /// Bytes of shared memory per block, static and dynamic.
    pub shared_bytes: u32,
    /// Bytes per thread that registers spill, stores and loads together.
    pub spills: u32,
    /// Bytes of stack per thread.
    pub stack: u32,
    /// Resident warps divided by the maximum.
    pub occupancy: f64,
    /// Blocks resident on a multiprocessor.
    pub resident_blocks: u32,
    /// What keeps further blocks from being resident.
    pub limiter: Limiter,
    /// Instructions, their mix and the hot loop; None without a disassembler.
    pub code: Option<Code>,
}

/// The kernels of a plan, as far as they are known, and what is not.
#[derive(Clone, Debug, Default)]
pub(super) struct Compiled {
    pub kernels: BTreeMap<&'static str, KernelFacts>,
    /// Version of NVRTC.
    pub compiler: Option<Version>,
    /// Path of the disassembler.
    pub disassembler: Option<String>,
    /// Sentences on what is left out, and why.
    pub left_out: Vec<String>,
}

impl Compiled {
    /// Compiles the kernels of `plan` and disassembles them where a disassembler is found. `counted`: whether accesses are known
    /// from elsewhere.
    ///
    /// # Errors
    /// The folder of compiled kernels is of another version, or damaged.
    pub fn of(plan: &Plan, counted: bool, arch: &'static Arch) -> Result<Self> {
        let used = |kernel: &&'static Kernel| plan.items.iter().any(|item| item.kernel == kernel.name);
        let kernels: Vec<&'static Kernel> = KERNELS.iter().copied().filter(used).collect();
        let mut files: Vec<&'static File> = kernels.iter().map(|kernel| kernel.file).collect();
        files.dedup_by_key(|file| file.name);
        let found: Vec<Result<Cubin>> = files.par_iter().map(|file| Compiler::global().cubin(file, arch)).collect();
        // Without a compiler, formulas are left. Compiled kernels that cannot be trusted are an error, whichever file is missed
        // first.
        let is_missing = |error: &Error| matches!(error, Error::Device { .. });
        let (cubins, errors): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
        let mut errors: Vec<Error> = errors.into_iter().filter_map(Result::err).collect();
        errors.sort_by_key(is_missing);
        match errors.into_iter().next() {
            Some(Error::Device { reason, .. }) => {
                let clause = format!("code, registers, occupancy, {}, because there is {reason}", of_code(counted));
                return Ok(Self { left_out: vec![clause], ..Self::default() });
            }
            Some(error) => return Err(error),
            None => {}
        }
        let cubins: Vec<Cubin> = cubins.into_iter().flatten().collect();
        let (codes, disassembler, mut left_out) = disassembled(&cubins, counted);
        let facts = |kernel: &&'static Kernel| {
            let cubin = cubins.iter().find(|cubin| cubin.file.name == kernel.file.name)?;
            Some(facts(kernel, cubin, codes.get(kernel.name).cloned()).map(|facts| (kernel.name, facts)))
        };
        let kernels: BTreeMap<_, _> = kernels.iter().filter_map(facts).collect::<Result<_>>()?;
        let without = kernels.values().filter(|facts| facts.code.is_none()).count();
        if disassembler.is_some() && without > 0 {
            left_out.push(format!("the instructions of {without} of {} kernels, which the disassembly lacks", kernels.len()));
        }
        Ok(Self { kernels, compiler: cubins.first().map(|cubin| cubin.version), disassembler, left_out })
    }
}

fn facts(kernel: &Kernel, cubin: &Cubin, code: Option<Code>) -> Result<KernelFacts> {
    let used = cubin.resources(kernel.name)?;
    let residency = cubin.arch.residency(used, kernel.threads, kernel.dynamic_shared);
    Ok(KernelFacts {
        kernel: kernel.name.into(),
        file: kernel.file.name.into(),
        threads: kernel.threads,
        code_bytes: cubin.code_bytes(kernel.name).unwrap_or_default(),
        registers: used.registers,
        shared_bytes: used.shared_bytes.saturating_add(kernel.dynamic_shared),
        spills: used.spill_stores.saturating_add(used.spill_loads),
        stack: used.stack,
        occupancy: cubin.arch.occupancy(used, kernel.threads, kernel.dynamic_shared),
        resident_blocks: residency.blocks,
        limiter: residency.limiter,
        code,
    })
}

/// The resources that are known from the code alone.
fn of_code(counted: bool) -> &'static str {
    if counted { "issue slots and latency" } else { "issue slots, shared memory, L2 and latency" }
}

/// The code of every kernel, the path of the disassembler, and a sentence if it is missing or failed.
fn disassembled(cubins: &[Cubin], counted: bool) -> (BTreeMap<String, Code>, Option<String>, Vec<String>) {
    let words = format!("instruction mix, hot loops, {}", of_code(counted));
    let found = match Disassembler::find() {
        Ok(found) => found,
        Err(reason) => return (BTreeMap::new(), None, vec![format!("{words}, because {reason}")]),
    };
    let codes: Result<Vec<_>> = cubins.par_iter().map(|cubin| found.disassemble(cubin)).collect();
    match codes {
        Ok(codes) => (
            codes.into_iter().flatten().filter(|(_, code)| code.instructions > 0).collect(),
            Some(found.path().display().to_string()),
            Vec::new(),
        ),
        Err(error) => (BTreeMap::new(), None, vec![format!("{words}, because of an error: {error}")]),
    }
}
