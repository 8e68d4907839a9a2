//! `verify`: output, files and errors, tested on the cheapest claims.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use npyz::NpyFile;
use orthoscope::disk::RECORD;
use orthoscope::report::spell::file_stem;
use orthoscope::theory::claim::{Effort, Setting};
use orthoscope::theory::claims::{ALL, find};
use orthoscope::theory::figure::{Content, Series};
use orthoscope::theory::runner;
use serde_json::Value;

use crate::fixture::{Ran, Scratch, orthoscope, told, tree};

/// The keys that scripts rely on.
const KEYS: [&str; 8] = ["id", "quantity", "predicted", "measured", "tolerance", "margin", "passed", "control_rejected"];

/// `text` as one line with single spaces, without the backticks around formulas.
fn flat(text: &str) -> String {
    text.split_whitespace().filter(|word| !word.starts_with("```")).collect::<Vec<_>>().join(" ")
}

fn ids(rows: &Value) -> Vec<&str> {
    let mut ids: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    ids.dedup();
    ids
}

#[test]
fn every_statement_is_described() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("verify --describe");
    let text = flat(&ran.out);
    for claim in ALL {
        assert!(text.contains(&flat(&format!("{} {} {}", claim.id, claim.title, claim.statement))), "{}", claim.id);
    }
    assert_eq!(ran.err, "", "nothing is measured");
    let spaced = told(orthoscope().args(["verify", "--describe", "--claim", "c2, C8"]).output().unwrap());
    assert!(spaced.out.starts_with("C2  ") && spaced.out.contains("C8  "), "{}", spaced.out);
    let one = scratch.succeeds("verify --describe --claim c8").out;
    assert!(one.starts_with("C8  ") && !one.contains("C2  "), "{one}");
}

#[test]
fn the_table_shows_each_check_above_its_control() {
    let scratch = Scratch::new();
    // In the order of the theory, case-insensitive, each once.
    let ran = scratch.succeeds("verify --claim c8,C2,c2");
    let headings: Vec<&str> = ran.out.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(headings, ["quantity", "predicted", "measured", "notices", "verdict"]);
    assert!(ran.out.contains("(columns that do not fit: tolerance, margin)\n"), "{}", ran.out);
    let [c2, c8] = ["C2  ", "C8  "].map(|id| ran.out.lines().position(|line| line.starts_with(id)).unwrap());
    assert!(c2 < c8);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
    assert!(ran.out.contains("✓ holds") && ran.out.contains("    control: ") && ran.out.contains("✓ rejected"));
    assert!(!ran.out.contains('✗') && !ran.out.contains('\u{1b}'), "{}", ran.out);
    assert!(ran.out.lines().last().unwrap().starts_with("2 of 2 claims hold, "), "{}", ran.out);
    let mut told: Vec<&str> = ran.err.lines().map(|line| line.split(", ").next().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, ["C2 (seed 0) holds", "C8 (seed 0) holds"], "one line each where there is no terminal");
}

/// The program of `examples/own_claim.rs`, which cargo builds with the tests.
fn own_claim(arguments: &str, scratch: &Scratch) -> Ran {
    let program = Path::new(env!("CARGO_BIN_EXE_orthoscope")).parent().unwrap().join("examples/own_claim");
    assert!(program.exists(), "{} is missing: build it with `cargo build --examples`", program.display());
    told(std::process::Command::new(program).args(arguments.split_whitespace()).current_dir(scratch.path("")).output().unwrap())
}

#[test]
fn a_program_can_have_claims_of_its_own() {
    let scratch = Scratch::new();
    let ran = own_claim("verify --claim mine --out mine", &scratch);
    assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
    assert!(ran.out.lines().last().unwrap().starts_with("1 of 1 claims hold, 1 of 1 controls rejected"), "{}", ran.out);
    let rows = scratch.json("mine/claims.json");
    assert!(ids(&rows) == ["mine"] && rows[0]["detection_limit"].as_f64().unwrap() < 1e-6, "{rows}");
    assert_eq!(rows[0]["fault"], "the share ε of the tangent plane in π");
    assert!(scratch.path("mine/figures/mine_checks.svg").exists(), "a figure without a line of code");
    let ran = own_claim("verify --claim mine,C17", &scratch);
    assert!(ran.code == 2 && ran.err.contains("there is no claim `C17`") && ran.err.contains("mine"), "{}", ran.err);
    assert!(own_claim("verify --describe", &scratch).out.contains("mine  Curvature of a cylinder"));
}

#[test]
fn full_prints_its_plan_and_leaves_no_measurements_behind() {
    let scratch = Scratch::new();
    let ran = scratch.succeeds("verify --full --claim c2 --out found");
    let plan = ran.err.lines().next().unwrap();
    assert!(
        plan.contains("claims: 1, measurements: 5; about ")
            && plan.ends_with("the same command with the same program file goes on"),
        "{plan}"
    );
    assert!(!scratch.path("found/measured").exists(), "all are in claims.json");
}

#[test]
fn json_is_a_list_of_rows_and_all_files_agree() {
    let scratch = Scratch::new();
    let printed = scratch.succeeds("verify --claim c2 --seed 9007199254740991 --json --out found").out;
    let rows: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(ids(&rows), ["C2"]);
    assert_eq!(scratch.json("found/claims.json"), rows);
    for row in rows.as_array().unwrap() {
        let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert!(KEYS.iter().all(|key| keys.iter().any(|other| other == key)), "{keys:?}");
        assert_eq!((&row["passed"], &row["control_rejected"]), (&true.into(), &true.into()));
        assert_eq!(row["seed"], 9_007_199_254_740_991_u64);
    }
    assert_tables_agree(&scratch.path("found/claims.csv"), &rows);
}

/// Every cell of the CSV file equals the value in the JSON file to the last bit.
#[track_caller]
fn assert_tables_agree(csv: &Path, rows: &Value) {
    let mut reader = csv::Reader::from_path(csv).unwrap();
    let found: Vec<BTreeMap<String, String>> = reader.deserialize().collect::<Result<_, _>>().unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(found.len(), rows.len());
    for (cells, row) in found.iter().zip(rows) {
        let row = row.as_object().unwrap();
        assert_eq!(cells.len(), row.len());
        for (key, value) in row {
            let cell = &cells[key];
            match value {
                Value::Null => assert_eq!(cell, "", "{key}"),
                Value::String(words) => assert_eq!(cell, words, "{key}"),
                Value::Number(number) => assert_eq!(cell.parse::<f64>().ok(), number.as_f64(), "{key}"),
                other => assert_eq!(*cell, other.to_string(), "{key}"),
            }
        }
    }
}

#[test]
fn files_have_the_same_bits_for_any_number_of_threads() {
    let scratch = Scratch::new();
    let files = |threads: &str| -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let out = scratch.path(format!("threads{threads}"));
        let mut command = orthoscope();
        command.env("RAYON_NUM_THREADS", threads).args(["verify", "--claim", "C2,C8", "--seed", "3", "--out"]).arg(&out);
        let ran = told(command.output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.err);
        // The page contains the running time, and the record a digest of it.
        let has_time = |path: &Path| [Path::new("index.html"), Path::new(RECORD)].contains(&path);
        tree(&out).into_iter().filter(|(path, _)| !has_time(path)).collect()
    };
    let (one, two) = (files("1"), files("2"));
    assert!(one.len() > 6 && one.keys().eq(two.keys()));
    for (path, bytes) in &one {
        assert!(two[path] == *bytes, "{}", path.display());
    }
}

#[test]
fn arrays_hold_the_points_of_the_figures_and_the_page_lists_them_all() {
    let scratch = Scratch::new();
    // Existing files are kept, also those in the way, before anything is measured.
    scratch.write("found/mine.txt", "mine");
    for file in ["claims.csv", "figures/mine.svg", "arrays/mine/points.npy"] {
        scratch.write(format!("found/{file}"), "old");
        let text = scratch.refuses("verify --claim C8 --out found");
        assert!(text.starts_with(&format!("found/{file}: is there already")) && text.contains("--overwrite"), "{text}");
        if file != "claims.csv" {
            std::fs::remove_file(scratch.path(format!("found/{file}"))).unwrap();
        } else {
            scratch.succeeds("verify --claim C8 --out found --overwrite");
        }
    }
    // What it wrote itself is replaced.
    scratch.succeeds("verify --claim C8 --out found");
    assert_eq!(scratch.names("found"), ["arrays", "claims.csv", "claims.json", "figures", "index.html", "mine.txt"]);
    assert!(scratch.read("found/mine.txt") == b"mine" && scratch.read("found/claims.csv").starts_with(b"id,"));
    let page = String::from_utf8(scratch.read("found/index.html")).unwrap();

    let setting = Setting::new(0, Effort::Quick).unwrap();
    let findings = runner::run(&find(&["C8"]).unwrap(), &setting, |_| ()).unwrap();
    let figures = runner::figures(&findings).unwrap();
    let stems: Vec<&str> = figures.iter().map(|(_, figure)| figure.stem.as_str()).collect();
    for (_, figure) in &figures {
        let Content::Chart(chart) = &figure.content else { continue };
        assert!(scratch.read(format!("found/figures/{}.svg", figure.stem)).starts_with(b"<svg "));
        for series in &chart.series {
            assert_eq!(
                points(&scratch.path(format!("found/arrays/{}/{}.npy", figure.stem, file_stem(&series.name)))),
                bits(series)
            );
        }
    }
    let named: Vec<&str> = page.split("<code>").skip(1).filter_map(|tail| tail.split('<').next()).collect();
    assert!(!stems.is_empty() && named == stems, "{named:?}");
    let drawn = scratch.names("found/figures");
    assert_eq!(page.matches("<svg ").count(), drawn.iter().filter(|name| name.ends_with(".svg")).count());
    // Nothing of another claim stays beside new figures.
    scratch.write("found/figures/mine.svg", "mine");
    scratch.succeeds("verify --claim C2 --out found --overwrite");
    assert_eq!(scratch.names("found/figures"), ["c2_projectors.svg", "mine.svg"]);
    assert!(stems.iter().all(|stem| names_or_none(&scratch, &format!("found/arrays/{stem}")).is_empty()));
}

/// The names in a folder, none if there is no folder.
fn names_or_none(scratch: &Scratch, folder: &str) -> Vec<String> {
    if scratch.path(folder).exists() { scratch.names(folder) } else { Vec::new() }
}

/// The bits of an f64 array of pairs.
fn points(path: &Path) -> Vec<u64> {
    let file = NpyFile::new(std::fs::File::open(path).unwrap()).unwrap();
    assert!(file.shape().len() == 2 && file.shape()[1] == 2, "{:?}", file.shape());
    file.into_vec::<f64>().unwrap().into_iter().map(f64::to_bits).collect()
}

fn bits(series: &Series) -> Vec<u64> {
    series.points.iter().flat_map(|&(x, y)| [x.to_bits(), y.to_bits()]).collect()
}

#[test]
fn usage_errors_name_the_argument() {
    let scratch = Scratch::new();
    let known: Vec<&str> = ALL.iter().map(|claim| claim.id).collect();
    for (options, reason) in [
        ("--claim C2,C99", format!("there is no claim `C99`; there are {}", known.join(", "))),
        ("--claim C2,", "a word is missing, perhaps before or after a comma".to_owned()),
        ("--seed 9007199254740992", "a whole number from 0 to 9007199254740991 is needed".to_owned()),
        ("--seed -1", "a whole number from 0 to 9007199254740991 is needed".to_owned()),
        ("--seed many", "a whole number from 0 to 9007199254740991 is needed".to_owned()),
        ("--quick --full", "cannot be used with".to_owned()),
        ("--describe --json", "cannot be used with".to_owned()),
        ("--describe --out new", "cannot be used with".to_owned()),
    ] {
        let message = scratch.misused(&format!("verify {options}"));
        assert!(message.contains(&reason), "{options}: {message}");
    }
}

/// Only the error is printed, because nothing was measured.
#[track_caller]
fn refused(scratch: &Scratch, out: &str) -> String {
    let ran = scratch.run(&format!("verify --claim C2 --out {out}"));
    assert_eq!((ran.code, ran.out.as_str(), ran.err.lines().count()), (1, "", 1), "{}", ran.err);
    ran.err
}

#[test]
fn an_unwritable_folder_is_rejected_before_measuring() {
    let scratch = Scratch::new();
    scratch.write("taken", "mine");
    scratch.write("half/figures", "mine");
    scratch.write("other/arrays", "mine");
    for out in ["taken", "taken/deeper", "half", "other"] {
        assert!(refused(&scratch, out).contains("is a file; the output needs a folder here"));
    }
    if cfg!(target_os = "linux") {
        assert!(refused(&scratch, "/proc/new").contains("/proc/new: this folder cannot be made"));
        assert!(refused(&scratch, "/proc").contains("/proc: cannot be written"));
    }
}

#[test]
#[cfg(unix)]
fn a_closed_pipe_is_not_an_error() {
    for options in [&["--json"][..], &[]] {
        let mut start = orthoscope();
        start.args(["verify", "--claim", "C2"]).args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = start.spawn().unwrap();
        drop(child.stdout.take());
        let ran = told(child.wait_with_output().unwrap());
        assert!(ran.code == 0 && !ran.err.contains("error"), "{}", ran.err);
    }
}
