//! Training batches, `kernels/corruption_*.cu`.

use ndarray::ArrayView3;

use super::{Batch, CorruptionSpec, Picks, Sampler};
use crate::backend::Storage;
use crate::backend::cuda::kernels::{corruption_crop, corruption_fields, corruption_lay, corruption_plan};
use crate::backend::cuda::launch::blocks;
use crate::backend::cuda::{Buffer, Cuda, Kernel};
use crate::error::{Error, Result};
use crate::ops::contract::Contract;

/// Floats per patch in the scratch memory of the kernels.
const PATCH_FLOATS: usize = 41;
/// Floats of the nodes of a membrane.
const MEMBRANE_FLOATS: usize = 48;
/// Rows and columns of the tile of a random field that one block smooths.
const TILE: u32 = 16;
/// Rows and columns of the image tile that one block blends patches into.
const LAY_TILE: [u32; 2] = [8, 32];

/// Pictures in device memory.
struct Resident {
    cuda: Cuda,
    /// All pictures, concatenated.
    pixels: Buffer,
    /// Three words per picture as bit patterns: first element, height, width.
    table: Buffer,
    count: usize,
}

/// A batch in progress: the inputs of its kernels and their scratch memory.
struct Work<'a> {
    cuda: &'a Cuda,
    spec: CorruptionSpec,
    resident: &'a Resident,
    picks: &'a Buffer,
    /// `[n, patches_max]` of [`PATCH_FLOATS`].
    patches: Buffer,
    /// `[n, patches_at_once, mask_side, mask_side, 2]`.
    shapes: Buffer,
    /// `[n, patches_at_once, replacement_side², 4]`.
    materials: Buffer,
    /// `[n, patches_at_once, 2, gradient_nodes, 2]`.
    gradients: Buffer,
    /// `[n, patches_at_once, 16, 3]`.
    membranes: Buffer,
    /// Whether fields are smoothed by the naive kernels.
    naive: bool,
}

impl<'a> Work<'a> {
    fn new(cuda: &'a Cuda, spec: &CorruptionSpec, resident: &'a Resident, picks: &'a Buffer) -> Result<Self> {
        let (n, square) = (spec.n as usize, |side: u32| side as usize * side as usize);
        let at_once = n * spec.patches_at_once as usize;
        // Buffers are never empty, because some drivers cannot allocate 0 bytes.
        let scratch = |len: usize| cuda.alloc(len.max(1));
        Ok(Self {
            cuda,
            spec: *spec,
            resident,
            picks,
            patches: scratch(n * spec.patches_max as usize * PATCH_FLOATS)?,
            shapes: scratch(at_once * square(spec.mask_side) * 2)?,
            materials: scratch(at_once * square(spec.replacement_side) * 4)?,
            gradients: scratch(at_once * spec.gradient_nodes as usize * 4)?,
            membranes: scratch(at_once * spec.membranes as usize * MEMBRANE_FLOATS)?,
            naive: false,
        })
    }

    fn crop(&self, x: &mut Buffer) -> Result<()> {
        let launch = self.cuda.launch_over(&corruption_crop::CORRUPTION_CROP, self.spec.region_len());
        launch.input(self.picks).input(&self.resident.table).input(&self.resident.pixels).output(x).value(self.spec).run()
    }

    fn plan(&mut self, x: &Buffer) -> Result<()> {
        let launch =
            self.cuda.launch_over(&corruption_plan::CORRUPTION_PLAN, self.spec.n as usize * self.spec.patches_max as usize);
        let launch = launch.input(self.picks).input(&self.resident.table).input(x);
        launch.output(&mut self.patches).value(self.spec).run()
    }

    /// Computes the fields of `count` patches of each image, starting at patch `first`.
    fn fields(&mut self, x: &Buffer, first: u32, count: u32) -> Result<()> {
        let Self { cuda, spec, picks, naive, .. } = *self;
        let grid = |side: u32, kernel: &Kernel| {
            let x = if naive { blocks(side as usize * side as usize, kernel.threads) } else { side.div_ceil(TILE).pow(2) };
            [x, count, spec.n]
        };
        let kernel =
            if naive { &corruption_fields::CORRUPTION_MASK_FIELD_NAIVE } else { &corruption_fields::CORRUPTION_MASK_FIELD };
        let launch = cuda.launch(kernel, grid(spec.mask_side, kernel)).input(picks).input(&self.patches);
        launch.output(&mut self.shapes).value(spec).value(first).with("k", count as usize).run()?;
        if spec.gradient_nodes > 0 {
            let kernel = &corruption_fields::CORRUPTION_GRADIENTS;
            let launch = cuda.launch(kernel, [blocks(spec.gradient_nodes as usize, kernel.threads), count, spec.n]);
            let launch = launch.input(picks).input(&self.patches).output(&mut self.gradients);
            launch.value(spec).value(first).with("k", count as usize).run()?;
        }
        if spec.membranes > 0 {
            let launch = cuda.launch(&corruption_fields::CORRUPTION_MEMBRANE, [1, count, spec.n]).input(&self.resident.table);
            let launch = launch.input(&self.resident.pixels).input(x).input(&self.patches).output(&mut self.membranes);
            launch.value(spec).value(first).with("k", count as usize).run()?;
        }
        if spec.replacement_side == 0 {
            return Ok(());
        }
        let kernel = if naive {
            &corruption_fields::CORRUPTION_REPLACEMENT_FIELD_NAIVE
        } else {
            &corruption_fields::CORRUPTION_REPLACEMENT_FIELD
        };
        let launch = cuda.launch(kernel, grid(spec.replacement_side, kernel)).input(picks).input(&self.patches);
        launch.output(&mut self.materials).value(spec).value(first).with("k", count as usize).run()
    }

    /// Applies the patches whose fields are in memory, starting at patch `first`.
    fn lay(&self, x: &Buffer, corrupted: &mut Buffer, region: &mut Buffer, first: u32) -> Result<()> {
        let CorruptionSpec { side, patches_max, patches_at_once, .. } = self.spec;
        let patches = patches_at_once.min(patches_max.saturating_sub(first));
        let launch = self
            .cuda
            .launch(&corruption_lay::CORRUPTION_LAY, [side.div_ceil(LAY_TILE[1]), side.div_ceil(LAY_TILE[0]), self.spec.n]);
        let launch = launch.input(self.picks).input(&self.resident.table).input(&self.resident.pixels).input(x);
        let launch =
            launch.input(&self.patches).input(&self.shapes).input(&self.gradients).input(&self.materials).input(&self.membranes);
        launch.output(corrupted).output(region).value(self.spec).value(first).with("k", patches as usize).run()
    }

    fn run(mut self, batch: Batch<'_, Buffer>) -> Result<()> {
        let Batch { corrupted, images: x, region } = batch;
        let CorruptionSpec { patches_max, patches_at_once, .. } = self.spec;
        self.crop(x)?;
        if patches_max == 0 {
            self.lay(x, corrupted, region, 0)?;
        } else {
            self.plan(x)?;
        }
        for first in (0..patches_max).step_by(patches_at_once as usize) {
            self.fields(x, first, patches_at_once.min(patches_max - first))?;
            self.lay(x, corrupted, region, first)?;
        }
        if self.spec.kept_noise[1] > 0.0 {
            self.keep_noise(corrupted, x)?;
        }
        Ok(())
    }

    fn keep_noise(&self, corrupted: &mut Buffer, x: &mut Buffer) -> Result<()> {
        let launch = self.cuda.launch_over(&corruption_lay::CORRUPTION_KEPT_NOISE, self.spec.image_len());
        launch.input(self.picks).update(corrupted).update(x).value(self.spec).run()
    }
}

/// See [`crate::ops::Backend::sampler`].
pub(in crate::ops) fn sampler(cuda: &Cuda, pictures: &[ArrayView3<'_, f32>]) -> Result<Option<Box<dyn Sampler<Buffer>>>> {
    Ok(resident(cuda, pictures)?.map(|resident| Box::new(resident) as Box<dyn Sampler<Buffer>>))
}

fn resident(cuda: &Cuda, pictures: &[ArrayView3<'_, f32>]) -> Result<Option<Resident>> {
    let mut table = Vec::with_capacity(3 * pictures.len());
    let mut end = 0;
    for picture in pictures {
        let (height, width, channels) = picture.dim();
        if channels != 3 || picture.is_empty() {
            return Err(Error::shape("corruption", format!("pictures must be [h, w, 3], got {:?}", picture.shape())));
        }
        let Ok(words) = [end, height, width].map(u32::try_from).into_iter().collect::<Result<Vec<_>, _>>() else {
            return Ok(None);
        };
        table.extend(words.into_iter().map(f32::from_bits));
        end += picture.len();
    }
    if u32::try_from(end).is_err() || pictures.is_empty() {
        return Ok(None);
    }
    let pixels: Vec<f32> = pictures.iter().flatten().copied().collect();
    let (pixels, table) = (cuda.upload(&pixels)?, cuda.upload(&table)?);
    Ok(Some(Resident { cuda: cuda.clone(), pixels, table, count: pictures.len() }))
}

impl Sampler<Buffer> for Resident {
    fn batch(&self, spec: &CorruptionSpec, picks: &Buffer, batch: Batch<'_, Buffer>) -> Result<()> {
        let contract = Contract::new("corruption").read("picks", picks, Picks::len(spec.n as usize));
        let contract = contract.write("x̂", batch.corrupted, spec.image_len()).write("x", batch.images, spec.image_len());
        let contract = contract.write("M", batch.region, spec.region_len()).require(
            self.count == spec.pictures() && spec.patches_at_once > 0,
            || {
                let wanted = format!("{} images and {} textures, the device holds", spec.images, spec.textures);
                format!("{} patches at once of {wanted} {} pictures", spec.patches_at_once, self.count)
            },
        );
        contract.check(&Buffer::len)?;
        Work::new(&self.cuda, spec, self, picks)?.run(batch)
    }
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::backend;
    use crate::backend::cuda::driver::emulator::Observer;
    use crate::ops::Pick;

    /// Lattices of several tiles with a partial last one; noise and elastic patches.
    fn spec() -> CorruptionSpec {
        CorruptionSpec {
            seed: [3, 4],
            n: 2,
            side: 9,
            images: 1,
            textures: 0,
            clean: 0.0,
            patches_min: 3,
            patches_max: 5,
            patches_at_once: 5,
            size_distribution: 0,
            size: [0.5, 1.0],
            size_bounds: [0.0, 0.0],
            aspect: [0.5, 2.0],
            weights: [0.0, 0.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0],
            blend_probability: 0.5,
            blend_distribution: 1,
            blend: [0.1, 0.6],
            softness: [0.1, 0.5],
            deformation: [0.1, 0.3],
            region_threshold: 0.05,
            kept_noise: [0.0, 0.0],
            perlin: 0.0,
            perlin_union: 0.0,
            perlin_intersection: 0.0,
            perlin_exponents: 0,
            perlin_threshold: 0.5,
            region_slope: 0.0,
            region_midpoint: 0.0,
            seamless_scale: [0.7, 1.3],
            membranes: 0,
            on_object: 0,
            grey: 0,
            gradient_nodes: 0,
            mask_nodes_per_unit: 10.5,
            mask_side: 23,
            replacement_side: 52,
            taps: std::array::from_fn(|tap| 1.0 / (1.0 + tap as f32)),
        }
    }

    /// The fields of the first four patches as bits, and the batch.
    fn fields(naive: bool) -> [Vec<u32>; 3] {
        let observer = Observer::of_all_blocks();
        let (cuda, spec) = (Cuda::observed(5, &observer), spec());
        let pixels = Array3::from_shape_fn((9, 11, 3), |(y, x, c)| ((y * 11 + x) * 3 + c) as f32 / 300.0);
        let resident = resident(&cuda, &[pixels.view()]).unwrap().unwrap();
        let picks = Picks { step: 6, slots: vec![Pick { left: 2, ..Pick::default() }, Pick::default()] };
        let picks = cuda.upload(&picks.elements::<f32>()).unwrap();
        let [mut corrupted, mut x] = [(); 2].map(|()| cuda.zeros(spec.image_len()).unwrap());
        let mut region = cuda.zeros(spec.region_len()).unwrap();
        let mut work = Work::new(&cuda, &spec, &resident, &picks).unwrap();
        work.naive = naive;
        work.shapes = cuda.zeros(work.shapes.len()).unwrap();
        work.materials = cuda.zeros(work.materials.len()).unwrap();
        work.crop(&mut x).unwrap();
        work.plan(&x).unwrap();
        let (done, launches) = cuda.watch(format_args!("fields"), || work.fields(&x, 0, 4));
        done.unwrap();
        let work_of = |side: u64, channels: u64| {
            let values = channels * 2 * 4 * side * side;
            backend::Work::new(if naive { 364 } else { 52 } * values, 4 * values)
        };
        let recorded: Vec<_> = launches.iter().map(|(launch, _)| launch.work).collect();
        assert_eq!(recorded, [work_of(23, 2), work_of(52, 4)]);
        // The observer saw the kernels of this mode; a race would have been an error.
        let seen = observer.take();
        for field in ["corruption_mask_field", "corruption_replacement_field"] {
            let kernel = if naive { format!("{field}_naive") } else { field.to_owned() };
            assert!(seen.iter().any(|launch| launch.kernel == kernel), "{kernel} was not observed");
        }
        let bits = |buffer: &Buffer| cuda.download(buffer).unwrap().into_iter().map(f32::to_bits).collect();
        let [shapes, materials] = [&work.shapes, &work.materials].map(bits);
        work.run(Batch { corrupted: &mut corrupted, images: &mut x, region: &mut region }).unwrap();
        [shapes, materials, bits(&corrupted)]
    }

    #[test]
    fn tiled_smoothing_matches_the_naive_kernels() {
        let [shapes, materials, batch] = fields(false);
        assert!(fields(true) == [shapes.clone(), materials.clone(), batch]);
        for (what, nodes, floats) in [("masks", shapes, 2 * 23 * 23), ("replacements", materials, 4 * 15 * 15)] {
            let written = nodes.iter().filter(|&&bits| bits != 0).count();
            assert!(written > 6 * floats * 9 / 10, "{what}: only {written} floats written");
        }
    }
}
