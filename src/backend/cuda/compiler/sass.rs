//! Reads a disassembly of `nvdisasm -c`: the instructions of each kernel, its hot loop, and what a warp executes.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// Lanes of a warp.
const LANES: u64 = 32;
/// Bytes that shared memory delivers in one access of a warp without conflicts.
const WAVEFRONT: u64 = 128;

/// The code of one kernel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// Instructions.
    pub instructions: u64,
    /// Number of instructions by kind: `HMMA`, `FFMA`, `LDS.128`, ...
    pub mix: BTreeMap<String, u64>,
    /// What a warp executes at most if no loop repeats: the longest path from the first instruction to the end.
    pub path: Executed,
    /// What a warp executes in one iteration of the loop with the most arithmetic; None without such a loop.
    pub hot: Option<Executed>,
}

/// What one warp executes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// Instructions issued.
    pub instructions: u64,
    /// FLOPs of matrix instructions.
    pub matrix: u64,
    /// FLOPs of f32 and f64 instructions: 2 per multiply-add, 1 per addition or multiplication.
    pub flops: u64,
    /// Bytes read from global memory.
    pub global_read: u64,
    /// Those of them that bypass L1.
    pub bypassing: u64,
    /// Bytes written to global memory.
    pub global_written: u64,
    /// Accesses of shared memory and of L1, which is the same memory, each of at most 128 bytes, if there is no bank conflict and
    /// lanes read next to each other.
    pub wavefronts: u64,
}

/// What limits how fast a warp executes code, for any number of repetitions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amounts {
    /// Instructions issued.
    pub instructions: f64,
    /// Bytes read past L1.
    pub bypassing: f64,
    /// Bytes written to global memory.
    pub written: f64,
    /// Accesses of shared memory and L1.
    pub wavefronts: f64,
}

impl Code {
    /// What a warp executes if the hot loop repeats `trips` times.
    ///
    /// Loops are pipelined: what the code before the loop loads is what the last repetitions, which load nothing, use. So loads
    /// past L1 are those of the loop alone.
    pub fn repeated(&self, trips: f64) -> Amounts {
        let (hot, again) = (self.hot.unwrap_or_default(), (trips - 1.0).max(0.0));
        let sum = |of: fn(&Executed) -> u64| of(&self.path) as f64 + again * of(&hot) as f64;
        let ahead = (self.path.bypassing - hot.bypassing.min(self.path.bypassing)) as f64;
        let bypassing = sum(|code| code.bypassing) - ahead.min(again * hot.bypassing as f64);
        Amounts {
            instructions: sum(|code| code.instructions),
            bypassing,
            written: sum(|code| code.global_written),
            wavefronts: sum(|code| code.wavefronts),
        }
    }
}

/// One instruction.
struct Instruction {
    /// Opcode with its modifiers, such as `LDG.E.128`.
    opcode: String,
    /// Indices of the instructions where it may jump to.
    targets: Vec<usize>,
    /// Whether the next instruction may follow.
    falls_through: bool,
}

impl Executed {
    fn of(opcode: &str) -> Self {
        let once = Self { instructions: 1, ..Self::default() };
        let bytes = LANES * width(opcode);
        match name(opcode) {
            "HMMA" => Self { matrix: product(opcode), ..once },
            "FFMA" | "DFMA" => Self { flops: 2 * LANES, ..once },
            "FADD" | "FMUL" | "DADD" | "DMUL" => Self { flops: LANES, ..once },
            "LDG" | "LD" => Self { global_read: bytes, wavefronts: bytes.div_ceil(WAVEFRONT), ..once },
            "STG" | "ST" => Self { global_written: bytes, ..once },
            "LDGSTS" => {
                let bypassing = if opcode.contains(".BYPASS") { bytes } else { 0 };
                Self { global_read: bytes, bypassing, wavefronts: bytes.div_ceil(WAVEFRONT), ..once }
            }
            "LDS" | "STS" => Self { wavefronts: bytes.div_ceil(WAVEFRONT), ..once },
            // Each 8 x 8 matrix of 2-byte elements is 128 bytes.
            "LDSM" | "STSM" => Self { wavefronts: matrices(opcode), ..once },
            _ => once,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            instructions: self.instructions + other.instructions,
            matrix: self.matrix + other.matrix,
            flops: self.flops + other.flops,
            global_read: self.global_read + other.global_read,
            bypassing: self.bypassing + other.bypassing,
            global_written: self.global_written + other.global_written,
            wavefronts: self.wavefronts + other.wavefronts,
        }
    }

    /// FLOPs of either kind.
    pub fn arithmetic(&self) -> u64 {
        self.matrix + self.flops
    }
}

/// `LDG` of `LDG.E.128`.
fn name(opcode: &str) -> &str {
    opcode.split('.').next().unwrap_or_default()
}

/// Bytes per lane of an access to memory.
fn width(opcode: &str) -> u64 {
    let bits = opcode.split('.').find_map(|part| match part {
        "128" => Some(16),
        "64" => Some(8),
        "U16" | "S16" => Some(2),
        "U8" | "S8" => Some(1),
        _ => None,
    });
    bits.unwrap_or(4)
}

/// Matrices that an `LDSM` moves, such as 4 in `LDSM.16.MT88.4`.
fn matrices(opcode: &str) -> u64 {
    opcode.rsplit('.').next().and_then(|last| last.parse().ok()).filter(|count| [1, 2, 4].contains(count)).unwrap_or(1)
}

/// FLOPs of a matrix instruction: its name has the extents, as in `HMMA.16816.F32.BF16` with m = 16, n = 8, k = 16.
fn product(opcode: &str) -> u64 {
    match opcode.split('.').nth(1) {
        Some("16816") => 2 * 16 * 8 * 16,
        Some("1688") => 2 * 16 * 8 * 8,
        _ => 0,
    }
}

/// The kind of an instruction in a table of the mix: memory with its width, arithmetic, control, and the rest as integers or
/// others.
fn kind(opcode: &str) -> String {
    const INTEGER: [&str; 26] = [
        "IMAD", "IADD3", "IADD", "LOP3", "SHF", "LEA", "ISETP", "SEL", "IMNMX", "VIADD", "IABS", "PRMT", "VIMNMX", "UIMAD",
        "UIADD3", "ULOP3", "MOV", "PLOP3", "R2UR", "UMOV", "USEL", "UISETP", "ULEA", "USHF", "S2R", "CS2R",
    ];
    const SHOWN: [&str; 20] = [
        "HMMA",
        "FFMA",
        "FADD",
        "FMUL",
        "DADD",
        "DFMA",
        "DMUL",
        "MUFU",
        "BAR",
        "BRA",
        "BRX",
        "CALL",
        "SHFL",
        "LDC",
        "ULDC",
        "F2FP",
        "LDSM",
        "STSM",
        "DEPBAR",
        "LDGDEPBAR",
    ];
    const MEMORY: [&str; 7] = ["LDG", "STG", "LDS", "STS", "LDL", "STL", "LDGSTS"];
    let name = name(opcode);
    match width(opcode) {
        wide @ (8 | 16) if MEMORY.contains(&name) => format!("{name}.{}", 8 * wide),
        _ if MEMORY.contains(&name) || SHOWN.contains(&name) => name.to_owned(),
        _ if INTEGER.contains(&name) => "integer".to_owned(),
        _ => "other".to_owned(),
    }
}

/// The code of every kernel in a disassembly, by name.
pub fn parse(text: &str) -> BTreeMap<String, Code> {
    let mut kernels = BTreeMap::new();
    let mut lines: Vec<&str> = Vec::new();
    let mut current: Option<&str> = None;
    for line in text.lines() {
        // For older architectures a line `.sectioninfo` follows.
        let section = line.trim_start().strip_prefix(".section").filter(|rest| rest.starts_with(char::is_whitespace));
        if let Some(section) = section {
            finish(&mut kernels, current, &std::mem::take(&mut lines));
            current = section.trim_start().strip_prefix(".text.").and_then(|rest| rest.split(',').next());
        } else {
            lines.push(line);
        }
    }
    finish(&mut kernels, current, &lines);
    kernels
}

fn finish(kernels: &mut BTreeMap<String, Code>, name: Option<&str>, lines: &[&str]) {
    if let Some(name) = name {
        kernels.insert(name.to_owned(), code(lines));
    }
}

fn code(lines: &[&str]) -> Code {
    let instructions = instructions(lines);
    let mut mix = BTreeMap::new();
    for instruction in &instructions {
        *mix.entry(kind(&instruction.opcode)).or_default() += 1;
    }
    let hot = hot_loop(&instructions).map(|(from, to)| longest(&instructions[from..=to], from));
    Code { instructions: instructions.len() as u64, mix, path: longest(&instructions, 0), hot }
}

/// The instructions of a section, with jumps resolved to indices.
fn instructions(lines: &[&str]) -> Vec<Instruction> {
    let mut labels: HashMap<&str, usize> = HashMap::new();
    let mut texts: Vec<&str> = Vec::new();
    for line in lines.iter().map(|line| line.trim()) {
        if let Some(label) = line.strip_suffix(':').filter(|label| label.starts_with(".L")) {
            labels.insert(label, texts.len());
        } else if let Some((_, text)) = line.strip_prefix("/*").and_then(|rest| rest.split_once("*/")) {
            texts.extend(text.trim().strip_suffix(';').map(str::trim));
        }
    }
    texts.iter().map(|text| instruction(text, &labels)).collect()
}

fn instruction(text: &str, labels: &HashMap<&str, usize>) -> Instruction {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_predicated = words.first().is_some_and(|word| word.starts_with('@'));
    let opcode = words.get(usize::from(is_predicated)).copied().unwrap_or_default();
    let is_conditional =
        is_predicated || words.iter().skip(1).any(|word| word.starts_with("!P") || word.starts_with('P') && word.ends_with(','));
    let is_jump = ["BRA", "BRX", "JMP"].contains(&name(opcode));
    let targets = if is_jump { mentioned(text, labels) } else { Vec::new() };
    let ends = match name(opcode) {
        "BRA" | "BRX" | "JMP" => !is_conditional,
        "EXIT" | "RET" => !is_predicated,
        _ => false,
    };
    Instruction { opcode: opcode.to_owned(), targets, falls_through: !ends }
}

/// The labels in the text of an instruction, as the places they stand for.
fn mentioned(text: &str, labels: &HashMap<&str, usize>) -> Vec<usize> {
    let is_label = |sign: char| sign.is_ascii_alphanumeric() || sign == '_' || sign == '.';
    let words = text.split(|sign: char| !is_label(sign));
    words.filter_map(|word| labels.get(word).copied()).collect()
}

/// What is executed on the path through these instructions that issues the most of them, with no jump backwards; `first` is the
/// index of the first. A path ends where the code does.
fn longest(instructions: &[Instruction], first: usize) -> Executed {
    let mut paths = vec![Executed::default(); instructions.len() + 1];
    for (at, instruction) in instructions.iter().enumerate().rev() {
        let next = instruction.falls_through.then_some(at + 1);
        let jumps = instruction.targets.iter().filter_map(|target| target.checked_sub(first));
        let forward = jumps.filter(|&target| target > at && target < instructions.len());
        let rest = next.into_iter().chain(forward).map(|place| paths[place]).max_by_key(|path| path.instructions);
        paths[at] = Executed::of(&instruction.opcode).plus(rest.unwrap_or_default());
    }
    paths[0]
}

/// First and last instruction of the loop with the most arithmetic; of loops with equally much, the shortest, which is the
/// innermost.
fn hot_loop(instructions: &[Instruction]) -> Option<(usize, usize)> {
    let loops = instructions.iter().enumerate().flat_map(|(at, instruction)| {
        let back = instruction.targets.iter().filter(move |&&target| target < at);
        back.map(move |&target| (target, at))
    });
    let arithmetic = |from: usize, to: usize| longest(&instructions[from..=to], from).arithmetic();
    let measured = loops.map(|(from, to)| (arithmetic(from, to), from, to)).filter(|(arithmetic, ..)| *arithmetic > 0);
    measured.max_by_key(|&(arithmetic, from, to)| (arithmetic, std::cmp::Reverse(to - from))).map(|(_, from, to)| (from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of `nvdisasm -c` 13: a product over a loop, with a switch of two cases behind it and a slow path that jumps
    /// back.
    const TEXT: &str = "
	.section	.nv.info,\"\",@\"SHT_CUDA_INFO\"
	.align	4

//--------------------- .text.product --------------------------
	.section	.text.product,\"ax\",@progbits
	.sectionflags	@\"SHF_BARRIERS=1\"
	.sectioninfo	@\"SHI_REGISTERS=32\"
	.align	128
        .global         product
product:
.text.product:
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/               @P0 EXIT ;
.L_x_1:
        /*0020*/                   LDGSTS.E.BYPASS.128 [R4], desc[UR8][R2.64] ;
        /*0030*/                   LDSM.16.MT88.4 R8, [R5] ;
        /*0040*/                   HMMA.16816.F32.BF16 R12, R8, R10, R12 ;
        /*0050*/                   IADD3 R3, R3, -0x1, RZ ;
        /*0060*/              @!P1 BRA `(.L_x_4) ;
.L_x_2:
        /*0070*/               @P2 BRA `(.L_x_1) ;
        /*0080*/                   BRX R20 -0x90                        (*\"BRANCH_TARGETS .L_x_3,.L_x_5\"*);
.L_x_3:
        /*0090*/                   FFMA R0, R0, R0, R0 ;
        /*00a0*/                   FADD R0, R0, R0 ;
        /*00b0*/                   BRA `(.L_x_6) ;
.L_x_5:
        /*00c0*/                   FMUL R0, R0, R0 ;
.L_x_6:
        /*00d0*/                   STG.E.64 desc[UR4][R2.64], R0 ;
        /*00e0*/                   EXIT ;
.L_x_4:
        /*00f0*/                   MUFU.RCP R0, R0 ;
        /*0100*/                   BRA `(.L_x_2) ;
.L_x_9:
        /*0110*/                   BRA `(.L_x_9);
.L_x_10:

//--------------------- .text.other --------------------------
	.section	.text.other,\"ax\",@progbits
        /*0000*/                   EXIT ;
";

    #[test]
    fn instructions_are_counted_by_kind() {
        let kernels = parse(TEXT);
        assert_eq!(kernels.keys().collect::<Vec<_>>(), ["other", "product"]);
        let product = &kernels["product"];
        assert_eq!(product.instructions, 18);
        for (kind, count) in [("HMMA", 1), ("LDGSTS.128", 1), ("BRA", 5), ("STG.64", 1), ("integer", 1), ("other", 2)] {
            assert_eq!(product.mix.get(kind), Some(&count), "{kind}: {:?}", product.mix);
        }
        assert_eq!(
            kernels["other"],
            Code {
                instructions: 1,
                mix: [("other".to_owned(), 1)].into(),
                path: Executed { instructions: 1, ..Executed::default() },
                hot: None,
            }
        );
    }

    #[test]
    fn the_hot_loop_has_the_most_arithmetic() {
        let hot = parse(TEXT)["product"].hot.unwrap();
        assert_eq!((hot.instructions, hot.matrix, hot.flops), (6, 4096, 0));
        // 512 bytes to shared memory in 4 accesses, and 4 matrices out of it.
        assert_eq!((hot.global_read, hot.bypassing, hot.wavefronts), (512, 512, 8));
    }

    #[test]
    fn of_the_cases_of_a_switch_one_is_executed() {
        let path = parse(TEXT)["product"].path;
        // The loop once, BRX, the longer case with its jump, the store and the end; not the shorter case and not the slow path.
        assert_eq!((path.instructions, path.flops, path.global_written), (2 + 6 + 1 + 3 + 2, 96, 256));
        let code = &parse(TEXT)["product"];
        let ten = Amounts { instructions: 14.0 + 54.0, bypassing: 5120.0, written: 256.0, wavefronts: 80.0 };
        assert_eq!(code.repeated(10.0), ten);
        // Two repetitions that are fetched ahead are not fetched again.
        let ahead = Executed { bypassing: 3 * 512, ..path };
        assert_eq!(Code { path: ahead, ..code.clone() }.repeated(10.0), ten);
        let without = Code { hot: None, ..code.clone() };
        assert_eq!(without.repeated(10.0), Amounts { instructions: 14.0, bypassing: 512.0, written: 256.0, wavefronts: 8.0 });
    }

    #[test]
    fn a_text_that_is_no_disassembly_has_no_kernels() {
        assert!(parse("").is_empty() && parse("nvdisasm fatal: no input").is_empty());
        assert_eq!(parse("\t.section\t.text.k,\"ax\"\n nonsense ;\n/*0*/\n/* BRA ;")["k"], Code::default());
    }
}
