use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::data::{check_output_folder, list_images, output_names};
use crate::disk::{LONGEST_NAME, Outputs, RealPaths};
use crate::report::detections::{JSON, Parts, files_of};
use crate::{Error, Result};

/// A picture that was given.
#[derive(Clone)]
pub struct Picture {
    /// Where it is.
    pub path: PathBuf,
    /// The same without links; None if there is nothing.
    pub real: Option<PathBuf>,
    /// Its output name: the path relative to the given folder, without extension unless another picture has the same name
    /// without, or that as its whole name.
    pub name: PathBuf,
}

impl Picture {
    /// Checks that the names of its files are not too long.
    ///
    /// # Errors
    /// One is.
    pub fn check_name(&self, parts: &Parts) -> Result<()> {
        let own = self.name.file_name().map_or(0, |name| name.len());
        let endings = parts.iter().map(|part| part.ending()).chain([JSON]);
        let longest = own + endings.map(str::len).max().unwrap_or_default();
        if longest <= LONGEST_NAME {
            return Ok(());
        }
        let reason = format!("its results would have names of {longest} bytes, and a file name may have {LONGEST_NAME}");
        Err(Error::file(&self.path, format!("{reason}; rename the image")))
    }
}

/// All pictures that were given. Results of an earlier run, in an output folder inside a given folder, are no pictures.
///
/// # Errors
/// A path that is not there; a picture given twice; two with the same output name; no picture but results.
pub fn list(paths: &[PathBuf], out: &Path) -> Result<Vec<Picture>> {
    let mut pictures: Vec<Picture> = Vec::new();
    let (results, mut real_paths) = (out.canonicalize().ok(), RealPaths::default());
    for given in paths {
        let root = if given.is_dir() { given.as_path() } else { given.parent().unwrap_or(Path::new("")) };
        for path in list_images(given)? {
            let real = real_paths.of(&path);
            let is_result = results.as_ref().is_some_and(|out| real.as_ref().is_some_and(|path| path.starts_with(out)));
            if is_result && path != *given {
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
            pictures.push(Picture { path, real, name });
        }
    }
    if pictures.is_empty() {
        return Err(Error::file(out, "contains all images that were found, and results are not read as images"));
    }
    let names: Vec<PathBuf> = pictures.iter().map(|picture| picture.name.clone()).collect();
    pictures.iter_mut().zip(output_names(&names)).for_each(|(picture, name)| picture.name = name);
    check_names(&pictures)?;
    Ok(pictures)
}

/// Checks that all output names differ, as they do in one folder.
fn check_names(pictures: &[Picture]) -> Result<()> {
    let mut taken: HashMap<&Path, &Path> = HashMap::new();
    for Picture { name, path, .. } in pictures {
        if let Some(other) = taken.insert(name, path) {
            let reason = match other == path {
                true => "is given twice".into(),
                false => {
                    let remedy = "give one folder that holds both, or inspect them one after the other with another --out";
                    format!("would get the same output name `{}` as {}; {remedy}", name.display(), other.display())
                }
            };
            return Err(Error::file(path, reason));
        }
    }
    Ok(())
}

/// Checks that the results do not get into a folder of images, where later commands would read them as images.
///
/// # Errors
/// They would.
pub fn refuse_to_mix(out: &Path, paths: &[PathBuf]) -> Result<()> {
    let Ok(folder) = out.canonicalize() else { return Ok(()) };
    match paths.iter().find(|path| path.canonicalize().is_ok_and(|path| path == folder)) {
        Some(_) => {
            Err(Error::file(out, "contains the images; choose another --out, so that results are not read as images later"))
        }
        None => Ok(()),
    }
}

/// Checks that no output would replace a picture that was given.
///
/// # Errors
/// One would.
pub fn refuse_to_overwrite(out: &Path, pictures: &[Picture], parts: &Parts) -> Result<()> {
    let given: HashSet<&Path> = pictures.iter().filter_map(|picture| picture.real.as_deref()).collect();
    let is_given = |file: &PathBuf| file.exists() && file.canonicalize().is_ok_and(|file| given.contains(file.as_path()));
    for picture in pictures {
        if let Some(file) = files_of(out, &picture.name, parts).into_iter().find(is_given) {
            let path = picture.path.display();
            let reason = format!("is an input, and the results for {path} would replace it; choose another --out");
            return Err(Error::file(file, reason));
        }
    }
    Ok(())
}

/// Checks that the files of all pictures, and `others`, can be written, before any picture is looked at.
///
/// # Errors
/// One cannot, or is somebody else's.
pub fn check_outputs(outputs: &Outputs, pictures: &[Picture], parts: &Parts, others: &[PathBuf]) -> Result<()> {
    let out = outputs.folder();
    let folders: HashSet<PathBuf> =
        pictures.iter().filter_map(|picture| Some(out.join(&picture.name).parent()?.to_owned())).collect();
    folders.iter().try_for_each(|folder| check_output_folder(folder))?;
    // The others are skipped.
    let writable = pictures.iter().filter(|picture| picture.check_name(parts).is_ok());
    let files = writable.flat_map(|picture| files_of(out, &picture.name, parts));
    files.chain(others.iter().cloned()).try_for_each(|file| outputs.check(&file))
}
