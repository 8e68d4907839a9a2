//! The skeleton of an HTML page that needs no network. Only the pages of `detect` have a script and show files that lie beside
//! them.

use super::html::escape;

/// Rules that all pages share.
const STYLE: &str = include_str!("page.css");

/// A whole page. `title` is plain text, `style` are CSS rules beyond the shared ones, `body` is HTML.
pub(super) fn document(title: &str, style: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// The same page, which loads itself again every so many seconds.
pub(super) fn reloading(page: String, seconds: u64) -> String {
    page.replacen("</title>\n", &format!("</title>\n<meta http-equiv=\"refresh\" content=\"{seconds}\">\n"), 1)
}

/// The heading and the subtitle of a page.
pub(super) fn header(title: &str, subtitle: &str) -> String {
    format!("<header>\n<h1>{}</h1>\n<p class=\"subtitle\">{}</p>\n</header>\n", escape(title), escape(subtitle))
}

/// A metric: its name, its value, and a sentence that explains it. What the value has in parentheses, such as its interval, is in
/// smaller letters below it, because it would not fit beside it.
pub(super) fn card(label: &str, value: &str, note: &str) -> String {
    let [label, value, note] = [label, value, note].map(escape);
    let (value, rest) = value.split_at(value.find(" (").unwrap_or(value.len()));
    let rest = if rest.is_empty() { String::new() } else { format!(" <small>{}</small>", rest.trim_start()) };
    format!("<div class=\"card\"><dt>{label}</dt><dd class=\"value\">{value}{rest}</dd><dd class=\"note\">{note}</dd></div>\n")
}

/// Names and values that identify a run.
pub(super) fn facts(facts: &[(String, String)]) -> String {
    let fact = |(name, value): &(String, String)| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value));
    format!("<dl class=\"facts\">\n{}</dl>\n", facts.iter().map(fact).collect::<String>())
}

/// Whether every opened element is closed in order. This is no full parser, only enough for these pages.
#[cfg(test)]
pub(super) fn is_balanced(html: &str) -> bool {
    let mut open = Vec::new();
    for tag in html.split('<').skip(1).map(|tail| tail.split('>').next().unwrap()) {
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
        if tag.starts_with('!') || ["meta", "img"].contains(&name) || tag.ends_with('/') {
            continue;
        }
        if !tag.starts_with('/') {
            open.push(name);
        } else if open.pop() != Some(name) {
            return false;
        }
    }
    open.is_empty()
}

/// Whether a page refers to nothing outside itself. The only address is the SVG namespace; links stay within the page.
#[cfg(test)]
pub(super) fn stands_alone(html: &str) -> bool {
    html.matches("http").count() == html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
        && html.matches("href").count() == html.matches("href=\"#").count()
        && ["<link", "<script", "@import", "url("].iter().all(|outside| !html.contains(outside))
}

#[cfg(test)]
mod tests {
    #[test]
    fn markup_in_cards_is_escaped() {
        let card = super::card("<b>", "&", "'");
        assert!(card.contains("<dt>&lt;b&gt;</dt><dd class=\"value\">&amp;</dd><dd class=\"note\">&#39;</dd>"), "{card}");
    }

    #[test]
    fn an_interval_is_below_its_value() {
        let card = super::card("", "9 % (95 %: 0 to <24 %)", "");
        assert!(card.contains("value\">9 % <small>(95 %: 0 to &lt;24 %)</small></dd>"), "{card}");
    }
}
