use std::collections::HashMap;

use crate::data::{Levels, Skipped, shown};
use crate::disk::waits;
use crate::report::detections::{Counts, Finding, Page, ResultFolder, Row, TABLE_FILE};
use crate::{Error, Result};
use indicatif::ProgressBar;

use super::super::output::{note, say};
use super::inspector::{Found, Outcome};
use super::pictures::Picture;

/// Hands the files of each picture to the folder, prints its line, and keeps what the table and the page need.
pub struct Collector<'a> {
    folder: ResultFolder<'a>,
    bar: &'a ProgressBar,
    /// With `--json`, all findings; lines are not printed then.
    pub findings: Option<Vec<Finding>>,
    pub rows: Vec<Row>,
    /// Of the images that were inspected.
    pub levels: Vec<Option<Levels>>,
    /// Whether Ctrl-C came before a picture was finished. Those after it may be finished: several are worked on at a time.
    pub is_stopped: bool,
    /// Pictures that are skipped because memory is short for them.
    pub short: usize,
}

impl<'a> Collector<'a> {
    pub fn new(folder: ResultFolder<'a>, bar: &'a ProgressBar, json: bool) -> Self {
        let findings = json.then(Vec::new);
        Self { folder, bar, findings, rows: Vec::new(), levels: Vec::new(), is_stopped: false, short: 0 }
    }

    /// Takes the next picture. One whose files cannot have their names, because something was put there, is skipped.
    ///
    /// # Errors
    /// Its files cannot be written for another reason.
    pub fn take(&mut self, picture: &Picture, outcome: Outcome) -> anyhow::Result<()> {
        match outcome {
            Outcome::Failed(error) => self.skip_if_in_the_way(picture, error)?,
            Outcome::Stopped => {
                self.is_stopped = true;
                return Ok(());
            }
            Outcome::Found(found) => {
                let Found { drafts, finding, levels } = *found;
                match self.folder.replace(&picture.name, drafts) {
                    Ok(()) => {
                        self.keep(picture, finding)?;
                        self.levels.push(levels);
                    }
                    Err(error) => self.skip_if_in_the_way(picture, error)?,
                }
            }
            Outcome::Skipped(error) => self.skip(picture, &error)?,
        }
        self.bar.inc(1);
        Ok(())
    }

    fn keep(&mut self, picture: &Picture, finding: Finding) -> anyhow::Result<()> {
        if let Some(unlike) = &finding.unlike_training {
            self.bar.suspend(|| log::warn!("{} is unlike the training images: {unlike}", finding.image));
        }
        self.rows.push(Row::found(picture.name.clone(), &finding));
        match &mut self.findings {
            Some(findings) => findings.push(finding),
            None => self.bar.suspend(|| say(finding.line()))?,
        }
        Ok(())
    }

    /// What is in the way of one picture is not in the way of the others. A full disk is.
    fn skip_if_in_the_way(&mut self, picture: &Picture, error: Error) -> Result<()> {
        match self.folder.in_the_way(&picture.name) {
            Some(reason) => self.skip(picture, &reason),
            None => Err(error),
        }
    }

    /// A picture without results keeps none of an earlier run either.
    fn skip(&mut self, picture: &Picture, error: &Error) -> Result<()> {
        self.bar.suspend(|| note(format_args!("error: {error}")));
        self.short += usize::from(error.is_out_of_memory());
        self.folder.clear(&picture.name)?;
        let Skipped { file, reason, .. } = Skipped::new(&picture.path, error);
        self.rows.push(Row { name: picture.name.clone(), image: file, result: Err(reason) });
        Ok(())
    }

    /// Puts everything in the order of the pictures, of which some may have been inspected after their turn.
    pub fn sort(&mut self, pictures: &[Picture]) {
        let places: HashMap<_, _> = pictures.iter().zip(0..).map(|(picture, place)| (&picture.name, place)).collect();
        self.rows.sort_by_key(|row| places.get(&row.name).copied().unwrap_or(usize::MAX));
        let places: HashMap<_, _> =
            pictures.iter().zip(0..).map(|(picture, place)| (shown(picture.path.as_os_str()), place)).collect();
        self.findings
            .iter_mut()
            .for_each(|all| all.sort_by_key(|finding| places.get(&finding.image).copied().unwrap_or(usize::MAX)));
    }

    /// Says how far it came.
    pub fn interrupted(&self, count: usize) {
        self.bar.finish_and_clear();
        let done = self.rows.len();
        note(format_args!(
            "interrupted after {done} of {count} images, without {TABLE_FILE}; the same command begins with the first again"
        ));
    }

    /// How many pictures are what.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.rows)
    }

    /// Completes the folder.
    ///
    /// # Errors
    /// As [`ResultFolder::complete`].
    pub fn finish(&self, page: &Page<'_>) -> Result<()> {
        self.bar.finish_and_clear();
        self.folder.complete(page)?;
        log::debug!("waited {} times for the disk", waits());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::metrics::Score;
    use crate::detect::{Cutoffs, ImageScores, Regions};
    use crate::disk::Outputs;
    use crate::report::detections::{PAGE_FILE, Parts};

    use super::super::inspector::Found;

    fn finding() -> Finding {
        Finding {
            image: "a.png".into(),
            score: 1.0,
            threshold: None,
            anomalous: None,
            score_kind: Score::Sum,
            scores: ImageScores { max: 1.0, sum: 1.0, top: 1.0 },
            pixel_threshold: None,
            anomalous_pixels: 0,
            height: 2,
            width: 2,
            regions: Regions::default(),
            unlike_training: None,
        }
    }

    fn picture(name: &str) -> Picture {
        Picture { path: format!("{name}.png").into(), real: None, name: name.into() }
    }

    #[test]
    fn what_is_finished_after_a_picture_that_is_not_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (outputs, parts) = (Outputs::new(folder.path(), "detect", false).unwrap().in_haste(), Parts::new());
        let bar = ProgressBar::hidden();
        let mut collector = Collector::new(ResultFolder::new(&outputs, &parts), &bar, true);
        let file = |name: &str| folder.path().join(format!("{name}.json"));
        let found = |name: &str| {
            let drafts = vec![outputs.filled(&file(name), b"{}").unwrap()];
            Outcome::Found(Box::new(Found { drafts, finding: finding(), levels: None }))
        };
        let outcomes = [("a", found("a")), ("b", Outcome::Stopped), ("c", found("c"))];
        outcomes.into_iter().try_for_each(|(name, outcome)| collector.take(&picture(name), outcome)).unwrap();
        assert!(collector.is_stopped && collector.rows.len() == 2);
        assert_eq!(["a", "b", "c"].map(|name| file(name).exists()), [true, false, true]);
    }

    #[test]
    fn what_is_inspected_after_its_turn_gets_its_place_and_what_memory_is_short_for_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (outputs, parts) = (Outputs::new(folder.path(), "detect", false).unwrap().in_haste(), Parts::new());
        let bar = ProgressBar::hidden();
        let mut collector = Collector::new(ResultFolder::new(&outputs, &parts), &bar, true);
        let found = |image: &str| {
            Outcome::Found(Box::new(Found {
                drafts: Vec::new(),
                finding: Finding { image: format!("{image}.png"), ..finding() },
                levels: None,
            }))
        };
        let short = Outcome::Skipped(Error::OutOfMemory { device: "cpu", reason: "9 bytes".into() }.in_file("b.png"));
        [("c", found("c")), ("b", short), ("a", found("a"))]
            .into_iter()
            .try_for_each(|(name, outcome)| collector.take(&picture(name), outcome))
            .unwrap();
        collector.sort(&["a", "b", "c"].map(picture));
        assert!(collector.rows.iter().map(|row| row.name.to_str().unwrap()).eq(["a", "b", "c"]) && collector.short == 1);
        assert!(collector.findings.unwrap().iter().map(|finding| finding.image.as_str()).eq(["a.png", "c.png"]));
    }

    #[test]
    fn what_is_put_in_the_place_of_one_file_does_not_stop_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let (outputs, parts) = (Outputs::new(folder.path(), "detect", false).unwrap().in_haste(), Parts::new());
        let bar = ProgressBar::hidden();
        let mut collector = Collector::new(ResultFolder::new(&outputs, &parts), &bar, true);
        let file = |name: &str| folder.path().join(format!("{name}.json"));
        let filled = |name: &str| outputs.filled(&file(name), b"{}");
        let found = |name: &str| Found { drafts: vec![filled(name).unwrap()], finding: finding(), levels: None };
        let [a, c] = ["a", "c"].map(|name| Outcome::Found(Box::new(found(name))));
        // Before its files are begun, and before they get their names.
        ["a", "b"].iter().for_each(|name| std::fs::write(file(name), "mine").unwrap());
        let b = Outcome::Failed(filled("b").err().unwrap());
        [("a", a), ("b", b), ("c", c)]
            .into_iter()
            .try_for_each(|(name, outcome)| collector.take(&picture(name), outcome))
            .unwrap();
        // As on a full disk.
        let full = Outcome::Failed(Error::write(file("d"), std::io::ErrorKind::StorageFull.into()));
        assert!(collector.take(&picture("d"), full).is_err());
        let is_skipped = |row: &Row| row.result.as_ref().err().is_some_and(|reason| reason.contains("did not write it"));
        assert_eq!(collector.rows.iter().map(is_skipped).collect::<Vec<_>>(), [true, true, false]);
        let (rows, cutoffs) = (collector.rows.clone(), Cutoffs::default());
        let (knows_training, facts, notes) = (false, Vec::new(), Vec::new());
        collector.finish(&Page { rows: &rows, parts: &parts, cutoffs, knows_training, facts, notes }).unwrap();
        assert!(["a", "b"].iter().all(|name| std::fs::read(file(name)).unwrap() == b"mine") && file("c").exists());
        assert!([TABLE_FILE, PAGE_FILE].iter().all(|name| folder.path().join(name).exists()));
    }
}
