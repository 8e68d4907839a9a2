//! `reproduce`: one command from a folder of categories to a report, on one machine or several.

use std::fs;
use std::process::{Child, Stdio};

use orthoscope::run::Log;
use serde_json::Value;

use crate::cli::interrupt::{interrupted, wait};
use crate::fixture::tool::tool;
use crate::fixture::{CONFIG, Ran, Scratch, orthoscope, told, tree};

const REPRODUCE: &str = "reproduce --data . --config c.toml --device cpu";
const FILES: [&str; 3] = ["report.json", "tables.csv", "index.html"];

/// A scratch folder whose `cloth` is also there as `bottle`, which has a config of its own.
fn two_categories() -> Scratch {
    let scratch = Scratch::new();
    for (path, bytes) in tree(&scratch.path("cloth")) {
        if let Some(bytes) = bytes {
            scratch.write(std::path::Path::new("bottle").join(path), bytes);
        }
    }
    scratch
}

#[test]
fn a_run_is_what_train_and_evaluate_make() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds(&format!("{REPRODUCE} --out all --seeds 2"));
    assert!(ran.out.contains("base alone") && ran.out.contains("left out, because they have no train/good: run"), "{}", ran.out);
    assert!(ran.out.contains("2 runs to go: about") && ran.out.contains("estimated from a few timed steps"), "{}", ran.out);
    assert!(
        ran.err.contains("run 1 of 2: cloth seed 0") && ran.err.contains("run 2 of 2: cloth seed 1, image AUROC "),
        "{}",
        ran.err
    );
    scratch.succeeds("train --config c.toml --data cloth --out hand --seed 1 --device cpu");
    scratch.succeeds("evaluate --model hand/model.safetensors --data cloth --out hand --device cpu");
    for name in ["model.safetensors", "config.toml", "metrics.json", "figure.png", "index.html"] {
        assert!(scratch.read(format!("all/cloth/seed-1/{name}")) == scratch.read(format!("hand/{name}")), "{name} differs");
    }
    let (report, metrics) = (scratch.json("all/report.json"), scratch.json("hand/metrics.json"));
    let run = &report["runs"][1];
    let script = String::from_utf8(scratch.read("all/cloth/seed-1/gallery/gallery.js")).unwrap();
    let gallery: Value =
        serde_json::from_str(script.trim_end().trim_start_matches("orthoscopeGallery(").trim_end_matches(");")).unwrap();
    let counts = &gallery["counts"]["images"];
    assert_eq!(
        (&counts["true_positives"], &counts["false_positives"]),
        (&run["verdicts"]["found"], &run["verdicts"]["false_alarms"])
    );
    for (name, value) in metrics.as_object().unwrap().iter().filter(|(_, value)| value.is_f64()) {
        assert_eq!(&run[name], value, "{name}");
    }
    assert_eq!((&run["category"], &run["seed"], &run["steps"]), (&"cloth".into(), &1.into(), &4.into()));
    assert_eq!(run["image_auroc_by_kind"], metrics["image_auroc_by_kind"]);
    assert_eq!(run["protocol"], metrics["protocol"]);
    assert!(run["protocol"].as_str().unwrap().contains(run["config_hash"].as_str().unwrap()));
    let [first, second] = [0, 1].map(|index| report["runs"][index]["image_auroc"].as_f64().unwrap());
    assert_eq!(report["mean"]["image_auroc"]["mean"], (first + second) / 2.0);
    assert_eq!(report["categories"][0]["metrics"]["image_auroc"]["count"], 2);
}

#[test]
fn the_validation_set_is_scored_and_is_that_of_its_own_command() {
    let scratch = Scratch::new();
    scratch.write("c.toml", CONFIG.replace("size = 32", "size = 64").replace("steps = 4", "steps = 1"));
    scratch.succeeds("data generate --out large --family cloth --size 64 --train 6 --good 1 --defects 1");
    scratch.succeeds("reproduce --data large --config c.toml --device cpu --out all");
    scratch.succeeds("data validation --data large/cloth --config c.toml --out own");
    for (path, bytes) in tree(&scratch.path("own")) {
        if let Some(bytes) = bytes {
            let ours = scratch.read(std::path::Path::new("all/cloth/seed-0/validation").join(&path));
            assert!(ours == bytes, "{} differs", path.display());
        }
    }
    scratch.succeeds("evaluate --model all/cloth/seed-0/model.safetensors --data own --out scored --device cpu");
    let (report, scored) = (scratch.json("all/report.json"), scratch.json("scored/metrics.json"));
    for name in ["image_auroc", "pixel_auroc", "au_pro", "image_auroc_by_kind"] {
        assert_eq!(report["runs"][0]["validation"][name], scored[name], "{name}");
    }
    let validate = "validate --model all/cloth/seed-0/model.safetensors --data large/cloth --device cpu --out";
    // The protocol line names the folder.
    let ran = scratch.succeeds(&format!("{validate} judged/validation"));
    assert!(
        tree(&scratch.path("judged/validation")) == tree(&scratch.path("all/cloth/seed-0/validation")),
        "it is the step of `reproduce`"
    );
    assert!(ran.out.contains("held-out images: 1, copies with a drawn defect: "), "{}", ran.out);
    assert!(scratch.refuses(&format!("{validate} judged/validation")).contains("exists and is not empty"));
    // Another score of the same weights, on the same images. A single image is judged by itself.
    scratch.write("relative.toml", "detection.relative_score = true");
    scratch.succeeds(&format!("{validate} relative --config relative.toml"));
    let relative = scratch.json("relative/metrics.json");
    assert!(relative["protocol"].as_str().unwrap().contains("image score relative to"));
    assert_ne!(relative["images"][0]["score_max"], scored["images"][0]["score_max"]);
    assert!(tree(&scratch.path("relative/test")) == tree(&scratch.path("judged/validation/test")));
}

#[test]
fn the_config_of_a_category_goes_over_the_base() {
    let scratch = two_categories();
    scratch.succeeds(&format!("{REPRODUCE} --out all --steps 1"));
    let config = |category: &str| String::from_utf8(scratch.read(format!("all/{category}/seed-0/config.toml"))).unwrap();
    assert!(config("bottle").contains("rotation = 5.0") && config("bottle").contains("width = 2"));
    assert!(config("cloth").contains("rotation = 0.0"));
    let report = scratch.json("all/report.json");
    assert_eq!([&report["runs"][0]["own_config"], &report["runs"][1]["own_config"]], [true, false]);
    assert_eq!(report["runs"][0]["steps"], 1);
}

#[test]
fn a_report_has_no_paths_and_no_times_and_a_second_start_changes_nothing() {
    let scratch = Scratch::new();
    let command = format!("{REPRODUCE} --out all");
    scratch.succeeds(&command);
    let text = String::from_utf8(scratch.read("all/report.json")).unwrap();
    let place = scratch.path("").display().to_string();
    assert!(!text.contains(place.trim_end_matches('/')) && !text.contains("seconds") && !text.contains("date"), "{text}");
    let before = tree(&scratch.path("all"));
    let ran = scratch.succeeds(&command);
    assert!(ran.out.contains("nothing left to train"), "{}", ran.out);
    assert!(tree(&scratch.path("all")) == before);
    let costs = String::from_utf8(scratch.read("all/costs.csv")).unwrap();
    assert!(costs.starts_with("category,seed,steps,attempts,wall_seconds,cpu_seconds,peak_bytes\ncloth,0,4,1,"), "{costs}");
    assert_eq!(scratch.json("all/cloth/seed-0/cost.json")["attempts"], 1);
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let scratch = two_categories();
    let before = tree(&scratch.path(""));
    let ran = scratch.succeeds(&format!("{REPRODUCE} --out all --seeds 3 --dry-run"));
    assert!(tree(&scratch.path("")) == before);
    assert!(ran.out.contains("6 runs to go") && ran.out.contains("0 1 2") && ran.out.contains("base and its own"), "{}", ran.out);
    let ran = scratch.succeeds(&format!("{REPRODUCE} --out all --seeds 3 --dry-run --shard 2/4 --category bottle"));
    assert!(ran.out.contains("shard 2/4: 1 of 3 runs") && !ran.out.contains("cloth"), "{}", ran.out);
}

/// Starts a shard of the runs.
fn start(scratch: &Scratch, options: &str) -> Child {
    let mut command = orthoscope();
    command.current_dir(scratch.path("")).args(REPRODUCE.split_whitespace()).args(options.split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_merged_report_of_several_processes_is_that_of_one() {
    let scratch = two_categories();
    let options = |part: usize| format!("--seeds 2 --out part-{part} --shard {part}/3 --threads {part}");
    let children: Vec<Child> = (1..=3).map(|part| start(&scratch, &options(part))).collect();
    for child in children {
        let ran = told(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    scratch.succeeds("reproduce --merge part-2 part-1 part-3 --out merged");
    scratch.succeeds(&format!("{REPRODUCE} --seeds 2 --out whole"));
    for name in FILES {
        assert!(scratch.read(format!("merged/{name}")) == scratch.read(format!("whole/{name}")), "{name} differs");
    }
    assert_eq!(scratch.json("merged/report.json")["runs"].as_array().unwrap().len(), 4);
    let gallery = "bottle/seed-1/gallery/gallery.js";
    assert!(scratch.read(format!("merged/{gallery}")) == scratch.read(format!("whole/{gallery}")));
    assert!(String::from_utf8(scratch.read("merged/index.html")).unwrap().contains(gallery));
    // What the page needs is copied; weights, checkpoints and the images of the validation sets are not.
    let names = scratch.names("merged/bottle/seed-1");
    assert!(
        ["run.json", "metrics.json", "cost.json", "log.jsonl"].iter().all(|name| names.contains(&(*name).to_owned())),
        "{names:?}"
    );
    assert!(!names.iter().any(|name| name.ends_with(".safetensors")), "{names:?}");
    // Merging again gives the same, and the merged folder counts as done.
    scratch.succeeds("reproduce --merge part-1 part-2 part-3 --out merged");
    assert!(scratch.read("merged/report.json") == scratch.read("whole/report.json"));
}

/// Runs a script of `benches/cluster` with the program in the path.
fn script(scratch: &Scratch, name: &str, arguments: &str, environment: &[(&str, &str)]) -> Ran {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_orthoscope")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut command = std::process::Command::new("bash");
    command.arg(format!("{}/benches/cluster/{name}", env!("CARGO_MANIFEST_DIR"))).args(arguments.split_whitespace());
    let ran = told(command.current_dir(scratch.path("")).env("PATH", path).envs(environment.iter().copied()).output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran
}

#[cfg(unix)]
#[test]
fn the_cluster_scripts_make_the_same_report() {
    let scratch = two_categories();
    scratch.succeeds(&format!("{REPRODUCE} --out whole"));
    for part in ["1", "2"] {
        let of_slurm = [("SLURM_ARRAY_TASK_ID", part), ("SLURM_ARRAY_TASK_COUNT", "1"), ("SLURM_CPUS_PER_TASK", "1")];
        // As if each task was submitted on its own.
        script(&scratch, "slurm.sh", "2 . slurm --config c.toml --device cpu", &of_slurm);
    }
    script(&scratch, "slurm.sh", "merge slurm", &[]);
    assert!(scratch.read("slurm/merged/report.json") == scratch.read("whole/report.json"));
    if tool(&["parallel"], "ORTHOSCOPE_REQUIRE_PARALLEL", "benches/cluster/parallel.sh").is_none() {
        return;
    }
    script(&scratch, "parallel.sh", "2 . parallel --config c.toml --device cpu", &[]);
    assert!(scratch.read("parallel/merged/report.json") == scratch.read("whole/report.json"));
}

/// Changes a field of a plan.
fn edit(scratch: &Scratch, plan: &str, change: impl Fn(&mut Value)) {
    let mut content = scratch.json(plan);
    change(&mut content);
    scratch.write(plan, serde_json::to_vec(&content).unwrap());
}

#[test]
fn shards_that_do_not_belong_together_are_refused() {
    let scratch = Scratch::new();
    for part in [1, 2] {
        scratch.succeeds(&format!("{REPRODUCE} --seeds 2 --out part-{part} --shard {part}/2"));
    }
    let text = scratch.refuses(&format!("{REPRODUCE} --seeds 2 --out part-1"));
    assert_eq!(text, "part-1: holds shard 1/2 of the plan, and now all of it is wanted; choose another folder");
    let text = scratch.refuses(&format!("{REPRODUCE} --seeds 2 --out part-1 --shard 1/1"));
    assert_eq!(text, "part-1: holds shard 1/2 of the plan, and now shard 1/1 is wanted; choose another folder");
    let refused = |shards: &str| scratch.refuses(&format!("reproduce --merge {shards} --out merged"));
    assert_eq!(refused("part-1"), "1 of 2 runs of the plan are missing: cloth seed 1");
    assert_eq!(refused("part-1 part-1"), "runs that two shards have cannot be merged: cloth seed 0 in part-1 and in part-1");
    assert_eq!(refused("part-1 cloth"), "cloth: is not the output of `reproduce`: it holds no plan.json");
    let text = scratch.refuses("reproduce --merge part-1 part-2 --out part-1");
    assert_eq!(text, "part-1: is one of the shards; choose another --out for the merged report");
    let original = scratch.read("part-2/plan.json");
    for (field, words) in [("version", "version"), ("commit", "commit"), ("device", "device"), ("precision", "precision")] {
        edit(&scratch, "part-2/plan.json", |plan| plan[field] = "other".into());
        let text = refused("part-1 part-2");
        let start = format!("shards of different plans cannot be merged: {words} is ");
        assert!(text.starts_with(&start) && text.ends_with("in part-1 and other in part-2"), "{text}");
        scratch.write("part-2/plan.json", &original);
    }
    scratch.write("c.toml", CONFIG.replace("width = 2", "width = 3"));
    scratch.succeeds(&format!("{REPRODUCE} --seeds 2 --out part-3 --shard 2/2"));
    let text = refused("part-1 part-3");
    assert!(text.contains("base config hash is") && text.contains("model.width is 2 in part-1 and 3 in part-3"), "{text}");
    scratch.write("c.toml", CONFIG);
    scratch.succeeds(&format!("{REPRODUCE} --seeds 3 --out part-4 --shard 2/2"));
    let text = refused("part-1 part-4");
    assert!(text.ends_with("the plan in part-1 lacks cloth seed 2"), "{text}");
}

#[test]
fn other_images_under_the_same_names_are_noticed() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{REPRODUCE} --seeds 2 --out part-1 --shard 1/2"));
    let before = scratch.read("cloth/train/good/000.png");
    scratch.write("cloth/train/good/000.png", scratch.read("cloth/train/good/001.png"));
    let text = scratch.refuses(&format!("{REPRODUCE} --seeds 2 --out part-1 --shard 1/2"));
    assert_eq!(text, "part-1: holds runs of another plan: the images of cloth differ; choose another folder");
    scratch.succeeds(&format!("{REPRODUCE} --seeds 2 --out part-2 --shard 2/2"));
    let text = scratch.refuses("reproduce --merge part-1 part-2 --out merged");
    assert_eq!(text, "shards of different plans cannot be merged: the images of cloth differ");
    assert!(!scratch.path("merged").exists(), "nothing is left of a refused merge");
    scratch.write("cloth/train/good/000.png", before);
    let text = scratch.succeeds(&format!("{REPRODUCE} --seeds 2 --out part-1 --shard 1/2")).out;
    assert!(text.contains("nothing left to train"), "{text}");
}

/// A reproduction of one run that lasts long enough to be stopped.
const LONG: &str = "reproduce --data . --config c.toml --device cpu --steps 150";

#[test]
fn a_killed_reproduction_goes_on_to_the_same_bytes() {
    let scratch = Scratch::new();
    let mut command = orthoscope();
    command.current_dir(scratch.path("")).args(LONG.split_whitespace()).args(["--out", "cut"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait(&mut child, || Log::read(&scratch.path("cut/cloth/seed-0/log.jsonl")).unwrap().len() >= 5);
    let text = scratch.run(&format!("{LONG} --out cut")).err;
    let words = format!("error: cut: is in use by process {}; wait for its end or choose another folder\n", child.id());
    assert!(text.ends_with(&words), "{text}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!scratch.path("cut/cloth/seed-0/run.json").exists());
    // The next command empties the lock files of a killed process.
    for lock in ["cut/.lock", "cut/cloth/seed-0/.lock"] {
        scratch.write(lock, "");
    }
    scratch.write("c.toml", CONFIG.replace("width = 2", "width = 3").replace("batch = 2", "batch = 3"));
    let text = scratch.refuses(&format!("{LONG} --out cut"));
    assert!(text.contains("model.width is 2 there and 3 now") && text.contains("train.batch is 2 there and 3 now"), "{text}");
    scratch.write("c.toml", CONFIG);
    scratch.succeeds(&format!("{LONG} --out cut --threads 1"));
    scratch.succeeds(&format!("{LONG} --out whole"));
    for name in FILES.into_iter().chain(["cloth/seed-0/model.safetensors", "cloth/seed-0/metrics.json"]) {
        assert!(scratch.read(format!("cut/{name}")) == scratch.read(format!("whole/{name}")), "{name} differs");
    }
    assert_eq!(scratch.json("cut/cloth/seed-0/cost.json")["attempts"], 2);
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_a_checkpoint_and_exits_with_130() {
    let scratch = Scratch::new();
    let ran = interrupted(&scratch, &format!("{LONG} --out cut"), "cut/cloth/seed-0/log.jsonl");
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.err.ends_with("interrupted; the same command continues\n"), "{}", ran.err);
    assert!(scratch.path("cut/cloth/seed-0/checkpoint.safetensors").exists());
    let done = Log::read(&scratch.path("cut/cloth/seed-0/log.jsonl")).unwrap().len();
    scratch.succeeds(&format!("{LONG} --out cut"));
    let log = Log::read(&scratch.path("cut/cloth/seed-0/log.jsonl")).unwrap();
    assert_eq!((log.len(), log[done].step), (150, done as u64 + 1), "no step is repeated");
}

#[test]
fn results_cut_off_by_a_kill_are_made_again() {
    let scratch = Scratch::new();
    let command = format!("{REPRODUCE} --out all");
    scratch.succeeds(&command);
    let before = scratch.read("all/report.json");
    for name in ["run.json", "metrics.json"] {
        let path = format!("all/cloth/seed-0/{name}");
        let whole = scratch.read(&path);
        scratch.write(&path, &whole[..whole.len() / 2]);
        let ran = scratch.succeeds(&command);
        assert!(ran.out.contains("1 run to go"), "{name}: {}", ran.out);
        assert!(scratch.read(&path) == whole && scratch.read("all/report.json") == before, "{name}");
    }
}

#[test]
fn more_seeds_extend_a_report() {
    let scratch = Scratch::new();
    scratch.succeeds(&format!("{REPRODUCE} --out all"));
    let ran = scratch.succeeds(&format!("{REPRODUCE} --out all --seeds 2"));
    assert!(ran.out.contains("1 of 2") && ran.out.contains("1 run to go"), "{}", ran.out);
    assert_eq!(scratch.json("all/report.json")["runs"].as_array().unwrap().len(), 2);
    let text = scratch.refuses(&format!("{REPRODUCE} --out all"));
    assert_eq!(text, "all: holds runs that this plan lacks: cloth seed 1");
}

#[test]
fn a_budget_chooses_the_steps_once() {
    let scratch = two_categories();
    scratch.succeeds(&format!("{REPRODUCE} --out all --budget 0.005"));
    let plan = scratch.json("all/plan.json");
    let steps = plan["steps"].as_u64().unwrap();
    assert!(steps >= 1 && plan["budget_minutes"] == 0.005, "{plan}");
    for category in ["bottle", "cloth"] {
        let config = String::from_utf8(scratch.read(format!("all/{category}/seed-0/config.toml"))).unwrap();
        assert!(config.contains(&format!("\nsteps = {steps}\n")), "{config}");
    }
    scratch.succeeds(&format!("{REPRODUCE} --out all --budget 0.005"));
    assert_eq!(scratch.json("all/plan.json"), plan);
    let text = scratch.refuses(&format!("{REPRODUCE} --out all --budget 7"));
    assert!(text.contains("budget is 0.005 minutes there and 7 minutes now"), "{text}");
    let text = scratch.run(&format!("{REPRODUCE} --out new --budget 0.0000001")).err;
    assert!(text.contains("one step of each of the 2 trainings takes, in all, ") && text.contains("is too small"), "{text}");
    for options in ["--budget 1 --shard 1/2", "--budget 1 --steps 2", "--budget 0", "--shard 0/2", "--merge a"] {
        scratch.misused(&format!("{REPRODUCE} --out new {options}"));
    }
    for options in ["--seeds 2", "--device cpu", "--precision f32", "--steps 1"] {
        assert!(
            scratch.misused(&format!("reproduce --merge a --out new {options}")).contains("cannot be used with"),
            "{options}"
        );
    }
}

#[test]
fn a_training_with_a_budget_keeps_its_steps() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("train --config c.toml --data cloth --out new --device cpu --budget 0.003");
    let config = String::from_utf8(scratch.read("new/config.toml")).unwrap();
    let steps: u64 = config.lines().find_map(|line| line.strip_prefix("steps = ")).unwrap().parse().unwrap();
    assert!(steps >= 1 && ran.err.contains(&format!("train.steps = {steps} for 0.003 minutes of training")), "{}", ran.err);
    assert_eq!(Log::read(&scratch.path("new/log.jsonl")).unwrap().len() as u64, steps);
    fs::remove_file(scratch.path("new/model.safetensors")).unwrap();
    scratch.succeeds("train --config c.toml --data cloth --out new --device cpu --budget 99 --resume");
    assert_eq!(String::from_utf8(scratch.read("new/config.toml")).unwrap(), config);
    assert!(scratch.misused("train --data cloth --out x --budget 1 --steps 3").contains("--budget"));
}
