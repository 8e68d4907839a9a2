//! Standard output that is closed or cannot be written.
#![cfg(target_os = "linux")]

use std::fs::OpenOptions;
use std::process::Stdio;

use crate::fixture::{orthoscope, sentence, told};

const TALKATIVE: [&[&str]; 5] =
    [&["doctor"], &["doctor", "--config"], &["completions", "bash"], &["model", "summary"], &["verify", "--describe"]];

#[test]
fn standard_output_on_a_full_disk_is_an_error() {
    for arguments in TALKATIVE {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = told(orthoscope().args(arguments).stdout(full).output().unwrap());
        assert_eq!(ran.code, 1, "{arguments:?}");
        assert_eq!(sentence(&ran.err), "standard output: No space left on device");
    }
    for arguments in ["--help", "--version", "detect --help"] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = told(orthoscope().args(arguments.split(' ')).stdout(full).output().unwrap());
        assert_eq!((ran.code, sentence(&ran.err).as_str()), (1, "standard output: No space left on device"), "{arguments}");
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    for arguments in TALKATIVE {
        let mut child = orthoscope().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran = told(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn the_files_are_complete_when_nobody_reads_what_is_printed() {
    let scratch = crate::fixture::Scratch::new();
    let count = |out: &str| {
        crate::fixture::tree(&scratch.path(out)).keys().filter(|path| path.extension().is_some_and(|end| end == "json")).count()
    };
    let detect = |out: &str| {
        let mut command = orthoscope();
        command.current_dir(scratch.path("")).args(["detect", "--model", "run/model.safetensors", "--out", out, "cloth/test"]);
        command
    };
    let mut child = detect("closed").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = told(child.wait_with_output().unwrap());
    assert_eq!((ran.code, count("closed")), (0, 8), "{}", ran.err);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = told(detect("full").stdout(full).output().unwrap());
    assert_eq!((ran.code, count("full")), (1, 8));
    assert_eq!(sentence(&ran.err), "standard output: No space left on device");
}
