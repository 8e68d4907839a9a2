//! Options whose value is a list with commas.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};

use crate::Error;

/// The parser of one word of a list, to which blanks around the word do not belong: `map, mask` is `map,mask`. In `map,` a word
/// is missing, whatever the words are.
#[derive(Clone)]
pub struct Trimmed<P>(pub P);

impl<P: TypedValueParser> TypedValueParser for Trimmed<P> {
    type Value = P::Value;

    fn parse_ref(&self, command: &clap::Command, option: Option<&clap::Arg>, value: &OsStr) -> Result<Self::Value, clap::Error> {
        // What is not text is refused by the parser itself.
        match value.to_str().map(str::trim) {
            Some("") => nothing::<P::Value>.parse_ref(command, option, value),
            Some(word) => self.0.parse_ref(command, option, OsStr::new(word)),
            None => self.0.parse_ref(command, option, value),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

fn nothing<T>(_: &str) -> Result<T, Error> {
    Err(Error::argument("a word is missing, perhaps before or after a comma"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use crate::cli::Arguments;

    /// Options whose value is a list of words, in a command line that each completes.
    const LISTS: [(&str, &str, &str); 5] = [
        ("detect --model m --out new a.png", "save", " map, mask"),
        ("figures --out new", "only", "roc ,training "),
        ("kernels", "arch", "sm_80, sm_90a"),
        ("reproduce --data d --out new", "category", "a , b"),
        ("verify", "claim", "C1, C2"),
    ];

    #[test]
    fn blanks_beside_the_commas_of_a_list_do_not_count() {
        for (line, option, list) in LISTS {
            let (flag, trimmed) = (format!("--{option}"), list.replace(' ', ""));
            let tried = |list: &str| {
                let words = ["orthoscope"].into_iter().chain(line.split(' ')).chain([flag.as_str(), list]);
                Arguments::command().try_get_matches_from(words)
            };
            let parsed = |list: &str| {
                let matches = tried(list).unwrap_or_else(|error| panic!("{error}"));
                let (_, own) = matches.subcommand().unwrap();
                own.get_raw(option).unwrap().count()
            };
            assert_eq!((parsed(list), parsed(&trimmed)), (2, 2), "{line}");
            for incomplete in [format!("{trimmed},"), format!(",{trimmed}"), trimmed.replace(',', ", ,"), String::new()] {
                let error = tried(&incomplete).unwrap_err().to_string();
                let words = format!("invalid value '{}' for '{flag} <", if incomplete.contains(", ,") { " " } else { "" });
                assert!(
                    error.contains(&words) && error.contains(">': a word is missing, perhaps before or after a comma\n"),
                    "{error}"
                );
            }
        }
        let wrong = ["orthoscope", "detect", "--model", "m", "--out", "new", "a.png", "--save", "map, maks"];
        let error = Arguments::command().try_get_matches_from(wrong).unwrap_err().to_string();
        assert!(error.contains("invalid value 'maks'") && error.contains("'mask'"), "{error}");
    }

    #[test]
    fn every_option_with_a_list_is_named_above() {
        let command = Arguments::command();
        let is_list = |option: &&clap::Arg| option.get_value_delimiter() == Some(',');
        let found: BTreeSet<(&str, &str)> = command
            .get_subcommands()
            .flat_map(|own| own.get_arguments().filter(is_list).map(move |option| (own.get_name(), option.get_id().as_str())))
            .collect();
        let tested = LISTS.map(|(line, option, _)| (line.split(' ').next().unwrap_or_default(), option));
        assert_eq!(found, tested.into());
    }
}
