//! "The config is not found or not valid": files that were written on Windows, and paths in them.

use crate::fixture::{CONFIG, Scratch, orthoscope, told};

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let scratch = Scratch::new();
    let windows = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    scratch.write("windows.toml", windows(CONFIG));
    scratch.succeeds("train --config windows.toml --data cloth --out new");
    assert!(scratch.read("new/model.safetensors") == scratch.read("run/model.safetensors"));
    // An editor has saved the config of the run, and the log with it.
    for name in ["config.toml", "log.jsonl"] {
        let text = String::from_utf8(scratch.read(format!("new/{name}"))).unwrap();
        scratch.write(format!("new/{name}"), if name == "log.jsonl" { text.replace('\n', "\r\n") } else { windows(&text) });
    }
    scratch.succeeds("train --config new/config.toml --data cloth --out new --resume");
    scratch.succeeds("validate --model new/model.safetensors --data cloth --out valid");
    scratch.succeeds("figures --model new/model.safetensors --data cloth --only training --out drawn");
    assert!(scratch.read("new/model.safetensors") == scratch.read("run/model.safetensors"));
}

#[test]
fn a_config_in_another_encoding_is_refused_with_its_name() {
    let scratch = Scratch::new();
    let wide: Vec<u8> = CONFIG.encode_utf16().flat_map(u16::to_le_bytes).collect();
    scratch.write("wide.toml", [&[0xFF, 0xFE], &wide[..]].concat());
    let text = scratch.refuses("train --config wide.toml --data cloth --out new");
    assert!(text.starts_with("wide.toml: is not text"), "{text}");
}

#[test]
fn relative_paths_mean_the_working_directory_and_their_error_says_so() {
    let scratch = Scratch::new();
    scratch.write("other/textures.toml", CONFIG.replace("size = 32\n", "size = 32\ntextures = \"cloth/test/good\"\n"));
    let in_other = |arguments: &str| {
        let mut command = orthoscope();
        command.current_dir(scratch.path("other")).args(arguments.split(' '));
        told(command.output().unwrap())
    };
    let ran = in_other("train --config ../c.toml --data ../cloth --out ../new");
    assert_eq!(ran.code, 0, "{}", ran.err);
    for name in ["model.safetensors", "config.toml"] {
        assert!(
            scratch.read(format!("new/{name}")) == scratch.read(format!("run/{name}")),
            "{name} depends on the working directory"
        );
    }
    scratch.succeeds("train --config other/textures.toml --data cloth --out drawn");
    let ran = in_other("train --config textures.toml --data ../cloth --out ../none");
    let reason = "cloth/test/good: there is no such file or folder; the path starts at the working directory";
    assert_eq!((ran.code, ran.err), (1, format!("error: textures.toml: line 6, config key `data.textures`: {reason}\n")));
}
