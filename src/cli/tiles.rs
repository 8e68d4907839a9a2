//! Options for pictures that are seen in tiles.

use std::path::Path;

use crate::data::{Fit, read_size, stored_pixels};
use crate::detect::{Detector, Tiling};
use crate::ops::Backend;

use super::numbers::multiple_of_8;
use super::output::note;
use crate::{Error, Result};

/// How often a pixel may be seen without a warning: as often as with an overlap of three quarters of a tile, the largest that is
/// chosen unasked.
const OFTEN: usize = 16;

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
    pub fn apply<'a, P>(&self, detector: &mut Detector<impl Backend>, pictures: P) -> Result<()>
    where
        P: IntoIterator<Item = &'a Path> + Clone,
    {
        let (before, preparation) = (detector.tiling(), &detector.settings().preparation);
        if self.tile.is_some_and(|tile| tile > 0) && preparation.fit == Fit::Stretch {
            let size = preparation.size;
            return Err(Error::argument(format!(
                "--tile cannot be used: this model resizes every picture to {size}x{size} pixels; leave --tile out, or train a model with \
                 data.fit = \"native\" to look at large pictures in tiles"
            )));
        }
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
        warn_of_repetition(now.as_ref(), detector, pictures.clone());
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

/// Warns of tiles, also those of the model, in which these pictures are seen very often.
fn warn_of_repetition<'a>(now: Option<&Tiling>, detector: &Detector<impl Backend>, pictures: impl IntoIterator<Item = &'a Path>) {
    let times = |[rows, columns]: [usize; 2]| rows.saturating_mul(columns);
    // Of other tiles, no picture is looked at.
    let Some(tiling) = now.filter(|tiling| times(tiling.repetition((usize::MAX, usize::MAX))) > OFTEN) else { return };
    let seen = pictures.into_iter().map(|path| tiling.repetition(working_size(path, detector)));
    let Some(most) = seen.max_by_key(|&seen| times(seen)).filter(|&most| times(most) > OFTEN) else { return };
    let Tiling { tile, overlap, .. } = tiling;
    note(format_args!(
        "warning: tiles of {tile} px that overlap by {overlap} px see each pixel about {} x {} times, which takes as many times as long; a smaller \
         --overlap or a larger --tile is faster: with --overlap {} it is about 2 x 2 times",
        most[0],
        most[1],
        tiling.half()
    ));
}

/// Height and width of a picture at working resolution: without limit if it is seen in strips, 0 if it cannot be read.
fn working_size(path: &Path, detector: &Detector<impl Backend>) -> (usize, usize) {
    match read_size(path) {
        Ok([height, width]) => detector.settings().preparation.working_size(height as usize, width as usize),
        Err(_) if stored_pixels(path).is_ok_and(|pixels| pixels > 0) => (usize::MAX, usize::MAX),
        Err(_) => (0, 0),
    }
}

/// The longest side of these pictures at working resolution, or the first above `enough`.
fn longest_side<'a>(pictures: impl IntoIterator<Item = &'a Path>, detector: &Detector<impl Backend>, enough: usize) -> usize {
    let longest = |path: &Path| {
        let (height, width) = working_size(path, detector);
        height.max(width)
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
