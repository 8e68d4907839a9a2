//! Just enough of Rust's grammar to see which paths a source file names: tokens without comments and literals, inline modules,
//! test-only items, nested `use` groups.

/// A name or punctuation mark and the line it stands on, counted from 1.
struct Token {
    text: String,
    line: usize,
}

/// A path or identifier that a file names outside comments and literals.
#[derive(Debug, PartialEq)]
pub struct Mention {
    /// Segments from the crate root for a path; the bare name for an identifier.
    pub segments: Vec<String>,
    pub line: usize,
    /// Inside an item marked `#[cfg(test)]`.
    pub in_test: bool,
}

/// Every path that starts with `crate`, `orthoscope`, `self` or `super`, resolved to start at the crate root; `module` is the
/// module path of the file. Groups are taken apart: `crate::{a, b::c}` are two paths.
pub fn paths(text: &str, module: &[&str]) -> Vec<Mention> {
    paths_from(&tokens(text), module, starts_path)
}

/// What [`paths`] finds, and paths that begin with a module declared in this file, as in `mod a; use a::B;`. Re-exports, `pub use
/// a::B;`, are left out, see [`re_exports`].
pub fn imports(text: &str, module: &[&str]) -> Vec<Mention> {
    uses(text, module, false)
}

/// The paths of `pub use a::B;`: whoever names `B` by this file depends on the file of `a::B`.
pub fn re_exports(text: &str, module: &[&str]) -> Vec<Mention> {
    uses(text, module, true)
}

fn uses(text: &str, module: &[&str], exported: bool) -> Vec<Mention> {
    let tokens = tokens(text);
    let is = |index: usize, text: &str| tokens.get(index).is_some_and(|token| token.text == text);
    let children: Vec<&str> =
        (2..tokens.len()).filter(|&at| is(at, ";") && is(at - 2, "mod")).map(|at| tokens[at - 1].text.as_str()).collect();
    let starts = |tokens: &[Token], at: usize| {
        let is = |index: usize, text: &str| tokens.get(index).is_some_and(|token| token.text == text);
        let re_export = at > 1 && is(at - 1, "use") && (is(at - 2, "pub") || is(at - 2, ")"));
        let child = children.contains(&tokens[at].text.as_str()) && is(at + 1, "::") && !(at > 0 && is(at - 1, "::"));
        re_export == exported && (child || starts_path(tokens, at))
    };
    paths_from(&tokens, module, starts)
}

fn paths_from(tokens: &[Token], module: &[&str], starts: impl Fn(&[Token], usize) -> bool) -> Vec<Mention> {
    let in_test = test_items(tokens);
    let modules = inline_modules(tokens);
    let mut found = Vec::new();
    let mut next = 0;
    while next < tokens.len() {
        if !starts(tokens, next) {
            next += 1;
            continue;
        }
        let start = next;
        let mut leaves = Vec::new();
        next = leaves_of_tree(tokens, start, &[], &mut leaves);
        let here: Vec<String> = module.iter().map(|&name| name.to_owned()).chain(modules[start].iter().cloned()).collect();
        found.extend(leaves.into_iter().map(|(segments, line)| Mention {
            segments: resolve(&segments, &here),
            line,
            in_test: in_test[start],
        }));
    }
    found
}

/// Every identifier and keyword.
pub fn names(text: &str) -> Vec<Mention> {
    let tokens = tokens(text);
    let in_test = test_items(&tokens);
    let mention = |(token, in_test): (Token, bool)| Mention { segments: vec![token.text], line: token.line, in_test };
    tokens.into_iter().zip(in_test).map(mention).collect()
}

fn starts_path(tokens: &[Token], at: usize) -> bool {
    let is = |index: usize, text: &str| tokens.get(index).is_some_and(|token| token.text == text);
    let root = ["crate", "orthoscope", "self", "super"].contains(&tokens[at].text.as_str());
    let visibility = at > 1 && is(at - 1, "in") && is(at - 2, "(");
    root && is(at + 1, "::") && !(at > 0 && is(at - 1, "::")) && !visibility
}

/// Reads one path or use tree, collects its leaves with their lines, and gives back the index behind it.
fn leaves_of_tree(tokens: &[Token], start: usize, prefix: &[String], leaves: &mut Vec<(Vec<String>, usize)>) -> usize {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let mut segments = prefix.to_vec();
    let mut at = start;
    while text(at) != "{" {
        segments.push(text(at).to_owned());
        if text(at + 1) != "::" || text(at + 2) == "<" {
            leaves.push((segments, tokens[start].line));
            return at + 1;
        }
        at += 2;
    }
    at += 1;
    while at < tokens.len() && text(at) != "}" {
        at = leaves_of_tree(tokens, at, &segments, leaves);
        while at < tokens.len() && !matches!(text(at), "," | "}") {
            at += 1; // `as name`
        }
        at += usize::from(text(at) == ",");
    }
    at + 1
}

/// Replaces the leading `crate`, `self` and `super` of a path named in module `here`.
fn resolve(segments: &[String], here: &[String]) -> Vec<String> {
    let (mut base, mut rest) = (here.to_vec(), segments);
    while let Some((first, tail)) = rest.split_first() {
        match first.as_str() {
            "crate" | "orthoscope" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => break,
        }
        rest = tail;
    }
    let rest = rest.iter().filter(|&segment| segment != "self").cloned();
    base.into_iter().chain(rest).collect()
}

/// For every token, the names of the inline modules around it.
fn inline_modules(tokens: &[Token]) -> Vec<Vec<String>> {
    let mut open: Vec<Option<String>> = Vec::new();
    let mut around = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => {
                let named = index >= 2 && tokens[index - 2].text == "mod";
                open.push(named.then(|| tokens[index - 1].text.clone()));
            }
            "}" => drop(open.pop()),
            _ => {}
        }
        around.push(open.iter().flatten().cloned().collect());
    }
    around
}

/// For every token, whether it belongs to an item under `#[cfg(test)]`.
fn test_items(tokens: &[Token]) -> Vec<bool> {
    // `#[cfg(test)]`, and `#[cfg(all(test, …))]`.
    const MARKS: [&[&str]; 2] = [&["#", "[", "cfg", "(", "test", ")"], &["#", "[", "cfg", "(", "all", "(", "test"]];
    let mut in_test = vec![false; tokens.len()];
    for start in 0..tokens.len() {
        let is =
            |mark: &&[&str]| tokens[start..].iter().map(|token| token.text.as_str()).take(mark.len()).eq(mark.iter().copied());
        if MARKS.iter().any(is) {
            let attribute = tokens[start..].iter().position(|token| token.text == "]").unwrap_or_default();
            let end = end_of_item(tokens, start + attribute + 1);
            in_test[start..end].fill(true);
        }
    }
    in_test
}

/// Index behind the item that starts at `start`: behind its `;`, or behind the brace that closes its body.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_i32;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        depth += i32::from(token.text == "{") - i32::from(token.text == "}");
        if depth == 0 && matches!(token.text.as_str(), ";" | "}") {
            return index + 1;
        }
    }
    tokens.len()
}

/// Names and punctuation; `::` is one token. Comments, strings, characters and numbers are left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut line, mut at) = (Vec::new(), 1, 0);
    while at < chars.len() {
        let end = skipped(&chars, at);
        if end > at {
            line += chars[at..end].iter().filter(|&&c| c == '\n').count();
            at = end;
            continue;
        }
        let word = chars[at..].iter().take_while(|c| is_word(**c)).count();
        let len = if word > 0 { word } else { 1 + usize::from(chars[at..].starts_with(&[':', ':'])) };
        if !chars[at].is_ascii_digit() {
            tokens.push(Token { text: chars[at..at + len].iter().collect(), line });
        }
        at += len;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Index behind the white space, comment or literal that starts at `at`; `at` itself where there is none.
fn skipped(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let until = |found: Option<usize>| found.unwrap_or(rest.len());
    let len = match rest {
        [c, ..] if c.is_whitespace() => 1,
        ['/', '/', ..] => until(rest.iter().position(|&c| c == '\n')),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
        ['r', '"' | '#', ..] | ['b' | 'c', 'r', '"' | '#', ..] if at == 0 || !is_word(chars[at - 1]) => raw_string(rest),
        _ => 0,
    };
    at + len
}

/// Length of a literal between two `quote` marks, with backslash escapes.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += 1 + usize::from(rest[at] == '\\');
    }
    (at + 1).min(rest.len())
}

/// Length of a raw string such as `br#"…"#`; 0 for a raw identifier.
fn raw_string(rest: &[char]) -> usize {
    let prefix = rest.iter().take_while(|c| c.is_alphabetic()).count();
    let hashes = rest[prefix..].iter().take_while(|&&c| c == '#').count();
    let start = prefix + hashes + 1;
    if rest.get(start - 1) != Some(&'"') {
        return 0;
    }
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let end = rest[start..].windows(close.len()).position(|window| window == close);
    end.map_or(rest.len(), |end| start + end + close.len())
}

/// Length of a block comment; they nest.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            [_, ..] => at += 1,
            [] => return at,
        }
        if depth == 0 {
            return at;
        }
    }
}
