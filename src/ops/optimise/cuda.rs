//! Updates of the optimiser, `kernels/optimise.cu`.

use super::{AdamSpec, Optimise, Update, elements};
use crate::backend::cuda::kernels::optimise::ADAM;
use crate::backend::cuda::{Buffer, Cuda};
use crate::error::Result;

/// Most tensors of a launch, as in `kernels/optimise.cu`. More pointers would not fit into the arguments that every driver takes.
const TENSORS: usize = 64;
/// Elements of a thread, likewise.
const QUAD: u64 = 4;

pub(in crate::ops) fn run(cuda: &Cuda, call: Optimise<'_, Buffer>) -> Result<()> {
    let Optimise::Adam { spec, step, loss, mut tensors } = call;
    tensors.chunks_mut(TENSORS).try_for_each(|tensors| update(cuda, spec, [step, loss], tensors))
}

/// Updates up to [`TENSORS`] tensors.
fn update(cuda: &Cuda, spec: &AdamSpec, [step, loss]: [&Buffer; 2], tensors: &mut [Update<'_, Buffer>]) -> Result<()> {
    let span = QUAD * u64::from(ADAM.threads);
    let (ends, blocks) = ends(span, tensors.iter().map(|tensor| tensor.g.len() as u64));
    let [len, averaged] = elements(tensors, &Buffer::len);
    let gradients: Vec<&Buffer> = tensors.iter().map(|tensor| tensor.g).collect();
    let launch = cuda.launch(&ADAM, [blocks, 1, 1]).input(step).input(loss).inputs::<TENSORS>(&gradients);
    let launch = launch.updates_with_copies::<TENSORS>(tensors.iter_mut().map(|tensor| &mut *tensor.p));
    let launch = launch.updates::<TENSORS>(tensors.iter_mut().map(|tensor| Some(&mut *tensor.m)));
    let launch = launch.updates::<TENSORS>(tensors.iter_mut().map(|tensor| Some(&mut *tensor.v)));
    let launch = launch.updates::<TENSORS>(tensors.iter_mut().map(|tensor| tensor.average.as_deref_mut()));
    launch.numbers(&ends).value(*spec).with("len", len).with("averaged", averaged).run()
}

/// Where each tensor ends if every one begins with a block of `span` elements, never past the last; and the number of blocks.
fn ends(span: u64, lens: impl Iterator<Item = u64>) -> ([u64; TENSORS], u32) {
    let (mut ends, mut end) = ([u64::MAX; TENSORS], 0u64);
    for (slot, len) in ends.iter_mut().zip(lens) {
        end = end.next_multiple_of(span) + len;
        *slot = end;
    }
    (ends, end.div_ceil(span) as u32)
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use half::bf16;

    use super::*;
    use crate::backend::Storage;
    use crate::backend::cuda::Mode;
    use crate::ops::{AdamStep, Backend};
    use crate::shape::Shape;

    #[test]
    fn rounded_copies_are_written_with_the_parameters() -> Result<()> {
        let cuda = Cuda::emulator(1).with_mode(Mode::Bf16);
        let shape = Shape::new(&[3, 3, 3, 8])?;
        let host: Vec<f32> = (0..shape.len()).map(|i| (i as f32).sin()).collect();
        let (mut p, g) = (cuda.upload_parameter(&shape, &host)?, cuda.upload(&host)?);
        let [mut m, mut v, mut average] = [cuda.zeros(host.len())?, cuda.zeros(host.len())?, cuda.upload(&host)?];
        let step = AdamStep { rate: 0.01, correction1: 0.1, correction2: 0.001, decay: 0.9 }.elements::<f32>();
        let (step, loss) = (cuda.upload(&step)?, cuda.upload(&[1.0])?);
        let spec = AdamSpec { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        let tensors = vec![Update { g: &g, p: &mut p, m: &mut m, v: &mut v, average: Some(&mut average) }];
        let call = Optimise::Adam { spec: &spec, step: &step, loss: &loss, tensors };
        let (done, launches) = cuda.watched(format_args!("a step"), || cuda.run(call));
        done?;
        let [(launch, _)] = &launches[..] else { panic!("{} launches", launches.len()) };
        assert_eq!((launch.kernel, launch.work.bytes), ("adam", (28 + 8 + 2) * host.len() as u64));
        let nearest = |values: Vec<f32>| values.into_iter().map(|value| bf16::from_f32(value).to_f32()).collect::<Vec<_>>();
        let copy = p.rounded().map(|rounded| cuda.download(rounded)).transpose()?;
        assert!(cuda.download(&p)? != host && copy == Some(nearest(cuda.download(&p)?)));
        Ok(())
    }

    #[test]
    fn every_tensor_begins_with_a_block() {
        let (found, blocks) = ends(1024, [1, 1024, 0, 2049, 5].into_iter());
        assert_eq!((&found[..6], blocks), (&[1, 2048, 2048, 4097, 5125, u64::MAX][..], 6));
        assert_eq!(ends(1024, [].into_iter()).1, 0);
    }
}
