//! Signals that were ignored when a command was started, as under `nohup`, in real processes.
#![cfg(target_os = "linux")]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orthoscope::run::Log;

use crate::fixture::{Scratch, told};

/// Starts a training that never ends by itself, with these signals ignored.
pub fn endless(scratch: &Scratch, ignored: &str) -> Child {
    let trap = if ignored.is_empty() { String::new() } else { format!("trap '' {ignored}; ") };
    let program = env!("CARGO_BIN_EXE_orthoscope");
    let script = format!("{trap}exec {program} train --config c.toml --data cloth --steps 10000000 --out new");
    // The tests themselves may run in the background, with ignored signals.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,HUP,TERM", "sh", "-c", &script]).current_dir(scratch.path("")).env_remove("RUST_LOG");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the training has done at least as many steps more.
#[track_caller]
pub fn advance(scratch: &Scratch, child: &mut Child, more: usize) {
    let steps = || Log::read(&scratch.path("new/log.jsonl")).unwrap().len();
    let (goal, start) = (steps() + more, Instant::now());
    while steps() < goal {
        if child.try_wait().unwrap().is_some() {
            panic!("the training ended by itself");
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no further step in a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn send(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn ignored_signals_stay_ignored_and_the_others_save_a_checkpoint() {
    for (ignored, other) in [("HUP", "INT"), ("INT", "TERM"), ("TERM", "HUP"), ("HUP INT", "TERM"), ("", "HUP")] {
        let scratch = Scratch::new();
        let mut child = endless(&scratch, ignored);
        advance(&scratch, &mut child, 1);
        for signal in ignored.split_whitespace() {
            send(&child, signal);
            // The step that was under way, and two that would not follow it.
            advance(&scratch, &mut child, 3);
        }
        send(&child, other);
        let ran = told(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 130, "{ignored}, then {other}: {}", ran.err);
        assert!(scratch.path("new/checkpoint.safetensors").exists());
    }
}
