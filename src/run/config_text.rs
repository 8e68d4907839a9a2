//! Where the keys and the values of a config are in its text.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, shortened};

/// Most characters of a config that a sentence quotes.
pub(super) const QUOTED: usize = 200;

/// A value that no key of a config can have.
pub(super) struct Misfit {
    /// Its dotted key.
    pub key: String,
    /// Its bytes in the text, or those of the name of its key.
    pub span: Range<usize>,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Why no key can have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A whole number that needs more than 64 bits with its sign.
    LargeNumber,
    /// A list of tables, as `[[train]]` begins one.
    ListOfTables,
    /// A table in place of a value, as `[train.steps]` begins one.
    Table,
    /// A date, a time of day or any other single value in place of a section.
    Value,
    /// A list in place of a section, whose keys it would set one after another.
    List,
}

/// The dotted paths of all sections and keys of a config.
pub(super) struct Known(pub Vec<String>);

impl Known {
    /// Whether this is a section, which has keys and no value.
    pub fn is_section(&self, key: &str) -> bool {
        self.0.iter().any(|own| own.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    }

    /// Whether this is a key with a value.
    pub fn is_value(&self, key: &str) -> bool {
        self.0.iter().any(|own| own == key) && !self.is_section(key)
    }
}

/// The values that no key can have.
struct Misfits<'a> {
    known: &'a Known,
    found: Vec<Misfit>,
}

/// The first value in the text that no key can have, of those that are known; none if there is none, or if the text is no TOML.
pub(super) fn first_misfit(text: &str, known: &Known) -> Option<Misfit> {
    let table = DeTable::parse(text).ok()?;
    let mut misfits = Misfits { known, found: Vec::new() };
    misfits.collect("", table.get_ref());
    misfits.found.into_iter().min_by_key(|misfit| misfit.span.start)
}

impl Misfits<'_> {
    fn collect(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            self.look_at(&format!("{prefix}{}", name.get_ref()), name.span(), value);
        }
    }

    fn look_at(&mut self, key: &str, name: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let mut add = |span, fault| self.found.push(Misfit { key: key.to_owned(), span, fault });
        match value.get_ref() {
            DeValue::Table(_) if self.known.is_value(key) => add(name, Fault::Table),
            DeValue::Table(inner) => self.collect(&format!("{key}."), inner),
            DeValue::Array(list) if list.iter().any(|one| one.get_ref().is_table()) => {
                add(name, if self.known.is_value(key) { Fault::Table } else { Fault::ListOfTables });
            }
            DeValue::Array(_) if self.known.is_section(key) => add(name, Fault::List),
            DeValue::Array(list) => list.iter().for_each(|one| self.look_at(key, name.clone(), one)),
            _ if self.known.is_section(key) => add(value.span(), Fault::Value),
            DeValue::Integer(own) if i64::from_str_radix(own.as_str(), own.radix()).is_err() => {
                add(value.span(), Fault::LargeNumber);
            }
            _ => {}
        }
    }
}

/// The line, from 1, in which a dotted key is set or its section begins; none if the text does not have it.
pub(super) fn line_of(text: &str, key: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    start_of(table.get_ref(), key).map(|start| line_at(text, start))
}

/// The line, from 1, of a byte.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

fn start_of(table: &DeTable<'_>, key: &str) -> Option<usize> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let (name, value) = table.iter().find(|(name, _)| name.get_ref() == first)?;
    match rest {
        Some(rest) => start_of(value.get_ref().as_table()?, rest),
        None => Some(name.span().start),
    }
}

/// A sentence that quotes the line of this byte of a config and gives the reason.
pub(super) fn in_line(text: &str, at: usize, reason: &str) -> Error {
    let number = line_at(text, at) - 1;
    let is_table = |line: &&str| line.starts_with('[');
    let mut lines = text.lines().map(str::trim).take(number + 1);
    let table = lines.by_ref().take(number).filter(is_table).last();
    let line = lines.next().unwrap_or_default();
    let place = table.filter(|_| !is_table(&line)).map_or_else(String::new, |table| format!(" in {table}"));
    let quoted = |text: &str| shortened(text, QUOTED);
    Error::format(format!("line {}, `{}`{}: {}", number + 1, quoted(line), quoted(&place), quoted(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_however_they_are_written() {
        let text = "seed = 1\nmodel.width = 2\n[corruption.size]\nmin = 0.1\n[data]\n'size' = 64\n";
        let line = |key: &str| line_of(text, key);
        assert_eq!(
            [line("seed"), line("model.width"), line("corruption.size"), line("corruption.size.min")],
            [1, 2, 3, 4].map(Some)
        );
        assert_eq!((line("data.size"), line("data.fit"), line("seed.a"), line_of("[", "a")), (Some(6), None, None, None));
    }

    #[test]
    fn the_first_value_that_no_key_can_have_is_found() {
        let known = Known(["train.steps", "train", "data.fit", "data"].map(str::to_owned).into());
        let found = |text: &str| first_misfit(text, &known).map(|own| (own.key, text[own.span].to_owned(), own.fault));
        let large = |key: &str, text: &str| Some((key.to_owned(), text.to_owned(), Fault::LargeNumber));
        assert_eq!(found("z = 9223372036854775808\na = 99999999999999999999"), large("z", "9223372036854775808"));
        assert_eq!(found("[a]\nb = [1, -0, 0xFFFF_FFFF_FFFF_FFFF]"), large("a.b", "0xFFFF_FFFF_FFFF_FFFF"));
        assert_eq!(found("a = [[1], [99999999999999999999]]"), large("a", "99999999999999999999"));
        assert_eq!(found("[a]\n[[a.b]]\nc = 1").unwrap().2, Fault::ListOfTables);
        for (text, fault) in [
            ("train.steps.a = 1", Fault::Table),
            ("[[data.fit]]", Fault::Table),
            ("data = 12:00", Fault::Value),
            ("data = 99999999999999999999", Fault::Value),
            ("data = []", Fault::List),
        ] {
            assert_eq!(found(text).unwrap().2, fault, "{text}");
        }
        assert_eq!(found("a = 12:00\nb = {}"), None);
        assert_eq!(found("a = 9223372036854775807\nb = -9223372036854775808\nc = 1e400\nd = [{}"), None);
    }
}
