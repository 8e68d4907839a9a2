//! Convex combination module between images stored as bf16, `kernels/ccm_bf16.cu`: one launch forward, two backward and the sums
//! over splits. The kernels differ in the number of channels that they are made for.

use super::{CcmSpec, CcmWeights};
use crate::backend::Slope;
use crate::backend::Storage;
use crate::backend::cuda::kernels::ccm_bf16 as kernel;
use crate::backend::cuda::storage::Format;
use crate::backend::cuda::{Buffer, Cuda, Kernel};
use crate::error::Result;

/// A kernel, the most channels it takes, and the pixels of its tile.
type Variant = (&'static Kernel, u32, u32);

static FORWARD: [Variant; 4] = [
    (&kernel::CCM_BF16_64, 64, 128),
    (&kernel::CCM_BF16_128, 128, 128),
    (&kernel::CCM_BF16_256, 256, 128),
    (&kernel::CCM_BF16_512, 512, 64),
];
static INPUT_GRAD: [Variant; 4] = [
    (&kernel::CCM_INPUT_GRAD_BF16_64, 64, 64),
    (&kernel::CCM_INPUT_GRAD_BF16_128, 128, 64),
    (&kernel::CCM_INPUT_GRAD_BF16_256, 256, 64),
    (&kernel::CCM_INPUT_GRAD_BF16_512, 512, 32),
];
/// The kernel of the weight gradients for up to 64 channels and for more, the channels of its tile, and its blocks. The number of
/// blocks is fixed, so that results do not depend on the device.
static WEIGHT_GRAD: [Variant; 2] = [(&kernel::CCM_WEIGHT_GRAD_BF16_64, 64, 264), (&kernel::CCM_WEIGHT_GRAD_BF16_128, 128, 132)];
/// Input channels of a tile of the weight gradients.
const CHANNELS: u32 = 64;

fn variant(variants: &'static [Variant], spec: &CcmSpec) -> Option<Variant> {
    variants.iter().copied().find(|(_, most, _)| spec.c <= *most)
}

fn weight_variant(spec: &CcmSpec) -> Variant {
    WEIGHT_GRAD[usize::from(spec.c > WEIGHT_GRAD[0].1)]
}

/// Whether these kernels compute the module on this device.
pub(super) fn fits(cuda: &Cuda, spec: &CcmSpec) -> bool {
    let all = [variant(&FORWARD, spec), variant(&INPUT_GRAD, spec), Some(weight_variant(spec))];
    all.iter().all(|variant| variant.is_some_and(|(kernel, ..)| cuda.can_launch(kernel)))
}

/// `y =`, `h =`, `β =`.
pub(super) fn forward(
    cuda: &Cuda,
    spec: &CcmSpec,
    [s, u]: [&Buffer; 2],
    weights: &CcmWeights<&Buffer>,
    [h, beta, y]: [&mut Buffer; 3],
) -> Result<()> {
    let Some((kernel, _, pixels)) = variant(&FORWARD, spec) else { return Ok(()) };
    let launch = cuda.launch(kernel, [spec.rows.div_ceil(pixels), 1, 1]).bf16_input(s).bf16_input(u);
    let launch = launch.bf16_input(weights.w_mix).input(weights.b_mix).bf16_input(weights.w_gate).input(weights.b_gate);
    launch.bf16_output(h).bf16_output(beta).bf16_output(y).value(*spec).run()
}

/// The images of a backward pass.
pub(super) struct Images<'a> {
    pub s: &'a Buffer,
    pub u: &'a Buffer,
    pub h: &'a Buffer,
    pub beta: &'a Buffer,
    pub dy: &'a Buffer,
}

/// `ds +=`, `du +=`, each then multiplied by its slope, and the weight gradients `+=`.
pub(super) fn grad(
    cuda: &Cuda,
    spec: &CcmSpec,
    images: &Images<'_>,
    weights: &CcmWeights<&Buffer>,
    [ds, du]: [&mut Buffer; 2],
    slopes: [Option<Slope<'_, Buffer>>; 2],
    grads: CcmWeights<&mut Buffer>,
) -> Result<()> {
    let Some((kernel, _, pixels)) = variant(&INPUT_GRAD, spec) else { return Ok(()) };
    let &Images { s, u, h, beta, dy } = images;
    let [mut dz_gate, mut dz_mix] = [cuda.alloc_as(Format::Bf16, s.len())?, cuda.alloc_as(Format::Bf16, s.len())?];
    let launch = cuda.launch(kernel, [spec.rows.div_ceil(pixels), 1, 1]).bf16_input(s).bf16_input(u).bf16_input(h);
    let launch = launch.bf16_input(beta).bf16_input(dy).bf16_input(weights.w_mix).bf16_input(weights.w_gate);
    // The slopes are functions of s and u, which are read anyway.
    let launch = launch.bf16_sum(ds, "adds_s").slope(slopes[0], "sloped_s").bf16_sum(du, "adds_u").slope(slopes[1], "sloped_u");
    launch.bf16_output(&mut dz_gate).bf16_output(&mut dz_mix).value(*spec).run()?;
    weight_grads(cuda, spec, [s, u, h, &dz_gate, &dz_mix], grads)
}

fn weight_grads(cuda: &Cuda, spec: &CcmSpec, images: [&Buffer; 5], grads: CcmWeights<&mut Buffer>) -> Result<()> {
    let (kernel, channels, blocks) = weight_variant(spec);
    let [x, y] = [spec.c.div_ceil(channels), spec.c.div_ceil(CHANNELS)];
    let splits = (blocks / (x * y)).max(1);
    let pitch = 4 * spec.c * spec.c + 2 * spec.c;
    let mut partial = cuda.alloc(splits as usize * pitch as usize)?;
    let launch = images.into_iter().fold(cuda.launch(kernel, [x, y, splits]), |launch, image| launch.bf16_input(image));
    launch.output(&mut partial).value(*spec).with("splits", splits as usize).run()?;
    let CcmWeights { w_mix, b_mix, w_gate, b_gate } = grads;
    let mut start = 0;
    for sum in [w_mix, w_gate, b_mix, b_gate] {
        cuda.add_splits(&partial, [splits, pitch], start, sum)?;
        start += sum.len() as u32;
    }
    Ok(())
}
