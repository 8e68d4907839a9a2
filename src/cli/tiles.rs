//! Options for pictures that are seen in tiles.

use std::path::Path;

use crate::data::{read_size, stored_pixels};
use crate::detect::{Detector, Tiling};
use crate::ops::Backend;

use super::numbers::multiple_of_8;
use super::output::note;
use crate::{Error, Result};

/// How large pictures are divided.
#[derive(clap::Args)]
pub struct TileOptions {
    /// See pictures that are larger than this in square tiles of PX pixels, a multiple of 8; 0 for no tiles [default: the
    /// model's]
    #[arg(long, value_name = "PX", value_parser = tile)]
    tile: Option<usize>,
    /// Pixels by which tiles overlap, a multiple of 8 [default: what the receptive field needs, so that no seam is possible, or a
    /// quarter of the tile if that is too small for it]
    #[arg(long, value_name = "PX", value_parser = multiple_of_8(0..=Tiling::LARGEST as u64))]
    overlap: Option<usize>,
}

/// The side of a tile, or 0.
fn tile(text: &str) -> Result<usize> {
    let (least, most) = (Tiling::SMALLEST, Tiling::LARGEST);
    let side = multiple_of_8(0..=most as u64)(text).ok().filter(|&side| side == 0 || side >= least);
    side.ok_or_else(|| Error::argument(format!("0 or a multiple of 8 from {least} to {most} is needed")))
}

impl TileOptions {
    /// Changes the tiles of a detector, and says on standard error what that changes in its results for these pictures.
    ///
    /// # Errors
    /// Tiles that do not fit the network or its working resolution.
    pub fn apply<'a>(&self, detector: &mut Detector<impl Backend>, pictures: impl IntoIterator<Item = &'a Path>) -> Result<()> {
        let before = detector.tiling();
        let detection = &mut detector.settings_mut().detection;
        if let Some(tile) = self.tile {
            (detection.tile, detection.overlap) = (Some(tile), None);
        }
        // Also without detection.tile a model of native crops has tiles.
        if self.overlap.is_some() {
            if detector.tiling()?.is_none() {
                return Err(Error::argument(
                    "--overlap is of tiles, and there are none here; a model that keeps the size of pictures has them with --tile",
                ));
            }
            detector.settings_mut().detection.overlap = self.overlap;
        }
        let now = detector.tiling()?;
        if self.tile.is_none() && self.overlap.is_none() {
            return Ok(());
        }
        self.explain(now.as_ref(), detector, pictures);
        if detector.settings().thresholds.is_some() && before.is_ok_and(|before| !Tiling::agree(before.as_ref(), now.as_ref())) {
            note(
                "warning: the model's thresholds were set on pictures that were divided in another way, and may not fit these tiles; `evaluate \
                 --calibrate DIR` with these tiles sets an image threshold that does (`image_threshold` in metrics.json), for `detect --threshold`",
            );
            let thresholds = detector.settings_mut().thresholds.as_mut();
            thresholds.and_then(|own| own.calibration.as_mut()).iter_mut().for_each(|own| own.other_tiles = true);
        }
        Ok(())
    }

    fn explain<'a>(&self, now: Option<&Tiling>, detector: &Detector<impl Backend>, pictures: impl IntoIterator<Item = &'a Path>) {
        let Some(tiling) = now else { return };
        if !tiling.is_exact()
            && let Some(way) = way_to_exact(tiling, longest_side(pictures, detector, tiling.exact_tile().max(tiling.tile)))
        {
            note(format_args!(
                "Tiles of {} px overlap by {} px, and are blended there, so the result depends on them. {way} Where that is too much, a larger \
                 --overlap helps: 64 px where 360 were needed changed the maps of one model by at most 1.7 % of their largest value, no overlap by \
                 24 %. Thresholds must be set with the same tiles.",
                tiling.tile, tiling.overlap
            ));
        }
        let crop = detector.settings().preparation.size;
        let untrained = tiling.untrained_dilations(detector.parameters().architecture(), crop);
        if crop > 0 && !untrained.is_empty() {
            note(format_args!(
                "warning: the crops of {crop} px that the network was trained on are too small for its dilations {untrained:?}, which are untrained \
                 and see something in these tiles"
            ));
        }
    }
}

/// The longest side of these pictures at working resolution, or the first above `enough`. Those that are seen in strips have no
/// limit, and those that cannot be read do not count.
fn longest_side<'a>(pictures: impl IntoIterator<Item = &'a Path>, detector: &Detector<impl Backend>, enough: usize) -> usize {
    let longest = |path: &Path| match read_size(path) {
        Ok([height, width]) => {
            let (height, width) = detector.settings().preparation.working_size(height as usize, width as usize);
            height.max(width)
        }
        Err(_) if stored_pixels(path).is_ok_and(|pixels| pixels > 0) => usize::MAX,
        Err(_) => 0,
    };
    let mut so_far = 0;
    for side in pictures.into_iter().map(longest) {
        so_far = side.max(so_far);
        if so_far > enough {
            break;
        }
    }
    so_far
}

/// How pictures with this longest side get the result of the whole picture; none if they are no larger than a tile, so that they
/// have it.
fn way_to_exact(tiling: &Tiling, longest: usize) -> Option<String> {
    let (exact, least) = (tiling.exact_overlap(), tiling.exact_tile());
    let whole = "gives that of the whole picture";
    match tiling.tile {
        tile if tile >= longest => None,
        tile if tile >= least => Some(format!("--overlap {exact} {whole}, and so does --tile 0; both need more memory or time.")),
        // A tile that holds the picture would be none.
        _ if least >= longest => Some(format!("--tile 0 {whole}, but needs more memory.")),
        _ => Some(format!("--tile {least} (overlap {exact} px) {whole}, and so does --tile 0; both need more memory or time.")),
    }
}
