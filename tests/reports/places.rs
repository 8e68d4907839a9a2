//! "Permission denied": data on a disk that may only be read, and folders that may not be listed.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::fixture::{Ran, Scratch, orthoscope, told, tree};

/// Takes a right from a file or folder and gives it back when it is dropped, so that the folder can be removed.
struct Without(std::path::PathBuf, u32);

impl Without {
    fn right(path: std::path::PathBuf, mode: u32) -> Self {
        let before = fs::metadata(&path).unwrap().permissions().mode();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Self(path, before)
    }
}

impl Drop for Without {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, Permissions::from_mode(self.1));
    }
}

/// Runs a command as somebody who is not root, for whom rights mean something. None, and a line on the terminal, where that is
/// not possible.
fn run_without_root(scratch: &Scratch, command: &str) -> Option<Ran> {
    let user = |program: &mut Command| program.current_dir(scratch.path("")).args(command.split(' ')).output();
    // The folder itself must be open to that user.
    fs::set_permissions(scratch.path(""), Permissions::from_mode(0o777)).unwrap();
    if fs::read_dir(scratch.path("cloth/test/good/closed")).is_err() {
        return Some(told(user(&mut orthoscope()).unwrap()));
    }
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_orthoscope")]).env_remove("RUST_LOG");
    match user(&mut nobody) {
        // 126 and 127: the program cannot be run by that user.
        Ok(output) if ![Some(126), Some(127)].contains(&output.status.code()) => Some(told(output)),
        _ => {
            let line = format!("\nSKIPPED: `{command}`: root may list every folder, and nobody else can run the program\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            None
        }
    }
}

#[test]
fn nothing_is_written_into_folders_of_inputs() {
    let scratch = Scratch::new();
    let before = [tree(&scratch.path("cloth")), tree(&scratch.path("run"))];
    let folders: Vec<_> = tree(&scratch.path("cloth")).into_iter().filter(|(_, bytes)| bytes.is_none()).collect();
    let _closed: Vec<Without> = folders
        .iter()
        .map(|(path, _)| scratch.path("cloth").join(path))
        .chain([scratch.path("cloth"), scratch.path("run")])
        .map(|path| Without::right(path, 0o555))
        .collect();
    for command in [
        "train --config c.toml --data cloth --out new",
        "evaluate --model run/model.safetensors --data cloth --out report --maps maps",
        "detect --model run/model.safetensors --out found cloth/test",
        "figures --model run/model.safetensors --data cloth --only roc --out drawn",
        "validate --model run/model.safetensors --data cloth --out valid",
        "data preview --data cloth --config c.toml --out sheet.png",
        "compare run run --out compared",
        "model export --model run/model.safetensors --onnx model.onnx",
        "reproduce --data . --category cloth --config c.toml --out all",
    ] {
        scratch.succeeds(command);
    }
    assert!(before == [tree(&scratch.path("cloth")), tree(&scratch.path("run"))], "an input folder has changed");
}

#[test]
fn a_subfolder_that_may_not_be_listed_is_named_and_counted_and_does_not_stop_the_folder() {
    let scratch = Scratch::new();
    let closed = ["cloth/train/good/closed", "cloth/test/good/closed"];
    for folder in closed {
        scratch.write(format!("{folder}/000.png"), scratch.read("cloth/test/good/000.png"));
    }
    let _closed = closed.map(|path| Without::right(scratch.path(path), 0o000));
    let run = |command: &str| run_without_root(&scratch, command);
    let Some(ran) = run("train --config c.toml --data cloth --out new") else { return };
    let reason = "closed: cannot be listed: Permission denied";
    assert!(ran.code == 0 && ran.err.contains(&format!("cloth: 1 of 7 files skipped: train/good/{reason}")), "{}", ran.err);
    let ran = run("evaluate --model run/model.safetensors --data cloth --out report").unwrap();
    assert!(ran.code == 0 && ran.err.contains(&format!("cloth: 1 of 9 files skipped: test/good/{reason}")), "{}", ran.err);
    assert_eq!(scratch.json("report/metrics.json")["skipped"].as_array().unwrap().len(), 1);
    let ran = run("detect --model run/model.safetensors --out found cloth/test/good").unwrap();
    assert_eq!((ran.code, ran.out.lines().count()), (0, 3), "{}", ran.err);
    assert!(ran.err.contains(&format!("cloth/test/good/{reason}")), "{}", ran.err);
}
