//! Ctrl-C, as a real signal to a real process.
#![cfg(unix)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orthoscope::run::Log;

use crate::fixture::{Ran, Scratch, interruptible, told};

/// Starts a command and sends it SIGINT once its log holds three steps.
pub fn interrupted(scratch: &Scratch, command: &str, log: &str) -> Ran {
    interrupted_when(scratch, command, || Log::read(&scratch.path(log)).unwrap().len() >= 3)
}

/// Starts a command and sends it SIGINT once it has reached a given point.
fn interrupted_when(scratch: &Scratch, command: &str, is_far_enough: impl Fn() -> bool) -> Ran {
    interrupted_process(scratch, &command.split_whitespace().collect::<Vec<_>>(), is_far_enough)
}

fn interrupted_process(scratch: &Scratch, words: &[&str], is_far_enough: impl Fn() -> bool) -> Ran {
    let mut start = interruptible();
    start.current_dir(scratch.path("")).args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = start.spawn().unwrap();
    wait(&mut child, is_far_enough);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    told(child.wait_with_output().unwrap())
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
