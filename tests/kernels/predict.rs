//! `profile --predict` with compiled kernels, and with disassemblers that are scripts.

use std::fs;

use serde_json::Value;

use super::sandbox::{Sandbox, cubins, shared_cache};

/// Recorded from nvdisasm 13.5 for sm_90a.
const LISTING: &str = include_str!("mul_add.sass");
const COMMAND: &str = "profile --predict sm_90a --width 8 --size 16 --batch 2 --precision bf16";

/// A folder with a program `nvdisasm` that does this; its name.
#[cfg(unix)]
fn disassembler(sandbox: &Sandbox, script: &str) -> &'static str {
    use std::os::unix::fs::PermissionsExt;
    let folder = sandbox.path().join("tools");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("listing"), LISTING).unwrap();
    fs::write(folder.join("nvdisasm"), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(folder.join("nvdisasm"), fs::Permissions::from_mode(0o755)).unwrap();
    "tools"
}

fn predicted(sandbox: &Sandbox, tools: &str) -> (Value, String) {
    let cache = shared_cache();
    let variables = [("ORTHOSCOPE_CACHE_DIR", cache.to_str().unwrap()), ("ORTHOSCOPE_NVDISASM_DIR", tools)];
    let ran = sandbox.run_with(&variables, &format!("{COMMAND} --json a.json"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    (serde_json::from_slice(&fs::read(sandbox.path().join("a.json")).unwrap()).unwrap(), ran.out)
}

fn kernel<'a>(record: &'a Value, name: &str) -> &'a Value {
    record["kernels"].as_array().unwrap().iter().find(|kernel| kernel["kernel"] == name).unwrap()
}

#[cfg(unix)]
#[test]
fn compiled_kernels_have_code_registers_and_the_limit_of_their_occupancy() {
    if cubins("compiled_kernels_have_code_registers_and_the_limit_of_their_occupancy").is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    let (record, out) = predicted(&sandbox, disassembler(&sandbox, "cat tools/listing"));
    let small = kernel(&record, "mul_add");
    assert_eq!((small["limiter"].as_str(), small["occupancy"].as_f64()), (Some("threads"), Some(1.0)), "{small}");
    // The size of the section is rounded up; an instruction is 16 bytes.
    let (bytes, instructions) = (small["code_bytes"].as_u64().unwrap(), small["code"]["instructions"].as_u64().unwrap());
    assert!(instructions > 0 && (bytes == 16 * instructions || bytes.abs_diff(16 * instructions) < 128), "{small}");
    assert_eq!(small["code"]["mix"]["STG"], 1, "{small}");
    assert!(small["code"]["path"]["global_read"].as_u64() >= Some(2 * 128) && small["code"]["hot"].is_null(), "{small}");
    let conv = kernel(&record, "conv3x3_bf16");
    assert!(conv["code"].is_null() && conv["registers"].as_u64() > Some(64) && conv["limiter"].is_string(), "{conv}");
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    let lacking = record["kernels"].as_array().unwrap().len() - 1;
    assert!(words.contains(&format!("left out: the instructions of {lacking} of {} kernels", lacking + 1)), "{out}");
    assert!(out.contains("their code") && out.contains("limited"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
}

#[cfg(unix)]
#[test]
fn a_disassembler_that_fails_is_named_and_the_rest_is_predicted() {
    if cubins("a_disassembler_that_fails_is_named_and_the_rest_is_predicted").is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    let (record, out) = predicted(&sandbox, disassembler(&sandbox, "echo 'nvdisasm fatal: unknown architecture' >&2; exit 1"));
    assert!(record["disassembler"].is_null() && record["predicted_ms"].as_f64() > Some(0.0), "{record}");
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("because of an error: tools/nvdisasm: cannot disassemble ")
            && words.contains("fatal: unknown architecture"),
        "{out}"
    );
    assert!(kernel(&record, "conv2d_bf16")["code_bytes"].as_u64() > Some(1024), "code size needs no disassembler");
}
