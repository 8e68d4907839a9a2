use std::fs;
use std::path::Path;

use orthoscope::disk::{Outputs, RECORD};
use orthoscope::theory::claim::{Claim, Effort, Setting};
use orthoscope::theory::claims::ALL;
use orthoscope::theory::journal::Journal;
use orthoscope::theory::runner;

use super::{Loader, Read, Verdict, ensure, must, of_file, refused};
use crate::fuzz::campaign::run;

/// A record of outputs that is damaged never gives a file away that the command did not write.
fn check_outputs(path: &Path) -> Verdict {
    let folder = path.parent().unwrap();
    let (own, foreign) = (folder.join("own.txt"), folder.join("foreign.txt"));
    for path in [&own, &foreign] {
        fs::write(path, "written").unwrap();
    }
    let outputs = match Outputs::new(folder, "detect", false) {
        Ok(outputs) => outputs,
        Err(error) => return refused(&error),
    };
    ensure(!must("asking", outputs.is_own(&foreign))?, "takes a file of somebody else for its own")?;
    Ok(if must("asking", outputs.is_own(&own))? { Read::Accepted } else { Read::Ignored })
}

#[test]
fn written_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = Outputs::new(folder.path(), "detect", false).unwrap();
    for name in ["other.txt", "own.txt"] {
        outputs.write(&folder.path().join(name), b"written").unwrap();
    }
    let corpus = vec![fs::read(folder.path().join(RECORD)).unwrap()];
    run(&Loader { name: "written_outputs", file: RECORD, corpus, memory: of_file, check: Box::new(check_outputs) });
}

/// A claim that is measured in a moment.
fn claim() -> &'static Claim {
    ALL.iter().find(|claim| claim.id == "C7").unwrap()
}

#[test]
fn journal() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(0, Effort::Quick).unwrap();
    let findings = runner::run(&[claim()], &setting, |_| ()).unwrap();
    Journal::new(folder.path(), "key").add(&findings[0]).unwrap();
    let corpus = vec![fs::read(folder.path().join("C7-0.json")).unwrap()];
    run(&Loader {
        name: "journal",
        file: "C7-0.json",
        corpus,
        memory: of_file,
        check: Box::new(|path| {
            let folder = path.parent().unwrap();
            ensure(Journal::new(folder, "another").find(claim(), 0).is_none(), "takes what was written with another key")?;
            let journal = Journal::new(folder, "key");
            ensure(journal.unusable() <= 1, "counts more files than there are")?;
            let Some(found) = journal.find(claim(), 0) else { return Ok(Read::Ignored) };
            let _ = found.evidence.holds();
            drop(runner::figures(&[found]));
            Ok(Read::Accepted)
        }),
    });
}
