//! Mutations of text: JSON, TOML, and logs, which have one JSON object a line.

use std::ops::Range;

use orthoscope::rng::Stream;

/// What stands in place of a value.
const VALUES: [&str; 36] = [
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "8",
    "0.5",
    "1e-7",
    "1e-320",
    "1e-300",
    "1e300",
    "1e308",
    "-1e308",
    "1e309",
    "1e999",
    "NaN",
    "nan",
    "inf",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "null",
    "true",
    "\"x\"",
    "\"\"",
    "[]",
    "{}",
];

/// What no reader of text expects: signs that steer a terminal, zero, bytes that are not UTF-8, deep nesting.
const ODD: [&[u8]; 9] =
    [b"\x1b[2J", b"\\u001b[2K", b"\0", b"\r", b"\xe2\x80\xae", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"\n"];

fn pick<T: Clone>(random: &mut Stream, items: &[T]) -> Option<T> {
    items.get(random.below(items.len() as u32) as usize).cloned()
}

/// Changes one thing. `other` is another text of the corpus.
pub fn mutate(random: &mut Stream, text: &mut Vec<u8>, other: &[u8]) {
    match random.below(10) {
        0..=2 => replace_value(random, text),
        3 => rename_key(random, text),
        4 => repeat_line(random, text),
        5 => remove_line(random, text),
        6 => take_line(random, text, other),
        7 => {
            let (at, odd) = (random.below(text.len() as u32 + 1) as usize, pick(random, &ODD).unwrap_or_default());
            text.splice(at..at, odd.iter().copied());
        }
        8 => nest(random, text),
        _ => take_value(random, text, other),
    }
}

/// The numbers in a text, and its words `true`, `false` and `null`.
fn values(text: &[u8]) -> Vec<Range<usize>> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let length = text[at..].iter().take_while(|&&byte| is_part(byte)).count();
        let word = &text[at..at + length];
        let is_number = word.first().is_some_and(|&byte| byte.is_ascii_digit() || byte == b'-');
        if is_number || [&b"true"[..], b"false", b"null"].contains(&word) {
            found.push(at..at + length);
        }
        at += length.max(1);
    }
    found
}

/// The keys: what is in quotes before a colon, and the first word of a line before an equals sign.
fn keys(text: &[u8]) -> Vec<Range<usize>> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
    let ends = (0..text.len()).filter(|&at| text[at..].starts_with(b"\":") || text[at..].starts_with(b" ="));
    let key = |end: usize| end - text[..end].iter().rev().take_while(|&&byte| is_letter(byte)).count()..end;
    ends.map(key).filter(|key| !key.is_empty()).collect()
}

fn lines(text: &[u8]) -> Vec<Range<usize>> {
    let mut start = 0;
    let line = |part: &[u8]| {
        start += part.len();
        start - part.len()..start
    };
    text.split_inclusive(|&byte| byte == b'\n').map(line).collect()
}

fn replace_value(random: &mut Stream, text: &mut Vec<u8>) {
    let value = pick(random, &VALUES).unwrap_or_default();
    if let Some(place) = pick(random, &values(text)) {
        text.splice(place, value.bytes());
    }
}

fn take_value(random: &mut Stream, text: &mut Vec<u8>, other: &[u8]) {
    let (own, theirs) = (pick(random, &values(text)), pick(random, &values(other)));
    if let (Some(own), Some(theirs)) = (own, theirs) {
        text.splice(own, other[theirs].iter().copied());
    }
}

/// Another key of the same text, the same without its last letter, or in capitals.
fn rename_key(random: &mut Stream, text: &mut Vec<u8>) {
    let keys = keys(text);
    let (Some(own), Some(other)) = (pick(random, &keys), pick(random, &keys)) else { return };
    let name = match random.below(3) {
        0 => text[other].to_vec(),
        1 => text[own.start..own.end - 1].to_vec(),
        _ => text[own.clone()].to_ascii_uppercase(),
    };
    text.splice(own, name);
}

fn repeat_line(random: &mut Stream, text: &mut Vec<u8>) {
    let lines = lines(text);
    if let (Some(from), Some(to)) = (pick(random, &lines), pick(random, &lines)) {
        let line = text[from].to_vec();
        text.splice(to.start..to.start, line);
    }
}

fn remove_line(random: &mut Stream, text: &mut Vec<u8>) {
    if let Some(line) = pick(random, &lines(text)) {
        text.drain(line);
    }
}

fn take_line(random: &mut Stream, text: &mut Vec<u8>, other: &[u8]) {
    if let (Some(own), Some(theirs)) = (pick(random, &lines(text)), pick(random, &lines(other))) {
        text.splice(own.start..own.start, other[theirs].iter().copied());
    }
}

/// A value within many brackets.
fn nest(random: &mut Stream, text: &mut Vec<u8>) {
    let depth = [1, 2, 100, 10_000][random.below(4) as usize];
    let (open, close) = if random.bits() & 1 == 0 { ("[", "]") } else { ("{\"a\":", "}") };
    if let Some(place) = pick(random, &values(text)) {
        text.splice(place, [open.repeat(depth), "1".to_owned(), close.repeat(depth)].concat().into_bytes());
    }
}
