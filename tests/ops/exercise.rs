//! Exercises: small calls of every operation that together reach every kernel. Their sizes are irregular and large enough for
//! several blocks and several steps of depth. Schedules, barriers and costs of all kernels are checked with them.

use orthoscope::Result;
use orthoscope::backend::Cuda;
use orthoscope::backend::cuda::Mode;
use orthoscope::ops::Backend;
use orthoscope::profile::{Observed, Span};
use orthoscope::rng::{Purpose, Stream};
use orthoscope::shape::Shape;

/// One or a few calls, which return all their results.
pub struct Exercise {
    pub name: &'static str,
    pub mode: Mode,
    plain: fn(&Cuda) -> Result<Vec<f32>>,
    observed: fn(&Observed<Cuda>) -> Result<Vec<f32>>,
}

impl Exercise {
    /// `plain` and `observed` are the same generic function.
    pub const fn new(
        name: &'static str,
        mode: Mode,
        plain: fn(&Cuda) -> Result<Vec<f32>>,
        observed: fn(&Observed<Cuda>) -> Result<Vec<f32>>,
    ) -> Self {
        Self { name, mode, plain, observed }
    }

    pub fn run(&self, cuda: &Cuda) -> Result<Vec<f32>> {
        (self.plain)(&cuda.with_mode(self.mode))
    }

    /// As [`Exercise::run`], with the profiler's record.
    pub fn observe(&self, cuda: &Cuda) -> Result<(Vec<f32>, Vec<Span>)> {
        let observed = Observed::new(cuda.with_mode(self.mode));
        observed.begin()?;
        let found = (self.observed)(&observed)?;
        Ok((found, observed.take()?))
    }
}

/// An exercise from one generic function, for both backends.
macro_rules! exercise {
    ($name:literal, $mode:ident, $run:expr) => {
        Exercise::new($name, orthoscope::backend::cuda::Mode::$mode, $run, $run)
    };
}

/// The backend of an exercise: CUDA, or CUDA with the profiler.
pub trait Engine: Backend<Elem = f32> {}
impl<B: Backend<Elem = f32>> Engine for B {}

/// Draws operands and collects results in order.
pub struct Bench<'a, B> {
    cuda: &'a B,
    drawn: u32,
    pub found: Vec<f32>,
}

impl<'a, B: Engine> Bench<'a, B> {
    pub fn new(cuda: &'a B) -> Self {
        Self { cuda, drawn: 0, found: Vec::new() }
    }

    /// Random numbers in [-1, 1).
    pub fn draw(&mut self, len: usize) -> Result<B::Buffer> {
        let mut stream = Stream::new(3, Purpose::Test, 1, self.drawn);
        self.drawn += 1;
        self.cuda.upload(&(0..len).map(|_| stream.range(-1.0, 1.0)).collect::<Vec<_>>())
    }

    /// The same as an image, in the format in which the device stores it.
    pub fn draw_image(&mut self, extents: &[usize]) -> Result<B::Buffer> {
        let shape = Shape::new(extents)?;
        let (values, mut image) = (self.draw(shape.len())?, self.cuda.alloc_activation(&shape)?);
        self.cuda.copy(&values, &mut image)?;
        Ok(image)
    }

    /// Adds the contents of `buffers` to the results.
    pub fn keep(&mut self, buffers: &[&B::Buffer]) -> Result<()> {
        for buffer in buffers {
            self.found.extend(self.cuda.download(buffer)?);
        }
        Ok(())
    }
}
