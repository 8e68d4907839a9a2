//! `train --resume --steps N`: a finished run goes on, and says everywhere that its schedule was another one.

use orthoscope::run::LogEntry;

use crate::fixture::Scratch;

const LONGER: &str = "train --config c.toml --data cloth --out run --resume --steps 7";

fn weights(scratch: &Scratch, run: &str) -> Vec<u8> {
    scratch.read(format!("{run}/model.safetensors"))
}

#[test]
fn a_finished_run_is_lengthened_with_a_new_schedule() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds(LONGER);
    for part in ["train.steps was 4 and is 7 from step 5 on", "a run that had 7 steps from the start"] {
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    let log = String::from_utf8(scratch.read("run/log.jsonl")).unwrap();
    let entries: Vec<LogEntry> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.iter().map(|entry| entry.step).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert!(entries[4].rate > entries[3].rate, "the schedule of 7 steps is higher at step 5 than that of 4 at step 4");
    assert!(ran.err.contains(&format!("from {:.3e} to {:.3e}", entries[3].rate, entries[4].rate)), "{}", ran.err);
    scratch.succeeds("train --config c.toml --data cloth --out whole --steps 7");
    assert_ne!(weights(&scratch, "run"), weights(&scratch, "whole"));
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out found");
    let line = scratch.json("found/metrics.json")["protocol"].as_str().unwrap().to_owned();
    assert!(line.contains("; last step 7; ") && line.contains("; lengthened after step 4 of 4; trained on "), "{line}");
    assert!(String::from_utf8(scratch.read("run/config.toml")).unwrap().contains("steps = 7"));
}

#[test]
fn a_lengthened_run_has_the_same_bits_again_and_remembers_all_its_lengths() {
    let (one, two) = (Scratch::new(), Scratch::new());
    for scratch in [&one, &two] {
        scratch.succeeds(LONGER);
    }
    assert_eq!(weights(&one, "run"), weights(&two, "run"));
    // Nothing more to do, and nothing changes.
    let again = one.succeeds(LONGER);
    assert!(!again.err.contains("train.steps was"), "{}", again.err);
    assert_eq!(weights(&one, "run"), weights(&two, "run"));
    // The settings of the run are known without its config.
    one.succeeds("train --data cloth --out run --resume --steps 9");
    one.succeeds("evaluate --model run/model.safetensors --data cloth --out found");
    let line = one.json("found/metrics.json")["protocol"].as_str().unwrap().to_owned();
    assert!(line.contains("; lengthened after step 4 of 4 and lengthened after step 7 of 7; "), "{line}");
}

#[test]
fn other_changes_of_the_steps_are_refused() {
    let scratch = Scratch::new();
    let fewer = scratch.refuses("train --config c.toml --data cloth --out run --resume --steps 3");
    assert!(
        fewer.ends_with(
            "was made with another config: train.steps is 4 there and 3 now; a run can only be lengthened: --steps 4 continues it"
        ),
        "{fewer}"
    );
    // A config may have been edited for another run.
    scratch.write("longer.toml", "[train]\nsteps = 7\n");
    let file = scratch.refuses("train --config c.toml --config longer.toml --data cloth --out run --resume");
    assert!(file.ends_with("train.steps is 4 there and 7 now; --steps 7 lengthens the run"), "{file}");
    let other = scratch.refuses(&format!("{LONGER} --seed 8"));
    assert!(other.ends_with("was made with another config: seed is 0 there and 8 now"), "{other}");
}
