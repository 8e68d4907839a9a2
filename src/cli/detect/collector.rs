use std::path::PathBuf;

use crate::data::{Levels, Skipped};
use crate::disk::{Outputs, waits};
use crate::report::detections::{Counts, Finding, PAGE_FILE, Page, Parts, Row, TABLE_FILE, csv};
use crate::{Error, Result};
use indicatif::ProgressBar;

use super::super::output::{note, say};
use super::inspector::{Found, Outcome};
use super::pictures::Picture;

/// Gives the files of each picture their names, prints its line, and keeps what the table and the page need.
pub struct Collector<'a> {
    outputs: &'a Outputs,
    parts: &'a Parts,
    bar: &'a ProgressBar,
    /// With `--json`, all findings; lines are not printed then.
    pub findings: Option<Vec<Finding>>,
    pub rows: Vec<Row>,
    /// Of the images that were inspected.
    pub levels: Vec<Option<Levels>>,
    /// Files of an earlier run that say that the folder is complete. They go before its first file is replaced.
    outdated: Vec<PathBuf>,
}

/// Ctrl-C came before a picture was finished.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// The files about all pictures; the table comes last.
pub fn files_of_all(outputs: &Outputs) -> Vec<PathBuf> {
    [PAGE_FILE, TABLE_FILE].iter().map(|name| outputs.folder().join(name)).collect()
}

impl<'a> Collector<'a> {
    pub fn new(outputs: &'a Outputs, parts: &'a Parts, bar: &'a ProgressBar, json: bool) -> Self {
        let findings = json.then(Vec::new);
        Self { outputs, parts, bar, findings, rows: Vec::new(), levels: Vec::new(), outdated: files_of_all(outputs) }
    }

    /// Takes the next picture.
    ///
    /// # Errors
    /// Its files cannot be written, or [`Interrupted`].
    pub fn take(&mut self, picture: &Picture, outcome: Outcome) -> anyhow::Result<()> {
        match outcome {
            Outcome::Failed(error) => return Err(error.into()),
            Outcome::Stopped => return Err(Interrupted.into()),
            Outcome::Found(found) => {
                let Found { drafts, finding, levels } = *found;
                self.remove_outdated()?;
                let obsolete = self.own(picture.others(self.outputs.folder(), self.parts))?;
                self.outputs.replace_by_drafts(drafts, &obsolete)?;
                self.keep(picture, finding)?;
                self.levels.push(levels);
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

    /// A picture without results keeps none of an earlier run either.
    fn skip(&mut self, picture: &Picture, error: &Error) -> Result<()> {
        self.bar.suspend(|| note(format_args!("error: {error}")));
        let out = self.outputs.folder();
        let mut files = picture.files(out, self.parts);
        // The JSON first, which says that the others are complete.
        files.reverse();
        files.extend(picture.others(out, self.parts));
        self.remove_outdated()?;
        self.own(files)?.iter().try_for_each(|file| self.outputs.remove(file))?;
        let Skipped { file, reason } = Skipped::new(&picture.path, error);
        self.rows.push(Row { name: picture.name.clone(), image: file, result: Err(reason) });
        Ok(())
    }

    /// Those of these files that an earlier run has written.
    fn own(&self, files: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for file in files {
            if file.is_file() && self.outputs.is_own(&file)? {
                found.push(file);
            }
        }
        Ok(found)
    }

    /// Removes the table first, which says that all other files are there.
    fn remove_outdated(&mut self) -> Result<()> {
        std::mem::take(&mut self.outdated).iter().rev().try_for_each(|file| self.outputs.remove(file))
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

    /// Waits until all files are on the disk, and writes the page and the table, which thus says that the folder is complete.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn finish(&self, page: &Page<'_>) -> Result<()> {
        self.bar.finish_and_clear();
        self.outputs.settle()?;
        let contents = [page.render().into_bytes(), csv(&self.rows)?];
        self.outputs.replace_together(&files_of_all(self.outputs).into_iter().zip(contents).collect::<Vec<_>>(), &[])?;
        log::debug!("waited {} times for the disk", waits());
        Ok(())
    }
}
