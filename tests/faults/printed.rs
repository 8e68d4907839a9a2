//! Names and contents of files on the terminal.
#![cfg(target_os = "linux")]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use crate::fixture::{Ran, Scratch, npy};

fn is_clean(ran: &Ran) -> bool {
    let steers = |sign: char| (sign.is_control() && sign != '\n') || matches!(sign, '\u{202a}'..='\u{202e}');
    !ran.out.chars().chain(ran.err.chars()).any(steers)
}

#[test]
fn names_cannot_forge_a_line_or_steer_the_terminal() {
    let scratch = Scratch::new();
    let image = scratch.read("cloth/test/good/000.png");
    for name in
        ["a.png\nnormal     score 0.00001  part7.png", "\u{1b}]0;pwned\u{7}\u{1b}[2K.png", "\u{9b}2J\u{202e}.png", "\r.png"]
    {
        scratch.write(Path::new("in").join(name), &image);
    }
    scratch.write("in/bad\n\u{1b}[1A.png", "no image");
    for option in ["", " --json", " -vv"] {
        let ran = scratch.run(&format!("detect --model run/model.safetensors --threshold 1 --out out{option} in"));
        assert!(ran.code == 1 && is_clean(&ran), "{option}: {:?} {:?}", ran.out, ran.err);
        if option == " --json" {
            let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
            assert!(found.as_array().unwrap().iter().any(|one| one["image"] == "in/\u{9b}2J\u{202e}.png"), "{}", ran.out);
        } else {
            assert_eq!(ran.out.lines().count(), 4, "{}", ran.out);
        }
        assert!(!ran.err.lines().any(|line| line.starts_with("normal")), "{}", ran.err);
    }
}

#[test]
fn contents_of_files_cannot_steer_the_terminal() {
    let scratch = Scratch::new();
    scratch.write("c2.toml", "\"a\\u001b[2J\\nb\" = 1\n");
    scratch.write("x.npy", npy("<f4\u{1b}[2J", false, "(1, 8, 8, 3)", &[]));
    std::fs::rename(scratch.path("cloth/test/hole"), scratch.path("cloth/test/\u{202e}eloh")).unwrap();
    std::fs::rename(scratch.path("cloth/ground_truth/hole"), scratch.path("cloth/ground_truth/\u{202e}eloh")).unwrap();
    std::fs::rename(scratch.path("cloth"), scratch.path("cl\u{1b}[2Joth")).unwrap();
    scratch.write("ru\u{1b}[2J\u{202e}n/config.toml", scratch.read("run/config.toml"));
    for command in [
        "train --config c2.toml --data cloth --out new",
        "model forward --model run/model.safetensors --input x.npy --output y.npy",
        "evaluate --model run/model.safetensors --out new --data cl\u{1b}[2Joth",
        "evaluate --model run/model.safetensors --out new --json --data cl\u{1b}[2Joth",
        "metrics --maps run --data cl\u{1b}[2Joth",
        "train --config c.toml --out new2 -v --data cl\u{1b}[2Joth",
        "compare run ru\u{1b}[2J\u{202e}n",
        "compare run missing\u{1b}[2J",
    ] {
        let ran = scratch.run(command);
        assert!(is_clean(&ran), "{command}: {:?} {:?}", ran.out, ran.err);
    }
    let compared = scratch.succeeds("compare run ru\u{1b}[2J\u{202e}n").out;
    assert!(compared.contains("B  ru\\u{1b}[2J\\u{202e}n\n"), "{compared}");
}

#[test]
fn names_that_are_no_text_stay_different() {
    let scratch = Scratch::new();
    for byte in [0xFF, 0xFE] {
        let name = OsString::from_vec(vec![b'd', byte]);
        for (from, part) in [("cloth/test/stain/000.png", "test"), ("cloth/ground_truth/stain/000_mask.png", "ground_truth")] {
            let to = Path::new("cloth").join(part).join(&name).join(Path::new(from).file_name().unwrap());
            scratch.write(to, scratch.read(from));
        }
    }
    let image = scratch.read("cloth/test/good/000.png");
    scratch.write(Path::new("cloth/test/good").join(OsString::from_vec(b"g\xff.png".to_vec())), image);
    scratch.succeeds("evaluate --model run/model.safetensors --data cloth --out new --maps maps");
    let report = scratch.json("new/metrics.json");
    let kinds: Vec<&String> = report["image_auroc_by_kind"].as_object().unwrap().keys().collect();
    assert!(kinds.iter().any(|kind| *kind == "d\\xff") && kinds.iter().any(|kind| *kind == "d\\xfe"), "{kinds:?}");
    scratch.succeeds("detect --model run/model.safetensors --out found cloth/test");
    for maps in ["found", "maps/cloth/test"] {
        let found: serde_json::Value =
            serde_json::from_str(&scratch.succeeds(&format!("metrics --maps {maps} --data cloth --json")).out).unwrap();
        assert_eq!(found["pixel_auroc"], report["pixel_auroc"], "{maps}");
    }
}
