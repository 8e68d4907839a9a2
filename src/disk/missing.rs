//! What was probably meant by a path that leads nowhere.

use std::path::{Path, PathBuf};

use super::atomic::folder_of;

/// The end of a sentence about a path that does not exist: the most similar one that does, or nothing.
pub fn hint(path: &Path) -> String {
    nearest(path).map_or_else(String::new, |near| format!("; did you mean {}?", near.display()))
}

/// The path with the first part that does not exist replaced by the most similar name in its folder.
fn nearest(path: &Path) -> Option<PathBuf> {
    let wrong = path.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists()).last()?;
    let name = wrong.file_name()?.to_str()?;
    // What a link leads to is not found by another name.
    let entries = std::fs::read_dir(folder_of(wrong)).ok().filter(|_| !wrong.is_symlink())?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let close = names.filter_map(|own| Some((distance(name, &own)?, own)));
    let near = wrong.with_file_name(close.min()?.1);
    // Without the separator at the end that nothing behind it would leave.
    let rest = path.strip_prefix(wrong).ok().filter(|rest| !rest.as_os_str().is_empty());
    Some(rest.map(|rest| near.join(rest)).filter(|whole| whole.exists()).unwrap_or(near))
}

/// How many letters of a name are wrong, if these are at most one in three of the shorter name and not just digits: of a short
/// name every other letter makes another word, and another number is another thing. Case does not count.
fn distance(name: &str, own: &str) -> Option<usize> {
    let letters = |name: &str| name.chars().filter(|sign| !sign.is_ascii_digit()).collect::<String>();
    let stem_of = |name: &str| Path::new(name).file_stem().map_or(0, |stem| stem.to_string_lossy().chars().count());
    let stem = stem_of(name).min(stem_of(own));
    let found = strsim::damerau_levenshtein(&name.to_lowercase(), &own.to_lowercase());
    let is_close = found <= (1 + stem / 6).min(stem / 3) && letters(name) != letters(own) && !own.starts_with('.');
    is_close.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_in_the_folder_is_named() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in ["bottle/train/good", "bottles", "run-12", "c", ".hidden"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        for (wrong, meant) in [
            ("botle", "bottle"),
            ("Bottle2", "bottle"),
            ("bottels", "bottles"),
            ("botle/train/good", "bottle/train/good"),
            ("botle/none", "bottle"),
            ("bottle/trian/good", "bottle/train/good"),
            ("rum-12", "run-12"),
        ] {
            assert_eq!(hint(&at(wrong)), format!("; did you mean {}?", at(meant).display()), "{wrong}");
        }
        for unlike in ["cable", "run-13", "d", "hidden", "none/train", "bottle/x"] {
            assert_eq!(hint(&at(unlike)), "", "{unlike}");
        }
        assert_eq!(hint(Path::new("srk")), "; did you mean src?", "in the working directory");
        assert_eq!(hint(Path::new("")), "");
    }

    #[test]
    fn a_word_of_one_or_two_letters_is_offered_for_no_other() {
        let pairs = [("a", "b"), ("ab", "b"), ("bg", "bG2"), ("bag", "bG"), ("nok", "ok"), ("ok", "nok"), ("one", "on")];
        for (wrong, other) in pairs {
            assert_eq!(distance(wrong, other), None, "{wrong} {other}");
        }
        // The case of letters never makes another word, and one of three may be wrong.
        for (wrong, meant, far) in
            [("b", "B", 0), ("bg", "bG", 0), ("NOK", "nok", 0), ("rum", "run", 1), ("godo", "good", 1), ("mask", "masks", 1)]
        {
            assert_eq!(distance(wrong, meant), Some(far), "{wrong} {meant}");
        }
    }
}
