//! Published results of other methods, from a data file.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, Result};

const DATA: &str = include_str!("published.toml");

/// The official data of most published results.
const OFFICIAL: &str = "MVTec AD, official images";

/// Published results of one method, as AUROC in %.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Method {
    pub(super) name: String,
    /// Authors, title, place.
    pub(super) source: String,
    /// Whether a network that was trained on other images is part of it.
    pub(super) pretrained: bool,
    /// What the numbers were compared with.
    pub(super) checked: String,
    /// False for other data than MVTec AD, or another protocol.
    #[serde(default = "yes")]
    pub(super) comparable: bool,
    /// What is different.
    #[serde(default)]
    pub(super) note: String,
    #[serde(default = "official")]
    pub(super) data: String,
    /// Means over the 15 categories of MVTec AD.
    #[serde(default)]
    pub(super) mean: Mean,
    /// Image AUROC by category.
    #[serde(default)]
    pub(super) image: BTreeMap<String, f64>,
}

/// Means over categories.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mean {
    pub(super) image: Option<f64>,
    pub(super) pixel: Option<f64>,
}

#[derive(Deserialize)]
struct File {
    method: Vec<Method>,
}

fn yes() -> bool {
    true
}

fn official() -> String {
    OFFICIAL.to_owned()
}

/// All published results, in the order of the file.
///
/// # Errors
/// The file that is part of the program is damaged.
pub(super) fn published() -> Result<Vec<Method>> {
    let file: File = toml::from_str(DATA).map_err(|error| Error::argument(format!("published.toml: {error}")))?;
    Ok(file.method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_valid_and_what_is_not_comparable_says_why() {
        let methods = published().unwrap();
        assert!(methods.len() > 5);
        for method in &methods {
            assert!(method.comparable != (method.note.len() > 5), "{}", method.name);
            assert!(!method.source.is_empty() && !method.checked.is_empty());
            let values = method.image.values().copied().chain(method.mean.image).chain(method.mean.pixel);
            assert!(values.clone().count() > 0 && values.clone().all(|value| (50.0..=100.0).contains(&value)), "{}", method.name);
        }
    }

    #[test]
    fn the_mean_of_a_full_row_is_the_published_mean() {
        let full: Vec<_> = published().unwrap().into_iter().filter(|method| method.image.len() == 15).collect();
        assert_eq!(full.len(), 3);
        for method in full {
            let mean = method.image.values().sum::<f64>() / 15.0;
            assert!((mean - method.mean.image.unwrap()).abs() < 0.051, "{}: {mean}", method.name);
        }
    }
}
