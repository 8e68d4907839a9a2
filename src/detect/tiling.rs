//! How a picture is covered by tiles, and with which weight each tile counts at each pixel (Method §6).

use std::fmt;

use super::residual::Residual;
use crate::error::{Error, Result};
use crate::model::{Architecture, ReceptiveField};

/// The largest share of a tile that the overlap takes unasked. With more, most of the work would be done several times.
const MOST: f64 = 0.75;
/// The share of a tile that it overlaps its neighbour by if it is too small for the receptive field.
const BLENDED: f64 = 0.25;

/// Square tiles that overlap. What a tile finds near a side that it shares with another tile depends on pixels that it does not
/// see. Where the overlap holds the receptive field, such pixels are taken from the other tile alone, and the result is that of
/// the whole picture. In a smaller overlap both tiles count, with weights that change smoothly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Side of a tile in pixels, a multiple of the alignment.
    pub tile: usize,
    /// Pixels by which neighbours overlap at least, a multiple of the alignment.
    pub overlap: usize,
    field: Field,
}

/// The pixels that a value of the residual depends on, along one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    /// Tiles start at multiples of this, so that poolings join the same pixels as in the whole picture.
    alignment: usize,
    /// Of the network.
    stride: usize,
    /// Side of the blocks of pixels that become one at the coarsest scale of the residual.
    block: usize,
    before: usize,
    after: usize,
}

impl Tiling {
    /// The smallest side of a tile, in pixels: less is hardly more than its border.
    pub const SMALLEST: usize = 32;
    /// The largest side of a tile, far above that of any picture.
    pub const LARGEST: usize = u32::MAX as usize - 7;

    /// Tiles of this side for a network whose output is compared by `residual`. Without `overlap`, neighbours overlap by the
    /// receptive field, or by a quarter of the tile if that is more than three quarters of it.
    ///
    /// # Errors
    /// A tile that is small or, like the overlap, no multiple of the alignment; an overlap that leaves nothing of a tile.
    pub fn new(architecture: &Architecture, residual: &Residual, tile: usize, overlap: Option<usize>) -> Result<Self> {
        let field = Field::of(architecture, residual)?;
        let (alignment, least) = (field.alignment, field.least_tile());
        let refuse = |key: &str, reason: String| Err(Error::config(format!("detection.{key}"), reason));
        if !tile.is_multiple_of(alignment) || tile < least {
            return refuse("tile", format!("must be a multiple of {alignment} and at least {least} pixels, got {tile}"));
        }
        let chosen = overlap.unwrap_or_else(|| {
            let share = |share: f64| (share * tile as f64) as usize;
            if field.overlap() <= share(MOST) { field.overlap() } else { share(BLENDED) / alignment * alignment }
        });
        if !chosen.is_multiple_of(alignment) || chosen >= tile {
            let reason = format!("must be a multiple of {alignment} and less than the tile of {tile} pixels, got {chosen}");
            return refuse("overlap", reason);
        }
        Ok(Self { tile, overlap: chosen, field })
    }

    /// Tiles of the size of a training crop, or a little more where that is too small.
    ///
    /// # Errors
    /// As [`Tiling::new`].
    pub fn of_crops(architecture: &Architecture, residual: &Residual, crop: usize, overlap: Option<usize>) -> Result<Self> {
        let field = Field::of(architecture, residual)?;
        let tile = crop.max(field.least_tile()).next_multiple_of(field.alignment);
        Self::new(architecture, residual, tile, overlap)
    }

    /// Whether the overlap holds the receptive field, so that the result is that of the whole picture.
    pub fn is_exact(&self) -> bool {
        self.overlap >= self.field.overlap()
    }

    /// The overlap that holds the receptive field.
    pub fn exact_overlap(&self) -> usize {
        self.field.overlap()
    }

    /// The smallest tile that overlaps by so much unasked.
    pub fn exact_tile(&self) -> usize {
        let least = (self.field.overlap() as f64 / MOST).ceil() as usize;
        least.max(self.field.least_tile()).next_multiple_of(self.field.alignment)
    }

    /// The dilations of a network whose outer taps had no pixel to see in training crops of this side, so that they still have
    /// their initial weights, but see some in a tile.
    pub fn untrained_dilations(&self, architecture: &Architecture, crop: usize) -> Vec<usize> {
        let Architecture::Autoencoder(network) = architecture else { return Vec::new() };
        let is_new = |dilation: &usize| (crop..self.tile).contains(&(dilation * self.field.stride));
        network.dilations.iter().copied().filter(is_new).collect()
    }

    /// Whether a picture of this height and width is larger than a tile.
    pub fn divides(&self, (height, width): (usize, usize)) -> bool {
        height.max(width) > self.tile
    }

    /// In how many tiles a pixel of a picture of this height and width is seen, along each side; one more in places, because tiles
    /// are spread evenly.
    pub fn repetition(&self, (height, width): (usize, usize)) -> [usize; 2] {
        let step = self.tile - self.overlap;
        let tiles = |extent: usize| extent.saturating_sub(self.overlap).div_ceil(step).max(1);
        [height, width].map(|extent| tiles(extent).min(self.tile.div_ceil(step)))
    }

    /// The overlap of half a tile, or a little less, with which a pixel is seen in two tiles along each side.
    pub fn half(&self) -> usize {
        self.tile / 2 / self.field.alignment * self.field.alignment
    }

    /// Rows of tiles in a picture of this height.
    pub fn rows(&self, height: usize) -> usize {
        Row::over(height, self).starts.len()
    }

    /// Whether both give the same map of any picture; without tiles the picture is seen as a whole.
    pub fn agree(one: Option<&Self>, other: Option<&Self>) -> bool {
        let is_whole = |own: Option<&Self>| own.is_none_or(Self::is_exact);
        (is_whole(one) && is_whole(other)) || one == other
    }
}

impl fmt::Display for Tiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seams = if self.is_exact() { "which holds the receptive field" } else { "blended" };
        write!(f, "tiles of {} px, overlap {} px, {seams}", self.tile, self.overlap)
    }
}

impl Field {
    fn of(architecture: &Architecture, residual: &Residual) -> Result<Self> {
        let network = ReceptiveField::of(architecture)?;
        let (reach, block) = residual.reach();
        let ReceptiveField { stride, before, after } = network;
        Ok(Self { alignment: stride.max(block), stride, block, before: before + reach, after: after + reach })
    }

    /// A tile must not have fewer scales than the picture, and not be hardly more than its border.
    fn least_tile(&self) -> usize {
        Tiling::SMALLEST.max(8 * self.block)
    }

    fn overlap(&self) -> usize {
        (self.before + self.after).next_multiple_of(self.alignment)
    }
}

/// The tiles along one side of a picture.
pub(super) struct Row {
    /// Pixels of a tile; all of the side if that is not longer than a tile.
    pub length: usize,
    /// First pixel of each tile.
    pub starts: Vec<usize>,
    /// `weights[i][k]` of pixel `starts[i] + k`. The weights of a pixel sum to 1.
    pub weights: Vec<Vec<f32>>,
}

impl Row {
    /// The tiles over a side of `extent` pixels, evenly spread.
    pub fn over(extent: usize, tiling: &Tiling) -> Self {
        let Tiling { tile, overlap, field } = *tiling;
        let padded = extent.next_multiple_of(field.alignment);
        if padded <= tile {
            return Self { length: padded, starts: vec![0], weights: vec![vec![1.0; padded]] };
        }
        let last = (padded - overlap).div_ceil(tile - overlap) - 1;
        // Rounding down keeps the steps, which are no longer than a tile without its overlap.
        let start = |number: usize| number * (padded - tile) / last / field.alignment * field.alignment;
        let starts: Vec<usize> = (0..=last).map(start).collect();
        let mut weights: Vec<Vec<f64>> = vec![vec![1.0; tile]; starts.len()];
        for (number, pair) in starts.windows(2).enumerate() {
            let rising = rise(pair[1] - pair[0], tiling);
            weights[number + 1].iter_mut().zip(&rising).for_each(|(weight, rising)| *weight *= rising);
            let shared = weights[number].iter_mut().skip(pair[1] - pair[0]);
            shared.zip(&rising).for_each(|(weight, rising)| *weight *= 1.0 - rising);
        }
        Self { length: tile, weights: normalised(&weights, &starts, padded), starts }
    }
}

/// The weight of a tile at its first pixels, which it shares with a tile that starts `step` pixels before it. That of the other
/// is the rest to 1. Since tiles are spread evenly, they may share more than the overlap, and then hold the receptive field
/// although that does not.
fn rise(step: usize, tiling: &Tiling) -> Vec<f64> {
    let Tiling { tile, field, .. } = *tiling;
    let shared = tile - step;
    if shared >= field.before + field.after {
        // Between the first pixel whose field this tile holds and the last one of the other.
        let cut = (field.before + shared - field.after) / 2;
        return (0..shared).map(|pixel| if pixel < cut { 0.0 } else { 1.0 }).collect();
    }
    let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
    (0..shared).map(|pixel| smooth((pixel as f64 + 0.5) / shared as f64)).collect()
}

/// The weights divided by their sums, which are not 1 where three tiles meet.
fn normalised(weights: &[Vec<f64>], starts: &[usize], extent: usize) -> Vec<Vec<f32>> {
    let mut sums = vec![0.0; extent];
    for (own, start) in weights.iter().zip(starts) {
        own.iter().zip(&mut sums[*start..]).for_each(|(weight, sum)| *sum += weight);
    }
    let divided = |(own, start): (&Vec<f64>, &usize)| {
        own.iter().zip(&sums[*start..]).map(|(weight, sum)| (weight / sum) as f32).collect::<Vec<_>>()
    };
    weights.iter().zip(starts).map(divided).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Autoencoder;

    fn tiling(tile: usize, overlap: Option<usize>) -> Result<Tiling> {
        let network = Architecture::Autoencoder(Autoencoder { model: 2, width: 1, dilations: vec![1] });
        Tiling::new(&network, &Residual::default(), tile, overlap)
    }

    #[test]
    fn the_receptive_field_sets_the_overlap_where_it_fits() {
        let [small, large] = [64, 512].map(|tile| tiling(tile, None).unwrap());
        assert!(large.is_exact() && large.overlap == large.exact_overlap() && large.overlap.is_multiple_of(8));
        assert!(!small.is_exact() && small.overlap == 16, "{small}");
        assert_eq!(tiling(large.overlap * 4 / 3, None).unwrap().overlap, large.overlap, "three quarters");
        assert_eq!((small.exact_tile(), large.exact_tile()), (large.overlap * 4 / 3, large.overlap * 4 / 3));
        let paper = Tiling::new(&Architecture::autoencoder(2, 1).unwrap(), &Residual::default(), 1024, None).unwrap();
        let least =
            Tiling::new(&Architecture::autoencoder(2, 1).unwrap(), &Residual::default(), paper.exact_tile(), None).unwrap();
        let less = Tiling::new(&Architecture::autoencoder(2, 1).unwrap(), &Residual::default(), paper.exact_tile() - 8, None);
        assert!(!paper.is_exact() && least.is_exact() && !less.unwrap().is_exact(), "{least}");
        assert_eq!(small.to_string(), "tiles of 64 px, overlap 16 px, blended");
        // A residual that looks at its surroundings needs more.
        let network = Architecture::Autoencoder(Autoencoder { model: 2, width: 1, dilations: vec![1] });
        let ssim = Residual { ssim: 1.0, ..Residual::default() };
        let wider = Tiling::new(&network, &ssim, 512, None).unwrap();
        assert_eq!(wider.overlap, (large.field.before + large.field.after + 10).next_multiple_of(8));
    }

    #[test]
    fn tilings_agree_if_they_see_the_whole_or_are_equal() {
        let (a, b) = (tiling(512, None).unwrap(), tiling(640, None).unwrap());
        let (c, d) = (tiling(64, None).unwrap(), tiling(64, Some(24)).unwrap());
        assert!(Tiling::agree(Some(&a), Some(&b)) && Tiling::agree(None, Some(&a)) && Tiling::agree(Some(&c), Some(&c)));
        assert!(!Tiling::agree(Some(&c), Some(&d)) && !Tiling::agree(Some(&a), Some(&c)) && !Tiling::agree(None, Some(&c)));
    }

    #[test]
    fn dilations_that_the_crops_could_not_train_are_named() {
        let network = Architecture::autoencoder(2, 1).unwrap();
        let tiling = Tiling::new(&network, &Residual::default(), 256, Some(64)).unwrap();
        assert_eq!(tiling.untrained_dilations(&network, 128), [16]);
        assert_eq!(tiling.untrained_dilations(&network, 64), [8, 16]);
        assert!(tiling.untrained_dilations(&network, 256).is_empty());
    }

    #[test]
    fn sizes_that_do_not_fit_name_their_key() {
        for (tile, overlap, key) in
            [(60, None, "tile"), (24, None, "tile"), (0, None, "tile"), (64, Some(12), "overlap"), (64, Some(64), "overlap")]
        {
            let text = tiling(tile, overlap).unwrap_err().to_string();
            assert!(text.contains(&format!("detection.{key}")) && text.contains("multiple of 8"), "{text}");
        }
    }

    #[test]
    fn tiles_cover_every_side_and_their_weights_sum_to_one() {
        for (tile, overlap) in [(32, 0), (32, 8), (64, 48), (512, 160), (1024, 512)] {
            let tiling = tiling(tile, Some(overlap)).unwrap();
            for extent in [1, 8, 31, 33, 65, 500, 513, 1000, 1025, 4096] {
                let row = Row::over(extent, &tiling);
                let padded = extent.next_multiple_of(8);
                assert_eq!(row.starts.last().unwrap() + row.length, padded.max(row.length), "{tiling}, {extent}");
                assert!(row.starts.iter().all(|start| start.is_multiple_of(8)));
                assert!(row.starts.windows(2).all(|pair| pair[0] < pair[1] && pair[1] + overlap <= pair[0] + tile));
                let mut sums = vec![0.0; padded];
                for (weights, start) in row.weights.iter().zip(&row.starts) {
                    weights.iter().zip(&mut sums[*start..]).for_each(|(weight, sum)| *sum += weight);
                }
                assert!(sums.iter().all(|sum: &f32| (sum - 1.0).abs() < 1e-6), "{tiling}, {extent}: {sums:?}");
            }
        }
    }

    #[test]
    fn an_exact_overlap_takes_each_pixel_from_a_tile_that_holds_its_field() {
        let tiling = tiling(512, None).unwrap();
        let Field { before, after, .. } = tiling.field;
        for extent in [513, 700, 1001, 2000] {
            let row = Row::over(extent, &tiling);
            let padded = extent.next_multiple_of(8);
            for (weights, &start) in row.weights.iter().zip(&row.starts) {
                for (pixel, &weight) in (start..).zip(weights) {
                    assert!(weight == 0.0 || weight == 1.0);
                    let held = start <= pixel.saturating_sub(before) && (pixel + after + 1).min(padded) <= start + 512;
                    assert!(weight == 0.0 || held, "{extent}: pixel {pixel} of the tile at {start}");
                }
            }
        }
    }

    #[test]
    fn a_pixel_is_in_as_many_tiles_as_is_said_or_one_more() {
        for (tile, overlap, most) in [(64, 56, 8), (64, 48, 4), (64, 40, 3), (64, 32, 2), (64, 0, 1), (256, 248, 32)] {
            let tiling = tiling(tile, Some(overlap)).unwrap();
            for extent in [1, tile, tile + 1, tile + 30, 3 * tile + 5, 1000] {
                let row = Row::over(extent, &tiling);
                let seen =
                    |pixel: &usize| row.starts.iter().filter(|start| (**start..**start + row.length).contains(pixel)).count();
                let largest = (0..extent).map(|pixel| seen(&pixel)).max().unwrap();
                let [said, other] = tiling.repetition((extent, 1));
                assert!(
                    (said..=said + 1).contains(&largest) && said <= most && other == 1,
                    "{tiling}, {extent}: {largest}, {said}"
                );
            }
            assert_eq!(tiling.repetition((usize::MAX, 1000)), [most; 2]);
            assert!(Tiling { overlap: tiling.half(), ..tiling }.repetition((1000, 1000)) == [2, 2], "{tiling}");
        }
    }

    #[test]
    fn blended_weights_change_smoothly() {
        let row = Row::over(200, &tiling(64, Some(32)).unwrap());
        for weights in &row.weights {
            assert!(weights.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.06), "{weights:?}");
        }
        assert!(row.weights[1][0] < 0.01 && row.weights[0][0] == 1.0);
    }
}
