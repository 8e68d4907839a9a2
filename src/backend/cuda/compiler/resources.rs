//! Reads the resources of kernels from the verbose log of `ptxas`.

use serde::{Deserialize, Serialize};

/// Resources that one compiled kernel needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Name of the kernel.
    pub name: String,
    /// Registers per thread.
    pub registers: u32,
    /// Bytes of static shared memory per block.
    pub shared_bytes: u32,
    /// Bytes per thread of register spills stored to local memory.
    pub spill_stores: u32,
    /// Bytes per thread of register spills loaded from local memory.
    pub spill_loads: u32,
    /// Bytes of stack frame per thread.
    pub stack: u32,
}

/// The kernels of a log, in the order of the log. Functions that were not inlined have no entry of their own; their spills are
/// added to those of the kernel before them, so that no spill is missed.
pub fn parse(log: &str) -> Vec<Resources> {
    let mut found: Vec<Resources> = Vec::new();
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            let name = rest.split('\'').next().unwrap_or_default().to_owned();
            found.push(Resources { name, ..Resources::default() });
        } else if let Some(kernel) = found.last_mut() {
            amounts(line, kernel);
        }
    }
    found
}

/// Adds the amounts in one line to `kernel`: `8 bytes stack frame, 0 bytes spill stores, …` or `Used 12 registers, 4352 bytes
/// smem, …`. Unknown parts are ignored, because they differ between versions of the compiler.
fn amounts(line: &str, kernel: &mut Resources) {
    for part in line.split(',') {
        let words: Vec<&str> = part.split_whitespace().collect();
        let Some((number, unit)) = words.iter().enumerate().find_map(|(at, word)| Some((word.parse().ok()?, &words[at + 1..])))
        else {
            continue;
        };
        match unit {
            ["registers"] => kernel.registers = number,
            ["bytes", "smem"] => kernel.shared_bytes = number,
            ["bytes", "stack", "frame"] => kernel.stack = kernel.stack.saturating_add(number),
            ["bytes", "spill", "stores"] => kernel.spill_stores = kernel.spill_stores.saturating_add(number),
            ["bytes", "spill", "loads"] => kernel.spill_loads = kernel.spill_loads.saturating_add(number),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(name: &str, numbers: [u32; 5]) -> Resources {
        let [registers, shared_bytes, spill_stores, spill_loads, stack] = numbers;
        Resources { name: name.into(), registers, shared_bytes, spill_stores, spill_loads, stack }
    }

    /// Recorded from NVRTC for sm_80 and sm_120; versions 12.9 and 13.0 give the same log.
    #[test]
    fn logs_of_nvrtc_are_read() {
        let log = "\
ptxas warning : Value of threads per SM for entry spilling is out of range. .minnctapersm will be ignored
ptxas info    : 0 bytes gmem, 16 bytes cmem[3]
ptxas info    : Compiling entry function 'plain' for 'sm_80'
ptxas info    : Function properties for plain
ptxas         .     400 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 0 barriers, 400 bytes cumulative stack size, 372 bytes cmem[0]
ptxas info    : Compile time = 6.753 ms
ptxas info    : Function properties for _Z6helperILi1EEff
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Compiling entry function 'spilling' for 'sm_120'
ptxas info    : Function properties for spilling
ptxas         .     352 bytes stack frame, 636 bytes spill stores, 656 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 352 bytes cumulative stack size, 4352 bytes smem
ptxas info    : Compile time = 18.323 ms
";
        let expected = [kernel("plain", [32, 0, 0, 0, 400]), kernel("spilling", [64, 4352, 636, 656, 352])];
        assert_eq!(parse(log), expected);
        assert_eq!(parse(&log.replace('\n', "\r\n")), expected);
    }

    /// The format of the command line tools and of earlier versions: no prefix before the spills, no barriers.
    #[test]
    fn logs_of_earlier_versions_are_read() {
        let log = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'conv' for 'sm_86'
ptxas info    : Function properties for conv
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 40 registers, 2048 bytes smem, 388 bytes cmem[0], 8 bytes cmem[2]
";
        assert_eq!(parse(log), [kernel("conv", [40, 2048, 4, 12, 8])]);
    }

    #[test]
    fn spills_of_functions_that_were_not_inlined_are_counted() {
        let log = "\
ptxas info    : Compiling entry function 'k' for 'sm_80'
ptxas info    : Used 9 registers
ptxas info    : Function properties for helper
ptxas         .     16 bytes stack frame, 20 bytes spill stores, 24 bytes spill loads
";
        assert_eq!(parse(log), [kernel("k", [9, 0, 20, 24, 16])]);
    }

    #[test]
    fn logs_without_usable_amounts_are_tolerated() {
        for log in ["", "error: no", "ptxas info : Used 4 registers", "ptxas info : Compiling entry function"] {
            assert_eq!(parse(log), []);
        }
        assert_eq!(parse("Compiling entry function '"), [kernel("", [0; 5])]);
        assert_eq!(parse("Compiling entry function 'k'\n99999999999999 registers, registers, 3"), [kernel("k", [0; 5])]);
    }
}
