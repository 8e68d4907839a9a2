//! Which value is white in images with more than 8 bits per sample. Cameras of 10 or 12 bits write files of 16 bits, whose format
//! does not tell how many of these are used.

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

/// A doubt about `white_level`, the value that counts as white (0: as the format says), from the levels of all training images: a
/// sentence for a warning. Images of 8 bits have none.
///
/// # Errors
/// Floating-point images in another unit, of which nearly every pixel would be white.
pub fn check_levels(found: &[Option<Levels>], white_level: f64) -> Result<Option<String>> {
    let kinds = Kind::of(found, white_level);
    if kinds.is_empty() && white_level > 0.0 && !found.is_empty() {
        return Ok(Some(format!("{KEY} = {white_level} has no effect: no training image has more than 8 bits per sample")));
    }
    let doubts = kinds.iter().map(|kind| doubt(kind, white_level, kinds.len() > 1)).collect::<Result<Vec<_>>>()?;
    Ok(joined(doubts))
}

/// The doubt about images of one kind, which are all there are or have others `beside` them.
fn doubt(kind: &Kind, white_level: f64, beside: bool) -> Result<Option<String>> {
    let (largest, white, brightest) = (kind.largest_in_words("training "), kind.white, kind.largest);
    if brightest > BRIGHT * white {
        return match kind.is_float && white_level == 0.0 {
            true => Err(Error::config(KEY, format!("{largest}; set it to the value that is white in these images"))),
            false => Ok(Some(format!("{KEY}: {largest}: all above that is white, too"))),
        };
    }
    Ok(kind.is_dark().then(|| {
        let advice = match bits_of(brightest) {
            _ if beside => format!("bring these images and the others to one scale, for {KEY} counts for both"),
            Some((bits, level)) if !kind.is_float => format!("set {KEY} = {level} if the camera has {bits} bits"),
            _ => format!("set {KEY} to the value that is white"),
        };
        format!("{largest}, so they are nearly black; {advice}")
    }))
}

/// The same doubt about images that a trained network looks at, whose white is that of its training. It never refuses them.
pub fn doubt_about_levels(found: &[Option<Levels>], white_level: f64) -> Option<String> {
    let doubt = |kind: &Kind| {
        let what = match kind.largest {
            value if value > BRIGHT * kind.white => ": all above that is white, too",
            _ if kind.is_dark() => ", so they are nearly black",
            _ => return None,
        };
        Some(format!("{}{what}; {KEY} is set in the training", kind.largest_in_words("")))
    };
    joined(Kind::of(found, white_level).iter().map(doubt))
}

fn joined(doubts: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    doubts.into_iter().flatten().reduce(|one, other| format!("{one}; {other}"))
}

/// Images with whole numbers of more than 8 bits, or with floating-point ones. The largest value of one kind says nothing about
/// the other.
struct Kind {
    is_float: bool,
    count: usize,
    /// How its images differ from all others, in words with a space before them.
    words: &'static str,
    /// The largest value in the image whose largest value is nearest to white, or farthest above it, and its white.
    largest: f64,
    white: f64,
}

impl Kind {
    /// The kinds that were found.
    fn of(found: &[Option<Levels>], white_level: f64) -> Vec<Self> {
        let share = |levels: &Levels| levels.largest / levels.white_at(white_level);
        let kind = |is_float: bool| {
            let own = || found.iter().flatten().filter(|levels| levels.is_float == is_float);
            let brightest = own().max_by(|a, b| share(a).total_cmp(&share(b)))?;
            let words = match (own().count() == found.iter().flatten().count(), is_float) {
                (true, _) => " with more than 8 bits per sample",
                (false, true) => " with floating-point samples",
                (false, false) => " with whole numbers of more than 8 bits per sample",
            };
            let white = brightest.white_at(white_level);
            Some(Self { is_float, count: own().count(), words, largest: brightest.largest, white })
        };
        [false, true].into_iter().filter_map(kind).collect()
    }

    /// The largest value in words; `which` images they are, with a space after it.
    fn largest_in_words(&self, which: &str) -> String {
        let Self { count, words, largest, white, .. } = self;
        let images = if *count == 1 { "image" } else { "images" };
        format!("the largest value in the {count} {which}{images}{words} is {largest}, and {white} is white")
    }

    fn is_dark(&self) -> bool {
        self.largest > 0.0 && self.largest < DARK * self.white
    }
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
    fn a_bright_image_of_one_kind_does_not_hide_dark_ones_of_the_other() {
        let float = |largest| Some(Levels { is_float: true, white: 1.0, largest });
        let both = [of(4000.0), float(0.9), of(100.0)];
        let text = warning(&both, 0.0).unwrap();
        let start = "the largest value in the 2 training images with whole numbers of more than 8 bits per sample is 4000, and";
        assert!(text.starts_with(start) && text.ends_with("to one scale, for data.white_level counts for both"), "{text}");
        // With the white of the whole numbers the others are dark.
        let text = warning(&both, 4095.0).unwrap();
        assert!(text.starts_with("the largest value in the 1 training image with floating-point samples is 0.9, and"), "{text}");
        assert!(check_levels(&[of(60000.0), float(255.0)], 0.0).is_err(), "in another unit");
        let seen = doubt_about_levels(&[of(4000.0), float(0.01)], 0.0).unwrap();
        assert_eq!(seen.matches(", so they are nearly black; data.white_level is set in the training").count(), 2, "{seen}");
        assert_eq!((warning(&[of(60000.0), float(0.9)], 0.0), doubt_about_levels(&[of(60000.0), float(0.9)], 0.0)), (None, None));
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
