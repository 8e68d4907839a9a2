use std::path::Path;

use orthoscope::report::comparison::Comparison;
use orthoscope::run::{ComparedRun, METRICS_FILE};

use super::{Loader, Read, Verdict, ensure, must, of_file, refused, screen};
use crate::fixture::Scratch;
use crate::fuzz::campaign::run;

/// The results of a complete test set, and those of one without anomalous images.
fn corpus() -> Vec<Vec<u8>> {
    let scratch = Scratch::new();
    let made = |images: &str, out: &str| {
        scratch.succeeds(&format!("evaluate --model run/model.safetensors --device cpu {images} --out {out}"));
        scratch.read(format!("{out}/{METRICS_FILE}"))
    };
    vec![made("--data cloth", "whole"), made("--normal cloth/test/good", "partial")]
}

/// Compares the results with themselves, in a terminal and on a page.
fn check(path: &Path) -> Verdict {
    let found = match ComparedRun::read(path.parent().unwrap()) {
        Ok(found) => found,
        Err(error) => return refused(&error),
    };
    let runs = [found.clone(), found];
    let comparison = must("comparing", Comparison::new(&runs))?;
    let page = comparison.page();
    ensure(page.trim_end().ends_with("</html>") && !page.contains("NaN"), "a page with NaN or without an end")?;
    ensure(!comparison.text(screen()).contains("NaN") && !comparison.sentences().is_empty(), "NaN in a table")?;
    Ok(Read::Accepted)
}

#[test]
fn metrics() {
    run(&Loader { name: "metrics", file: METRICS_FILE, corpus: corpus(), memory: of_file, check: Box::new(check) });
}
