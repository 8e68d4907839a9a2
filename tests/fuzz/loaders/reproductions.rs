use std::path::Path;
use std::sync::OnceLock;

use orthoscope::run::reproduction::{COST_FILE, Cost, PLAN_FILE, Plan, RUN_FILE, Report, finished, result_files};

use super::{Loader, Read, Verdict, ensure, must, of_file, refused};
use crate::fixture::Scratch;
use crate::fuzz::campaign::run;

/// Files of a small reproduction.
struct Files {
    plan: Vec<u8>,
    run: Vec<u8>,
    cost: Vec<u8>,
}

/// Made once: it trains and evaluates two networks.
fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(made)
}

fn made() -> Files {
    let scratch = Scratch::new();
    scratch.succeeds("reproduce --data . --config c.toml --device cpu --out all --seeds 2 --shard 1/2");
    let of_run = |name: &str| scratch.read(format!("all/cloth/seed-0/{name}"));
    Files { plan: scratch.read("all/plan.json"), run: of_run(RUN_FILE), cost: of_run(COST_FILE) }
}

fn check_plan(path: &Path) -> Verdict {
    let folder = path.parent().unwrap();
    let plan = match Plan::read(folder) {
        Ok(plan) => plan.unwrap(),
        Err(error) => return refused(&error),
    };
    let again = folder.join("again");
    std::fs::create_dir_all(&again).unwrap();
    must("writing", plan.write(&again))?;
    ensure(must("reading", Plan::read(&again))?.as_ref() == Some(&plan), "not the same when it is written and read again")?;
    for run in plan.own_runs() {
        // A config that is not valid is refused here.
        drop(plan.config(&run));
        drop(finished(&plan, &run, folder));
    }
    ensure(must("comparing", plan.differences(&plan, ["here", "there"]))?.is_empty(), "differs from itself")?;
    Ok(Read::Accepted)
}

#[test]
fn plan() {
    let corpus = vec![files().plan.clone()];
    run(&Loader { name: "plan", file: PLAN_FILE, corpus, memory: of_file, check: Box::new(check_plan) });
}

/// `run.json` in the folder of a run whose plan is whole.
fn check_run(path: &Path, plan: &Plan) -> Verdict {
    let out = path.ancestors().nth(3).unwrap();
    let run = &plan.own_runs()[0];
    let Some(report) = must("looking", finished(plan, run, out))? else { return Ok(Read::Ignored) };
    let (whole, _) = must("writing", result_files(out, plan, vec![report]))?;
    let text = must("writing", serde_json::to_string(&whole))?;
    ensure(must("reading", serde_json::from_str::<Report>(&text))? == whole, "not the same when it is written and read again")?;
    must("the page", orthoscope::report::reproduction::file(&whole, out))?;
    Ok(Read::Accepted)
}

#[test]
fn finished_run() {
    let plan: Plan = serde_json::from_slice(&files().plan).unwrap();
    let mut whole: serde_json::Value = serde_json::from_slice(&files().run).unwrap();
    // Without verdicts no other file is needed.
    whole["verdicts"] = serde_json::Value::Null;
    let corpus = vec![serde_json::to_vec_pretty(&whole).unwrap()];
    run(&Loader {
        name: "finished_run",
        file: "cloth/seed-0/run.json",
        corpus,
        memory: of_file,
        check: Box::new(move |path| check_run(path, &plan)),
    });
}

#[test]
fn cost_of_a_run() {
    run(&Loader {
        name: "cost_of_a_run",
        file: COST_FILE,
        corpus: vec![files().cost.clone()],
        memory: of_file,
        check: Box::new(|path| match Cost::read(path.parent().unwrap()) {
            Err(error) => refused(&error),
            Ok(cost) => {
                let text = must("writing", serde_json::to_string(&cost))?;
                ensure(
                    must("reading", serde_json::from_str::<Cost>(&text))? == cost,
                    "not the same when it is written and read again",
                )?;
                Ok(Read::Accepted)
            }
        }),
    });
}
