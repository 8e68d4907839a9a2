//! The files of a picture that is too large for the memory.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::overlay::Outliner;
use super::parts::{Part, Parts};
use crate::data::{Image, Levels, Plane, PngRows, Strips};
use crate::detect::{Cutoffs, Detector, StripExamination, StripSink};
use crate::disk::{Draft, Outputs, npy};
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::report::colour::{Scale, overlay};

/// Where the files of a picture go.
pub struct Files {
    /// [`Part::Map`].
    pub map: PathBuf,
    /// [`Part::Heatmap`].
    pub heatmap: PathBuf,
    /// [`Part::Mask`].
    pub mask: PathBuf,
    /// [`Part::Overlay`].
    pub overlay: PathBuf,
    /// [`Part::Reconstruction`].
    pub reconstruction: PathBuf,
}

impl Files {
    /// The files that `file` names for each part.
    pub fn of(file: impl Fn(Part) -> PathBuf) -> Self {
        Self {
            map: file(Part::Map),
            heatmap: file(Part::Heatmap),
            mask: file(Part::Mask),
            overlay: file(Part::Overlay),
            reconstruction: file(Part::Reconstruction),
        }
    }
}

/// Rows of a picture that are drawn between two calls that tell how far it is.
const ROWS: usize = 64;

/// How far a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// One of its strips is looked at, counted from 1.
    Strip {
        /// Its number.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// A file is drawn, of which these rows are done.
    Drawing {
        /// What is drawn.
        part: Part,
        /// Rows that are done.
        rows: usize,
        /// Rows of the picture.
        count: usize,
    },
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Strip { number, count } => write!(f, "strip {number} of {count}"),
            Self::Drawing { part, rows, count } => write!(f, "drawing the {}, {} %", part.word(), 100 * rows / count),
        }
    }
}

/// The files of a picture, complete but not yet named, and what was found.
pub struct Examined {
    /// Those of the wanted parts, in the order of [`Part::ALL`].
    pub drafts: Vec<Draft>,
    /// What is left beside them.
    pub found: StripExamination,
    /// Pixels in the mask.
    pub marked: usize,
    /// The largest value of the picture, if it has more than 8 bits per sample.
    pub levels: Option<Levels>,
}

/// Examines a picture strip by strip and writes what is found as drafts in `outputs`. The picture at `path` is read again for the
/// heatmap, which is drawn over it with a scale that may depend on all of its values, and for the outlines of the mask. `begins`
/// is told of every stage before it begins, and may end the work with an error.
///
/// # Errors
/// As [`Detector::examine_strips`]; a file that cannot be written; a picture that has changed meanwhile; those of `begins`.
pub fn examine(
    detector: &Detector<impl Backend>,
    cutoffs: Cutoffs,
    (path, strips): (&Path, Strips),
    places: (&Outputs, &Files, &Parts),
    begins: impl Fn(Stage) -> Result<()>,
) -> Result<Examined> {
    let (size, mut strips) = (strips.size(), strips);
    // Before the first file is made.
    let count = detector.strip_tiling(size).map_err(|error| error.in_file(path))?.rows(size.0);
    let mut drafts = Drafts::begin(places)?;
    let mut sink = drafts.sink(size, cutoffs, places.1)?;
    let mut number = 0;
    let next = |rows| {
        number += 1;
        begins(Stage::Strip { number, count })?;
        strips.next(rows)
    };
    let found = detector.examine_strips(size, cutoffs, next, &mut sink).map_err(|error| error.in_file(path))?;
    let marked = sink.finish()?;
    let drawn = drafts.drawn(&strips, cutoffs, found.peak, places, begins)?;
    Ok(Examined { drafts: drafts.with(drawn, places.2), found, marked, levels: strips.levels() })
}

/// The files that are written while the strips are seen, those that are needed.
struct Drafts {
    map: Option<Draft>,
    mask: Option<Draft>,
    reconstruction: Option<Draft>,
}

impl Drafts {
    fn begin((outputs, files, parts): (&Outputs, &Files, &Parts)) -> Result<Self> {
        let begun = |for_one_of: &[Part], path: &PathBuf| {
            let is_needed = for_one_of.iter().any(|part| parts.contains(part));
            is_needed.then(|| outputs.draft(path)).transpose()
        };
        Ok(Self {
            // The pictures of the heatmap and of the outlines are drawn from the map.
            map: begun(&[Part::Map, Part::Heatmap, Part::Overlay], &files.map)?,
            mask: begun(&[Part::Mask], &files.mask)?,
            reconstruction: begun(&[Part::Reconstruction], &files.reconstruction)?,
        })
    }

    /// The files, open for the rows of a picture of this size.
    fn sink<'a>(&'a mut self, size: (usize, usize), cutoffs: Cutoffs, files: &'a Files) -> Result<Sink<'a>> {
        let png =
            |draft, path: &PathBuf, channels| PngRows::new(draft, size, channels).map_err(|error| Error::write(path, error));
        let map = |draft| npy::begin(draft, size).map_err(|error| Error::write(&files.map, error));
        Ok(Sink {
            cutoffs,
            marked: 0,
            map: self.map.as_mut().map(map).transpose()?,
            mask: self.mask.as_mut().map(|draft| png(draft, &files.mask, 1)).transpose()?,
            reconstruction: self.reconstruction.as_mut().map(|draft| png(draft, &files.reconstruction, 3)).transpose()?,
            files,
        })
    }

    /// The wanted pictures that are drawn from the map, whose largest value is `peak`.
    fn drawn(
        &mut self,
        strips: &Strips,
        cutoffs: Cutoffs,
        peak: f32,
        (outputs, files, parts): (&Outputs, &Files, &Parts),
        begins: impl Fn(Stage) -> Result<()>,
    ) -> Result<Vec<(Part, Draft)>> {
        let Some(map) = &mut self.map else { return Ok(Vec::new()) };
        let mut drawn = Vec::new();
        for part in [Part::Heatmap, Part::Overlay].into_iter().filter(|part| parts.contains(part)) {
            let (map, size) = ((&mut *map, &*files.map), strips.size());
            let begins = |rows| begins(Stage::Drawing { part, rows, count: size.0 });
            let draft = match part {
                Part::Heatmap => draw(strips, map, (outputs, &files.heatmap), begins, heat(scale(cutoffs, peak))),
                _ => draw(strips, map, (outputs, &files.overlay), begins, outlines(size, cutoffs)),
            };
            drawn.push((part, draft?));
        }
        Ok(drawn)
    }

    /// These files and those that were drawn, in the order of the parts, of which some may not be wanted.
    fn with(self, drawn: Vec<(Part, Draft)>, parts: &Parts) -> Vec<Draft> {
        let Self { map, mask, reconstruction } = self;
        let written = [(Part::Map, map), (Part::Mask, mask), (Part::Reconstruction, reconstruction)];
        let written = written.into_iter().filter_map(|(part, draft)| Some((part, draft?)));
        let mut all: Vec<_> = written.chain(drawn).filter(|(part, _)| parts.contains(part)).collect();
        all.sort_by_key(|(part, _)| *part);
        all.into_iter().map(|(_, draft)| draft).collect()
    }
}

/// As [`Scale::for_heatmap`], of a heatmap with this largest value.
fn scale(cutoffs: Cutoffs, peak: f32) -> Scale {
    Scale::for_heatmap(&Plane::from_elem((1, 1), peak), cutoffs.pixel.map(|threshold| threshold.value))
}

/// Rows of a picture and of its map, or none after the last.
type Rows<'a> = Option<(&'a Image, &'a Plane)>;

/// Draws the heatmap over the picture.
fn heat(scale: Scale) -> impl FnMut(Rows<'_>) -> Result<Vec<f32>> {
    move |rows| match rows {
        Some((rows, values)) => Ok(overlay(rows, values, scale)?.iter().copied().collect()),
        None => Ok(Vec::new()),
    }
}

/// Draws the outlines of the mask over the picture.
fn outlines(size: (usize, usize), cutoffs: Cutoffs) -> impl FnMut(Rows<'_>) -> Result<Vec<f32>> {
    let mut outliner = Outliner::new(size);
    move |rows| {
        Ok(match rows {
            Some((rows, values)) => outliner.add(rows, &values.mapv(|value| cutoffs.marks(value))),
            None => outliner.finish(),
        })
    }
}

/// A picture that `paint` draws from the rows of another one and of its map: it returns the values of the rows that are done, and
/// at the end, when there is no row any more, those that are left.
fn draw(
    strips: &Strips,
    (map, name): (&mut Draft, &Path),
    (outputs, path): (&Outputs, &Path),
    begins: impl Fn(usize) -> Result<()>,
    mut paint: impl FnMut(Rows<'_>) -> Result<Vec<f32>>,
) -> Result<Draft> {
    let refuse = |error| Error::write(path, error);
    let mut again = strips.again()?;
    let (height, width) = strips.size();
    if again.size() != (height, width) {
        return Err(Error::file(strips.path(), "was changed while it was read"));
    }
    let mut draft = outputs.draft(path)?;
    let mut rows = PngRows::new(&mut draft, (height, width), 3).map_err(refuse)?;
    let mut values =
        npy::values(map.reread().map_err(|error| Error::write(name, error))?).map_err(|reason| Error::file(name, reason))?;
    for number in 0..height {
        if number.is_multiple_of(ROWS) {
            begins(number)?;
        }
        let row: Vec<f32> = values.by_ref().take(width).collect::<io::Result<_>>().map_err(|error| Error::read(name, error))?;
        let row = Plane::from_shape_vec((1, width), row).map_err(|_| Error::file(name, "is shorter than it was"))?;
        rows.write(&paint(Some((&again.next(1)?, &row)))?).map_err(refuse)?;
    }
    rows.write(&paint(None)?).map_err(refuse)?;
    rows.finish().map_err(refuse)?;
    Ok(draft)
}

/// The open files of a picture, those that are needed.
struct Sink<'a> {
    cutoffs: Cutoffs,
    marked: usize,
    map: Option<npy::NpyWriter<f32, &'a mut Draft>>,
    mask: Option<PngRows<&'a mut Draft>>,
    reconstruction: Option<PngRows<&'a mut Draft>>,
    files: &'a Files,
}

impl Sink<'_> {
    /// Ends the files; the number of pixels in the mask.
    fn finish(self) -> Result<usize> {
        let Self { map, mask, reconstruction, files, marked, .. } = self;
        map.map_or(Ok(()), |map| map.finish()).map_err(|error| Error::write(&files.map, error))?;
        mask.map_or(Ok(()), PngRows::finish).map_err(|error| Error::write(&files.mask, error))?;
        reconstruction.map_or(Ok(()), PngRows::finish).map_err(|error| Error::write(&files.reconstruction, error))?;
        Ok(marked)
    }
}

impl StripSink for Sink<'_> {
    fn reconstruction(&mut self, rows: &Image) -> Result<()> {
        let Some(file) = &mut self.reconstruction else { return Ok(()) };
        file.write(rows).map_err(|error| Error::write(&self.files.reconstruction, error))
    }

    fn heatmap(&mut self, rows: &Plane) -> Result<()> {
        let mask: Array2<f32> = rows.mapv(|value| if self.cutoffs.marks(value) { 1.0 } else { 0.0 });
        self.marked += mask.iter().filter(|&&marked| marked > 0.0).count();
        if let Some(file) = &mut self.mask {
            file.write(&mask).map_err(|error| Error::write(&self.files.mask, error))?;
        }
        match &mut self.map {
            Some(file) => file.extend(rows.iter().copied()).map_err(|error| Error::write(&self.files.map, error)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Cpu;
    use crate::data::{read_image, write_png};
    use crate::detect::{DetectionConfig, Settings};
    use crate::model::{Architecture, Autoencoder, Parameters};
    use crate::rng::{Purpose, Stream};
    use std::cell::RefCell;

    fn detector() -> Detector<Cpu> {
        let architecture = Architecture::Autoencoder(Autoencoder { model: 2, width: 2, dilations: vec![1] });
        let parameters = Parameters::initialise(&Cpu::new(), &architecture, 4).unwrap();
        let detection = DetectionConfig { tile: Some(32), overlap: Some(8), window: 3, ..DetectionConfig::default() };
        Detector::new(&Cpu::new(), parameters, Settings { detection, ..Settings::default() })
    }

    fn all() -> Parts {
        Part::ALL.into()
    }

    #[test]
    fn only_the_wanted_files_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        write_png(&path, &Image::from_elem((90, 41, 3), 0.5)).unwrap();
        let out = folder.path().join("out");
        let outputs = Outputs::new(&out, "detect", false).unwrap();
        let files = Files::of(|part| out.join(part.ending()));
        for wanted in [vec![], vec![Part::Overlay], vec![Part::Map, Part::Heatmap]] {
            let strips = Strips::open(&path, 0.0).unwrap();
            let parts: Parts = wanted.iter().copied().collect();
            let told = RefCell::new(Vec::new());
            let tell = |stage: Stage| {
                told.borrow_mut().push(stage.to_string());
                Ok(())
            };
            let found = examine(&detector(), Cutoffs::default(), (&path, strips), (&outputs, &files, &parts), tell).unwrap();
            let mut expected: Vec<String> = (1..=4).map(|number| format!("strip {number} of 4")).collect();
            if let Some(part) = wanted.last() {
                expected.extend(["0", "71"].map(|share| format!("drawing the {}, {share} %", part.word())));
            }
            assert_eq!(told.into_inner(), expected);
            // Not even a draft is made for nothing: the first one makes the folder.
            assert_eq!(out.exists(), !wanted.is_empty());
            outputs.replace_by_drafts(found.drafts, &[]).unwrap();
            for part in Part::ALL {
                let file = out.join(part.ending());
                assert_eq!(file.exists(), wanted.contains(&part), "{part:?}");
                let _ = std::fs::remove_file(file);
            }
        }
    }

    #[test]
    fn the_files_are_those_of_a_picture_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (path, mut stream) = (at("a.png"), Stream::new(3, Purpose::Test, 0, 0));
        write_png(&path, &Image::from_shape_simple_fn((90, 41, 3), || stream.uniform())).unwrap();
        let image = read_image(&path).unwrap();
        for pixel in [Some(0.09), None] {
            let cutoffs = Cutoffs::given(Some(1.0), pixel);
            let whole = detector().examine_with(&image, cutoffs).unwrap();
            let outputs = Outputs::new(folder.path(), "detect", false).unwrap();
            let files = Files::of(|part| at(part.ending()));
            let before = std::fs::read(&files.map).ok();
            let strips = Strips::open(&path, 0.0).unwrap();
            let Examined { drafts, found, marked, levels: _ } =
                examine(&detector(), cutoffs, (&path, strips), (&outputs, &files, &all()), |_| Ok(())).unwrap();
            assert!(std::fs::read(&files.map).ok() == before, "until all files are complete, the old ones stay");
            outputs.replace_by_drafts(drafts, &[]).unwrap();
            assert_eq!((found.anomalous, found.regions.count()), (whole.anomalous, whole.regions.count()));
            assert_eq!(marked, whole.mask.iter().filter(|&&marked| marked).count());
            let map: ndarray::ArrayD<f32> = npy::read(&files.map).unwrap();
            assert_eq!(map.shape(), [90, 41]);
            assert!(map.iter().zip(&whole.heatmap).all(|(a, b)| (a - b).abs() < 1e-7));
            for (file, part) in [
                (&files.heatmap, Part::Heatmap),
                (&files.mask, Part::Mask),
                (&files.overlay, Part::Overlay),
                (&files.reconstruction, Part::Reconstruction),
            ] {
                std::fs::write(at("expected.png"), part.encode(&image, &whole).unwrap()).unwrap();
                let (found, expected) = (read_image(file).unwrap(), read_image(&at("expected.png")).unwrap());
                let differ = found.iter().zip(&expected).filter(|(a, b)| (*a - *b).abs() > 1.5 / 255.0).count();
                assert_eq!((differ, found.dim()), (0, expected.dim()), "{}", file.display());
            }
        }
    }

    #[test]
    fn a_picture_that_is_cut_short_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pgm");
        std::fs::write(&path, [&b"P5 40 90 255\n"[..], &[100; 3000]].concat()).unwrap();
        let out = folder.path().join("out");
        let outputs = Outputs::new(&out, "detect", false).unwrap();
        let at = |name: &str| out.join(name);
        let files = Files::of(|part| at(part.ending()));
        let strips = Strips::open(&path, 0.0).unwrap();
        let error = examine(&detector(), Cutoffs::default(), (&path, strips), (&outputs, &files, &all()), |_| Ok(()))
            .err()
            .unwrap()
            .to_string();
        assert!(error.ends_with("a.pgm: the PNM data end before the last row"), "{error}");
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
    }
}
