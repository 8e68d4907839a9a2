//! What users see when a GPU, its driver or its kernels fail: one sentence, exit code 1, and a checkpoint that still resumes.

use std::fs;

use orthoscope::model::WeightFile;

use super::false_driver::{FalseDriver, VARIABLE};
use crate::fixture::{Ran, Scratch, sentence};

const TRAIN: &str = "train --config c.toml --data cloth --out new --device cuda";
const RESUME: &str = "train --config c.toml --data cloth --out new --device cuda --resume";

/// Runs a command on the false driver with these settings and more variables.
fn run_with(scratch: &Scratch, settings: &str, more: &[(&str, &str)], command: &str) -> Ran {
    let own = FalseDriver::get().environment(settings);
    let mut all: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend(more);
    scratch.run_with(command, &all)
}

fn run(scratch: &Scratch, settings: &str, command: &str) -> Ran {
    run_with(scratch, settings, &[], command)
}

/// The sentence with which a command fails on the false driver.
#[track_caller]
fn fails(scratch: &Scratch, settings: &str, command: &str) -> String {
    told(&run(scratch, settings, command), settings)
}

/// The sentence of a failed command, without what the false driver says.
#[track_caller]
fn told(ran: &Ran, settings: &str) -> String {
    assert_eq!(ran.code, 1, "{settings}: {}{}", ran.out, ran.err);
    let own: String = ran.err.lines().filter(|line| !line.starts_with("false driver")).map(|line| format!("{line}\n")).collect();
    sentence(&own)
}

#[track_caller]
fn succeeds(scratch: &Scratch, settings: &str, command: &str) -> Ran {
    let ran = run(scratch, settings, command);
    assert_eq!(ran.code, 0, "{settings}: {}{}", ran.out, ran.err);
    ran
}

/// How often the false driver saw a call during a training run.
fn count(call: &str, settings: &str) -> u64 {
    let ran = succeeds(&Scratch::new(), &format!("{settings} count={call}"), TRAIN);
    let counted = ran.err.lines().find_map(|line| line.strip_prefix("false driver counted ")?.strip_suffix(" calls"));
    counted.unwrap_or_else(|| panic!("no count: {}", ran.err)).parse().unwrap()
}

#[test]
fn the_false_driver_is_found_by_its_variable_alone() {
    let (scratch, driver) = (Scratch::new(), FalseDriver::get());
    let doctor = |variables: &[(&str, &str)]| scratch.run_with("doctor --json", variables).out;
    let path = driver.libraries().display().to_string();
    let settings = [("LD_LIBRARY_PATH", path.as_str()), (VARIABLE, "seed=1")];
    let found = doctor(&settings);
    assert!(found.contains("False GPU 0 (emulated)") && found.contains("False GPU 1 (emulated)"), "{found}");
    for variables in [&settings[..1], &settings[1..]] {
        assert!(!doctor(variables).contains("False GPU"), "{variables:?}");
    }
    let alone = scratch.run_with(TRAIN, &settings[..1]);
    assert_eq!(sentence(&alone.err), "cuda: the driver finds no device");
}

#[test]
fn a_wrong_setting_ends_the_program() {
    let ran = run(&Scratch::new(), "sead=1", "doctor");
    assert!(ran.code != 0 && ran.err.contains("has the word `sead=1`, which means nothing"), "{}", ran.err);
}

/// The kernels are those of the emulator, so the weights are too, whichever GPU is chosen and in whatever order work runs.
#[test]
fn a_gpu_trains_to_the_weights_of_the_emulator() {
    let scratch = Scratch::new();
    scratch.succeeds("train --config c.toml --data cloth --out emulated --device emulator");
    for (number, settings) in ["seed=1", "seed=2 pageable=1", "seed=3 version=12000"].iter().enumerate() {
        let command = format!("train --config c.toml --data cloth --out new{number} --device cuda:{}", number % 2);
        let ran = succeeds(&scratch, settings, &command);
        assert!(!ran.err.contains("false driver"), "{}", ran.err);
        // The metadata name the device.
        let weights = |run: &str| WeightFile::read(&scratch.path(run).join("model.safetensors")).unwrap().values;
        assert!(weights(&format!("new{number}")) == weights("emulated"), "{settings}: other weights");
    }
}

/// A GPU that reads pageable host memory by itself costs no waits in training.
#[test]
fn uploads_of_a_step_do_not_wait() {
    let (plain, pageable) = (count("cuStreamSynchronize", "seed=1"), count("cuStreamSynchronize", "seed=1 pageable=1"));
    // The training images are uploaded directly; all else passes through the staging memory.
    assert!(pageable <= plain + 2, "{pageable} waits, {plain} where pageable memory is copied at once");
}

#[test]
fn an_old_or_incomplete_driver_is_named_with_the_version_needed() {
    let scratch = Scratch::new();
    for (version, text) in [("11080", "11.8"), ("11000", "11.0"), ("10020", "10.2")] {
        let wanted = format!("cuda: the driver is for CUDA {text}, but 12.0 or newer is needed; update the NVIDIA driver");
        assert_eq!(fails(&scratch, &format!("version={version}"), TRAIN), wanted);
        let doctor = run(&scratch, &format!("version={version}"), "doctor --json");
        assert!(doctor.code == 0 && doctor.out.contains("12.0 or newer is needed"), "{}", doctor.out);
    }
    let incomplete = FalseDriver::get().incomplete().display().to_string();
    let ran = run_with(&scratch, "version=12000", &[("LD_LIBRARY_PATH", &incomplete)], TRAIN);
    let wanted = "cuda: the driver library lacks cuGraphInstantiateWithFlags, which drivers for CUDA 12.0 or newer have; update \
                  the NVIDIA driver";
    assert_eq!(told(&ran, "incomplete"), wanted);
    let ran = run_with(&scratch, "version=11080", &[("LD_LIBRARY_PATH", &incomplete)], TRAIN);
    assert!(told(&ran, "incomplete and old").contains("CUDA 11.8, but 12.0 or newer is needed"));
}

/// The list that is looked up first has every call that the false driver offers, so the tests on it have shown that no other is
/// used.
#[test]
fn the_list_of_needed_calls_is_complete() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let calls = |file: &str, before: &str, after: &str| -> Vec<String> {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let cut = |line: &str| Some(line.trim().strip_prefix(before)?.split_once(after)?.0.to_owned());
        let mut found: Vec<String> = text.lines().filter_map(cut).filter(|name| name.starts_with("cu")).collect();
        found.sort();
        found
    };
    let offered = calls("tests/gpu_path/driver/api.h", "API ", "(");
    assert!(offered.len() > 30 && offered == calls("src/backend/cuda/driver/library.rs", "\"", "\","), "{offered:?}");
}

#[test]
fn a_machine_without_a_gpu_says_so() {
    let scratch = Scratch::new();
    for settings in ["gpus=0", "fail=cuInit:1:100"] {
        assert_eq!(fails(&scratch, settings, TRAIN), "cuda: the driver finds no device");
    }
    assert_eq!(fails(&scratch, "gpus=2", &format!("{TRAIN}:2")), "cuda: device 2 does not exist, 0 to 1 do");
    assert_eq!(fails(&scratch, "gpus=1", &format!("{TRAIN}:1")), "cuda: device 1 does not exist, only device 0 does");
    let text = fails(&scratch, "fail=cuInit:1:999", TRAIN);
    assert!(text.starts_with("cuda: the driver cannot be initialised: CUDA_ERROR_UNKNOWN"), "{text}");
    let text = fails(&scratch, "capability=75", TRAIN);
    assert!(text.starts_with("there are no kernels for a GPU of compute capability 7.5"), "{text}");
    assert!(!scratch.path("new").exists());
}

#[test]
fn kernels_of_another_version_are_refused() {
    let (scratch, driver) = (Scratch::new(), FalseDriver::get());
    let copy = |edit: &dyn Fn(&str) -> String| {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sm_90a")).unwrap();
        for name in fs::read_dir(driver.kernels().join("sm_90a")).unwrap().map(|entry| entry.unwrap().file_name()) {
            fs::copy(driver.kernels().join("sm_90a").join(&name), folder.path().join("sm_90a").join(&name)).unwrap();
        }
        let manifest = fs::read_to_string(driver.kernels().join("kernels.json")).unwrap();
        fs::write(folder.path().join("kernels.json"), edit(&manifest)).unwrap();
        folder
    };
    let refused = |folder: &tempfile::TempDir| {
        let path = folder.path().display().to_string();
        told(&run_with(&scratch, "seed=1", &[("ORTHOSCOPE_KERNELS_DIR", &path)], TRAIN), "kernels")
    };
    let other_sources = copy(&|text| text.replace("\"sources\": \"", "\"sources\": \"0"));
    let text = refused(&other_sources);
    assert!(text.contains("sm_90a/") && text.contains("was compiled from other sources than this program has"), "{text}");
    let same = copy(&str::to_owned);
    let path = same.path().join("sm_90a/pointwise.cubin");
    fs::write(&path, fs::read(&path).unwrap().strip_suffix(b"\0").unwrap()).unwrap();
    let text = refused(&same);
    assert!(text.contains("pointwise.cubin: is damaged"), "{text}");
    let none = copy(&|_| "{}".into());
    let text = refused(&none);
    assert!(text.contains("kernels.json: is not a manifest of compiled kernels"), "{text}");
    assert!(!scratch.path("new/model.safetensors").exists());
}

/// The driver refuses a file of kernels when it is loaded, or a kernel in it.
#[test]
fn kernels_that_the_driver_refuses_are_named() {
    let scratch = Scratch::new();
    for (call, code, what) in [
        ("cuModuleLoadData", 209, ".cu for sm_90a cannot be loaded: CUDA_ERROR_NO_BINARY_FOR_GPU"),
        ("cuModuleGetFunction", 500, "cannot be used: CUDA_ERROR_NOT_FOUND"),
    ] {
        let text = fails(&scratch, &format!("fail={call}:2:{code}"), TRAIN);
        assert!(text.starts_with("cuda: ") && text.contains(what), "{text}");
    }
}

/// Runs training until the device fails, and resumes it on a good one if there is a checkpoint. True if there was one.
fn lose(scratch: &Scratch, whole: &[u8], settings: &str) -> bool {
    if scratch.path("new").exists() {
        fs::remove_dir_all(scratch.path("new")).unwrap();
    }
    let text = fails(scratch, settings, TRAIN);
    assert!(text.contains("cuda: "), "{settings}: {text}");
    assert!(text.ends_with("; the device is lost for this run, and the last checkpoint is intact"), "{settings}: {text}");
    assert!(!scratch.path("new/model.safetensors").exists(), "{settings}");
    let has_checkpoint = scratch.path("new/checkpoint.safetensors").exists();
    if has_checkpoint {
        succeeds(scratch, "seed=1", RESUME);
        assert!(scratch.read("new/model.safetensors") == whole, "{settings}: other weights after resuming");
    }
    has_checkpoint
}

#[test]
fn a_lost_device_ends_training_with_a_sentence_and_a_checkpoint_that_resumes() {
    let scratch = Scratch::new();
    succeeds(&scratch, "seed=1", TRAIN);
    let whole = scratch.read("new/model.safetensors");
    let lose_at = |place: &str, number: u64, code: i32| lose(&scratch, &whole, &format!("seed=1 fail={place}:{number}:{code}"));
    // Kernels are launched one by one until the step is a graph, before the first checkpoint.
    assert!(!lose_at("cuLaunchKernel", 1, 700) && !lose_at("cuLaunchKernel", 200, 719));
    assert!(!lose_at("cuGraphLaunch", 1, 702) && lose_at("cuGraphLaunch", count("cuGraphLaunch", "seed=1"), 999));
    for (place, code) in [("cuMemcpyDtoHAsync_v2", 702), ("work", 700)] {
        assert!(lose_at(place, count(place, "seed=1") * 3 / 4, code), "{place}: no checkpoint");
    }
}

#[test]
fn out_of_memory_is_a_sentence_with_numbers() {
    let scratch = Scratch::new();
    let total = count("cuMemAlloc_v2", "seed=1");
    let text = fails(&scratch, "memory=100000", TRAIN);
    assert!(text.starts_with("cuda: out of memory: ") && text.contains("were asked for, "), "{text}");
    // The first allocations find nothing cached that could be given back.
    for number in [1, 2, total] {
        let ran = run(&scratch, &format!("fail=cuMemAlloc_v2:{number}:2"), TRAIN);
        if ran.code == 0 {
            assert!(number > 2, "allocation {number} failed without a word");
            continue;
        }
        let text = told(&ran, "out of memory");
        assert!(text.starts_with("cuda: out of memory: "), "allocation {number}: {text}");
    }
    let text = fails(&scratch, "fail=cuMemHostAlloc:1:2", TRAIN);
    assert!(
        text.starts_with("cuda: 262144 bytes of host memory cannot be made ready for uploads: CUDA_ERROR_OUT_OF_MEMORY"),
        "{text}"
    );
}
