//! Options whose value is a number. Whatever is wrong with it, the sentence is the same: what the option takes, with its range.

use std::ops::RangeInclusive;

use crate::model::MAX_WIDTH;
use crate::{Error, Result};

/// The largest seed and the most steps between validations: beyond that, a config has no numbers.
pub const OF_CONFIG: u64 = i64::MAX as u64;

/// The largest number of things to make or to show, and of steps.
pub const OF_THINGS: u64 = u32::MAX as u64;

/// Base widths of a network.
pub const WIDTHS: RangeInclusive<u64> = 1..=MAX_WIDTH as u64;

/// The parser of a whole number in a range, which `T` can hold.
pub fn whole<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T> + Clone + Send + Sync + 'static {
    move |text| {
        let (least, most) = (range.start(), range.end());
        accepted(text, |number| range.contains(&number), format_args!("a whole number from {least} to {most}"))
    }
}

/// The same for a number of pixels that the network needs as a multiple of 8.
pub fn multiple_of_8(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<usize> + Clone + Send + Sync + 'static {
    move |text| {
        let (least, most) = (range.start(), range.end());
        let fits = |number: u64| number.is_multiple_of(8) && range.contains(&number);
        accepted(text, fits, format_args!("a multiple of 8 from {least} to {most}"))
    }
}

fn accepted<T: TryFrom<u64>>(text: &str, fits: impl Fn(u64) -> bool, wanted: std::fmt::Arguments<'_>) -> Result<T> {
    let number = text.parse().ok().filter(|&number| fits(number)).and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| Error::argument(format!("{wanted} is needed")))
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;
    use std::time::Duration;

    use clap::error::ErrorKind;
    use clap::{Arg, ArgMatches, Command, CommandFactory};

    use crate::cli::{Arguments, wrapped};
    use crate::run::reproduction::Shard;

    /// Every option that takes a value, with the words of a command line that end with it.
    fn options(command: &Command, words: &[String]) -> Vec<(Vec<String>, Arg)> {
        let is_option = |own: &&Arg| own.get_long().is_some() && own.get_action().takes_values();
        let line = |own: &Arg| [words, &[format!("--{}", own.get_long().unwrap())]].concat();
        let own = command.get_arguments().filter(is_option).map(|own| (line(own), own.clone()));
        let deeper = |below: &Command| options(below, &[words, &[below.get_name().to_owned()]].concat());
        own.chain(command.get_subcommands().filter(|below| below.get_name() != "help").flat_map(deeper)).collect()
    }

    fn tried(line: &[String], value: &str) -> Result<ArgMatches, clap::Error> {
        wrapped(Arguments::command()).try_get_matches_from(line.iter().map(String::as_str).chain([value]))
    }

    /// The kind of an error, and what is said of the value.
    fn refused(line: &[String], value: &str) -> (ErrorKind, String) {
        let error = tried(line, value).unwrap_err();
        let text = error.to_string();
        let reason = text.split_once(">': ").map_or(text.as_str(), |(_, reason)| reason);
        (error.kind(), reason.lines().next().unwrap_or_default().to_owned())
    }

    fn all() -> Vec<(Vec<String>, Arg)> {
        let mut command = wrapped(Arguments::command());
        command.build();
        options(&command, &["orthoscope".to_owned()])
    }

    #[test]
    fn a_negative_number_is_the_value_of_every_option() {
        let all = all();
        assert!(all.len() > 150, "{}", all.len());
        for (line, _) in all {
            // Some other option may be missing, but this one has its value.
            let kind = tried(&line, "-1").err().map(|error| error.kind());
            assert_ne!(kind, Some(ErrorKind::UnknownArgument), "{line:?}");
        }
    }

    #[test]
    fn a_wrong_number_gets_the_same_range_whatever_is_wrong() {
        let is = |option: &Arg, types: &[TypeId]| types.iter().any(|own| option.get_value_parser().type_id() == *own);
        let whole = [TypeId::of::<u8>(), TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>()];
        let real = [TypeId::of::<f64>(), TypeId::of::<Duration>(), TypeId::of::<Shard>()];
        let mut counts = [0, 0];
        for (line, option) in all() {
            let wrong: &[&str] = match () {
                () if is(&option, &whole) => &["-1", "1e19", "18446744073709551616", "x", "1.5", "", "-0.5"],
                () if is(&option, &real) => &["-inf", "x", "", "-x", "nan"],
                () => continue,
            };
            counts[usize::from(is(&option, &real))] += 1;
            let reasons: Vec<_> = wrong.iter().map(|value| refused(&line, value)).collect();
            assert!(reasons.iter().all(|(kind, _)| *kind == ErrorKind::ValueValidation), "{line:?}: {reasons:?}");
            let is_shard = is(&option, &[TypeId::of::<Shard>()]);
            assert!(is_shard || reasons.iter().all(|own| own == &reasons[0] && own.1.ends_with(" is needed")), "{reasons:?}");
        }
        assert!(counts[0] > 40 && counts[1] > 6, "{counts:?}");
    }
}
