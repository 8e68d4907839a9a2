use std::fs;
use std::path::Path;

use orthoscope::backend::Cpu;
use orthoscope::report::figures::{Inputs, Name, draw};
use orthoscope::report::training::{History, Status, TrainingPage};
use orthoscope::run::{Log, LogEntry, LogLine, ValidationEntry, ValidationScores, WarningEntry, WarningKind};
use orthoscope::train::Terms;

use super::{Loader, Read, Verdict, ensure, must, of_file, refused};
use crate::fixture::Scratch;
use crate::fuzz::campaign::run;

/// Lines of every kind, as a run writes them, then one of the future, and one that a crash has cut off.
fn every_kind(path: &Path) -> Vec<u8> {
    let terms = Terms { regions: 0.1, ssim: Some(0.2), gradient: None };
    let plain = LogEntry {
        step: 1,
        loss: 0.5,
        terms: None,
        rate: 0.001,
        images_per_second: 10.0,
        step_ms: 4.0,
        batch_ms: 1.0,
        wait_ms: 0.25,
    };
    let warning = WarningKind::RisingLoss;
    let validation = ValidationScores { image_auroc: 0.75, pixel_auroc: 0.5, normal_residual: 0.01 };
    let mut log = Log::open(path, 0).unwrap();
    for line in [
        LogLine::Step(plain),
        LogLine::Step(LogEntry { step: 2, loss: 0.1, terms: Some(terms), ..plain }),
        LogLine::Warning(WarningEntry { step: 2, warning, value: 0.5, reference: 0.1, message: "high".into() }),
        LogLine::Validation(ValidationEntry { step: 2, validation }),
    ] {
        log.append(&line).unwrap();
    }
    let text = fs::read_to_string(path).unwrap();
    let (future, cut) = (r#"{"step":2,"something":{"new":1}}"#, r#"{"step":3,"loss":0.2,"ra"#);
    format!("{text}{future}\n{cut}").into_bytes()
}

fn json(lines: &[LogLine]) -> String {
    lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
}

/// Draws what is drawn from a log.
fn draw_all(path: &Path, lines: &[LogLine]) -> Result<(), String> {
    let mut history = History::default();
    lines.iter().for_each(|line| history.add(line));
    let page = TrainingPage {
        title: "cloth",
        steps: 4,
        batch: 2,
        status: &Status::Finished,
        history: &history,
        validate_every: 2,
        facts: &[],
        written: "",
    };
    ensure(!page.render().contains("NaN"), "NaN on the page of the training")?;
    let log = Ok(must("the steps", Log::read(path))?);
    let inputs = Inputs::<Cpu> {
        networks: Vec::new(),
        test: Err(String::new()),
        training_set: Err(String::new()),
        log,
        ablation: Err(String::new()),
    };
    let drawings = must("drawing", draw(Name::Training, &inputs))?;
    ensure(drawings.is_ok(), "no figure of the training")
}

fn check(path: &Path) -> Verdict {
    let lines = match Log::lines(path) {
        Ok(lines) => lines,
        Err(error) => return refused(&error),
    };
    let again = path.with_extension("again");
    fs::write(&again, json(&lines)).unwrap();
    ensure(must("reading", Log::lines(&again))? == lines, "not the same when it is written and read again")?;
    draw_all(path, &lines)?;
    // As when a run is resumed from step 2.
    fs::copy(path, &again).unwrap();
    drop(must("going on", Log::open(&again, 2))?);
    let kept: Vec<LogLine> = lines.iter().filter(|line| line.step() <= 2).cloned().collect();
    ensure(must("reading", Log::lines(&again))? == kept, "a resumed run keeps other lines than those up to its step")?;
    // A log without a line has been read, but shows nothing.
    Ok(if lines.is_empty() { Read::Ignored } else { Read::Accepted })
}

#[test]
fn log() {
    let scratch = Scratch::new();
    let corpus = vec![every_kind(&scratch.path("kinds.jsonl")), scratch.read("run/log.jsonl")];
    run(&Loader { name: "log", file: "log.jsonl", corpus, memory: of_file, check: Box::new(check) });
}
