//! Which value is white in images with more than 8 bits per sample. Cameras of 10 or 12 bits write files of 16 bits, whose format does not
//! tell how many of these are used.

use crate::error::{Error, Result};

/// Images whose largest value is below this share of white are taken for data of fewer bits.
const DARK: f64 = 1.0 / 8.0;

/// Images whose largest value is above this multiple of white are taken for data in another unit.
const BRIGHT: f64 = 2.0;

/// The key that sets it.
const KEY: &str = "data.white_level";

/// The range of values in an image with more than 8 bits per sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    /// Whether the samples are floating-point numbers.
    pub is_float: bool,
    /// The value that is white as the format says.
    pub white: f64,
    /// The largest value of a colour.
    pub largest: f64,
}

impl Levels {
    /// The value that counts as white.
    fn white_at(&self, white_level: f64) -> f64 {
        if white_level > 0.0 { white_level } else { self.white }
    }
}

/// A doubt about `white_level`, the value that counts as white (0: as the format says), from the levels of all training images: a sentence for a
/// warning. Images of 8 bits have none.
///
/// # Errors
/// Floating-point images in another unit, of which nearly every pixel would be white.
pub fn check_levels(found: &[Option<Levels>], white_level: f64) -> Result<Option<String>> {
    let deep: Vec<Levels> = found.iter().copied().flatten().collect();
    let Some(brightest) = brightest(&deep, white_level) else {
        let is_idle = white_level > 0.0 && !found.is_empty();
        return Ok(
            is_idle.then(|| format!("{KEY} = {white_level} has no effect: no training image has more than 8 bits per sample"))
        );
    };
    let (largest, white) = (largest_in_words(&deep, "training ", white_level), brightest.white_at(white_level));
    if brightest.largest > BRIGHT * white {
        return match brightest.is_float && white_level == 0.0 {
            true => Err(Error::config(KEY, format!("{largest}; set it to the value that is white in these images"))),
            false => Ok(Some(format!("{KEY}: {largest}: all above that is white, too"))),
        };
    }
    Ok(is_dark(brightest, white).then(|| {
        let advice = match bits_of(brightest.largest) {
            Some((bits, level)) if !brightest.is_float => format!("set {KEY} = {level} if the camera has {bits} bits"),
            _ => format!("set {KEY} to the value that is white"),
        };
        format!("{largest}, so they are nearly black; {advice}")
    }))
}

/// The same doubt about images that a trained network looks at, whose white is that of its training. It never refuses them.
pub fn doubt_about_levels(found: &[Option<Levels>], white_level: f64) -> Option<String> {
    let deep: Vec<Levels> = found.iter().copied().flatten().collect();
    let brightest = brightest(&deep, white_level)?;
    let (largest, white) = (largest_in_words(&deep, "", white_level), brightest.white_at(white_level));
    let what = match brightest.largest {
        value if value > BRIGHT * white => ": all above that is white, too",
        _ if is_dark(brightest, white) => ", so they are nearly black",
        _ => return None,
    };
    Some(format!("{largest}{what}; {KEY} is set in the training"))
}

/// The image whose largest value is nearest to white, or farthest above it.
fn brightest(deep: &[Levels], white_level: f64) -> Option<Levels> {
    deep.iter().copied().max_by(|a, b| share(a, white_level).total_cmp(&share(b, white_level)))
}

/// The largest value in words; `which` images they are, with a space after it.
fn largest_in_words(deep: &[Levels], which: &str, white_level: f64) -> String {
    let (count, images) = (deep.len(), if deep.len() == 1 { "image" } else { "images" });
    let of = |value: fn(&Levels, f64) -> f64| brightest(deep, white_level).map_or(0.0, |own| value(&own, white_level));
    let (largest, white) = (of(|own, _| own.largest), of(Levels::white_at));
    format!(
        "the largest value in the {count} {which}{images} with more than 8 bits per sample is {largest}, and {white} is white"
    )
}

fn is_dark(brightest: Levels, white: f64) -> bool {
    brightest.largest > 0.0 && brightest.largest < DARK * white
}

/// The largest value relative to white.
fn share(levels: &Levels, white_level: f64) -> f64 {
    levels.largest / levels.white_at(white_level)
}

/// The number of bits, at least 8, that hold a value, and their largest value.
fn bits_of(largest: f64) -> Option<(u32, u32)> {
    (8..=31).map(|bits| (bits, (1 << bits) - 1)).find(|&(_, level)| largest <= f64::from(level))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(largest: f64) -> Option<Levels> {
        Some(Levels { is_float: false, white: 65535.0, largest })
    }

    fn warning(found: &[Option<Levels>], white_level: f64) -> Option<String> {
        check_levels(found, white_level).unwrap()
    }

    #[test]
    fn fewer_bits_than_16_are_recognised_by_the_largest_value_of_all_images() {
        for (largest, advice) in [
            (1023.0, "set data.white_level = 1023 if the camera has 10 bits"),
            (4080.0, "set data.white_level = 4095 if the camera has 12 bits"),
            (255.0, "set data.white_level = 255 if the camera has 8 bits"),
        ] {
            let text = warning(&[of(10.0), None, of(largest)], 0.0).unwrap();
            let start =
                format!("the largest value in the 2 training images with more than 8 bits per sample is {largest}, and 65535 is");
            assert!(text.starts_with(&start) && text.ends_with(advice), "{text}");
        }
        for bright in [of(8192.0), of(65535.0), of(0.0), None] {
            assert_eq!(warning(&[of(0.0), bright], 0.0), None);
        }
        assert_eq!((warning(&[of(4000.0)], 4095.0), warning(&[], 4095.0)), (None, None));
        assert!(warning(&[of(400.0)], 4095.0).unwrap().ends_with("if the camera has 9 bits"));
    }

    #[test]
    fn images_that_a_network_looks_at_are_doubted_and_never_refused() {
        let dark = doubt_about_levels(&[of(10.0), None, of(1023.0)], 0.0).unwrap();
        assert_eq!(
            dark,
            "the largest value in the 2 images with more than 8 bits per sample is 1023, and 65535 is white, so they are nearly \
             black; data.white_level is set in the training"
        );
        let float = |largest| [Some(Levels { is_float: true, white: 1.0, largest })];
        assert!(
            doubt_about_levels(&float(255.0), 0.0).unwrap().contains("is 255, and 1 is white: all above that is white, too;")
        );
        assert!(doubt_about_levels(&[of(65535.0)], 4095.0).unwrap().contains("is 65535, and 4095 is white: all above"));
        for fine in [&[of(4000.0)][..], &[None], &[]] {
            assert_eq!(doubt_about_levels(fine, 4095.0), None);
        }
        assert_eq!((doubt_about_levels(&[of(0.0)], 0.0), doubt_about_levels(&[of(9000.0)], 0.0)), (None, None));
    }

    #[test]
    fn a_white_level_that_does_not_fit_is_noticed() {
        assert!(warning(&[of(65535.0)], 4095.0).unwrap().ends_with("is 65535, and 4095 is white: all above that is white, too"));
        assert!(warning(&[None], 4095.0).unwrap().contains("data.white_level = 4095 has no effect"));
        let float = |largest| [Some(Levels { is_float: true, white: 1.0, largest })];
        let error = check_levels(&float(255.0), 0.0).unwrap_err().to_string();
        assert!(
            error.starts_with("config key `data.white_level`: ") && error.contains("is 255, and 1 is white; set it"),
            "{error}"
        );
        assert_eq!((warning(&float(255.0), 255.0), warning(&float(1.2), 0.0)), (None, None));
        assert!(warning(&float(0.01), 0.0).unwrap().ends_with("set data.white_level to the value that is white"));
    }
}
