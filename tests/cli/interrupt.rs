//! Ctrl-C, as a real signal to a real process.
#![cfg(unix)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orthoscope::run::Log;

use orthoscope::data::{Image, read_image, write_png};

use crate::fixture::{CONFIG, Ran, Scratch, interruptible, told, tree};

/// Starts a command and sends it SIGINT once its log holds three steps.
pub fn interrupted(scratch: &Scratch, command: &str, log: &str) -> Ran {
    interrupted_when(scratch, command, || Log::read(&scratch.path(log)).unwrap().len() >= 3)
}

/// Starts a command and sends it SIGINT once it has reached a given point.
fn interrupted_when(scratch: &Scratch, command: &str, is_far_enough: impl Fn() -> bool) -> Ran {
    interrupted_process(scratch, &command.split_whitespace().collect::<Vec<_>>(), is_far_enough)
}

fn interrupted_process(scratch: &Scratch, words: &[&str], is_far_enough: impl Fn() -> bool) -> Ran {
    let mut child = started(scratch, words);
    wait(&mut child, is_far_enough);
    assert!(interrupt(&child));
    told(child.wait_with_output().unwrap())
}

fn started(scratch: &Scratch, words: &[&str]) -> Child {
    let mut start = interruptible();
    start.current_dir(scratch.path("")).args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn interrupt(child: &Child) -> bool {
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
}

pub fn wait(child: &mut Child, is_far_enough: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_far_enough() {
        assert!(child.try_wait().unwrap().is_none(), "the command ended by itself");
        assert!(start.elapsed() < Duration::from_secs(60), "not far enough in a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn interrupted_training_resumes_to_the_same_bits() {
    let scratch = Scratch::new();
    // Long enough to be interrupted. Every file must be the same as without the interruption.
    let command = |out: &str| format!("train --config c.toml --data cloth --steps 150 --out {out}");
    let ran = interrupted(&scratch, &command("cut"), "cut/log.jsonl");
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert_eq!(ran.out, "");
    assert!(
        ran.err.ends_with("interrupted; cut/checkpoint.safetensors holds the steps done, --resume continues\n"),
        "{}",
        ran.err
    );
    assert_eq!(scratch.names("cut"), ["checkpoint.previous.safetensors", "checkpoint.safetensors", "config.toml", "log.jsonl"]);
    scratch.succeeds(&format!("{} --resume --threads 1", command("cut")));
    scratch.succeeds(&command("whole"));
    for name in ["model.safetensors", "checkpoint.safetensors", "config.toml"] {
        assert!(scratch.read(format!("cut/{name}")) == scratch.read(format!("whole/{name}")), "{name} differs");
    }
    let losses = |run: &str| {
        let log = Log::read(&scratch.path(run).join("log.jsonl")).unwrap();
        log.iter().map(|entry| (entry.step, entry.loss)).collect::<Vec<_>>()
    };
    assert_eq!(losses("cut").len(), 150);
    assert_eq!(losses("cut"), losses("whole"));
}

#[test]
fn an_interrupted_verify_writes_no_result() {
    let scratch = Scratch::new();
    let ran = interrupted_when(&scratch, "verify --full --claim C9 --out found", || scratch.path("found/measured").exists());
    assert_eq!((ran.code, ran.out.as_str()), (130, ""));
    assert!(ran.err.ends_with("interrupted; the same command goes on\n"), "{}", ran.err);
    assert_eq!(scratch.names("found"), ["arrays", "figures", "measured"]);
    for folder in ["arrays", "figures", "measured"] {
        assert!(scratch.names(format!("found/{folder}")).is_empty(), "{folder}");
    }
}

#[test]
fn an_interrupted_full_verify_goes_on_with_the_same_bits() {
    let scratch = Scratch::new();
    let command = |out: &str| format!("verify --full --claim C16 --threads 1 --out {out}");
    let ran = interrupted_when(&scratch, &command("cut"), || scratch.path("cut/measured/C16-1.json").exists());
    assert_eq!(ran.code, 130, "{}", ran.err);
    let again = scratch.succeeds(&command("cut"));
    let plan = again.err.lines().next().unwrap();
    assert!(plan.contains("measurements: 5, ") && plan.contains(" of them made before"), "{plan}");
    scratch.succeeds(&command("whole"));
    assert!(scratch.read("cut/claims.json") == scratch.read("whole/claims.json"));
    assert!(!scratch.path("cut/measured").exists());
}

#[test]
fn an_interrupted_demo_says_how_to_continue() {
    let scratch = Scratch::new();
    let ran = interrupted(&scratch, "demo --out demo", "demo/log.jsonl");
    assert_eq!(ran.code, 130, "{}", ran.err);
    let command = "orthoscope train --config demo/config.toml --data demo/data/tiles --out demo --resume";
    assert!(ran.err.contains(command), "{}", ran.err);
    assert!(scratch.path("demo/checkpoint.safetensors").exists() && !scratch.path("demo/model.safetensors").exists());
}

#[test]
fn the_command_that_continues_a_demo_can_be_pasted_into_a_shell() {
    let scratch = Scratch::new();
    let out = "de mo's $(touch x)";
    let words = ["demo", "--out", out, "--steps", "60", "--device", "cpu"];
    let log = scratch.path(out).join("log.jsonl");
    let ran = interrupted_process(&scratch, &words, || Log::read(&log).unwrap().len() >= 3);
    assert_eq!(ran.code, 130, "{}", ran.err);
    let command = ran.err.split('`').nth(1).unwrap();
    assert!(command.ends_with(" --resume --device cpu"), "{command}");
    let program = command.replacen("orthoscope", env!("CARGO_BIN_EXE_orthoscope"), 1);
    let again = told(Command::new("sh").args(["-c", &program]).current_dir(scratch.path("")).output().unwrap());
    assert_eq!(again.code, 0, "{command}: {}", again.err);
    assert!(scratch.path(out).join("model.safetensors").exists() && !scratch.path("x").exists());
}

/// The names in a folder, none if there is no folder.
fn names(scratch: &Scratch, folder: &str) -> Vec<String> {
    if scratch.path(folder).exists() { scratch.names(folder) } else { Vec::new() }
}

fn unfinished(names: &[String]) -> usize {
    names.iter().filter(|name| name.ends_with(".part")).count()
}

const FINISHING: &str = "finishing the images in work, without those in strips; Ctrl-C once more ends at once";

#[test]
fn an_interrupted_detect_finishes_the_images_in_work_and_no_table() {
    const IMAGES: usize = 200;
    let scratch = Scratch::new();
    let image = scratch.read("cloth/test/bend/000.png");
    (0..IMAGES).for_each(|number| scratch.write(format!("many/{number:03}.png"), &image));
    let command = "detect --model run/model.safetensors --out found --save map,mask many";
    let ran = interrupted_when(&scratch, command, || scratch.path("found/000.json").exists());
    assert_eq!(ran.code, 130, "{}", ran.err);
    let done = ran.out.lines().count();
    assert!((1..IMAGES).contains(&done), "{done}");
    let line = format!(
        "{FINISHING}\ninterrupted after {done} of {IMAGES} images, without results.csv; \
         the same command begins with the first again\n"
    );
    assert_eq!(ran.err, line);
    let is_done = |number: &usize| scratch.path(format!("found/{number:03}.json")).exists();
    let expected = (0..IMAGES).filter(is_done);
    let expected = expected.flat_map(|number| [".json", "_map.npy", "_mask.png"].map(|end| format!("{number:03}{end}")));
    assert_eq!(scratch.names("found"), expected.collect::<Vec<_>>());
    assert_eq!(scratch.names("found").len(), 3 * done);
    scratch.succeeds(command);
    let table = String::from_utf8(scratch.read("found/results.csv")).unwrap();
    assert_eq!(table.lines().count(), IMAGES + 1);
}

#[test]
fn an_interrupted_detect_counts_what_is_finished() {
    let scratch = Scratch::new();
    // All eight are in one window. In which order they are begun depends on the threads.
    (0..8).for_each(|number| {
        let size = if number == 4 { 64 } else { 640 };
        let path = scratch.path(format!("some/{number}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_png(&path, &Image::from_elem((size, size, 3), 0.5)).unwrap();
    });
    scratch.succeeds("model init --model 2 --width 2 --out fresh.safetensors");
    let command = "detect --model fresh.safetensors --threads 2 --json --save none --out found some";
    let ran = interrupted_when(&scratch, command, || unfinished(&names(&scratch, "found")) > 0);
    assert_eq!((ran.code, ran.out.as_str()), (130, ""), "{}", ran.err);
    assert!(ran.err.lines().any(|line| line == FINISHING), "{}", ran.err);
    let found = names(&scratch, "found");
    assert!((1..8).contains(&found.len()), "{found:?}");
    assert!(ran.err.contains(&format!("interrupted after {} of 8 images", found.len())), "{}", ran.err);
}

#[test]
fn an_interrupted_detect_stops_within_a_picture_in_strips() {
    let scratch = Scratch::new();
    // More than 64 Mi pixels, of which only the header is on the disk, in more strips than can be seen in this test.
    scratch.write("tall.pgm", "P5 8 8400000 255\n");
    std::fs::File::options().append(true).open(scratch.path("tall.pgm")).unwrap().set_len(67_200_017).unwrap();
    scratch.succeeds("model init --model 2 --width 2 --out fresh.safetensors");
    let command = "detect --model fresh.safetensors --tile 32 --overlap 0 --out found tall.pgm";
    let ran = interrupted_when(&scratch, command, || unfinished(&names(&scratch, "found")) > 0);
    assert_eq!((ran.code, ran.out.as_str()), (130, ""), "{}", ran.err);
    assert!(ran.err.contains("\ninterrupted after 0 of 1 images, without results.csv; "), "{}", ran.err);
    assert!(names(&scratch, "found").is_empty());
}

#[test]
fn a_second_signal_ends_detect_at_once_and_leaves_no_unfinished_file() {
    let scratch = Scratch::new();
    // The files of the first wait until the second, which takes much longer, is done.
    scratch.write("both/a.png", scratch.read("cloth/test/bend/000.png"));
    write_png(&scratch.path("both/b.png"), &Image::from_elem((1440, 1440, 3), 0.5)).unwrap();
    scratch.succeeds("model init --model 2 --width 2 --out fresh.safetensors");
    let words = "detect --model fresh.safetensors --threads 2 --out found both".split(' ').collect::<Vec<_>>();
    let mut child = started(&scratch, &words);
    wait(&mut child, || unfinished(&names(&scratch, "found")) >= 5);
    while child.try_wait().unwrap().is_none() {
        interrupt(&child);
        std::thread::sleep(Duration::from_millis(50));
    }
    let ran = told(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out.as_str()), (130, ""), "{}", ran.err);
    assert!(ran.err.ends_with("interrupted; nothing more is written\n"), "{}", ran.err);
    assert!(names(&scratch, "found").is_empty());
}

/// The files below a folder that a command has not finished, hidden folders included.
fn unfinished_below(scratch: &Scratch, folder: &str) -> Vec<String> {
    let entries = tree(&scratch.path(folder)).into_keys().map(|path| path.to_string_lossy().into_owned());
    entries.filter(|path| path.contains(".part")).collect()
}

/// A command, what must be there before it is interrupted, its last line, its folder, and what is left in it.
type Row = (&'static str, &'static str, &'static str, &'static str, Option<&'static [&'static str]>);

/// Whether there is something at a path, in which `*` stands for the hidden folder in which it is made.
fn is_there(scratch: &Scratch, awaited: &str) -> bool {
    match awaited.split_once("/*/") {
        None => scratch.path(awaited).exists(),
        Some((folder, rest)) => {
            let entries = std::fs::read_dir(scratch.path(folder)).into_iter().flatten().flatten();
            entries
                .map(|entry| entry.path())
                .any(|path| path.extension().is_some_and(|end| end == "part") && path.join(rest).exists())
        }
    }
}

/// Adds 100 good images, which are all different: copies would not be held out.
fn add_images(scratch: &Scratch, part: &str) {
    let folder = scratch.path(format!("cloth/{part}/good"));
    let mut image = read_image(&folder.join("000.png")).unwrap();
    for number in 0..100_u8 {
        image[[0, 0, 0]] = f32::from(number) / 255.0;
        write_png(&folder.join(format!("1{number:03}.png")), &image).unwrap();
    }
}

#[test]
fn every_command_ends_in_order() {
    const NOTHING_MORE: &str = "interrupted; nothing more is written\n";
    let scratch = Scratch::new();
    ["test", "train"].iter().for_each(|part| add_images(&scratch, part));
    // What is awaited must not be the last thing that is done: half of many images are judged at a larger size.
    scratch.write("slow.toml", CONFIG.replace("size = 32", "size = 128\nheld_out = 0.5"));
    let table: [Row; 7] = [
        (
            "evaluate --model run/model.safetensors --data cloth --out new --maps maps",
            "maps/cloth/test/bend",
            NOTHING_MORE,
            "new",
            None,
        ),
        ("data generate --out made --family wood --train 900", "made", NOTHING_MORE, "made", None),
        (
            "demo --out begun",
            "begun",
            "interrupted; `orthoscope demo --out begun --seed 0 --steps 1800 --overwrite` starts over\n",
            "begun",
            Some(&[]),
        ),
        ("data validation --data cloth --config slow.toml --out set", "set/*/validation/ground_truth", NOTHING_MORE, "set", None),
        (
            "train --config slow.toml --data cloth --steps 1 --out trained",
            "trained/checkpoint.safetensors",
            "interrupted; trained/checkpoint.safetensors holds the steps done, --resume continues\n",
            "trained",
            Some(&["checkpoint.safetensors", "config.toml", "log.jsonl"]),
        ),
        (
            "reproduce --data . --config slow.toml --category cloth --device cpu --steps 1 --out few",
            "few/cloth/seed-0/checkpoint.safetensors",
            "interrupted; the same command continues\n",
            "few/cloth/seed-0",
            Some(&["checkpoint.safetensors", "config.toml", "cost.json", "log.jsonl"]),
        ),
        (
            "reproduce --data . --config slow.toml --category cloth --device cpu --out all",
            "all/cloth/seed-0/model.safetensors",
            "interrupted; the same command continues\n",
            "all",
            Some(&["cloth", "plan.json"]),
        ),
    ];
    for (command, awaited, line, folder, left) in table {
        let ran = interrupted_when(&scratch, command, || is_there(&scratch, awaited));
        assert_eq!(ran.code, 130, "{command}: {}", ran.err);
        assert!(ran.err.ends_with(line), "{command}: {}", ran.err);
        let found = scratch.path(folder).exists().then(|| scratch.names(folder));
        assert_eq!(found, left.map(|names| names.iter().map(ToString::to_string).collect()), "{command}");
    }
    assert_eq!(unfinished_below(&scratch, ""), [""; 0]);
}

#[test]
fn a_demo_can_be_ended_while_it_evaluates() {
    let scratch = Scratch::new();
    let ran = interrupted_when(&scratch, "demo --out demo --steps 1", || scratch.path("demo/model.safetensors").exists());
    assert_eq!((ran.code, ran.out.as_str()), (130, ""), "{}", ran.err);
    assert!(!scratch.path("demo/metrics.json").exists());
    assert_eq!(unfinished_below(&scratch, "demo"), [""; 0]);
}

#[test]
fn an_interrupted_validation_is_not_in_the_way_of_the_next() {
    let scratch = Scratch::new();
    add_images(&scratch, "train");
    scratch.succeeds("train --config c.toml --data cloth --out own");
    let command = "validate --model own/model.safetensors --data cloth --out new";
    let ran = interrupted_when(&scratch, command, || is_there(&scratch, "new/*/validation/ground_truth"));
    assert_eq!((ran.code, ran.out.as_str()), (130, ""), "{}", ran.err);
    assert!(ran.err.ends_with("interrupted; nothing more is written\n"), "{}", ran.err);
    assert!(!scratch.path("new").exists());
}

#[test]
fn a_demo_that_is_killed_when_it_has_its_images_can_be_replaced() {
    let scratch = Scratch::new();
    let mut child = started(&scratch, &["demo", "--out", "demo", "--steps", "100000"]);
    wait(&mut child, || scratch.path("demo/data/tiles").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    scratch.succeeds("demo --out demo --steps 2 --overwrite");
    assert!(scratch.path("demo/index.html").exists());
}

#[test]
fn a_killed_demo_can_be_replaced_unless_its_config_was_changed() {
    let scratch = Scratch::new();
    let mut child = started(&scratch, &["demo", "--out", "demo", "--steps", "100000"]);
    wait(&mut child, || scratch.path("demo/config.toml").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let config = scratch.read("demo/config.toml");
    scratch.write("demo/config.toml", [&config[..], b"# mine\n"].concat());
    let ran = scratch.run("demo --out demo --steps 2 --overwrite");
    let reason = "error: demo/config.toml: is not of a demo, or was changed since; ";
    assert!(ran.code == 1 && ran.err.contains(reason), "{} {}", ran.code, ran.err);
    assert!(scratch.read("demo/config.toml").ends_with(b"# mine\n"));
    scratch.write("demo/config.toml", config);
    // What its training did not write is not taken for its own.
    scratch.write("demo/checkpoint.previous.safetensors", "mine");
    let ran = scratch.run("demo --out demo --steps 2 --overwrite");
    assert!(ran.code == 1 && ran.err.contains("demo/checkpoint.previous.safetensors: is not of a demo"), "{}", ran.err);
    std::fs::remove_file(scratch.path("demo/checkpoint.previous.safetensors")).unwrap();
    scratch.succeeds("demo --out demo --steps 2 --overwrite");
    assert!(scratch.path("demo/index.html").exists());
}
