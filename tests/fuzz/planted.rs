//! Faults planted in loaders, each of which the campaign must notice.

use std::path::Path;

use super::allocator::PLANTED;
use super::campaign::{Inputs, Loader, Read, Verdict, counts};

/// The faults that are found in a loader that is `check`.
fn found(check: impl Fn(&Path) -> Verdict + 'static) -> Vec<String> {
    let corpus = vec![br#"{"step": 1, "loss": 0.5}"#.to_vec(), br#"{"step": 22, "loss": 0.25}"#.to_vec()];
    let loader = Loader { name: PLANTED, file: "a.json", corpus, memory: |_, _| 1 << 16, check: Box::new(check) };
    let folder = tempfile::tempdir().unwrap();
    let counts = counts(&loader, folder.path(), Inputs::first(0, 100));
    counts.faults.into_keys().collect()
}

fn is_odd(path: &Path) -> bool {
    std::fs::read(path).unwrap().len() % 2 == 1
}

/// Whether each of the faults has these words, and there is one.
fn all_say(faults: &[String], words: &str) -> bool {
    !faults.is_empty() && faults.iter().all(|fault| fault.contains(words))
}

#[test]
fn a_loader_without_a_fault_has_none() {
    let faults = found(|path| match is_odd(path) {
        true => Ok(Read::Accepted),
        false => Ok(Read::Refused(format!("{}: is even", path.display()))),
    });
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn panics_are_found() {
    let faults = found(|path| {
        assert!(is_odd(path), "an even length");
        Ok(Read::Accepted)
    });
    assert!(all_say(&faults, "panicked: an even length"), "{faults:?}");
}

#[test]
fn too_much_memory_is_found_even_if_it_is_refused() {
    let held = |bytes: usize| {
        move |path: &Path| {
            let mut memory: Vec<u8> = Vec::new();
            if is_odd(path) && memory.try_reserve_exact(bytes).is_err() {
                return Ok(Read::Refused(format!("{}: memory is short", path.display())));
            }
            Ok(Read::Accepted)
        }
    };
    assert!(found(held(1000)).is_empty());
    for bytes in [1 << 20, 1 << 40] {
        let faults = found(held(bytes));
        assert!(all_say(&faults, "held "), "{faults:?}");
    }
}

#[test]
fn errors_that_are_no_sentence_with_the_file_are_found() {
    for (text, words) in [
        ("is bad", "does not begin with its file"),
        ("PATH: ", "has no reason"),
        ("PATH: is bad\nand worse", "is not one line"),
        ("PATH: memory is short: memory is short", "says the same twice"),
    ] {
        let faults = found(move |path| Ok(Read::Refused(text.replace("PATH", &path.display().to_string()))));
        assert!(all_say(&faults, words), "{faults:?}");
    }
    let faults = found(|path| Ok(Read::Refused(format!("{}: {}", path.display(), "x".repeat(5000)))));
    assert!(all_say(&faults, "is too long"), "{faults:?}");
}

#[test]
fn broken_promises_are_found() {
    let faults = found(|path| if is_odd(path) { Err("another value".into()) } else { Ok(Read::Accepted) });
    assert_eq!(faults, ["another value"]);
}
