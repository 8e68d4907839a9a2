//! `index.html` and `figures.json`: the figures with their captions, and those that were skipped.

use serde_json::json;

use super::super::document::{document, header};
use super::super::html::escape;
use super::drawing::{Content, Drawing, Name};
use crate::error::{Error, Result};

/// Rules of this page only.
const STYLE: &str = include_str!("figures.css");

/// The page, which refers to the pictures in the same folder.
pub(super) fn page(heading: &str, protocol: Option<&str>, drawings: &[Drawing], skipped: &[(Name, String)]) -> String {
    let figures: String = drawings.iter().map(figure).collect();
    let protocol = protocol.map(|line| format!("<p class=\"protocol\"><strong>Protocol.</strong> {}</p>\n", escape(line)));
    let body = [
        header(heading, "Figures 1 to 5 as in the paper, and figures of the evaluation"),
        protocol.unwrap_or_default(),
        format!("<section class=\"drawn\">\n{figures}</section>\n"),
        skipped_list(skipped),
    ];
    document(heading, STYLE, &body.concat())
}

fn figure(drawing: &Drawing) -> String {
    let class = if matches!(drawing.content, Content::Png(_)) { "panel" } else { "chart" };
    let [title, caption, file] = [&drawing.title, &drawing.caption, &drawing.file()].map(|text| escape(text));
    format!(
        "<figure>\n<figcaption><h2>{title}</h2>\n<p>{caption}</p></figcaption>\n\
         <div class=\"scroll {class}\"><img src=\"{file}\" alt=\"{title}\"></div>\n</figure>\n"
    )
}

fn skipped_list(skipped: &[(Name, String)]) -> String {
    if skipped.is_empty() {
        return String::new();
    }
    let item = |(name, reason): &(Name, String)| format!("<li><strong>{name}</strong>: {}</li>\n", escape(reason));
    let items: String = skipped.iter().map(item).collect();
    format!("<section class=\"skipped\">\n<h2>Not drawn</h2>\n<ul>\n{items}</ul>\n</section>\n")
}

/// The list of figures for programs.
///
/// # Errors
/// Text that JSON cannot hold.
pub(super) fn json(protocol: Option<&str>, drawings: &[Drawing], skipped: &[(Name, String)]) -> Result<String> {
    let figure = |drawing: &Drawing| {
        json!({
            "name": drawing.name.key(), "file": drawing.file(), "title": drawing.title, "caption": drawing.caption,
            "images": drawing.images,
        })
    };
    let value = json!({
        "protocol": protocol,
        "figures": drawings.iter().map(figure).collect::<Vec<_>>(),
        "skipped": skipped.iter().map(|(name, reason)| json!({"name": name.key(), "reason": reason})).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&value).map(|text| text + "\n").map_err(Error::format)
}

#[cfg(test)]
mod tests {
    use super::super::super::document::is_balanced;
    use super::*;

    fn drawing() -> Drawing {
        Drawing::svg(Name::Roc, "<title>", "a & b", "<svg/>".into())
    }

    #[test]
    fn the_page_names_figures_and_what_was_skipped() {
        let skipped = [(Name::Ablation, "no <record>".to_owned())];
        let html = page("bottle", Some("category bottle"), &[drawing()], &skipped);
        assert!(html.contains("<img src=\"roc.svg\" alt=\"&lt;title&gt;\">") && html.contains("a &amp; b"));
        assert!(html.contains("<strong>ablation</strong>: no &lt;record&gt;") && html.contains("category bottle"));
        assert!(is_balanced(&html.replace("<img", "<img ")) && !html.contains("http"));
        assert!(!page("bottle", None, &[drawing()], &[]).contains("Not drawn"));
    }

    #[test]
    fn the_list_is_json() {
        let skipped = [(Name::Pro, "no \"model\"".to_owned())];
        let value: serde_json::Value = serde_json::from_str(&json(None, &[drawing()], &skipped).unwrap()).unwrap();
        assert_eq!(value["figures"][0]["file"], "roc.svg");
        assert_eq!(value["skipped"][0], serde_json::json!({"name": "pro", "reason": "no \"model\""}));
        assert!(value["protocol"].is_null());
    }
}
