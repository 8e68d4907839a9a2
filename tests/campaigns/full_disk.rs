use std::path::{Path, PathBuf};

use orthoscope::backend::cuda::KERNELS;
use orthoscope::backend::cuda::compiler::{Arch, Cache, Cubin, Origin, Resources, Version, files_for};
use orthoscope::rng::Stream;

use super::rounds::{note, rounds};
use super::small_disk::{DISK, Limit, PAGE, limit, prepare, run, space};
use super::state::{Files, Reference, files};
use crate::fixture::{Ran, Scratch, npy_f32};

/// A command that writes to the disk.
struct Case {
    name: &'static str,
    command: &'static str,
    /// A command whose results are on the disk already.
    before: Option<&'static str>,
    environment: &'static [(&'static str, &'static str)],
    /// Whether it takes seconds, so that one round must do, and its files are known to be the same each time, but for `timed`.
    long: bool,
    /// Files with a time in whole seconds, which two runs often share and a third one need not.
    timed: &'static [&'static str],
}

const fn case(name: &'static str, command: &'static str) -> Case {
    Case { name, command, before: None, environment: &[], long: false, timed: &[] }
}

const fn over(name: &'static str, command: &'static str, before: &'static str) -> Case {
    Case { name, command, before: Some(before), environment: &[], long: false, timed: &[] }
}

const CASES: [Case; 21] = [
    case("train", "train --config c.toml --data cloth --out disk/run"),
    case("detect", "detect --model run/model.safetensors --out disk/found cloth/test/bend cloth/test/good/001.png"),
    over(
        "detect again",
        "detect --model run/model.safetensors --out disk/found cloth/test/bend cloth/test/good/001.png",
        "detect --model other.safetensors --out disk/found cloth/test/bend cloth/test/good/001.png",
    ),
    case("evaluate", "evaluate --model run/model.safetensors --data cloth --out disk/found --maps disk/maps"),
    over(
        "evaluate again",
        "evaluate --model run/model.safetensors --data cloth --out disk/found",
        "evaluate --model other.safetensors --data cloth --out disk/found",
    ),
    case("verify", "verify --claim C7 --out disk/theory"),
    Case {
        name: "profile",
        command: "profile --phase infer --width 2 --size 8 --batch 1 --steps 1 --warmup 0 --json disk/p.json --csv disk/p.csv \
            --roofline disk/r.svg --trace disk/t.json",
        environment: &[("ORTHOSCOPE_CACHE_DIR", "cache"), ("ORTHOSCOPE_PEAK_EFFORT", "least")],
        ..case("", "")
    },
    case("preview", "data preview --data cloth --config c.toml --count 8 --out disk/sheet.png"),
    case("init", "model init --model 2 --width 8 --out disk/m.safetensors"),
    case("generate", "data generate --out disk --family wood --size 32 --train 3 --good 1 --defects 1"),
    Case {
        name: "kernels",
        command: "kernels --arch sm_80 --out disk/kernels",
        // The cache has the kernels, so that no compiler is needed.
        environment: &[
            ("ORTHOSCOPE_CACHE_DIR", "cache"),
            ("ORTHOSCOPE_NVRTC_DIR", "none"),
            ("VIRTUAL_ENV", ""),
            ("CONDA_PREFIX", ""),
        ],
        ..case("", "")
    },
    case("forward", "model forward --model run/model.safetensors --input x.npy --output disk/y.npy"),
    case("export", "model export --model run/model.safetensors --onnx disk/m.onnx"),
    case("compare", "compare run run --out disk/compared"),
    case("figures", "figures --model run/model.safetensors --data cloth --only roc,scores,network,misses --out disk/figures"),
    case("validate", "validate --model run/model.safetensors --data cloth --out disk/valid"),
    case("validation set", "data validation --data cloth --config c.toml --out disk/valid"),
    case("dry run", "train --dry-run --config c.toml --data cloth --out disk/dry"),
    case("man", "man --out disk/man"),
    Case {
        timed: &["card/index.html"],
        ..case(
            "audit",
            "audit --model run/model.safetensors --normal many --images 5 --probes 1 --singular-values 1 --out disk/card",
        )
    },
    Case { long: true, timed: &["demo/index.html"], ..case("demo", "demo --out disk/demo --steps 2") },
];

/// Fills the cache with kernels that are none, for an architecture.
fn fill_cache(scratch: &Scratch) {
    let (cache, arch) = (Cache::new(scratch.path("cache")), Arch::named("sm_80").unwrap());
    for file in files_for(arch) {
        let own = KERNELS.iter().filter(|kernel| kernel.file.name == file.name);
        let kernels = own.map(|kernel| Resources { name: kernel.name.into(), registers: 7, ..Resources::default() }).collect();
        let version = Version { major: 13, minor: 0 };
        cache.write(&Cubin { file, arch, version, code: vec![7; 5000], kernels, origin: Origin::Compiled });
    }
}

/// A folder with everything that the commands read.
fn prepared() -> Scratch {
    let scratch = Scratch::new();
    scratch.succeeds("model init --model 2 --width 4 --out other.safetensors");
    scratch.write("x.npy", npy_f32(&[1, 16, 16, 3], &[0.5; 768]));
    for (number, name) in scratch.names("cloth/train/good").iter().enumerate() {
        let image = scratch.read(format!("cloth/train/good/{name}"));
        ["a", "b"].iter().for_each(|copy| scratch.write(format!("many/{copy}{number}.png"), &image));
    }
    fill_cache(&scratch);
    scratch
}

/// What is on the disk before the command, and what it writes where there is space.
fn made(scratch: &Scratch, case: &Case) -> (PathBuf, Files, Reference) {
    let succeed = |command: &str| {
        let ran = scratch.run_with(command, case.environment);
        assert_eq!(ran.code, 0, "{command}: {}", ran.err);
    };
    prepare(scratch, None);
    case.before.into_iter().for_each(succeed);
    let start = scratch.path("start");
    if start.exists() {
        std::fs::remove_dir_all(&start).unwrap();
    }
    std::fs::rename(scratch.path(DISK), &start).unwrap();
    let run = || {
        prepare(scratch, Some(&start));
        succeed(case.command);
        files(&scratch.path(DISK))
    };
    let once = run();
    let mut whole = if case.long { Reference::of([once.clone(), once]) } else { Reference::of([once, run()]) };
    whole.let_vary(case.timed);
    let before = files(&start);
    (start, before, whole)
}

/// The space for a round: too little for new files, mostly too little to replace old ones.
fn size(random: &mut Stream, before: &Files, whole: &Files) -> u64 {
    match limit() {
        Limit::Tmpfs(_) => {
            let (least, new) = (space(before) / PAGE, space(whole) / PAGE);
            // Files are replaced a few at a time, for which little more is enough.
            let most = least + if before.is_empty() { new.saturating_sub(1) } else { new / 6 };
            PAGE * u64::from(random.between(least.max(1) as u32, most as u32))
        }
        Limit::FileSize => {
            let longest = whole.values().map(Vec::len).max().unwrap_or_default() as u32;
            u64::from(random.between(512, longest)).next_multiple_of(512)
        }
    }
}

/// What is wrong with what the command said when there was no space.
fn unsaid(ran: &Ran) -> Option<String> {
    let is_said = |line: &&str| line.starts_with("error: disk") && line.contains(limit().words());
    let says = ran.err.lines().any(|line| is_said(&line));
    (ran.code != 1 || !says).then(|| format!("exit code {}: {}", ran.code, ran.err))
}

/// The same command again, where there is space now; a training goes on from its checkpoint.
fn again(scratch: &Scratch, case: &Case) -> Ran {
    let has_checkpoint = orthoscope::run::has_checkpoint(&scratch.path("disk/run"));
    let (resume, overwrite) =
        (if has_checkpoint { " --resume" } else { "" }, if case.name == "demo" { " --overwrite" } else { "" });
    scratch.run_with(&format!("{}{resume}{overwrite}", case.command), case.environment)
}

/// Whether the space was too little. Panics with what went wrong.
fn round(scratch: &Scratch, case: &Case, made: &(PathBuf, Files, Reference), random: &mut Stream) -> bool {
    let (start, before, whole) = made;
    prepare(scratch, Some(start));
    let bytes = size(random, before, &whole.files);
    let ran = run(scratch, bytes, case.command, case.environment);
    let found = files(&scratch.path(DISK));
    let fault = match ran.code {
        0 => whole.difference(&found),
        _ => unsaid(&ran).or_else(|| whole.fault(&found, before)),
    };
    assert!(fault.is_none(), "{} with {bytes} bytes: {}\n{}", case.name, fault.unwrap_or_default(), ran.err);
    let last = again(scratch, case);
    let fault = whole.difference(&files(&scratch.path(DISK)));
    let fault = if last.code == 0 { fault } else { Some(format!("exit code {}", last.code)) };
    assert!(fault.is_none(), "{} after {bytes} bytes: {}\n{}", case.name, fault.unwrap_or_default(), last.err);
    ran.code != 0
}

#[test]
fn full_disk() {
    let scratch = prepared();
    for (number, case) in (0..).zip(&CASES) {
        let made = made(&scratch, case);
        let few = if case.long { 1 } else { 2 };
        let full: Vec<bool> = rounds(number, few).map(|mut random| round(&scratch, case, &made, &mut random)).collect();
        let count = full.iter().filter(|full| **full).count();
        note(format_args!(
            "full disk, {}: {count} of {} rounds without space, {:?} vary",
            case.name,
            full.len(),
            made.2.varying()
        ));
        assert!(count > 0, "{}: there was always enough space", case.name);
    }
}

/// What no command may do is noticed.
#[test]
fn faults_of_a_cut_command_are_noticed() {
    let of = |pairs: &[(&str, &str)]| -> Files {
        pairs.iter().map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec())).collect()
    };
    let log =
        |steps: &[u32]| steps.iter().map(|step| format!("{{\"step\":{step},\"loss\":0.5,\"rate\":1}}\n")).collect::<String>();
    let whole = of(&[("a.txt", "new"), ("log.jsonl", &log(&[1, 2])), ("t.json", "{\"ms\": 1}")]);
    let other = of(&[("a.txt", "new"), ("log.jsonl", &log(&[1, 2])), ("t.json", "{\"ms\": 2}")]);
    let (reference, before) = (Reference::of([whole, other]), of(&[("a.txt", "old")]));
    assert_eq!(reference.varying(), [Path::new("t.json")]);
    for good in
        [of(&[]), of(&[("a.txt", "old")]), of(&[("a.txt", "new"), ("log.jsonl", &(log(&[1]) + "{\"st")), ("t.json", "{}")])]
    {
        assert_eq!(reference.fault(&good, &before), None);
        assert!(reference.difference(&good).is_some());
    }
    for bad in [("a.txt", "ne"), ("b.txt", "new"), (".orthoscope-abc.part", ""), ("t.json", "{\"ms\""), ("log.jsonl", &log(&[2]))]
    {
        assert!(reference.fault(&of(&[bad]), &before).is_some(), "{bad:?}");
    }
}
