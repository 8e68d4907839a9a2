use std::io::Cursor;
use std::path::{Path, PathBuf};

use crate::data::{Category, Dataset, Image, Plane, TestImage, check_output_folder, row_major};
use crate::detect::metrics::resize_bilinear;
use crate::disk::{Outputs, npy, waits};
use crate::{Error, Result};
use tiff::encoder::{TiffEncoder, colortype::Gray32Float};

/// A folder of heatmaps in the layout that MVTec's evaluation code reads: `DIR/CATEGORY/test/KIND/NAME.tiff`. Each has a
/// `NAME.npy` in the same folder, so that `metrics --maps DIR/CATEGORY/test` reads the same values.
pub struct MapFolder(Outputs);

impl MapFolder {
    /// The folder of a category below `root`. Nothing is written yet.
    ///
    /// # Errors
    /// A file is in the way, also one in place of a map that `evaluate` did not write, unless `overwrite` is true; or the folder
    /// is among the images in `data`, which could not be read again with maps in it.
    pub fn of(root: &Path, category: &Category, data: &Dataset, overwrite: bool) -> Result<Self> {
        let folder = root.join(&category.name).join("test");
        check_output_folder(&folder)?;
        data.check_outside(&folder)?;
        let own = Self(Outputs::new(&folder, "evaluate", overwrite)?.in_haste());
        for test in &category.test {
            own.files(test).iter().try_for_each(|path| own.0.check(path))?;
        }
        Ok(own)
    }

    /// `DIR/CATEGORY/test`.
    pub fn path(&self) -> &Path {
        self.0.folder()
    }

    /// Waits until all heatmaps are on the disk.
    ///
    /// # Errors
    /// The disk cannot take one of them.
    pub fn settle(&self) -> Result<()> {
        self.0.settle()?;
        log::debug!("waited {} times for the disk", waits());
        Ok(())
    }

    /// The files of a test image, `.npy` and `.tiff`.
    fn files(&self, test: &TestImage) -> [PathBuf; 2] {
        [".npy", ".tiff"].map(|ending| test.output(self.path(), ending))
    }

    /// Writes the heatmap of a test image in both formats, f32, at the size of the image. It is interpolated bilinearly, as for
    /// pixel metrics at native resolution.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, test: &TestImage, image: &Image, heatmap: &Plane) -> Result<()> {
        let (height, width, _) = image.dim();
        let map = resize_bilinear(heatmap, height, width)?;
        let [npy, tiff] = self.files(test);
        self.0.write(&npy, &npy::encode(&map)?)?;
        self.0.write(&tiff, &encode_tiff(&tiff, &map)?)
    }
}

/// An uncompressed TIFF with one f32 value per pixel.
///
/// # Errors
/// A map that is too large for TIFF.
fn encode_tiff(path: &Path, map: &Plane) -> Result<Vec<u8>> {
    let refuse = |error: &dyn std::fmt::Display| Error::file(path, format!("cannot be written as TIFF: {error}"));
    let (height, width) = map.dim();
    let side = |extent: usize| u32::try_from(extent).map_err(|error| refuse(&error));
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).map_err(|error| refuse(&error))?;
    encoder.write_image::<Gray32Float>(side(width)?, side(height)?, &row_major(map)).map_err(|error| refuse(&error))?;
    Ok(bytes.into_inner())
}
