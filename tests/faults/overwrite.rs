//! Outputs never replace an input, or a file that the same command did not write.

use std::fs;
use std::sync::atomic::AtomicBool;

use orthoscope::backend::Cpu;
use orthoscope::run::{Config, Log, TrainingJob};

use crate::fixture::{Scratch, npy_f32, tree};

const DETECT: &str = "detect --model run/model.safetensors";

/// A command with a file of somebody else in place of each of its outputs.
fn cases() -> Vec<(String, Vec<&'static str>)> {
    let detected =
        vec!["out/000.json", "out/000_map.npy", "out/000_heatmap.png", "out/000_mask.png", "out/000_reconstruction.png"];
    let evaluate = "evaluate --model run/model.safetensors --data cloth --out out --maps maps".to_owned();
    let figures = "figures --model run/model.safetensors --data cloth --only scores,network --out out".to_owned();
    vec![
        (format!("{DETECT} --out out cloth/test/stain"), detected),
        (
            evaluate,
            vec![
                "out/metrics.json",
                "out/index.html",
                "out/figure.png",
                "maps/cloth/test/stain/000.npy",
                "maps/cloth/test/bend/000.tiff",
            ],
        ),
        (figures, vec!["out/index.html", "out/figures.json", "out/scores.svg"]),
        ("data preview --data cloth --config c.toml --count 1 --out out/sheet.png".to_owned(), vec!["out/sheet.png"]),
        ("model init --model 1 --width 2 --out out/new".to_owned(), vec!["out/new"]),
        ("model forward --model run/model.safetensors --input x.npy --output out/y.npy".to_owned(), vec!["out/y.npy"]),
    ]
}

#[test]
fn a_file_of_somebody_else_is_kept_until_overwrite_is_given() {
    let scratch = Scratch::new();
    scratch.write("x.npy", npy_f32(&[1, 8, 8, 3], &[0.5; 192]));
    for (command, outputs) in cases() {
        for output in &outputs {
            let _ = (fs::remove_dir_all(scratch.path("out")), fs::remove_dir_all(scratch.path("maps")));
            fs::create_dir_all(scratch.path("out")).unwrap();
            scratch.write(output, "mine");
            let text = scratch.refuses(&command);
            assert!(text.starts_with(&format!("{output}: is there already, and `orthoscope ")), "{command}: {text}");
            assert!(text.ends_with("pass --overwrite to replace it"), "{text}");
        }
        scratch.succeeds(&format!("{command} --overwrite"));
        assert!(outputs.iter().take(1).all(|output| scratch.read(output) != b"mine"), "{command}");
        // Its own files it replaces, but not once somebody has changed them.
        scratch.succeeds(&command);
        for output in &outputs {
            let ours = scratch.read(output);
            scratch.write(output, [&ours[..], b"\n"].concat());
            assert!(scratch.refuses(&command).starts_with(output), "{command}");
            scratch.write(output, ours);
        }
        scratch.succeeds(&command);
    }
}

#[test]
fn inputs_are_never_replaced() {
    let scratch = Scratch::new();
    scratch.write("x.npy", npy_f32(&[1, 8, 8, 3], &[0.5; 192]));
    fs::copy(scratch.path("run/model.safetensors"), scratch.path("figure.png")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("run/model.safetensors", scratch.path("link.npy")).unwrap();
    for command in [
        "data preview --data cloth --config c.toml --out cloth/train/good/000.png",
        "data preview --data cloth --config c.toml --out c.toml",
        "model forward --model run/model.safetensors --input x.npy --output run/model.safetensors",
        "model forward --model run/model.safetensors --input x.npy --output x.npy",
        #[cfg(unix)]
        "model forward --model run/model.safetensors --input x.npy --output link.npy",
        "evaluate --model figure.png --data cloth --out .",
    ] {
        for option in ["", " --overwrite"] {
            let text = scratch.refuses(&format!("{command}{option}"));
            assert!(text.contains("is an input, and the output would replace it"), "{command}: {text}");
        }
    }
}

#[test]
fn masks_of_the_ground_truth_are_not_replaced_by_those_of_detect() {
    let scratch = Scratch::new();
    let before = tree(&scratch.path("cloth"));
    let text = scratch.refuses(&format!("{DETECT} --out cloth/ground_truth/stain cloth/test/stain"));
    assert!(text.starts_with("cloth/ground_truth/stain/000_mask.png: is there already"), "{text}");
    assert!(tree(&scratch.path("cloth")) == before);
}

#[test]
fn trained_weights_are_not_replaced_by_random_ones() {
    let scratch = Scratch::new();
    let text = scratch.refuses("model init --model 2 --width 2 --out run/model.safetensors");
    assert!(text.contains("`orthoscope model init` did not write it"), "{text}");
}

#[test]
fn a_run_keeps_the_config_and_the_log_of_the_user() {
    let scratch = Scratch::new();
    let text = format!("# my notes\n{}", crate::fixture::CONFIG);
    scratch.write("own/config.toml", &text);
    scratch.write("own/log.jsonl", "my log\n");
    let train = "train --config own/config.toml --data cloth --out own";
    let refused = scratch.refuses(train);
    assert!(refused.starts_with("own/log.jsonl: is no log of a run, and a run would empty it; "), "{refused}");
    fs::remove_file(scratch.path("own/log.jsonl")).unwrap();
    let refused = scratch.refuses(&format!("{train} --steps 3"));
    assert!(refused.starts_with("own/config.toml: has other settings than this run"), "{refused}");
    let refused = scratch.refuses(&format!("{train} --steps 3 --overwrite"));
    assert!(refused.starts_with("own/config.toml: is an input with other settings than this run"), "{refused}");
    for option in ["", " --overwrite"] {
        // Before there are images to time it with.
        let refused = scratch.refuses(&format!("train --config own/config.toml --data none --out own --budget 9{option}"));
        assert!(refused.starts_with("own/config.toml: ") && refused.ends_with(" (--budget chooses train.steps)"), "{refused}");
    }
    scratch.write("own/log.jsonl", "my log\n");
    scratch.succeeds(&format!("{train} --overwrite"));
    assert_eq!(scratch.read("own/config.toml"), text.as_bytes());
    assert!(scratch.read("own/log.jsonl").starts_with(b"{\"step\":1,"));
    scratch.write("other/config.toml", &text);
    scratch.write("other/log.jsonl", "my log\n");
    scratch.succeeds("train --config c.toml --data cloth --out other --steps 3 --overwrite");
    assert!(!String::from_utf8(scratch.read("other/config.toml")).unwrap().contains("my notes"));
}

#[cfg(unix)]
#[test]
fn what_is_put_in_the_place_of_weights_while_they_are_trained_is_kept() {
    let scratch = Scratch::new();
    let config = Config::parse(crate::fixture::CONFIG).unwrap();
    let job = TrainingJob::prepare(config, &scratch.path("cloth"), &scratch.path("new"), false).unwrap();
    // Checkpoints are written after steps 2 and 4.
    let put = |step: u64| match step {
        1 => scratch.write("new/checkpoint.safetensors", "first"),
        3 => {
            scratch.write("new/checkpoint.safetensors", "second");
            fs::remove_file(scratch.path("new/log.jsonl")).unwrap();
            scratch.write("new/log.jsonl", "fourth");
            scratch.write("new/checkpoint.previous.safetensors", "third");
            std::os::unix::fs::symlink(scratch.path("c.toml"), scratch.path("new/model.safetensors")).unwrap();
            scratch.write("new/config.toml", "fifth");
        }
        _ => {}
    };
    job.run(&Cpu::default(), &AtomicBool::new(false), |entry| put(entry.step)).unwrap();
    let foreign =
        ["checkpoint.safetensors.foreign", "checkpoint.safetensors.foreign.2"].map(|name| scratch.read(format!("new/{name}")));
    assert_eq!(foreign, ["first", "second"].map(|text| text.as_bytes().to_owned()));
    assert_eq!(scratch.read("c.toml"), crate::fixture::CONFIG.as_bytes());
    assert_eq!(scratch.read("new/log.jsonl.foreign"), b"fourth");
    assert_eq!(Log::read(&scratch.path("new/log.jsonl")).unwrap().len(), 4);
    assert_eq!(scratch.read("new/config.toml.foreign"), b"fifth");
    assert_eq!(scratch.read("new/config.toml"), scratch.read("run/config.toml"));
    assert!(scratch.path("new/model.safetensors.foreign").is_symlink());
    assert_eq!(scratch.read("new/checkpoint.previous.safetensors"), b"third", "there was no checkpoint before to keep");
    assert!(scratch.read("new/model.safetensors") == scratch.read("run/model.safetensors"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_config_that_is_changed_while_the_run_trains_is_named() {
    let text = format!("# my notes\n{}", crate::fixture::CONFIG.replace("steps = 4", "steps = 10000000"));
    let words = |reason: &str| format!("warning: new/config.toml: is not as {reason}\n");
    let of_run = words("this run wrote it; it is kept as new/config.toml.foreign");
    let of_user = words("it was when the run began; checkpoint.safetensors has the settings that it trained with");
    for (is_of_user, from, to, warning) in [
        (false, "[model]", "# my notes\n[model]", None),
        (false, "seed = 0", "seed = 9", Some(&of_run)),
        (true, "my notes", "more notes", None),
        (true, "[model]", "seed = 9\n[model]", Some(&of_user)),
    ] {
        let scratch = Scratch::new();
        if is_of_user {
            scratch.write("new/config.toml", &text);
        }
        let mut child = super::signals::endless(&scratch, "");
        super::signals::advance(&scratch, &mut child, 1);
        let before = String::from_utf8(scratch.read("new/config.toml")).unwrap();
        let changed = before.replacen(from, to, 1);
        assert_ne!(changed, before);
        scratch.write("new/config.toml", &changed);
        super::signals::send(&child, "INT");
        let ran = crate::fixture::told(child.wait_with_output().unwrap());
        let warned: Vec<&str> = ran.err.split_inclusive('\n').filter(|line| line.starts_with("warning: new/config")).collect();
        assert_eq!(warned, warning.into_iter().collect::<Vec<_>>(), "{}", ran.err);
        let is_restored = warning == Some(&of_run);
        assert_eq!(scratch.read("new/config.toml"), if is_restored { &before } else { &changed }.as_bytes());
        assert!(!is_restored || scratch.read("new/config.toml.foreign") == changed.as_bytes());
    }
}

#[test]
fn a_run_with_a_config_of_the_user_is_lengthened_and_resumed_with_options() {
    let scratch = Scratch::new();
    let text = format!("# my notes\n{}", crate::fixture::CONFIG);
    scratch.write("own/config.toml", &text);
    let train = "train --config own/config.toml --data cloth --out own";
    scratch.succeeds(train);
    scratch.succeeds(&format!("{train} --resume --validate-every 2"));
    let ran = scratch.succeeds(&format!("{train} --resume --steps 7"));
    let warning = "own/config.toml: stays as it is, with train.steps = 4, and the run has 7 now; change it there";
    assert!(ran.err.contains(warning), "{}", ran.err);
    assert_eq!(scratch.read("own/config.toml"), text.as_bytes());
    // It goes on with the steps that it has now, with and without a budget.
    let weights = scratch.read("own/model.safetensors");
    scratch.succeeds("train --data cloth --out own --resume");
    scratch.succeeds(&format!("{train} --resume --budget 9"));
    assert!(scratch.read("own/model.safetensors") == weights && scratch.read("own/config.toml") == text.as_bytes());
    let refused = scratch.refuses(&format!("{train} --resume"));
    assert!(refused.ends_with("train.steps is 7 there and 4 now; --steps 7 continues the lengthened run"), "{refused}");
    // Not with any other number.
    scratch.write("own/config.toml", text.replace("steps = 4", "steps = 5"));
    let refused = scratch.refuses("train --data cloth --out own --resume");
    let ending = "train.steps is 7 there and 5 now; a run can only be lengthened: --steps 7 continues it";
    assert!(refused.ends_with(ending), "{refused}");
    // What is read is an input, named or not.
    scratch.write("own/config.toml", text.replace("[model]", "seed = 9\n[model]"));
    let refused = scratch.refuses("train --data cloth --out own --resume --seed 0 --overwrite");
    assert!(refused.starts_with("own/config.toml: is an input with other settings than this run"), "{refused}");
    // One of another run is replaced on request.
    scratch.write("own/config.toml", "# my notes\nseed = 9\n");
    let resume = "train --config c.toml --data cloth --out own --resume --steps 7";
    assert!(scratch.refuses(resume).starts_with("own/config.toml: has other settings than this run"));
    scratch.succeeds(&format!("{resume} --overwrite"));
    assert!(!String::from_utf8(scratch.read("own/config.toml")).unwrap().contains("my notes"));
}

#[test]
fn a_page_of_somebody_else_is_no_page_of_a_training() {
    let scratch = Scratch::new();
    scratch.write("new/training.html", "mine");
    let train = "train --config c.toml --data cloth --out new";
    let refused = scratch.refuses(&format!("{train} --watch"));
    assert!(
        refused.starts_with("new/training.html: is no page of a training; choose another --out, or pass --overwrite"),
        "{refused}"
    );
    scratch.succeeds(train);
    assert_eq!(scratch.read("new/training.html"), b"mine", "it is not kept up to date either");
    scratch.succeeds(&format!("{train} --resume --watch --overwrite"));
    let page = scratch.read("new/training.html");
    assert!(page.starts_with(b"<!DOCTYPE html>"));
    // One of an earlier process shows what is now.
    scratch.write("other/training.html", page);
    scratch.succeeds("train --config c.toml --data cloth --out other --steps 3");
    assert!(String::from_utf8(scratch.read("other/training.html")).unwrap().contains("step 3 of 3"));
}

#[test]
fn a_report_replaces_only_files_of_a_report() {
    let scratch = Scratch::new();
    let reproduce = "reproduce --data . --config c.toml --device cpu --out all";
    for name in ["report.json", "tables.csv", "costs.csv", "index.html"] {
        scratch.write(format!("all/{name}"), "mine");
        let refused = scratch.refuses(reproduce);
        assert!(refused.starts_with(&format!("all/{name}: is there already, and `orthoscope reproduce` did not")), "{refused}");
        fs::remove_file(scratch.path(format!("all/{name}"))).unwrap();
    }
    scratch.succeeds(reproduce);
    scratch.write("all/index.html", "mine");
    assert!(scratch.refuses(reproduce).starts_with("all/index.html: is there already"));
    scratch.succeeds(&format!("{reproduce} --overwrite"));
    scratch.succeeds(reproduce);
    assert_ne!(scratch.read("all/index.html"), b"mine");
    scratch.write("merged/report.json", "mine");
    assert!(scratch.refuses("reproduce --merge all --out merged").starts_with("merged/report.json: is there already"));
}

#[test]
fn a_demo_removes_only_what_a_demo_wrote() {
    let scratch = Scratch::new();
    scratch.succeeds("demo --out demo --steps 2");
    for (file, bytes) in [("mine/x", &b"x"[..]), ("train/good/mine.png", b"x"), ("train/good/000.png", b"x")] {
        let before =
            scratch.path(format!("demo/data/tiles/{file}")).exists().then(|| scratch.read(format!("demo/data/tiles/{file}")));
        scratch.write(format!("demo/data/tiles/{file}"), bytes);
        let refused = scratch.refuses("demo --out demo --steps 2 --overwrite");
        assert!(refused.starts_with(&format!("demo/data/tiles/{file}: is not of a demo")), "{refused}");
        match before {
            Some(before) => scratch.write(format!("demo/data/tiles/{file}"), before),
            None => fs::remove_file(scratch.path(format!("demo/data/tiles/{file}"))).unwrap(),
        }
    }
    for file in ["model.safetensors", "config.toml", "log.jsonl", "checkpoint.safetensors", "metrics.json", "figure.png"] {
        let ours = scratch.read(format!("demo/{file}"));
        scratch.write(format!("demo/{file}"), [&ours[..], b"\n"].concat());
        for option in ["", " --overwrite"] {
            let refused = scratch.refuses(&format!("demo --out demo --steps 2{option}"));
            assert!(refused.starts_with(&format!("demo/{file}: is not of a demo, or was changed since")), "{refused}");
        }
        scratch.write(format!("demo/{file}"), ours);
    }
    scratch.succeeds("demo --out demo --steps 2 --overwrite");
}

/// A link may lead to an input that the command finds in a folder, or to anything of the user's.
#[cfg(unix)]
#[test]
fn what_a_link_in_place_of_an_output_leads_to_is_never_replaced() {
    let scratch = Scratch::new();
    let image = scratch.read("cloth/test/good/000.png");
    let model = "--model run/model.safetensors";
    for (command, name) in [
        ("compare run run --out new".to_owned(), "index.html"),
        (format!("evaluate {model} --data cloth --out new"), "metrics.json"),
        (format!("evaluate {model} --data cloth --out other --maps new"), "cloth/test/good/000.npy"),
        (format!("figures {model} --data cloth --only roc --out new"), "roc.svg"),
        (format!("detect {model} --out new cloth/test/good"), "000.json"),
        (format!("detect {model} --out new cloth/test/good"), "results.csv"),
        ("data preview --data cloth --config c.toml --out new/a.png".to_owned(), "a.png"),
        ("train --config c.toml --data cloth --out new".to_owned(), "log.jsonl"),
        ("train --config c.toml --data cloth --out new".to_owned(), "config.toml"),
        ("train --config c.toml --data cloth --out new --watch".to_owned(), "training.html"),
        ("train --config c.toml --data cloth --out new --dry-run".to_owned(), "first_batch.png"),
    ] {
        let link = scratch.path("new").join(name);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(scratch.path("cloth/test/good/000.png"), &link).unwrap();
        for overwrite in ["", " --overwrite"] {
            let ran = scratch.run(&format!("{command}{overwrite}"));
            assert_eq!(ran.code, 1, "{command}{overwrite}: {}", ran.err);
            let is_said = ["is a link to ", "is an input, "].iter().any(|words| ran.err.contains(words));
            assert!(overwrite.is_empty() || is_said, "{command}: {}", ran.err);
            assert!(scratch.read("cloth/test/good/000.png") == image && link.is_symlink(), "{command}{overwrite}");
        }
        std::fs::remove_dir_all(scratch.path("new")).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn an_output_leaves_the_other_name_of_a_file_its_content() {
    let scratch = Scratch::new();
    let link = |from: &str, to: &str| {
        fs::create_dir_all(scratch.path(to).parent().unwrap()).unwrap();
        fs::hard_link(scratch.path(from), scratch.path(to)).unwrap();
    };
    // A run that has every file once more elsewhere, and goes on.
    for name in scratch.names("run") {
        link(&format!("run/{name}"), &format!("kept/{name}"));
    }
    let kept = tree(&scratch.path("kept"));
    scratch.succeeds("train --config c.toml --data cloth --out run --resume --steps 7");
    assert!(tree(&scratch.path("kept")) == kept);
    for name in scratch.names("kept") {
        assert!(scratch.read(format!("run/{name}")) != scratch.read(format!("kept/{name}")), "{name}");
    }
    // An input that has the name of an output, too.
    let picture = scratch.read("cloth/test/stain/000.png");
    link("cloth/test/stain/000.png", "out/000_mask.png");
    scratch.succeeds(&format!("{DETECT} --overwrite --out out cloth/test/stain"));
    assert!(scratch.read("cloth/test/stain/000.png") == picture && scratch.read("out/000_mask.png") != picture);
}
