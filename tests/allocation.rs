//! System allocations of a training step: no tensors, and nothing that grows with the image size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use orthoscope::backend::Cpu;
use orthoscope::data::{Family, GenerateOptions, TrainingSet};
use orthoscope::model::{Architecture, Autoencoder};
use orthoscope::train::{ObjectiveConfig, OptimiserConfig, Recipe, Trainer};

/// The system allocator with counters: total bytes, and bytes of the largest request.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every request is passed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Images per batch.
const BATCH: usize = 2;
/// Base width.
const WIDTH: usize = 16;

/// Bytes allocated by one step on images of `size` pixels: in total and by the largest request. Earlier steps have filled the
/// free list.
fn allocations(size: usize) -> [usize; 2] {
    let options = GenerateOptions { family: Family::Cloth, size, train: 3, good: 0, defects_per_kind: 1, seed: 3 };
    let images: Vec<_> = (0..3).map(|index| options.train_image(index).unwrap()).collect();
    let textures = images.clone();
    let set = TrainingSet {
        images,
        textures,
        size,
        augment: Default::default(),
        corruption: Default::default(),
        objects: Default::default(),
        seed: 11,
    };
    let architecture = Architecture::Autoencoder(Autoencoder { model: 2, width: WIDTH, dilations: vec![1, 2, 4] });
    let optimiser = OptimiserConfig { steps: 8, batch: BATCH, ..OptimiserConfig::default() };
    let mut trainer =
        Trainer::new(&Cpu::default(), Recipe { architecture, objective: ObjectiveConfig::default(), optimiser, seed: 5 })
            .unwrap();
    let mut batches = [0, 1, 2, 3].map(|step| set.batch(step, BATCH).unwrap().into());
    for batch in &mut batches[..3] {
        trainer.advance(batch).unwrap();
    }
    [&BYTES, &LARGEST].into_iter().for_each(|count| count.store(0, Ordering::Relaxed));
    trainer.advance(&mut batches[3]).unwrap();
    [&BYTES, &LARGEST].map(|count| count.load(Ordering::Relaxed))
}

#[test]
fn a_step_allocates_no_tensor_and_nothing_that_grows_with_the_image_size() {
    // One thread, so that the number of scratch buffers in use does not depend on timing.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let [small, large] = pool.install(|| [32, 96].map(allocations));
    let tensor = size_of::<f32>() * BATCH * 96 * 96 * WIDTH;
    let [bytes, largest] = large;
    assert!(largest < tensor / 20, "one allocation of {largest} bytes; a tensor has {tensor}");
    assert!(bytes < tensor, "{bytes} bytes are allocated in a step; one tensor has {tensor}");
    assert!(bytes < 2 * small[0], "{bytes} bytes on images of 9 times the pixels, {} on the smaller ones", small[0]);
}
