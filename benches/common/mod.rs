//! Sizes, operands, and one call of every operation at each size.
//!
//! A [`Clock`] receives every call. Names, layers, phases and costs come from the profiler, see [`spans`].

pub mod elementwise;
pub mod products;
pub mod training;

use orthoscope::Result;
use orthoscope::backend::{Cpu, Phase};
use orthoscope::ops::Backend;
use orthoscope::profile::{Observed, Span};
use orthoscope::rng::{Purpose, Stream};
use orthoscope::shape::Shape;

/// One size of Model II.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// `small`, `medium` or `large`.
    pub name: &'static str,
    /// Base width w.
    pub width: usize,
    /// Side of the images in pixels.
    pub side: usize,
    /// Images.
    pub batch: usize,
}

/// The sizes of all measurements.
pub const SIZES: [Size; 3] = [
    Size { name: "small", width: 16, side: 64, batch: 8 },
    Size { name: "medium", width: 32, side: 128, batch: 4 },
    Size { name: "large", width: 64, side: 256, batch: 1 },
];

impl Size {
    /// `[N, H, W, channels]` with the side halved `level` times.
    pub fn images(&self, level: u32, channels: usize) -> Result<Shape> {
        Shape::new(&[self.batch, self.side >> level, self.side >> level, channels])
    }
}

/// Times one call, which it may make any number of times.
pub type Clock<'a> = dyn FnMut(&mut dyn FnMut() -> Result<()>) -> Result<()> + 'a;

/// The calls of one backend at one size.
pub struct Bench<'a, 'c, B> {
    /// The backend.
    pub backend: &'a B,
    /// The size.
    pub size: Size,
    /// Measures the calls.
    pub clock: &'a mut Clock<'c>,
}

impl<B: Backend> Bench<'_, '_, B> {
    /// Values in [-1, 1). A short random sequence is repeated, because drawing all values would take longer than the benches.
    pub fn draw(&self, len: usize) -> Result<B::Buffer> {
        const DRAWN: usize = 4093;
        let mut stream = Stream::new(0, Purpose::Test, 2, len as u32);
        let drawn: Vec<B::Elem> =
            (0..DRAWN.min(len)).map(|_| num_traits::cast(stream.range(-1.0, 1.0)).unwrap_or_default()).collect();
        self.backend.upload(&drawn.iter().copied().cycle().take(len).collect::<Vec<_>>())
    }

    /// Several buffers of the same length.
    pub fn draw_each<const N: usize>(&self, len: usize) -> Result<[B::Buffer; N]> {
        let drawn = (0..N).map(|_| self.draw(len)).collect::<Result<Vec<_>>>()?;
        drawn.try_into().map_err(|_| orthoscope::Error::argument("the number of buffers differs from what was requested"))
    }

    /// Passes one call of a layer to the clock.
    pub fn time(&mut self, layer: &str, mut call: impl FnMut(&B) -> Result<()>) -> Result<()> {
        self.backend.enter(layer, Phase::Forward);
        (self.clock)(&mut || call(self.backend))
    }

    /// Every operation.
    pub fn operations(&mut self) -> Result<()> {
        products::all(self)?;
        elementwise::all(self)?;
        training::all(self)
    }
}

/// Operation, layer, phase and cost of every call of [`Bench::operations`], in order, as the profiler sees them.
pub fn spans(size: Size) -> Result<Vec<Span>> {
    let observed = Observed::new(Cpu::default());
    let mut spans = Vec::new();
    let mut clock = |call: &mut dyn FnMut() -> Result<()>| {
        observed.begin()?;
        call()?;
        spans.extend(observed.take()?);
        Ok(())
    };
    Bench { backend: &observed, size, clock: &mut clock }.operations()?;
    Ok(spans)
}
