//! `--device`: choice of the device, and errors if it is unavailable.

use crate::fixture::Scratch;

/// Every command that computes, with its required arguments.
const COMPUTING: [&str; 5] = [
    "train --config c.toml --data cloth --out new",
    "evaluate --model run/model.safetensors --data cloth --out new",
    "detect --model run/model.safetensors --out new cloth/test/good",
    "demo --steps 1 --out new",
    "model forward --model run/model.safetensors --input x.npy --output y.npy",
];

#[test]
fn the_cpu_can_be_chosen_by_name() {
    let scratch = Scratch::new();
    scratch.succeeds("train --config c.toml --data cloth --out new --device cpu");
    for name in ["model.safetensors", "checkpoint.safetensors"] {
        assert!(scratch.read(format!("new/{name}")) == scratch.read(format!("run/{name}")), "{name} depends on --device cpu");
    }
    let ran = scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out page --device cpu");
    assert!(ran.out.contains("; device cpu;"), "{}", ran.out);
}

#[test]
fn an_unknown_device_error_lists_the_known_ones() {
    let scratch = Scratch::new();
    for command in COMPUTING {
        for device in ["gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            let message = scratch.misused(&format!("{command} --device {device}"));
            assert!(message.contains("a device is auto, cpu, cuda, cuda:N (N = 0, 1, …) or emulator"), "{message}");
        }
    }
}

#[test]
fn commands_that_do_not_compute_have_no_device_flag() {
    let scratch = Scratch::new();
    for command in
        ["data generate --out new", "model init --model 2 --width 2 --out new", "doctor", "metrics --maps a --data cloth"]
    {
        assert!(scratch.misused(&format!("{command} --device cpu")).contains("--device"), "{command}");
    }
}

/// No machine has this many GPUs, and many have no driver.
#[test]
fn a_missing_gpu_gives_one_sentence_and_writes_nothing() {
    let scratch = Scratch::new();
    scratch.write("x.npy", crate::fixture::npy_f32(&[1, 8, 8, 3], &[0.5; 192]));
    for command in COMPUTING {
        let sentence = scratch.refuses(&format!("{command} --device cuda:4000"));
        assert!(sentence.starts_with("cuda: "), "{command}: {sentence}");
        assert!(!scratch.path("new").exists() && !scratch.path("y.npy").exists(), "{command} wrote something");
    }
}

#[cfg(not(feature = "emulator"))]
#[test]
fn a_build_without_the_emulator_says_how_to_add_it() {
    let scratch = Scratch::new();
    let sentence = scratch.refuses("train --config c.toml --data cloth --out new --device emulator");
    let wanted = "emulator: is not part of this program; `cargo build --release --features emulator` builds one that has it";
    assert_eq!(sentence, wanted);
}

#[test]
fn verbose_output_names_an_automatically_chosen_device() {
    let scratch = Scratch::new();
    let err = scratch.succeeds("train --config c.toml --data cloth --out new -v").err;
    assert_eq!(err.matches("info: computing on ").count(), 1, "{err}");
    let named = scratch.succeeds("train --config c.toml --data cloth --out named -v --device cpu").err;
    assert!(!named.contains("computing on"), "{named}");
}

#[test]
fn the_convolution_for_hopper_is_refused_where_it_cannot_run() {
    let scratch = Scratch::new();
    scratch.write("x.npy", crate::fixture::npy_f32(&[1, 8, 8, 3], &[0.5; 192]));
    let forward = "model forward --model run/model.safetensors --input x.npy --output y.npy --device cpu";
    for (value, precision, refused) in [
        ("on", "f32", "ORTHOSCOPE_WGMMA=on needs a Hopper GPU and --precision bf16"),
        ("on", "bf16", "ORTHOSCOPE_WGMMA=on needs a Hopper GPU and --precision bf16"),
        ("yes", "f32", "ORTHOSCOPE_WGMMA must be on or off"),
    ] {
        let ran = scratch.run_with(&format!("{forward} --precision {precision}"), &[("ORTHOSCOPE_WGMMA", value)]);
        assert_eq!((ran.code, ran.err), (1, format!("error: {refused}\n")), "{value} {precision}");
    }
    for value in ["", "off"] {
        assert_eq!(scratch.run_with(forward, &[("ORTHOSCOPE_WGMMA", value)]).code, 0, "{value}");
    }
}

#[test]
fn the_cpu_instruction_set_can_be_chosen() {
    let scratch = Scratch::new();
    scratch.write("x.npy", crate::fixture::npy_f32(&[1, 8, 8, 3], &[0.5; 192]));
    let forward = "model forward --model run/model.safetensors --input x.npy --output y.npy --device cpu";
    for path in ["avx512", "avx2", "portable"] {
        let environment = [("ORTHOSCOPE_CPU", path)];
        let (ran, doctor) = (scratch.run_with(forward, &environment), scratch.run_with("doctor --json", &environment));
        let facts: serde_json::Value = serde_json::from_str(&doctor.out).unwrap();
        match ran.code {
            0 => assert_eq!(facts["simd"], path),
            _ => {
                assert_ne!(path, "portable", "every machine has it: {}", ran.err);
                assert!(
                    ran.err.starts_with(&format!("error: ORTHOSCOPE_CPU={path}: ")) && ran.err.contains("has no"),
                    "{}",
                    ran.err
                );
                assert!(facts["simd"].is_null() && doctor.out.contains("ORTHOSCOPE_CPU"), "{}", doctor.out);
            }
        }
    }
    let ran = scratch.run_with(forward, &[("ORTHOSCOPE_CPU", "sse")]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "error: ORTHOSCOPE_CPU=sse: must be avx512, avx2 or portable\n"));
    // Commands without --device also compute.
    for command in ["verify --claim C5", "model init --model 2 --width 2 --out new", "profile --device cpu"] {
        let ran = scratch.run_with(command, &[("ORTHOSCOPE_CPU", "sse")]);
        assert_eq!(
            (ran.code, ran.err.as_str()),
            (1, "error: ORTHOSCOPE_CPU=sse: must be avx512, avx2 or portable\n"),
            "{command}"
        );
    }
    let doctor = scratch.run_with("doctor", &[("ORTHOSCOPE_CPU", "sse")]);
    assert!(
        doctor.code == 0 && doctor.err.starts_with("warning: no command will compute on the CPU: ORTHOSCOPE_CPU=sse: must be")
    );
    assert!(scratch.succeeds("doctor").err.is_empty());
}

#[test]
fn threads_of_the_environment_have_the_limit_of_the_option() {
    let scratch = Scratch::new();
    for name in ["RAYON_NUM_THREADS", "RAYON_RS_NUM_CPUS"] {
        for number in ["1025", "100000", "340282366920938463463374607431768211455"] {
            let ran = scratch.run_with("doctor", &[(name, number)]);
            let text = format!("error: {name} is {number}; at most 1024 threads can be started\n");
            assert_eq!((ran.code, ran.err), (1, text));
        }
        for number in ["2", "0", "many", ""] {
            assert_eq!(scratch.run_with("doctor", &[(name, number)]).code, 0, "{number}");
        }
        assert_eq!(scratch.run_with("doctor --threads 2", &[(name, "100000")]).code, 0);
    }
}
