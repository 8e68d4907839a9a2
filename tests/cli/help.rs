//! Help, version, completions, `doctor`, and usage errors.

use orthoscope::run::Config;
use serde_json::Value;

use crate::fixture::Scratch;

/// Every subcommand with the options that its help must list.
const COMMANDS: [(&str, &[&str]); 20] = [
    ("demo", &["--device", "--out", "--seed", "--steps", "--overwrite"]),
    (
        "train",
        &[
            "--config",
            "--data",
            "--normal",
            "--out",
            "--textures",
            "--steps",
            "--budget",
            "--seed",
            "--resume",
            "--validate-every",
            "--watch",
            "--device",
            "130",
        ],
    ),
    (
        "evaluate",
        &["--model", "--data", "--normal", "--abnormal", "--masks", "--out", "--resolution", "--maps", "--json", "--device"],
    ),
    (
        "figures",
        &[
            "--model",
            "--data",
            "--out",
            "--ablation",
            "--only",
            "--pick",
            "--config",
            "--textures",
            "--resolution",
            "--device",
            "false_alarms",
        ],
    ),
    (
        "detect",
        &[
            "--device",
            "--model",
            "--out",
            "<PATH>...",
            "--threshold",
            "--pixel-threshold",
            "--save",
            "--json",
            "NAME_map.npy",
            "results.csv",
        ],
    ),
    (
        "reproduce",
        &[
            "--data",
            "--out",
            "--config",
            "--category",
            "--seeds",
            "--steps",
            "--shard",
            "--budget",
            "--dry-run",
            "--merge",
            "--device",
            "report.json",
        ],
    ),
    ("metrics", &["--maps", "--data", "--normal", "--abnormal", "--masks", "--resolution", "--score", "--json"]),
    ("data", &["generate", "preview"]),
    ("data generate", &["--out", "--family", "--size", "--train", "--good", "--defects", "--seed"]),
    ("data preview", &["--data", "--normal", "--config", "--textures", "--out", "--count", "--step"]),
    ("model", &["init", "forward", "summary", "export"]),
    ("model init", &["--model", "--width", "--seed", "--out"]),
    ("model forward", &["--device", "--model", "--input", "--output"]),
    ("model summary", &["--weights", "--model", "--width", "--size", "--json"]),
    ("model export", &["--model", "--onnx", "--overwrite", "orthoscope.image_threshold"]),
    ("kernels", &["--arch", "--out", "--json", "--diff", "sm_90a", "ORTHOSCOPE_NVRTC_DIR", "ORTHOSCOPE_KERNELS_DIR"]),
    ("verify", &["--claim", "--seed", "--quick", "--full", "--describe", "--out", "--json", "claims.csv"]),
    (
        "audit",
        &[
            "--model",
            "--command",
            "--jvp",
            "--vjp",
            "--time-limit",
            "--data",
            "--size",
            "--images",
            "--reference",
            "--probes",
            "--singular-values",
            "--config",
            "--seed",
            "--out",
            "--json",
            "--device",
        ],
    ),
    (
        "profile",
        &[
            "--phase",
            "--model",
            "--width",
            "--size",
            "--batch",
            "--steps",
            "--json",
            "--trace",
            "--kernels",
            "--diff",
            "--from",
            "--roofline",
            "--device",
            "--predict",
            "--peaks",
            "--by",
        ],
    ),
    ("doctor", &["--json", "--config"]),
];

#[test]
fn every_command_has_complete_help() {
    let scratch = Scratch::new();
    for (command, options) in COMMANDS {
        let help = scratch.succeeds(&format!("{command} --help")).out;
        for option in [&["Usage: orthoscope", "--threads", "--verbose", "--help"], options].concat() {
            assert!(help.contains(option), "{command} --help does not name {option}:\n{help}");
        }
    }
    let top = scratch.succeeds("--help").out;
    for command in [
        "demo",
        "train",
        "evaluate",
        "figures",
        "reproduce",
        "detect",
        "metrics",
        "data",
        "model",
        "verify",
        "profile",
        "kernels",
        "doctor",
        "completions",
    ] {
        assert!(top.lines().any(|line| line.trim_start().starts_with(command)), "{command} is not in:\n{top}");
    }
    assert_eq!(scratch.succeeds("--version").out, format!("orthoscope {}\n", env!("CARGO_PKG_VERSION")));
}

/// The help of a command, of which every line must fit 80 columns, and that of its subcommands.
fn check_width(scratch: &Scratch, command: &str, seen: &mut usize) {
    *seen += 1;
    for option in ["--help", "-h"] {
        let help = scratch.run_with(&format!("{command} {option}"), &[("COLUMNS", "80")]);
        assert_eq!(help.code, 0, "{command} {option}: {}", help.err);
        for line in help.out.lines() {
            assert!(line.chars().count() <= 80, "{command} {option} has a line of {} characters: {line}", line.chars().count());
        }
        let Some((_, list)) = help.out.split_once("\nCommands:\n").filter(|_| option == "--help") else { continue };
        let names =
            list.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        names
            .filter(|name| !["", "help"].contains(name))
            .for_each(|name| check_width(scratch, format!("{command} {name}").trim(), seen));
    }
}

#[test]
fn every_line_of_every_help_fits_80_columns() {
    let (scratch, mut seen) = (Scratch::new(), 0);
    check_width(&scratch, "", &mut seen);
    assert!(seen > COMMANDS.len(), "{seen}");
    let help = scratch.succeeds("train -h").out;
    assert!(
        help.contains("Usage: orthoscope train [OPTIONS] --out <DIR>\n           <--data <ROOT/CATEGORY>|--normal <DIR>>\n"),
        "{help}"
    );
    let help = scratch.succeeds("model init -h").out;
    let usage = "Usage: orthoscope model init [OPTIONS] --model <MODEL> --width <WIDTH>\n           --out <SAFETENSORS>\n";
    assert!(help.contains(usage), "{help}");
}

#[test]
fn completions_exist_for_every_shell() {
    let scratch = Scratch::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = scratch.succeeds(&format!("completions {shell}")).out;
        assert!(script.contains("orthoscope") && script.contains("evaluate"), "{shell}");
    }
}

#[test]
fn doctor_reports_the_machine() {
    let scratch = Scratch::new();
    let facts: Value = serde_json::from_str(&scratch.succeeds("doctor --json --threads 3").out).unwrap();
    assert_eq!((&facts["version"], &facts["threads"]), (&env!("CARGO_PKG_VERSION").into(), &3.into()));
    assert!(["avx512", "avx2", "portable"].contains(&facts["simd"].as_str().unwrap()), "{facts}");
    assert!(facts["backends"].as_array().unwrap().contains(&"cpu".into()));
    assert_eq!(facts["emulator"], cfg!(feature = "emulator"));
    let text = scratch.succeeds("doctor").out;
    for key in facts.as_object().unwrap().keys() {
        assert!(text.lines().any(|line| line.starts_with(key)), "{key} is not in:\n{text}");
    }
    let config = scratch.succeeds("doctor --config").out;
    assert_eq!(Config::parse(&config).unwrap(), Config::default());
    for line in config.lines().filter(|line| line.starts_with('#')) {
        assert!(line.chars().count() <= 80, "a comment of {} characters: {line}", line.chars().count());
    }
}

#[test]
fn usage_errors_differ_from_failures() {
    let scratch = Scratch::new();
    for (command, reason) in [
        ("", "Usage"),
        ("trian", "unrecognized subcommand 'trian'"),
        ("train --data cloth", "--out"),
        ("train --data cloth --out new --colour red", "--colour"),
        ("train --data cloth --out new --steps many", "--steps"),
        (
            "train --data cloth --out new --seed -1",
            "'-1' for '--seed <SEED>': a whole number from 0 to 9223372036854775807 is needed",
        ),
        ("--threads 0 train --data cloth --out new", "a whole number from 1 to 1024 is needed"),
        ("detect --model run/model.safetensors --out new", "<PATH>"),
        ("detect --model run/model.safetensors --out new --threshold nan cloth", "a finite number is needed"),
        ("evaluate --model run/model.safetensors --data cloth --out new --resolution big", "1 to 8192 pixels"),
        ("metrics --maps cloth --data cloth --score mean", "max, sum"),
        ("data generate --out new --family linen", "there is no texture `linen`"),
        ("data preview --data cloth --out new.png --count 0", "a whole number from 1 to 64 is needed"),
        ("data preview --data cloth --out new.png --step 18446744073709551615", "--step"),
        ("model init --model 3 --width 2 --out new", "a whole number from 1 to 2 is needed"),
        ("model summary --weights run/model.safetensors --width 2", "cannot be used with"),
        ("kernels --arch sm_70", "there is no architecture `sm_70`; known are sm_80, sm_86, sm_89"),
        ("kernels --arch sm_80,", "a word is missing, perhaps before or after a comma"),
        (
            "detect --model run/model.safetensors --out new --save map, cloth",
            "a word is missing, perhaps before or after a comma",
        ),
        ("doctor --json --config", "cannot be used with"),
        ("completions tcsh", "tcsh"),
    ] {
        let message = scratch.misused(command);
        assert!(message.contains(reason), "{command}: {message}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let scratch = Scratch::new();
    scratch.succeeds("man --out man1");
    let pages = scratch.names("man1");
    for page in ["orthoscope.1", "orthoscope-train.1", "orthoscope-data-generate.1"] {
        assert!(pages.iter().any(|name| name == page), "{pages:?}");
    }
    let page = String::from_utf8(scratch.read("man1/orthoscope-detect.1")).unwrap();
    assert!(page.contains(".TH orthoscope-detect 1") && page.contains("\\-\\-threshold"), "{page}");
}
