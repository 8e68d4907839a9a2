//! `orthoscope kernels` with NVRTC: tables, JSON, the cache, and folders of precompiled kernels.

use std::fs;

use orthoscope::backend::cuda::KERNELS;
use serde_json::Value;

use super::sandbox::{Sandbox, cubins, nvrtc, refused, shared_cache};

fn kernel_count() -> usize {
    KERNELS.len()
}

#[test]
fn tables_and_json_list_every_kernel() {
    if cubins("tables_and_json_list_every_kernel").is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    let shared = shared_cache();
    let variables = [("ORTHOSCOPE_CACHE_DIR", shared.to_str().unwrap())];
    let record: Value =
        serde_json::from_str(&sandbox.run_with(&variables, "kernels --arch sm_80,sm_90a,sm_80 --json").out).unwrap();
    let version = record["version"].as_str().unwrap();
    assert!(record["schema"] == 1 && version.starts_with(env!("CARGO_PKG_VERSION")) && version.contains(" commit "), "{version}");
    assert!(record["nvrtc"].as_str().is_some_and(|version| version.split_once('.').is_some()), "{}", record["nvrtc"]);
    let rows = record["kernels"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["arch"] == "sm_90a").count(), kernel_count());
    let everywhere = KERNELS.iter().filter(|kernel| kernel.file.only.is_none()).count();
    assert_eq!(rows.len(), kernel_count() + everywhere);
    let axpy = rows.iter().find(|row| row["name"] == "axpy" && row["arch"] == "sm_90a").unwrap();
    for (key, value) in [("file", "pointwise.cu"), ("flops", "2 len"), ("bytes", "8 len + 4 adds len")] {
        assert_eq!(axpy[key], value);
    }
    for (key, value) in [("threads", 256), ("spill_stores", 0), ("spill_loads", 0), ("shared_bytes", 0)] {
        assert_eq!(axpy[key], value);
    }
    assert_eq!(axpy["occupancy"], 1.0);
    let limiters = ["threads", "registers", "shared", "blocks"];
    for row in rows {
        assert!(limiters.contains(&row["limiter"].as_str().unwrap()) && row["code_bytes"].as_u64() >= Some(128), "{row}");
        // Kernels that need more shared memory than an A100 has are not used on it.
        let is_too_large = row["arch"] == "sm_80" && row["shared_bytes"].as_u64() > Some(163 * 1024);
        assert_eq!(row["resident_blocks"].as_u64() > Some(0), !is_too_large, "{row}");
    }
    let beside = sandbox.run_with(&variables, "kernels --arch sm_80,sm_90a").out;
    assert!(beside.lines().all(|line| line.chars().count() <= 80), "{beside}");
    let axpy = beside.lines().find(|line| line.starts_with("axpy ")).unwrap();
    assert_eq!(axpy.matches(" 1.00 threads").count(), 2, "{beside}");
    let text = sandbox.run_with(&variables, "kernels").out;
    assert!(text.starts_with("sm_90a, NVRTC ") && text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for kernel in KERNELS.iter().copied() {
        assert!(
            text.lines().any(|line| line.split_whitespace().next() == Some(kernel.name)),
            "{} is not in:\n{text}",
            kernel.name
        );
    }
}

#[test]
fn an_earlier_build_is_compared_with_this_one() {
    if cubins("an_earlier_build_is_compared_with_this_one").is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    let shared = shared_cache();
    let variables = [("ORTHOSCOPE_CACHE_DIR", shared.to_str().unwrap())];
    let run = |command: &str| {
        let ran = sandbox.run_with(&variables, command);
        assert_eq!(ran.code, 0, "{command}: {}", ran.err);
        ran
    };
    let text = run("kernels --arch sm_90a,sm_80 --json").out;
    fs::write(sandbox.path().join("a.json"), &text).unwrap();
    let same = run("kernels --diff a.json").out;
    let equal = serde_json::from_str::<Value>(&text).unwrap()["kernels"].as_array().unwrap().len();
    assert!(same.ends_with(&format!("\n0 kernels differ, 0 only in A, 0 only in B, {equal} equal\n")), "{same}");
    let mut earlier: Value = serde_json::from_str(&text).unwrap();
    let kernels = earlier["kernels"].as_array_mut().unwrap();
    kernels[0]["registers"] = 255.into();
    kernels[1]["name"] = "forgotten".into();
    fs::write(sandbox.path().join("b.json"), earlier.to_string()).unwrap();
    let changed = run("kernels --diff b.json").out;
    assert!(changed.contains(&format!("\n1 kernel differs, 1 only in A, 1 only in B, {} equal\n", equal - 2)), "{changed}");
    assert!(changed.lines().any(|line| line.starts_with("forgotten ") && line.ends_with("only in A")), "{changed}");
    assert!(changed.lines().any(|line| line.contains(" registers ") && line.contains(" 255 ")), "{changed}");
    assert!(changed.lines().all(|line| line.chars().count() <= 80), "{changed}");
}

#[test]
fn the_cache_is_used_and_damage_is_repaired() {
    if cubins("the_cache_is_used_and_damage_is_repaired").is_none() {
        return;
    }
    let sandbox = Sandbox::with_cache_of("sm_90a");
    let first = sandbox.succeeds("kernels --json").out;
    let mut files: Vec<_> = fs::read_dir(sandbox.path().join("cache")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.iter().all(|path| path.extension().is_some_and(|ending| ending == "kernels")), "{files:?}");
    let good: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    // One truncated file, one with a flipped bit.
    let (half, mut flipped) = (good[0][..good[0].len() / 2].to_vec(), good[1].clone());
    *flipped.last_mut().unwrap() ^= 1;
    let damaged = [half, flipped];
    files.iter().zip(&damaged).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    let ran = sandbox.succeeds("kernels --json");
    assert_eq!(ran.out, first);
    assert_eq!(
        ran.err.matches("is damaged, of another version or of another kernel, and will not be used").count(),
        2,
        "{}",
        ran.err
    );
    // The line tables of a compiled kernel depend on what was compiled before it, so only files that were kept have the same
    // bytes.
    for (path, damaged) in files.iter().zip(&damaged) {
        assert!(fs::read(path).unwrap() != *damaged, "{} was not repaired", path.display());
    }
    for (path, good) in files.iter().zip(&good).skip(damaged.len()) {
        assert!(fs::read(path).unwrap() == *good, "{} was changed", path.display());
    }
    assert_eq!(sandbox.succeeds("kernels --json").err, "");
    let facts: Value = serde_json::from_str(&sandbox.succeeds("doctor --json").out).unwrap();
    assert_eq!(facts["kernel_cache_files"], files.len());
    // Kernels in the cache need no compiler.
    if sandbox.hides_nvrtc("the_cache_is_used_and_damage_is_repaired, its last part") {
        assert_eq!(sandbox.run_without_nvrtc(&[], "kernels --json").out, first);
    }
}

#[test]
fn an_unwritable_cache_is_only_a_warning() {
    if nvrtc("an_unwritable_cache_is_only_a_warning").is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("cache"), "a file").unwrap();
    let ran = sandbox.succeeds("kernels --json");
    assert_eq!(ran.err.matches("compiled kernels are not kept: cache: is a file").count(), 1, "{}", ran.err);
}

#[test]
fn precompiled_kernels_replace_nvrtc_until_they_are_stale() {
    if cubins("precompiled_kernels_replace_nvrtc_until_they_are_stale").is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    let shared = shared_cache();
    let cached = [("ORTHOSCOPE_CACHE_DIR", shared.to_str().unwrap())];
    let text = sandbox.run_with(&cached, "kernels --arch sm_80 --out new/ahead").out;
    assert!(text.lines().last().unwrap().ends_with("CUBINs and kernels.json to new/ahead"), "{text}");
    let first = sandbox.run_with(&cached, "kernels --arch sm_90 --out new/ahead --json").out;
    let folder = sandbox.path().join("new/ahead");
    assert!(fs::read(folder.join("sm_80/pointwise.cubin")).unwrap().starts_with(b"\x7fELF"));
    // With an empty cache and without NVRTC.
    let variables = [("ORTHOSCOPE_KERNELS_DIR", "new/ahead"), ("ORTHOSCOPE_CACHE_DIR", "none")];
    let ran = sandbox.run_without_nvrtc(&variables, "kernels --arch sm_90 --json");
    assert_eq!((ran.code, &ran.out), (0, &first), "{}", ran.err);
    assert!(!sandbox.path().join("none").exists());
    let facts: Value = serde_json::from_str(&sandbox.run_with(&variables, "doctor --json").out).unwrap();
    assert_eq!(facts["kernels_dir_archs"], serde_json::json!(["sm_80", "sm_90"]));
    // The manifest has other hashes of the sources than this program.
    let manifest = folder.join("kernels.json");
    let mut table: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    for entry in table["images"].as_array_mut().unwrap() {
        entry["sources"] = "0".repeat(64).into();
    }
    fs::write(&manifest, table.to_string()).unwrap();
    let text = refused(&sandbox.run_with(&variables, "kernels --arch sm_90"));
    assert!(text.contains(".cubin: was compiled from other sources than this program has; compile it again"), "{text}");
    // The folder can be written again, even while ORTHOSCOPE_KERNELS_DIR names it.
    let named = [variables[0], cached[0]];
    assert_eq!(sandbox.run_with(&named, "kernels --arch sm_90 --out new/ahead --json").out, first);
    assert_eq!(sandbox.run_with(&variables, "kernels --arch sm_90 --json").out, first);
    fs::write(folder.join("sm_90/pointwise.cubin"), "short").unwrap();
    let text = refused(&sandbox.run_with(&variables, "kernels --arch sm_90"));
    assert!(text.starts_with("new/ahead/sm_90/pointwise.cubin: is damaged; "), "{text}");
}
