//! Files that do not exist.

use crate::fixture::Scratch;

#[test]
fn a_missing_file_gives_the_same_message_everywhere() {
    let scratch = Scratch::new();
    for (command, file) in [
        ("train --config none.toml --data cloth --out new", "none.toml"),
        ("data preview --config none.toml --data cloth --out new.png", "none.toml"),
        ("detect --model none.safetensors --out new cloth", "none.safetensors"),
        ("evaluate --model none.safetensors --data cloth --out new", "none.safetensors"),
        ("model summary --weights none.safetensors", "none.safetensors"),
        ("model forward --model run/model.safetensors --input none.npy --output y.npy", "none.npy"),
        ("metrics --maps run --data cloth --json", "run/bend/000.npy"),
        ("profile --diff none.json none.json", "none.json"),
    ] {
        assert_eq!(scratch.refuses(command), format!("{file}: no such file"), "{command}");
    }
}
