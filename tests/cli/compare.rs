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
    for part in ["<td>objective.lambda</td><td>0.5</td><td>0.25</td>", "<h2>Training loss</h2>", "<h2>Validation</h2>", "<svg"] {
        assert!(page.contains(part), "{part}");
    }
    scratch.succeeds("compare run other --out page");
    scratch.write("page/index.html", "mine");
    assert!(scratch.refuses("compare run other --out page").contains("pass --overwrite"));
    let error = scratch.refuses("compare run none --out c.toml/new");
    assert_eq!(error, "c.toml: is a file; the output needs a folder here", "before the runs are read");
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
