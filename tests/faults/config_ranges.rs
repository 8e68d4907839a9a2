//! What the comments of the default config say about the range of every key, against the check of the values.

use orthoscope::run::{Config, DEFAULT_CONFIG};

/// A key of the default config, with the comment above it.
struct Key {
    table: String,
    name: String,
    default: String,
    comment: String,
}

/// Every key, also those that are commented out.
fn keys() -> Vec<Key> {
    let (mut found, mut table, mut comment) = (Vec::new(), String::new(), String::new());
    for line in DEFAULT_CONFIG.lines() {
        let plain = line.strip_prefix("# ").unwrap_or(line);
        let is_name = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if let Some((name, default)) = plain.split_once(" = ").filter(|(name, _)| is_name(name)) {
            let (name, default) = (name.to_owned(), default.to_owned());
            found.push(Key { table: table.clone(), name, default, comment: std::mem::take(&mut comment) });
        } else if let Some(own) = plain.strip_prefix('[').and_then(|own| own.strip_suffix(']')) {
            (table, comment) = (own.to_owned(), String::new());
        } else if line.is_empty() {
            comment.clear();
        } else {
            comment += &format!("{plain} ");
        }
    }
    found
}

/// `A to B`, `above A to B` or `A or more` in a comment: the two ends as they are written, and whether the first one is excluded.
fn range(comment: &str) -> Option<(String, Option<String>, bool)> {
    let words: Vec<&str> = comment.split_whitespace().map(|word| word.trim_end_matches([',', '.', ';', ':', ')'])).collect();
    let is_number = |word: &str| word.parse::<f64>().is_ok();
    let at = words
        .windows(3)
        .position(|three| is_number(three[0]) && (three[1] == "to" && is_number(three[2]) || three[1..] == ["or", "more"]))?;
    let end = (words[at + 1] == "to").then(|| words[at + 2].to_owned());
    Some((words[at].to_owned(), end, at > 0 && words[at - 1] == "above"))
}

impl Key {
    fn path(&self) -> String {
        format!("{}.{}", self.table, self.name).trim_start_matches('.').to_owned()
    }

    /// Whether a config with this value is accepted, with other keys such that they do not get in the way.
    fn accepts(&self, value: &str) -> bool {
        let partner = match (self.path().as_str(), self.name.as_str(), range(&self.comment)) {
            ("detection.tile", ..) => "data.fit = 'crop'".to_owned(),
            ("detection.overlap", ..) => "data.fit = 'crop'\ndetection.tile = 512".to_owned(),
            ("data.shorter_side", ..) => "data.fit = 'crop'".to_owned(),
            ("detection.residual.squared", ..) => "detection.residual.root = 1.0".to_owned(),
            ("detection.score_smoothing.window", ..) => "detection.score_smoothing.repeats = 1".to_owned(),
            ("detection.score_smoothing.repeats", ..) => "detection.score_smoothing.window = 1".to_owned(),
            (_, "min", Some((_, Some(most), _))) => format!("{}.max = {}", self.table, self.written(&most)),
            (_, "max", Some((least, ..))) => format!("{}.min = {}", self.table, self.written(&least)),
            _ => String::new(),
        };
        Config::parse(&format!("{} = {value}\n{partner}", self.path())).is_ok()
    }

    fn is_float(&self) -> bool {
        self.default.parse::<i64>().is_err()
    }

    /// A number as this key wants it.
    fn written(&self, number: &str) -> String {
        if self.is_float() { format!("{:?}", number.parse::<f64>().unwrap()) } else { number.to_owned() }
    }

    /// The nearest value outside an end that keeps the other rules, such as being odd.
    fn beyond(&self, end: &str, up: bool) -> String {
        if self.is_float() {
            let value: f64 = end.parse().unwrap();
            let step = (0.01 * value.abs()).max(1e-9);
            return format!("{:?}", if up { value + step } else { value - step });
        }
        let value: i128 = end.parse().unwrap();
        let step = match &self.comment {
            own if own.contains("multiple of 8") => 8,
            own if own.contains("power of two") && up => value,
            own if own.contains("odd") => 2,
            _ => 1,
        };
        (if up { value + step } else { value - step }).to_string()
    }

    fn check_range(&self) {
        let path = self.path();
        let (least, most, is_open) = range(&self.comment).unwrap_or_else(|| panic!("{path} has no range: {}", self.comment));
        if is_open {
            assert!(!self.accepts(&self.written(&least)) && self.accepts("1e-9"), "{path}: above {least}");
        } else {
            assert!(self.accepts(&self.written(&least)), "{path} = {least}");
        }
        let below = self.beyond(&least, false);
        assert!(!self.accepts(&below), "{path} = {below}");
        // What the comment of an overlap says of its other end is checked below.
        let most = most.unwrap_or_else(|| if path == "detection.overlap" { "504" } else { "1000000" }.to_owned());
        assert!(self.accepts(&self.written(&most)), "{path} = {most}");
        if range(&self.comment).is_some_and(|(_, end, _)| end.is_some()) {
            let above = self.beyond(&most, true);
            assert!(!self.accepts(&above), "{path} = {above}");
        }
    }

    /// A word is in the comment if it is accepted, and only then.
    fn check_words(&self) {
        let path = self.path();
        let error = Config::parse(&format!("{path} = '?'")).unwrap_err().to_string();
        let words: Vec<&str> =
            error.rsplit("must be ").next().unwrap().rsplit_once(", got ").unwrap().0.split('`').skip(1).step_by(2).collect();
        assert!(words.len() > 1, "{path}: {error}");
        for word in words {
            let is_named = self.comment.split(|c: char| !c.is_ascii_lowercase() && c != '_').any(|own| own == word);
            assert_eq!(is_named, self.accepts(&format!("'{word}'")), "{path} = {word}: {}", self.comment);
        }
    }
}

#[test]
fn the_comment_of_every_key_has_the_range_that_is_checked() {
    let keys = keys();
    assert!(keys.len() > 90, "{}", keys.len());
    for key in keys {
        match (key.path().as_str(), key.default.as_str()) {
            ("data.textures", _) => assert!(!key.accepts("''") && key.comment.contains("not empty")),
            ("model.dilations", _) => {
                let list = |value: &str, count: usize| format!("[{}]", vec![value; count].join(", "));
                assert!(key.comment.contains("1 to 8 of them, each 1 to 1024"), "{}", key.comment);
                assert!([list("1", 1), list("1024", 8)].iter().all(|own| key.accepts(own)));
                assert!([list("1", 0), list("1", 9), list("0", 1), list("1025", 1)].iter().all(|own| !key.accepts(own)));
            }
            ("data.shorter_side", _) => {
                assert!(key.comment.contains("data.size or more; 0 keeps"), "{}", key.comment);
                assert!(["0", "128", "1000000"].iter().all(|own| key.accepts(own)) && !key.accepts("127"));
            }
            (_, "true" | "false") => assert!(key.comment.contains("true or false"), "{}", key.path()),
            (_, default) if default.starts_with('"') => key.check_words(),
            (path, _) => {
                key.check_range();
                assert!(path != "detection.overlap" || key.comment.contains("less than a tile") && !key.accepts("512"));
            }
        }
    }
}
