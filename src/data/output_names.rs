//! The names of results: those of their images, which keep their extension only where they need it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

/// The names of images without their extensions, but with it where several differ in that only, or where what is left is the
/// whole name of another image. Names that differ stay different.
pub fn output_names(names: &[PathBuf]) -> Vec<PathBuf> {
    let mut stems: HashMap<PathBuf, usize> = HashMap::new();
    names.iter().for_each(|name| *stems.entry(name.with_extension("")).or_default() += 1);
    let whole: HashSet<&PathBuf> = names.iter().collect();
    let shortened = |name: &PathBuf| {
        let stem = name.with_extension("");
        if stems.get(&stem) == Some(&1) && !whole.contains(&stem) { stem } else { name.clone() }
    };
    names.iter().map(shortened).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_need_their_extension_keep_it() {
        let names = ["a/1.png", "b/1.png", "b/1.jpg", "c.png.png", "c.png", "d.e.png"].map(PathBuf::from);
        assert_eq!(output_names(&names), ["a/1", "b/1.png", "b/1.jpg", "c.png.png", "c", "d.e"].map(PathBuf::from));
    }
}
