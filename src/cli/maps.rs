use std::path::{Path, PathBuf};

use ndarray::Array2;
use orthoscope::data::{Category, Image, Plane, TestImage, check_output_folder, make_folder, write_atomically};
use orthoscope::detect::metrics::resize_bilinear;
use orthoscope::{Error, Result};
use tiff::encoder::{TiffEncoder, colortype::Gray32Float};

use super::npy;

/// Folders for the heatmaps of a test set, at the size of the images.
#[derive(clap::Args)]
pub struct MapOptions {
    /// Write the heatmaps as DIR/CATEGORY/test/DEFECT/NAME.tiff, float32, which the evaluation code of MVTec AD reads
    #[arg(long, value_name = "DIR")]
    maps: Option<PathBuf>,
    /// Write the heatmaps as DIR/DEFECT/NAME.npy, which `orthoscope metrics` reads
    #[arg(long, value_name = "DIR")]
    maps_npy: Option<PathBuf>,
}

impl MapOptions {
    /// Checks before long work that the folders can be made and are not those of the test images.
    ///
    /// # Errors
    /// A file in the way; maps that would be among the test images.
    pub fn check(&self, category: &Category) -> Result<()> {
        for folder in self.maps.iter().chain(&self.maps_npy) {
            check_output_folder(folder)?;
        }
        for test in &category.test {
            let images = test.path.parent().and_then(|folder| folder.canonicalize().ok());
            for path in self.tiff(category, test).into_iter().chain(self.npy(test)) {
                let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
                if folder.is_some() && folder == images {
                    return Err(Error::file(path, "would be among the test images; choose another folder for the maps"));
                }
            }
        }
        Ok(())
    }

    /// Writes the heatmap of a test image, resized bilinearly to the size of the image.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, category: &Category, test: &TestImage, image: &Image, heatmap: &Plane) -> Result<()> {
        if self.maps.is_none() && self.maps_npy.is_none() {
            return Ok(());
        }
        let map = resize_bilinear(heatmap, image.dim().0, image.dim().1)?;
        for (path, write) in [(self.tiff(category, test), write_tiff as Write), (self.npy(test), npy::write as Write)] {
            let Some(path) = path else { continue };
            if let Some(folder) = path.parent() {
                make_folder(folder)?;
            }
            write(&path, &map)?;
        }
        Ok(())
    }

    fn tiff(&self, category: &Category, test: &TestImage) -> Option<PathBuf> {
        Some(named(self.maps.as_ref()?.join(&category.name).join("test"), test, ".tiff"))
    }

    fn npy(&self, test: &TestImage) -> Option<PathBuf> {
        Some(named(self.maps_npy.clone()?, test, ".npy"))
    }
}

type Write = fn(&Path, &Array2<f32>) -> Result<()>;

/// `folder/DEFECT/NAME` with this ending.
fn named(folder: PathBuf, test: &TestImage, ending: &str) -> PathBuf {
    let mut name = test.path.file_stem().unwrap_or_default().to_owned();
    name.push(ending);
    folder.join(&test.defect).join(name)
}

/// Writes an uncompressed grey float32 TIFF.
fn write_tiff(path: &Path, map: &Array2<f32>) -> Result<()> {
    let refuse = |extent| Error::file(path, format!("{extent} pixels are too many for a TIFF"));
    let [rows, columns] = [map.nrows(), map.ncols()].map(|extent| u32::try_from(extent).map_err(|_| refuse(extent)));
    let (rows, columns, values) = (rows?, columns?, map.iter().copied().collect::<Vec<_>>());
    write_atomically(path, |file| {
        let image = TiffEncoder::new(file).and_then(|mut tiff| tiff.write_image::<Gray32Float>(columns, rows, &values));
        image.map_err(std::io::Error::other)
    })
}
