//! Outputs that would overwrite something or cannot be created.

use crate::fixture::Scratch;

#[test]
fn errors_name_a_file_in_place_of_a_folder() {
    let scratch = Scratch::new();
    for out in ["c.toml", "c.toml/a/b"] {
        for command in [
            "train --config c.toml --data cloth",
            "evaluate --model run/model.safetensors --data cloth",
            "detect --model run/model.safetensors cloth/test/good",
            "data generate --size 32",
            "demo --steps 1",
        ] {
            let text = scratch.refuses(&format!("{command} --out {out}"));
            assert_eq!(text, "c.toml: is a file; the output needs a folder here", "{command}");
        }
    }
}

#[test]
fn errors_name_an_output_file_in_a_missing_folder() {
    let scratch = Scratch::new();
    for command in ["model init --model 2 --width 2 --out none/new", "data preview --data cloth --config c.toml --out none/new"] {
        assert_eq!(scratch.refuses(command), "none/new: cannot be written: there is no folder none", "{command}");
    }
    let text = scratch.refuses("model init --model 2 --width 2 --out cloth");
    assert_eq!(text, "cloth: is a folder; a file is needed here");
}

#[test]
fn a_folder_that_is_removed_while_the_run_trains_is_named() {
    let scratch = Scratch::new();
    let out = scratch.path("new");
    let config = orthoscope::run::Config::parse(crate::fixture::CONFIG).unwrap();
    let job = orthoscope::run::TrainingJob::prepare(config, &scratch.path("cloth"), &out, false).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let remove = |_: &_| drop(std::fs::remove_dir_all(&out));
    let error = job.run(&orthoscope::backend::Cpu::default(), &stop, remove).unwrap_err().to_string();
    let reason = "was removed or renamed while the run trained, which cannot write its files there any more";
    assert_eq!(error, format!("{}: {reason}", out.display()));
    assert!(!out.exists());
}

#[test]
fn a_run_is_never_overwritten() {
    let scratch = Scratch::new();
    let text = scratch.refuses("train --config c.toml --data cloth --out run");
    assert_eq!(text, "run: already holds a run; continue it with --resume or choose another folder");
    // What is no run, or cannot be continued, is not called one.
    for name in ["model.safetensors", "checkpoint.safetensors", "checkpoint.previous.safetensors"] {
        for bytes in [&b"mine"[..], &scratch.read("run/model.safetensors")] {
            scratch.write(format!("other/{name}"), bytes);
            for option in ["", " --overwrite"] {
                let text = scratch.refuses(&format!("train --config c.toml --data cloth --out other{option}"));
                let reason = "is there already, where a run writes its own; move it away, or choose another folder";
                assert_eq!(text, format!("other/{name}: {reason}"));
            }
        }
        std::fs::remove_dir_all(scratch.path("other")).unwrap();
    }
    let remedy = "move it away, or choose another folder with --out";
    let reason = format!("is not of a demo, or was changed since; {remedy}");
    for option in ["", " --overwrite"] {
        let text = scratch.refuses(&format!("demo --out run --steps 1{option}"));
        assert_eq!(text, format!("run/model.safetensors: {reason}"));
        for (file, there) in [("mine/index.html", "index.html"), ("mine/data/tiles/a.png", "data/tiles/a.png")] {
            scratch.write(file, "mine");
            let text = scratch.refuses(&format!("demo --out mine --steps 1{option}"));
            assert_eq!(text, format!("mine/{there}: {reason}"));
            std::fs::remove_dir_all(scratch.path("mine")).unwrap();
        }
        scratch.write("mine/data", "mine");
        let text = scratch.refuses(&format!("demo --out mine --steps 1{option}"));
        assert_eq!(text, "mine/data: is a file; the output needs a folder here");
        std::fs::remove_dir_all(scratch.path("mine")).unwrap();
    }
    // A folder of data that has no such category is not in the way.
    scratch.write("mine/data/other/a.png", "mine");
    scratch.succeeds("demo --out mine --steps 1");
    assert_eq!(scratch.read("mine/data/other/a.png"), b"mine");
}

#[test]
fn results_never_overwrite_an_image_or_each_other() {
    let scratch = Scratch::new();
    let image = scratch.read("cloth/test/good/000.png");
    scratch.write("in/a.png", &image);
    scratch.write("in/a_mask.png", &image);
    let text = scratch.refuses("detect --model run/model.safetensors --out in in/a.png in/a_mask.png");
    assert_eq!(text, "in/a_mask.png: is an input, and the results for in/a.png would replace it; choose another --out");
    let same = "detect --model run/model.safetensors --out new cloth/test/good/000.png cloth/test/bend/000.png";
    let reason = "would get the same output name `000.png` as cloth/test/good/000.png";
    let remedy = "give one folder that holds both, or inspect them one after the other with another --out";
    assert_eq!(scratch.refuses(same), format!("cloth/test/bend/000.png: {reason}; {remedy}"));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_refused_before_any_image_is_looked_at() {
    let scratch = Scratch::new();
    // The model is not even read.
    scratch.write("none.safetensors", "x");
    for command in [
        "evaluate --model none.safetensors --data cloth",
        "evaluate --model none.safetensors --data cloth --out new --maps /proc/new",
        "detect --model none.safetensors cloth/test/good",
        "figures --model none.safetensors --data cloth",
        "train --config c.toml --data cloth",
        "validate --model none.safetensors --data cloth",
        "audit --model none.safetensors --data cloth",
        "reproduce --data . --config c.toml",
        "demo",
    ] {
        let command = if command.contains("--out") { command.to_owned() } else { format!("{command} --out /proc/new") };
        let text = scratch.refuses(&command);
        assert!(text.starts_with("/proc/new") && text.contains(": this folder cannot be made: "), "{command}: {text}");
    }
    for name in ["metrics.json", "index.html", "figure.png"] {
        std::fs::create_dir_all(scratch.path("new").join(name)).unwrap();
        let text = scratch.refuses("evaluate --model none.safetensors --data cloth --out new");
        assert!(text.starts_with(&format!("new/{name}: is a folder")), "{text}");
        std::fs::remove_dir(scratch.path("new").join(name)).unwrap();
    }
    std::fs::create_dir_all(scratch.path("new/002_mask.png")).unwrap();
    let text = scratch.refuses("detect --model none.safetensors --out new cloth/test/good");
    assert_eq!(text, "new/002_mask.png: cannot be written: it exists and is not a regular file");
}
