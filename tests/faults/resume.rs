//! Runs that cannot be continued.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use orthoscope::backend::Cpu;
use orthoscope::backend::cpu::Isa;
use orthoscope::run::{Accepted, Config, Log, Start, TrainingJob};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::fixture::{CONFIG, Scratch, sentence};

const RESUME: &str = "train --config c.toml --data cloth --out run --resume";
const CHECKPOINT: &str = "run/checkpoint.safetensors";
const PREVIOUS: &str = "run/checkpoint.previous.safetensors";

#[test]
fn resuming_without_a_checkpoint_fails() {
    let scratch = Scratch::new();
    let text = scratch.refuses("train --config c.toml --data cloth --out new --resume");
    assert_eq!(text, "new: holds no checkpoint.safetensors to resume from; to begin a run there, leave out --resume");
    fs::remove_file(scratch.path(CHECKPOINT)).unwrap();
    fs::remove_file(scratch.path(PREVIOUS)).unwrap();
    assert_eq!(scratch.refuses(RESUME), "run: holds no checkpoint.safetensors to resume from");
}

#[test]
fn a_run_that_was_killed_before_its_first_checkpoint_begins_anew_as_it_is_told() {
    let scratch = Scratch::new();
    scratch.write("new/config.toml", scratch.read("run/config.toml"));
    scratch.write("new/log.jsonl", &scratch.read("run/log.jsonl")[..200]);
    let remedy = "to begin anew, leave out --resume and pass --config new/config.toml";
    for options in ["", " --config c.toml", " --overwrite"] {
        let text = scratch.refuses(&format!("train --data cloth --out new --resume{options}"));
        assert_eq!(text, format!("new: holds no checkpoint.safetensors to resume from yet; {remedy}"));
    }
    scratch.succeeds("train --data cloth --out new --config new/config.toml");
    assert!(scratch.read("new/model.safetensors") == scratch.read("run/model.safetensors"));
    assert_eq!(Log::read(&scratch.path("new/log.jsonl")).unwrap().len(), 4);
}

#[test]
fn resuming_on_other_images_fails() {
    let scratch = Scratch::new();
    let reason = "was made with other training images, or some of them have changed since; choose another folder for these, or pass --accept-changes";
    let (first, before) = ("cloth/train/good/000.png", scratch.read("cloth/train/good/000.png"));
    scratch.write(first, scratch.read("cloth/train/good/001.png"));
    assert_eq!(scratch.refuses(RESUME), format!("{CHECKPOINT}: {reason}"));
    fs::remove_file(scratch.path(first)).unwrap();
    assert_eq!(scratch.refuses(RESUME), format!("{CHECKPOINT}: {reason}"));
    scratch.write(first, before);
    scratch.succeeds(RESUME);
}

#[test]
fn resuming_with_another_config_or_architecture_fails() {
    let scratch = Scratch::new();
    for (from, to, reason) in [
        ("width = 2", "width = 3", "model.width is 2 there and 3 now"),
        ("steps = 4", "steps = 5", "train.steps is 4 there and 5 now; --steps 5 lengthens the run"),
        ("[model]", "seed = 1\n[model]", "seed is 0 there and 1 now"),
        (
            "width = 2\ndilations = [1, 2]",
            "width = 3\ndilations = [1]",
            "model.dilations is [1, 2] there and [1] now; model.width is 2 there and 3 now",
        ),
    ] {
        scratch.write("c.toml", CONFIG.replace(from, to));
        assert_eq!(scratch.refuses(RESUME), format!("{CHECKPOINT}: was made with another config: {reason}"));
    }
    // What is written on the way may change.
    let config = Config::parse(CONFIG).unwrap();
    let job = TrainingJob::prepare(config, &scratch.path("cloth"), &scratch.path("cut"), false).unwrap();
    let stop = AtomicBool::new(false);
    job.run(&Cpu::default(), &stop, |entry| stop.store(entry.step >= 2, Ordering::Relaxed)).unwrap();
    drop(job);
    scratch.write("c.toml", CONFIG.replace("checkpoint_every = 2", "checkpoint_every = 3"));
    scratch.succeeds(&RESUME.replace("--out run", "--out cut"));
    scratch.succeeds("train --config c.toml --data cloth --out whole");
    assert!(scratch.read("cut/model.safetensors") == scratch.read("whole/model.safetensors"));
}

#[test]
fn resuming_from_a_damaged_or_foreign_file_fails() {
    let scratch = Scratch::new();
    let whole = scratch.read(CHECKPOINT);
    fs::remove_file(scratch.path(PREVIOUS)).unwrap();
    for bytes in [&whole[..0], &whole[..64], &whole[..whole.len() - 1], b"not a checkpoint"] {
        scratch.write(CHECKPOINT, bytes);
        let text = scratch.refuses(RESUME);
        assert!(text.starts_with(&format!("{CHECKPOINT}: not a checkpoint: ")), "{text}");
    }
    scratch.write(CHECKPOINT, scratch.read("run/model.safetensors"));
    assert_eq!(scratch.refuses(RESUME), format!("{CHECKPOINT}: not a checkpoint: no `orthoscope.step` in its metadata"));
}

/// The checkpoint with its tensors changed by `edit` and its metadata unchanged.
fn edited(bytes: &[u8], edit: impl Fn(&mut HashMap<String, Vec<u8>>)) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let mut values = tensors.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect();
    edit(&mut values);
    let view = |bytes| TensorView::new(Dtype::F32, vec![<[u8]>::len(bytes) / 4], bytes).unwrap();
    let views: Vec<_> = values.iter().map(|(name, bytes)| (name, view(bytes))).collect();
    let mut metadata = header.metadata().clone().unwrap();
    metadata.remove("orthoscope.sha256").unwrap();
    safetensors::serialize(views, Some(metadata)).unwrap()
}

#[test]
fn resuming_with_tensors_of_another_network_fails() {
    let scratch = Scratch::new();
    let whole = scratch.read(CHECKPOINT);
    fs::remove_file(scratch.path(PREVIOUS)).unwrap();
    for (edit, reason) in [
        (drop_weight as fn(&mut HashMap<String, Vec<u8>>), "parameter `e1.0.weight` is missing"),
        (cut_weight, "the checkpoint is not of Model II"),
        (drop_average, "the checkpoint has no tensors `a.*`"),
        (break_moment, "tensor `v.out.bias` holds NaN"),
    ] {
        scratch.write(CHECKPOINT, edited(&whole, edit));
        let text = scratch.refuses(RESUME);
        assert!(text.starts_with(&format!("{CHECKPOINT}: ")) && text.contains(reason), "{text}");
    }
}

fn drop_weight(values: &mut HashMap<String, Vec<u8>>) {
    values.remove("p.e1.0.weight").unwrap();
}

fn cut_weight(values: &mut HashMap<String, Vec<u8>>) {
    values.get_mut("m.e1.0.weight").unwrap().truncate(8);
}

fn drop_average(values: &mut HashMap<String, Vec<u8>>) {
    values.retain(|name, _| !name.starts_with("a."));
}

fn break_moment(values: &mut HashMap<String, Vec<u8>>) {
    values.get_mut("v.out.bias").unwrap()[..4].copy_from_slice(&f32::NAN.to_le_bytes());
}

/// A file with its metadata changed by `edit` and its tensors unchanged.
fn with_metadata(bytes: &[u8], edit: impl Fn(&mut HashMap<String, String>)) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    metadata.remove("orthoscope.sha256").unwrap();
    edit(&mut metadata);
    safetensors::serialize(SafeTensors::deserialize(bytes).unwrap().tensors(), Some(metadata)).unwrap()
}

/// Trains `cut` to this step with a checkpoint there, as if it was interrupted.
fn interrupted(scratch: &Scratch, step: u64) {
    let config = Config::parse(CONFIG).unwrap();
    let job = TrainingJob::prepare(config, &scratch.path("cloth"), &scratch.path("cut"), false).unwrap();
    let stop = AtomicBool::new(false);
    job.run(&Cpu::default(), &stop, |entry| stop.store(entry.step >= step, Ordering::Relaxed)).unwrap();
}

const RESUME_CUT: &str = "train --config c.toml --data cloth --out cut --resume";

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_it_is_used() {
    let scratch = Scratch::new();
    interrupted(&scratch, 3);
    let [last, previous] = ["cut/checkpoint.safetensors", "cut/checkpoint.previous.safetensors"];
    let whole = scratch.read(last);
    let mut flipped = whole.clone();
    let at = flipped.len() - 2;
    flipped[at] ^= 0x40;
    for bytes in [&flipped[..], &whole[..100], b""] {
        scratch.write(last, bytes);
        let good = scratch.read(previous);
        let ran = scratch.succeeds(RESUME_CUT);
        let warning = ran.err.lines().find(|line| line.starts_with("warning: ")).unwrap();
        assert!(warning.starts_with(&format!("warning: {last}: ")), "{warning}");
        assert!(warning.ends_with(&format!("; going on from step 2 of {previous} instead")), "{warning}");
        let aside = format!("{last}.damaged");
        assert!(ran.err.contains(&format!("warning: the damaged checkpoint is kept as {aside}")), "{}", ran.err);
        assert!(scratch.read(&aside) == bytes);
        fs::remove_file(scratch.path(aside)).unwrap();
        assert!(scratch.read("cut/model.safetensors") == scratch.read("run/model.safetensors"));
        assert_eq!(Log::read(&scratch.path("cut/log.jsonl")).unwrap().len(), 4);
        fs::remove_file(scratch.path("cut/model.safetensors")).unwrap();
        scratch.write(previous, good);
    }
    // Killed between the two renames of a checkpoint.
    fs::remove_file(scratch.path(last)).unwrap();
    scratch.succeeds(RESUME_CUT);
    assert!(scratch.read("cut/model.safetensors") == scratch.read("run/model.safetensors"));
}

#[test]
fn what_a_run_did_not_write_in_the_place_of_its_weights_is_kept() {
    let scratch = Scratch::new();
    let resume = "train --config c.toml --data cloth --out run --resume";
    let weights = scratch.read("run/model.safetensors");
    scratch.succeeds("train --config c.toml --data cloth --out other --seed 1");
    scratch.succeeds("train --config c.toml --normal cloth/test/good --out elsewhere");
    scratch.succeeds("model init --model 2 --width 3 --out new.safetensors");
    let [changed, other, new] =
        [[&weights[..], b"\n"].concat(), scratch.read("other/model.safetensors"), scratch.read("new.safetensors")];
    let [other_settings, other_images] = ["other", "elsewhere"].map(|run| scratch.read(format!("{run}/checkpoint.safetensors")));
    for (name, texts) in [
        ("model.safetensors", [&b"my notes"[..], &changed, &other, &new]),
        ("checkpoint.previous.safetensors", [b"my notes", &weights, &other_settings, &other_images]),
    ] {
        let (path, aside) = (format!("run/{name}"), format!("run/{name}.foreign"));
        for text in texts {
            scratch.write(&path, text);
            // Longer by a step each time, so that there is a checkpoint to write.
            let steps = Config::read(&scratch.path("run/config.toml")).unwrap().train.steps + 1;
            let ran = scratch.succeeds(&format!("train --data cloth --out run --resume --steps {steps}"));
            let words = format!("warning: {path}: is not as this run wrote it; it is kept as {aside}\n");
            assert!(ran.err.contains(&words), "{}", ran.err);
            assert!(scratch.read(&aside) == text);
            fs::remove_file(scratch.path(&aside)).unwrap();
        }
    }
    let ran = scratch.succeeds(&resume.replace("--config c.toml ", ""));
    assert!(!ran.err.contains("is not as this run wrote it"), "{}", ran.err);
}

/// Resumes `run` with these weights in the place of its own, and says why they are kept; none if they are replaced.
fn doubt(scratch: &Scratch, weights: &[u8], options: &str) -> Option<String> {
    let [path, aside] = ["run/model.safetensors", "run/model.safetensors.foreign"];
    scratch.write(path, weights);
    let ran = scratch.succeeds(&format!("train --data cloth --out run --resume{options}"));
    let reason = ran.err.lines().find_map(|line| line.strip_prefix(&format!("warning: {path}: "))?.strip_suffix(aside))?;
    assert!(scratch.read(aside) == weights);
    fs::remove_file(scratch.path(aside)).unwrap();
    Some(reason.strip_suffix("; it is kept as ").unwrap().to_owned())
}

#[test]
fn weights_of_another_training_are_kept_and_those_of_the_run_are_known() {
    let scratch = Scratch::new();
    let first = scratch.read("run/model.safetensors");
    let other_settings = Some("was trained with other settings than this run has now or had at its last checkpoint".to_owned());
    for (from, to) in [("batch = 2", "batch = 3"), ("batch = 2", "batch = 2\nlearning_rate = 0.01")] {
        scratch.write("d.toml", CONFIG.replace(from, to));
        scratch.succeeds("train --config d.toml --data cloth --out other");
        assert_eq!(doubt(&scratch, &scratch.read("other/model.safetensors"), ""), other_settings, "{to}");
        fs::remove_dir_all(scratch.path("other")).unwrap();
    }
    scratch.succeeds("train --config c.toml --data cloth --out other --steps 7");
    let longer = scratch.read("other/model.safetensors");
    let foreign = Some("is not as this run wrote it".to_owned());
    assert_eq!(doubt(&scratch, &longer, ""), foreign, "of a run with more steps");
    assert_eq!(doubt(&scratch, &first, ""), None);
    assert_eq!(doubt(&scratch, &first, " --steps 7"), None, "of before it was lengthened");
    let lengthened = scratch.read("run/model.safetensors");
    for (weights, reason) in [(&longer, foreign), (&first, None), (&lengthened, None)] {
        assert_eq!(doubt(&scratch, weights, ""), reason);
    }
    let text = String::from_utf8(scratch.read("run/config.toml")).unwrap();
    scratch.write("run/config.toml", text.replace("checkpoint_every = 2", "checkpoint_every = 3"));
    assert_eq!(doubt(&scratch, &lengthened, " --steps 8"), None, "with other files on the way");
}

#[test]
fn weights_that_do_not_name_their_images_are_those_of_a_run_that_does_not_either() {
    let scratch = Scratch::new();
    let whole = scratch.read("run/model.safetensors");
    let named = |images: serde_json::Value| {
        with_metadata(&whole, |metadata| {
            let text = metadata.get_mut("orthoscope.detection").unwrap();
            let mut settings: serde_json::Value = serde_json::from_str(text).unwrap();
            settings["provenance"]["images"] = images.clone();
            *text = settings.to_string();
        })
    };
    assert_eq!(
        doubt(&scratch, &named("0".into()), ""),
        Some("was trained on other images than this run has now or had at its last checkpoint".to_owned())
    );
    // As an earlier version wrote them.
    let weights = named(serde_json::Value::Null);
    let reason = "does not say which images it was trained on, so it is not known whether this run wrote it";
    assert_eq!(doubt(&scratch, &weights, ""), Some(reason.to_owned()));
    let checkpoint = with_metadata(&scratch.read(CHECKPOINT), |metadata| drop(metadata.remove("orthoscope.images").unwrap()));
    scratch.write(CHECKPOINT, checkpoint);
    assert_eq!(doubt(&scratch, &weights, ""), None);
}

#[test]
fn a_folder_in_the_place_of_weights_gets_another_name() {
    let scratch = Scratch::new();
    interrupted(&scratch, 3);
    let paths = ["model.safetensors", "checkpoint.previous.safetensors"].map(|name| format!("cut/{name}"));
    for path in &paths {
        let _ = fs::remove_file(scratch.path(path));
        scratch.write(format!("{path}/mine"), "mine");
    }
    let ran = scratch.succeeds(RESUME_CUT);
    for path in paths {
        let words = format!("warning: {path}: is not as this run wrote it; it is kept as {path}.foreign\n");
        assert!(ran.err.contains(&words), "{}", ran.err);
        assert_eq!(scratch.read(format!("{path}.foreign/mine")), b"mine");
    }
    assert!(scratch.read("cut/model.safetensors") == scratch.read("run/model.safetensors"));
}

#[cfg(unix)]
#[test]
fn a_run_whose_files_lie_elsewhere_goes_on_and_they_stay() {
    let scratch = Scratch::new();
    interrupted(&scratch, 3);
    let names = ["model.safetensors", "checkpoint.safetensors", "checkpoint.previous.safetensors", "log.jsonl"];
    scratch.write("cut/model.safetensors", scratch.read("run/model.safetensors"));
    let link = |name: &str| {
        scratch.write(format!("far/{name}"), scratch.read(format!("cut/{name}")));
        fs::remove_file(scratch.path(format!("cut/{name}"))).unwrap();
        std::os::unix::fs::symlink(format!("../far/{name}"), scratch.path(format!("cut/{name}"))).unwrap();
    };
    names.into_iter().for_each(link);
    let before = crate::fixture::tree(&scratch.path("far"));
    let ran = scratch.succeeds(RESUME_CUT);
    for name in ["model.safetensors", "log.jsonl"] {
        let words =
            format!("warning: cut/{name}: was a link to ../far/{name}; a file takes its place, and what it led to stays\n");
        assert!(ran.err.contains(&words), "{}", ran.err);
    }
    assert!(crate::fixture::tree(&scratch.path("far")) == before);
    assert!(scratch.read("cut/model.safetensors") == scratch.read("run/model.safetensors"));
    assert_eq!(Log::read(&scratch.path("cut/log.jsonl")).unwrap().len(), 4);
}

#[test]
fn a_lengthened_run_that_is_killed_before_its_first_step_stays_lengthened() {
    let scratch = Scratch::new();
    let config = Config::parse(&CONFIG.replace("steps = 4", "steps = 7")).unwrap();
    let start = Start::Resume(Accepted { steps: true, changes: false });
    let out = scratch.path("run");
    let lock = || orthoscope::data::lock_folder(&out);
    let job = TrainingJob::prepare_with(config, scratch.path("cloth").as_path(), &out, start, lock).unwrap();
    // As a kill after step 5 leaves the files.
    let keep = |step: u64| {
        for name in scratch.names("run").iter().filter(|_| step == 5) {
            scratch.write(format!("killed/{name}"), scratch.read(format!("run/{name}")));
        }
    };
    job.run(&Cpu::default(), &AtomicBool::new(false), |entry| keep(entry.step)).unwrap();
    let resume = "train --data cloth --out killed --resume";
    for name in ["checkpoint.safetensors", "checkpoint.previous.safetensors"] {
        let (path, whole) = (format!("killed/{name}"), scratch.read(format!("killed/{name}")));
        scratch.write(&path, &whole[..100]);
        scratch.succeeds(resume);
        assert!(scratch.read("killed/model.safetensors") == scratch.read("run/model.safetensors"), "{name}");
    }
}

#[test]
fn a_damaged_checkpoint_is_named_also_if_the_one_before_is_of_a_shorter_run() {
    let scratch = Scratch::new();
    let old = scratch.read(CHECKPOINT);
    scratch.succeeds("train --data cloth --out run --resume --steps 5");
    let last = "run/checkpoint.safetensors";
    let whole = scratch.read(last);
    scratch.write(last, &whole[..100]);
    // As versions left it that did not note the new number of steps at once.
    scratch.write(PREVIOUS, old);
    let text = scratch.refuses("train --data cloth --out run --resume");
    assert!(text.starts_with(&format!("{last}: not a checkpoint: ")), "{text}");
    let reason = "was made with another config: train.steps is 4 there and 5 now; --steps 5 lengthens the run";
    assert!(text.ends_with(&format!("; {PREVIOUS} {reason}")), "{text}");
    scratch.succeeds("train --data cloth --out run --resume --steps 5");
}

#[test]
fn two_damaged_checkpoints_are_both_named_with_a_remedy_that_works() {
    let scratch = Scratch::new();
    interrupted(&scratch, 3);
    let [last, previous] = ["cut/checkpoint.safetensors", "cut/checkpoint.previous.safetensors"];
    let (mut flipped, good) = (scratch.read(last), scratch.read(previous));
    let at = flipped.len() - 2;
    flipped[at] ^= 0x40;
    scratch.write(last, flipped);
    // The one before cannot be read now, but may be another time.
    link_to_itself(&scratch, previous);
    let text = sentence(&scratch.run(RESUME_CUT).err);
    assert!(text.starts_with(&format!("{last}: is damaged: its content has the SHA-256 ")), "{text}");
    assert!(text.contains(&format!("; {previous}: cannot be read: ")) && !text.contains("; neither can be"), "{text}");
    fs::remove_file(scratch.path(previous)).unwrap();
    fs::create_dir(scratch.path(previous)).unwrap();
    let text = scratch.refuses(RESUME_CUT);
    assert!(text.contains(&format!("; {previous}: is a folder; a file is needed here; neither can be resumed from: ")), "{text}");
    fs::remove_dir(scratch.path(previous)).unwrap();
    scratch.write(previous, &good[..100]);
    let text = scratch.refuses(RESUME_CUT);
    assert!(text.starts_with(&format!("{last}: is damaged: its content has the SHA-256 ")), "{text}");
    assert!(text.contains(&format!("; {previous}: not a checkpoint: ")), "{text}");
    assert!(text.ends_with("; neither can be resumed from: to train anew, remove both or choose another --out"), "{text}");
    [last, previous].iter().for_each(|path| fs::remove_file(scratch.path(path)).unwrap());
    scratch.succeeds(RESUME_CUT.strip_suffix(" --resume").unwrap());
    assert!(scratch.read("cut/model.safetensors") == scratch.read("run/model.safetensors"));
    // Where the weights are, no other run begins.
    [last, previous].iter().for_each(|path| scratch.write(path, &good[..100]));
    assert!(scratch.refuses(RESUME_CUT).ends_with("; neither can be resumed from: to train anew, choose another --out"));
}

#[test]
fn a_checkpoint_that_is_not_damaged_is_not_given_up() {
    let scratch = Scratch::new();
    interrupted(&scratch, 3);
    let last = "cut/checkpoint.safetensors";
    let whole = scratch.read(last);
    // Of a later version, with a key that this one does not know.
    let later =
        |metadata: &mut HashMap<_, String>| metadata.get_mut("orthoscope.config").unwrap().push_str("\n[later]\nkey = 1\n");
    scratch.write(last, with_metadata(&whole, later));
    let text = scratch.refuses(RESUME_CUT);
    assert!(text.starts_with(&format!("{last}: ")) && text.contains("later"), "{text}");
    // What cannot be read now may be readable another time.
    link_to_itself(&scratch, last);
    let text = sentence(&scratch.run(RESUME_CUT).err);
    assert!(text.starts_with(&format!("{last}: cannot be read: ")), "{text}");
    assert!(scratch.path(last).is_symlink());
}

/// Puts a link that the system does not follow in the place of a file.
fn link_to_itself(scratch: &Scratch, name: &str) {
    let path = scratch.path(name);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(path.file_name().unwrap(), &path).unwrap();
}

#[test]
fn what_is_no_file_is_put_aside_and_the_checkpoint_before_it_is_used() {
    let scratch = Scratch::new();
    interrupted(&scratch, 3);
    let [last, previous] = ["cut/checkpoint.safetensors", "cut/checkpoint.previous.safetensors"];
    let good = scratch.read(previous);
    for (program, kind, removed) in [("mkdir", "a folder", "rmdir"), ("mkfifo", "a named pipe", "rm")] {
        let runs = |program: &str, name: &str| {
            let status = std::process::Command::new(program).arg(scratch.path(name)).status().unwrap();
            assert!(status.success(), "{program} {name}");
        };
        fs::remove_file(scratch.path(last)).unwrap();
        runs(program, last);
        let ran = scratch.succeeds(RESUME_CUT);
        let reason = format!("is {kind}; a file is needed here; going on from step 2 of {previous} instead");
        assert!(ran.err.contains(&format!("warning: {last}: {reason}\n")), "{}", ran.err);
        assert!(ran.err.contains(&format!("warning: what was in its place is kept as {last}.damaged\n")), "{}", ran.err);
        assert!(scratch.read("cut/model.safetensors") == scratch.read("run/model.safetensors"));
        runs(removed, &format!("{last}.damaged"));
        fs::remove_file(scratch.path("cut/model.safetensors")).unwrap();
        // Without the one before, there is nothing to go on from.
        fs::remove_file(scratch.path(last)).unwrap();
        fs::remove_file(scratch.path(previous)).unwrap();
        runs(program, last);
        assert_eq!(sentence(&scratch.run(RESUME_CUT).err), format!("{last}: is {kind}; a file is needed here"));
        runs(removed, last);
        scratch.write(last, &good);
        scratch.write(previous, &good);
    }
}

#[test]
fn a_lost_config_is_named_and_the_settings_are_those_of_the_checkpoint() {
    let scratch = Scratch::new();
    interrupted(&scratch, 3);
    fs::remove_file(scratch.path("cut/config.toml")).unwrap();
    let ran = scratch.succeeds("train --data cloth --out cut --resume");
    let reason = "is missing; what the checkpoint says is used for all settings";
    assert!(ran.err.contains(&format!("warning: cut/config.toml: {reason}\n")), "{}", ran.err);
    for name in ["config.toml", "model.safetensors"] {
        assert!(scratch.read(format!("cut/{name}")) == scratch.read(format!("run/{name}")), "{name}");
    }
    // Options go over them, as over those of the file.
    fs::remove_file(scratch.path("cut/config.toml")).unwrap();
    let text = scratch.refuses("train --data cloth --out cut --resume --seed 8");
    assert_eq!(text, "cut/checkpoint.safetensors: was made with another config: seed is 0 there and 8 now");
    scratch.succeeds("train --data cloth --out cut --resume --steps 6");
    assert_eq!(Config::read(&scratch.path("cut/config.toml")).unwrap().train.steps, 6);
    assert!(scratch.refuses("train --data cloth --out none --resume").starts_with("none: holds no checkpoint.safetensors"));
}

#[test]
fn a_previous_checkpoint_of_the_run_is_named_with_what_continues_it() {
    let scratch = Scratch::new();
    scratch.succeeds("train --config c.toml --data cloth --out other --seed 8");
    scratch.write("run/checkpoint.safetensors", scratch.read("other/checkpoint.safetensors"));
    let (last, previous) = ("run/checkpoint.safetensors", "run/checkpoint.previous.safetensors");
    let remedy = format!("{previous}, of step 2, is of this config: to go on from it, move {last} away and repeat the command");
    let reason = format!("{last}: was made with another config: seed is 8 there and 0 now; {remedy}");
    assert_eq!(scratch.refuses(RESUME), reason);
    fs::rename(scratch.path(last), scratch.path("aside")).unwrap();
    scratch.succeeds(RESUME);
}

#[test]
fn a_run_begun_anew_with_other_settings_says_which() {
    let scratch = Scratch::new();
    scratch.write("new/config.toml", scratch.read("run/config.toml"));
    let ran = scratch.succeeds("train --config c.toml --data cloth --out new --seed 8");
    let words =
        "new/config.toml: is of a run without a checkpoint and is replaced, with other settings: seed is 0 there and 8 now";
    assert!(ran.err.contains(&format!("warning: {words}\n")), "{}", ran.err);
}

#[test]
fn a_step_beyond_the_last_one_is_refused() {
    let scratch = Scratch::new();
    let whole = scratch.read(CHECKPOINT);
    fs::remove_file(scratch.path(PREVIOUS)).unwrap();
    for step in ["5", "18446744073709551615"] {
        let beyond = |metadata: &mut HashMap<_, _>| drop(metadata.insert("orthoscope.step".to_owned(), step.to_owned()));
        scratch.write(CHECKPOINT, with_metadata(&whole, beyond));
        let text = scratch.refuses(RESUME);
        assert_eq!(text, format!("{CHECKPOINT}: not a checkpoint: it is of step {step}, and train.steps is 4"));
    }
}

#[test]
fn another_precision_is_refused_and_other_instructions_are_named() {
    let scratch = Scratch::new();
    interrupted(&scratch, 2);
    let bf16 = format!("{RESUME_CUT} --precision bf16");
    let ran = scratch.run(&bf16);
    let reason = "was made with precision f32, and now it is bf16; go on with --precision f32, or pass --accept-changes";
    assert_eq!((ran.code, sentence(&ran.err)), (1, format!("cut/checkpoint.safetensors: {reason}")));
    let copy = |to: &str| {
        for name in scratch.names("cut") {
            scratch.write(format!("{to}/{name}"), scratch.read(format!("cut/{name}")));
        }
    };
    copy("other");
    let ran = scratch.succeeds(&format!("{} --accept-changes", bf16.replace("--out cut", "--out other")));
    let warning = "was made with precision f32, and now it is bf16; the weights will not be those of an uninterrupted run";
    assert!(ran.err.contains(&format!("warning: other/checkpoint.safetensors: {warning}")), "{}", ran.err);
    scratch.succeeds("evaluate --model other/model.safetensors --data cloth --out other");
    let protocol = scratch.json("other/metrics.json")["protocol"].as_str().unwrap().to_owned();
    assert!(protocol.contains("; trained on cpu, f32, ") && protocol.contains(" then cpu, bf16, "), "{protocol}");
    assert!(protocol.contains("; device cpu; precision f32; instructions "), "{protocol}");
    assert!(scratch.misused("train --data cloth --out third --accept-changes").contains("--resume"));
    if Cpu::default().isa() != Isa::Portable {
        let ran = scratch.run_with(RESUME_CUT, &[("ORTHOSCOPE_CPU", "portable")]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let warning = format!("instructions {} there and portable now, so the weights will not be", Cpu::default().isa());
        assert!(ran.err.contains(&warning), "{}", ran.err);
    }
}

#[test]
fn changed_images_are_accepted_on_request() {
    let scratch = Scratch::new();
    interrupted(&scratch, 2);
    scratch.write("cloth/train/good/000.png", scratch.read("cloth/train/good/001.png"));
    assert!(scratch.refuses(RESUME_CUT).contains("was made with other training images"));
    let ran = scratch.succeeds(&format!("{RESUME_CUT} --accept-changes"));
    assert_eq!(ran.err.matches("was made with other training images").count(), 1, "{}", ran.err);
    assert!(scratch.read("cut/model.safetensors") != scratch.read("run/model.safetensors"));
    let protocol = || {
        scratch.succeeds("evaluate --model cut/model.safetensors --data cloth --out cut");
        scratch.json("cut/metrics.json")["protocol"].as_str().unwrap().to_owned()
    };
    assert!(protocol().contains("; other training images after step 2; "), "{}", protocol());
    // The checkpoint remembers it, and that is no second change.
    scratch.succeeds(&format!("{RESUME_CUT} --steps 6 --accept-changes"));
    let words = "; other training images after step 2 and lengthened after step 4 of 4; ";
    assert!(protocol().contains(words), "{}", protocol());
}

#[test]
fn a_damaged_log_stops_neither_a_run_nor_its_evaluation() {
    let scratch = Scratch::new();
    interrupted(&scratch, 3);
    let log = String::from_utf8(scratch.read("cut/log.jsonl")).unwrap();
    let lines: Vec<&[u8]> = log.lines().map(str::as_bytes).collect();
    for bad in [&b"GARBAGE"[..], b"\xff\xfe", br#"{"step":1,"loss":null,"rate":0.1,"images_per_second":1.0}"#] {
        scratch.write("cut/log.jsonl", [lines[0], bad, lines[1], lines[2], b""].join(&b'\n'));
        scratch.write("run/log.jsonl", scratch.read("cut/log.jsonl"));
        let ran = scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out found");
        let words = "log.jsonl: line 2 is no line of a log and is left out";
        assert_eq!(ran.err.matches(&format!("warning: run/{words}")).count(), 1, "{}", ran.err);
        scratch.write("other/config.toml", scratch.read("cut/config.toml"));
        for name in ["checkpoint.safetensors", "log.jsonl"] {
            scratch.write(format!("other/{name}"), scratch.read(format!("cut/{name}")));
        }
        let ran = scratch.succeeds("train --config c.toml --data cloth --out other --resume");
        assert_eq!(ran.err.matches(&format!("warning: other/{words}")).count(), 1, "{}", ran.err);
        let steps: Vec<u64> = Log::read(&scratch.path("other/log.jsonl")).unwrap().iter().map(|entry| entry.step).collect();
        assert_eq!(steps, [1, 2, 3, 4]);
        assert_eq!(scratch.read("other/log.jsonl.damaged"), scratch.read("cut/log.jsonl"));
        fs::remove_dir_all(scratch.path("other")).unwrap();
    }
}

#[test]
fn a_log_that_cannot_be_read_stops_neither_a_run_nor_its_evaluation() {
    let scratch = Scratch::new();
    interrupted(&scratch, 2);
    for run in ["run", "cut"] {
        fs::remove_file(scratch.path(run).join("log.jsonl")).unwrap();
        fs::create_dir(scratch.path(run).join("log.jsonl")).unwrap();
    }
    let ran = scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out found");
    let reason = "run/log.jsonl: is a folder; a file is needed here; the page has no curve of the loss";
    assert!(ran.err.contains(&format!("warning: {reason}")), "{}", ran.err);
    assert_eq!(scratch.names("found"), ["figure.png", "index.html", "metrics.json"]);
    let ran = scratch.succeeds(RESUME_CUT);
    assert!(ran.err.contains("it is kept as cut/log.jsonl.unreadable, and the log begins anew"), "{}", ran.err);
    assert!(scratch.read("cut/model.safetensors") == scratch.read("run/model.safetensors"));
}

#[test]
fn a_lost_log_is_said() {
    let scratch = Scratch::new();
    interrupted(&scratch, 2);
    fs::remove_file(scratch.path("cut/log.jsonl")).unwrap();
    let ran = scratch.succeeds(RESUME_CUT);
    let warning = "warning: cut/log.jsonl: the log of the steps up to 2 is gone; a new one begins\n";
    assert!(ran.err.contains(warning), "{}", ran.err);
    assert_eq!(Log::read(&scratch.path("cut/log.jsonl")).unwrap().len(), 2);
}
