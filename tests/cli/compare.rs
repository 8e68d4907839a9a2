//! `compare`: runs side by side.

use crate::fixture::Scratch;

/// Two finished runs with results: `run` and `other`, which has another seed and λ.
fn two_runs() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("more.toml", "seed = 9\n[objective]\nlambda = 0.25\n[output]\nvalidate_every = 2\n");
    scratch.succeeds("train --config c.toml --config more.toml --data cloth --out other --steps 5");
    for run in ["run", "other"] {
        scratch.succeeds(&format!("evaluate --model {run}/model.safetensors --data cloth --out {run}"));
    }
    scratch
}

#[test]
fn configs_results_and_curves_stand_side_by_side() {
    let scratch = two_runs();
    let ran = scratch.succeeds("compare run other --out page");
    for part in ["A  run\nB  other\n", "Results", "Difference of the image AUROCs", "B − A", "Keys of the config that differ"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    // Keys that are equal are not listed.
    for (key, listed) in
        [("objective.lambda", true), ("seed", true), ("train.steps", true), ("train.batch", false), ("model.width", false)]
    {
        assert_eq!(ran.out.lines().any(|line| line.trim_start().starts_with(&format!("{key} "))), listed, "{key}: {}", ran.out);
    }
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
    let auroc = scratch.json("other/metrics.json")["image_auroc"].as_f64().unwrap();
    assert!(ran.out.contains(&format!("{auroc:.4}")), "{auroc}: {}", ran.out);
    let page = String::from_utf8(scratch.read("page/index.html")).unwrap();
    for part in ["<td>objective.lambda</td><td>0.5</td><td>0.25</td>", "<h2>Training</h2>", "<h2>Validation</h2>", "<svg"] {
        assert!(page.contains(part), "{part}");
    }
    scratch.succeeds("compare run other --out page");
    scratch.write("page/index.html", "mine");
    assert!(scratch.refuses("compare run other --out page").contains("pass --overwrite"));
    let error = scratch.refuses("compare run none --out c.toml/new");
    assert_eq!(error, "c.toml: is a file; the output needs a folder here", "before the runs are read");
}

#[test]
fn the_readme_evaluates_a_run_where_it_is_compared() {
    let lines = || include_str!("../../README.md").lines();
    let out = |command: &str| {
        let line = lines().find(|line| line.starts_with(command)).unwrap();
        line.split(" --out ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
    };
    let run = out("orthoscope train --config bottle.toml");
    assert_eq!(out("orthoscope evaluate --model runs/bottle/"), run);
    assert!(lines().any(|line| line.contains(&format!("`compare {run} "))));
}

#[test]
fn what_is_equal_is_said() {
    let scratch = Scratch::new();
    scratch.succeeds("train --config c.toml --data cloth --out other");
    let ran = scratch.succeeds("compare run other ./run --out page");
    let page = String::from_utf8(scratch.read("page/index.html")).unwrap();
    for text in [&ran.out, &page] {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["A and C are the same folder.", "A, B and C have equal configs.", "A, B and C have no metrics.json"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("Intervals hold 95 %"), "of what is not there: {text}");
    }
}

#[test]
fn a_difference_is_explained_where_there_is_one_and_a_missing_interval_has_its_reason() {
    let scratch = two_runs();
    scratch.succeeds("train --config c.toml --data cloth --out third --steps 3");
    let note = "A difference is of the image AUROCs";
    let same = scratch.succeeds("compare run run --out page");
    let page = String::from_utf8(scratch.read("page/index.html")).unwrap();
    for text in [joined(&same.out), page.clone(), joined(&scratch.succeeds("compare run third").out)] {
        assert!(!text.contains(note), "{text}");
    }
    assert!(joined(&same.out).contains("+0.0000 (no interval: the same weights)"), "{}", same.out);
    assert!(page.contains("<td>B\u{a0}−\u{a0}A</td>"), "in one line");
    // One paragraph after the other, not a section for each, and no title twice.
    assert_eq!(page.matches("<section class=\"notes\">").count(), 1);
    assert!(!page.contains("</section>\n<p>") && !page.contains("</ul>\n<p>"), "{page}");
    let titles = page.to_lowercase().matches(">training loss<").count();
    assert_eq!(titles, 0, "the axis has the title of its section");
}

#[test]
fn a_run_without_a_config_is_named_and_the_others_are_compared() {
    let scratch = two_runs();
    scratch.write("bare/metrics.json", scratch.read("run/metrics.json"));
    scratch.write("bare/log.jsonl", scratch.read("run/log.jsonl"));
    let sentence = "B has no config.toml, so its settings are not compared.";
    let ran = scratch.succeeds("compare run bare --out page");
    assert!(ran.out.contains(sentence) && !ran.out.contains("Keys of the config that differ"), "{}", ran.out);
    assert!(ran.out.contains("B − A"), "{}", ran.out);
    assert!(String::from_utf8(scratch.read("page/index.html")).unwrap().contains(sentence));
    // The columns of the settings are those of A and C.
    let ran = scratch.succeeds("compare run bare other");
    let table = ran.out.split("Keys of the config that differ").nth(1).unwrap();
    let row = |key: &str| {
        let line = table.lines().find(|line| line.trim_start().starts_with(&format!("{key} "))).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("key"), ["key", "A", "C"]);
    assert_eq!(row("objective.lambda"), ["objective.lambda", "0.5", "0.25"]);
    assert!(ran.out.contains(sentence) && !table.contains("model.width"), "{}", ran.out);
    scratch.write("blank/metrics.json", scratch.read("run/metrics.json"));
    let ran = scratch.succeeds("compare bare run blank");
    assert!(ran.out.contains("A and C have no config.toml, so their settings are not compared."), "{}", ran.out);
    assert!(scratch.succeeds("compare run other").out.lines().all(|line| !line.contains("config.toml")));
}

/// The cells of a run's row in the table of results.
fn cells(out: &str, run: &str) -> Vec<String> {
    let table = out.split("Results").nth(1).unwrap();
    let line = table.lines().find(|line| line.split_whitespace().next() == Some(run)).unwrap_or_else(|| panic!("{run}: {out}"));
    line.split_whitespace().map(str::to_owned).collect()
}

/// Text as one line.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn metrics_of_other_weights_than_those_of_the_run_are_marked() {
    let scratch = two_runs();
    let before = scratch.succeeds("compare run other");
    assert_eq!((&cells(&before.out, "A")[1], &cells(&before.out, "B")[1]), (&"4".to_owned(), &"5".to_owned()), "{}", before.out);
    assert!(!before.out.contains('*') && !joined(&before.out).contains("weights"), "{}", before.out);
    // Lengthened after its evaluation.
    scratch.succeeds("train --config c.toml --data cloth --out run --resume --steps 7");
    let ran = scratch.succeeds("compare run other --out page");
    let sentence = "* The metrics of A are of step 4, and the run now has other weights, of step 7: `evaluate --model run/model.safetensors --out \
                    run` with the test set measures these.";
    assert_eq!(cells(&ran.out, "A*")[1], "4", "{}", ran.out);
    assert!(ran.out.contains("B − A*") && joined(&ran.out).contains(sentence), "{}", ran.out);
    let page = String::from_utf8(scratch.read("page/index.html")).unwrap();
    assert!(page.contains("<td>A*</td><td>4</td>") && page.contains(sentence));
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out run");
    let ran = scratch.succeeds("compare run other");
    assert_eq!(cells(&ran.out, "A")[1], "7", "{}", ran.out);
    // As many steps of another seed.
    scratch.succeeds("train --config c.toml --data cloth --out seed --steps 7 --seed 3");
    scratch.succeeds("evaluate --model seed/model.safetensors --data cloth --out run");
    let ran = scratch.succeeds("compare other run");
    assert!(
        joined(&ran.out).contains("* The metrics of B are of step 7, and the run now has other weights, of step 7:"),
        "{}",
        ran.out
    );
    // Without weights, the config tells.
    std::fs::remove_file(scratch.path("run/model.safetensors")).unwrap();
    assert!(!scratch.succeeds("compare other run").out.contains('*'));
    let longer = |run: &str, from: &str| {
        let config = String::from_utf8(scratch.read(format!("{run}/config.toml"))).unwrap();
        scratch.write(format!("{run}/config.toml"), config.replace(from, "steps = 9"));
    };
    longer("run", "steps = 7");
    let ran = scratch.succeeds("compare other run");
    assert!(joined(&ran.out).contains("* The metrics of B are of step 7, and its config says step 9."), "{}", ran.out);
    // A lengthening that was interrupted.
    longer("other", "steps = 5");
    let ran = scratch.succeeds("compare run other");
    let sentence = "The weights of B, and with them its metrics, are of step 5; its train.steps is 9.";
    assert!(joined(&ran.out).contains(sentence) && cells(&ran.out, "B")[1] == "5", "{}", ran.out);
    // A file of an earlier version, and weights that are damaged.
    let mut old = scratch.json("other/metrics.json");
    assert!(old.as_object_mut().unwrap().remove("weights").is_some());
    scratch.write("other/metrics.json", old.to_string());
    scratch.write("other/model.safetensors", "damaged");
    let ran = scratch.succeeds("compare run other");
    assert!(joined(&ran.out).contains("The metrics.json of B does not say which weights it is of"), "{}", ran.out);
    assert!(cells(&ran.out, "B")[1] == "unknown" && ran.err.contains("other/model.safetensors: "), "{} {}", ran.out, ran.err);
}

#[test]
fn a_run_without_results_has_its_row() {
    let scratch = two_runs();
    scratch.succeeds("train --config c.toml --data cloth --out third --steps 3");
    let ran = scratch.succeeds("compare run third other");
    assert_eq!(cells(&ran.out, "B")[1..], ["–"; 6], "{}", ran.out);
    assert!(
        joined(&ran.out).contains("B has no metrics.json, so its results are not known; `evaluate --out` with"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("C − A"), "{}", ran.out);
    for run in ["run", "other"] {
        std::fs::remove_file(scratch.path(run).join("metrics.json")).unwrap();
    }
    let ran = scratch.succeeds("compare run other");
    assert!(!ran.out.contains("Results\n") && ran.out.contains("A and B have no metrics.json, so their"), "{}", ran.out);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let scratch = two_runs();
    // Another test set.
    std::fs::rename(scratch.path("cloth/test/good/000.png"), scratch.path("cloth/test/good/zero.png")).unwrap();
    scratch.succeeds("evaluate --model other/model.safetensors --data cloth --out other --resolution model");
    let ran = scratch.succeeds("compare run other");
    assert!(ran.out.contains("other test images"), "{}", ran.out);
    assert!(ran.out.contains("The protocols of the results differ"), "{}", ran.out.replace('\n', " "));
    // A run without results has its config alone.
    scratch.succeeds("train --config c.toml --data cloth --out third --steps 3");
    let ran = scratch.succeeds("compare run third");
    assert!(!ran.out.contains("Difference of the image AUROCs") && ran.out.contains("train.steps"), "{}", ran.out);
    let refused = scratch.refuses("compare run cloth");
    assert_eq!(refused, "cloth: has neither config.toml nor metrics.json, so there is nothing to compare");
    scratch.write("run/metrics.json", "{\"image_auroc\": 1.0}");
    assert!(scratch.refuses("compare run third").starts_with("run/metrics.json: is not of an evaluation: missing field"));
    let many = scratch.refuses("compare a b c d e f g");
    assert_eq!(many, "at most 6 runs can be compared, got 7");
    assert!(scratch.misused("compare run").contains("2 values required"));
}
