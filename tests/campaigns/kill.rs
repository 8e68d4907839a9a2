use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use orthoscope::rng::Stream;
use orthoscope::run::has_checkpoint;

use super::rounds::{note, rounds};
use super::state::{Files, Reference, files};
use crate::fixture::{Scratch, orthoscope};

/// The time that a command takes, at least a moment.
fn time_of(scratch: &Scratch, command: &str) -> Duration {
    let start = Instant::now();
    scratch.succeeds(command);
    start.elapsed().max(Duration::from_millis(20))
}

/// Runs a command and kills it at a random moment of the time that it takes. True if it was not done by then.
fn killed(scratch: &Scratch, command: &str, whole: Duration, random: &mut Stream) -> bool {
    let mut start = orthoscope();
    start.args(command.split_whitespace()).current_dir(scratch.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = start.spawn().unwrap();
    std::thread::sleep(whole.mul_f64(random.uniform_f64()));
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}

#[test]
fn a_training_that_is_killed_again_and_again_ends_with_the_same_bytes() {
    let scratch = Scratch::new();
    let train = |out: &str| format!("train --config c.toml --data cloth --steps 60 --out {out}");
    let whole = time_of(&scratch, &train("whole"));
    let expected = Reference::of([files(&scratch.path("whole")), files(&scratch.path("whole"))]);
    let (mut kills, mut count) = (0, 0);
    for mut random in rounds(100, 2) {
        count += 1;
        let mut attempts = 0;
        while attempts < 40 && !scratch.path("cut/model.safetensors").exists() {
            let resume = if has_checkpoint(&scratch.path("cut")) { " --resume" } else { "" };
            let threads = random.between(1, 3);
            // Later attempts have more time, so that the run ends at some time.
            let time = whole.mul_f64(0.6 + 0.1 * f64::from(attempts));
            kills += u32::from(killed(&scratch, &format!("{}{resume} --threads {threads}", train("cut")), time, &mut random));
            attempts += 1;
        }
        let resume = if has_checkpoint(&scratch.path("cut")) { " --resume" } else { "" };
        scratch.succeeds(&format!("{}{resume}", train("cut")));
        let found = files(&scratch.path("cut"));
        assert_eq!(expected.difference(&found), None, "after {attempts} attempts");
        assert!(found.keys().all(|path| path.extension().is_none_or(|extension| extension != "part")), "{:?}", found.keys());
        std::fs::remove_dir_all(scratch.path("cut")).unwrap();
    }
    note(format_args!("kill, train: {kills} kills in {count} runs"));
    assert!(kills > 0);
}

/// A command that is run over the results of another model.
struct Case {
    name: &'static str,
    command: fn(&str, &str) -> String,
    mixed: fn(&Files, &Files, &Files) -> Option<String>,
}

const CASES: [Case; 2] = [
    Case {
        name: "evaluate",
        command: |model, out| format!("evaluate --model {model} --data cloth --out {out}"),
        mixed: |found, old, new| sides(found.keys().map(|path| path.as_path()), found, old, new),
    },
    Case {
        name: "detect",
        command: |model, out| format!("detect --model {model} --out {out} cloth/test"),
        mixed: mixed_pictures,
    },
];

/// Whether some of these files are those of the old results and others those of the new ones.
fn sides<'a>(paths: impl Iterator<Item = &'a Path>, found: &Files, old: &Files, new: &Files) -> Option<String> {
    let differing = paths.filter(|path| old.get(*path) != new.get(*path) && !path.ends_with(orthoscope::disk::RECORD));
    let (mut olds, mut news) = (Vec::new(), Vec::new());
    for path in differing {
        let side = if found.get(path) == old.get(path) { &mut olds } else { &mut news };
        side.push(path.display().to_string());
    }
    (!olds.is_empty() && !news.is_empty()).then(|| format!("old {olds:?}, new {news:?}"))
}

/// Where the JSON of a picture is, its other files are complete and of the same run. Where the table is, all files are.
fn mixed_pictures(found: &Files, old: &Files, new: &Files) -> Option<String> {
    let table = Path::new("results.csv");
    let is_unfinished = |run: &Files| run.keys().any(|path| !found.contains_key(path));
    if found.contains_key(table) && is_unfinished(new) {
        return Some("the table is there without some of the files".into());
    }
    if let Some(mixed) = found.get(table).and_then(|_| sides(found.keys().map(|path| path.as_path()), found, old, new)) {
        return Some(mixed);
    }
    let stems = found.keys().filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    stems.into_iter().find_map(|json| {
        let prefix = format!("{}_", json.with_extension("").display());
        let own = |path: &&Path| *path == json || path.display().to_string().starts_with(&prefix);
        let lacking = new.keys().map(|path| path.as_path()).filter(own).find(|path| !found.contains_key(*path));
        match lacking {
            Some(path) => Some(format!("{} is there without {}", json.display(), path.display())),
            None => sides(found.keys().map(|path| path.as_path()).filter(own), found, old, new),
        }
    })
}

/// The models of the old and the new results.
const MODELS: [&str; 2] = ["other.safetensors", "run/model.safetensors"];

/// One kill over the results in `old`. True if it came in time. Panics with what went wrong.
fn round(scratch: &Scratch, case: &Case, time: Duration, random: &mut Stream) -> bool {
    let [old, new] = ["old", "new"].map(|name| files(&scratch.path(name)));
    let reference = Reference::of([new.clone(), new.clone()]);
    let [command_of_old, command] = MODELS.map(|model| (case.command)(model, "cut"));
    scratch.succeeds(&command_of_old);
    let in_time = killed(scratch, &command, time, random);
    let mut found = files(&scratch.path("cut"));
    found.retain(|path, _| path.extension().is_none_or(|extension| extension != "part"));
    assert_eq!(reference.fault(&found, &old), None, "{}", case.name);
    assert_eq!((case.mixed)(&found, &old, &new), None, "{}", case.name);
    scratch.succeeds(&command);
    assert_eq!(reference.difference(&files(&scratch.path("cut"))), None, "{}", case.name);
    std::fs::remove_dir_all(scratch.path("cut")).unwrap();
    in_time
}

#[test]
fn results_that_are_replaced_by_a_killed_command_are_old_or_new() {
    let scratch = Scratch::new();
    scratch.succeeds("model init --model 2 --width 2 --seed 3 --out other.safetensors");
    for (number, case) in (101..).zip(&CASES) {
        scratch.succeeds(&(case.command)(MODELS[0], "old"));
        let time = time_of(&scratch, &(case.command)(MODELS[1], "new"));
        let kills: Vec<bool> = rounds(number, 5).map(|mut random| round(&scratch, case, time, &mut random)).collect();
        ["old", "new"].iter().for_each(|name| std::fs::remove_dir_all(scratch.path(name)).unwrap());
        let count = kills.iter().filter(|in_time| **in_time).count();
        note(format_args!("kill, {}: {count} kills in {} runs", case.name, kills.len()));
        assert!(count > 0, "{}", case.name);
    }
}

#[test]
fn mixed_results_are_noticed() {
    let of =
        |pairs: &[(&str, &str)]| -> Files { pairs.iter().map(|(name, text)| (name.into(), text.as_bytes().to_vec())).collect() };
    let old = of(&[("a.json", "old"), ("a_mask.png", "old"), ("b.json", "same")]);
    let new = of(&[("a.json", "new"), ("a_mask.png", "new"), ("b.json", "same")]);
    let evaluate = CASES[0].mixed;
    assert_eq!((evaluate(&old, &old, &new), evaluate(&new, &old, &new)), (None, None));
    assert_eq!(mixed_pictures(&of(&[("a_mask.png", "old")]), &old, &new), None, "without its JSON it is not a result");
    for mixed in [of(&[("a.json", "old"), ("a_mask.png", "new")]), of(&[("a.json", "new"), ("a_mask.png", "old")])] {
        assert!(evaluate(&mixed, &old, &new).is_some() && mixed_pictures(&mixed, &old, &new).is_some());
    }
    assert!(mixed_pictures(&of(&[("a.json", "new")]), &old, &new).is_some());
    // The table of one run beside a picture of the other.
    let with_table = |files: &Files, text: &str| {
        let mut files = files.clone();
        files.insert("results.csv".into(), text.into());
        files
    };
    let [old, new] = [with_table(&old, "old"), with_table(&new, "new")];
    assert_eq!(mixed_pictures(&new, &old, &new), None);
    let mixed = with_table(&of(&[("a.json", "new"), ("a_mask.png", "new"), ("b.json", "same")]), "old");
    assert!(mixed_pictures(&mixed, &old, &new).is_some());
    assert!(mixed_pictures(&with_table(&of(&[]), "new"), &old, &new).is_some());
}
