// Masked two-region objective (Method §3) with e = f(x̂) - x, in double, because it sums millions of terms:
//     L = 1/n sum over images of (1-λ)/‖M̄‖₁ sum M̄ ρ(e) + λ/‖M‖₁ sum M ρ(e).
// Every element has the weight ((1-λ) M̄/‖M̄‖₁ + λ M/‖M‖₁) / n. The norms count every channel; a region of norm 0
// contributes 0.
// Bound by memory on devices where double runs at half the rate of float, otherwise by arithmetic.
#include "elements.cuh"
#include "spec.cuh"
#include "sums.cuh"

// Derivative of ρ of order 0 to 3. Charbonnier's ρ is 2ε(√(e² + ε²) - ε), here in a form without cancellation.
DEVICE double penalty(ObjectiveSpec s, uint32_t order, double e) {
    if (s.penalty == SQUARED) return order == 0 ? e * e : order == 1 ? 2.0 * e : order == 2 ? 2.0 : 0.0;
    double root = sqrt(e * e + s.epsilon * s.epsilon), ratio = s.epsilon / root, cube = ratio * ratio * ratio;
    switch (order) {
    case 0: return 2.0 * s.epsilon * (e * e / (root + s.epsilon));
    case 1: return 2.0 * s.epsilon * (e / root);
    case 2: return 2.0 * cube;
    default: return -6.0 * cube * (e / root) / root;
    }
}

// The weight of a region's elements: share / norm / batch size. pixels: the region's norm in one channel.
DEVICE double region_weight(ObjectiveSpec s, double share, double pixels) {
    return pixels > 0.0 ? share / (pixels * s.channels) / s.n : 0.0;
}

// Weight of an element times the derivative of ρ; weights: those of M̄ and M in its image.
DEVICE double weighted(ObjectiveSpec s, uint32_t order, const double* weights, float m, float output, float target) {
    double weight = weights[0] * (1.0 - m) + weights[1] * m;
    return weight * penalty(s, order, (double)output - target);
}

// partials[image,part] = (sum M̄, sum M) over the part's pixels. mask: [n,pixels]; partials: [n,gridDim.y,2].
// FLOPs: 3 n pixels. Bytes: 4 n pixels.
KERNEL __launch_bounds__(256)
    region_norms(const float* __restrict__ mask, double* __restrict__ partials, ObjectiveSpec s) {
    SHARED(double, warps, [SUM_WARPS][2]);
    double sums[2] = {0.0, 0.0};
    const float* of_image = mask + blockIdx.x * s.pixels;
    for (uint32_t i = blockIdx.y * SUM_THREADS + threadIdx.x; i < s.pixels; i += gridDim.y * SUM_THREADS) {
        double m = of_image[i];
        sums[0] += 1.0 - m;
        sums[1] += m;
    }
    double total = block_sum(sums, warps);
    if (threadIdx.x < 2) partials[(blockIdx.x * gridDim.y + blockIdx.y) * 2 + threadIdx.x] = total;
}
REGISTER_KERNEL(region_norms)

// weights[image] = ((1-λ)/‖M̄‖₁, λ/‖M‖₁) / n. partials: [n,parts,2]; weights: [n,2].
// FLOPs: 2 n parts. Bytes: 16 n parts + 16 n.
KERNEL __launch_bounds__(256)
    region_weights(const double* __restrict__ partials, double* __restrict__ weights, uint32_t parts, ObjectiveSpec s) {
    uint32_t i = element(), image = i / 2, region = i % 2;
    if (image >= s.n) return;
    double pixels = 0.0;
    for (uint32_t part = 0; part < parts; part++) pixels += partials[(image * parts + part) * 2 + region];
    weights[i] = region_weight(s, region == 0 ? 1.0 - s.lambda : s.lambda, pixels);
}
REGISTER_KERNEL(region_weights)

// partials[block] = sum of weight ρ(e) over the block's share. output, target: [n,pixels,channels], len elements;
// mask: [n,pixels]; weights: [n,2]; partials: [gridDim.x].
// FLOPs: 8 len. Bytes: 8 len + 4 len / channels.
KERNEL __launch_bounds__(256) objective_partials(const float* __restrict__ output, const float* __restrict__ target,
                                                 const float* __restrict__ mask, const double* __restrict__ weights,
                                                 double* __restrict__ partials, ObjectiveSpec s) {
    SHARED(double, warps, [SUM_WARPS][1]);
    double sum[1] = {0.0};
    uint32_t len = s.n * s.pixels * s.channels;
#pragma unroll 4
    for (uint32_t i = element(); i < len; i += gridDim.x * SUM_THREADS) {
        uint32_t pixel = i / s.channels;
        sum[0] += weighted(s, 0, weights + pixel / s.pixels * 2, mask[pixel], output[i], target[i]);
    }
    double total = block_sum(sum, warps);
    if (threadIdx.x == 0) partials[blockIdx.x] = total;
}
REGISTER_KERNEL(objective_partials)

// d = derivative of the loss of order 1 to 3 in each element of f(x̂). output, target, d: [n,pixels,channels], len
// elements;
// mask: [n,pixels]; weights: [n,2].
// FLOPs: 8 len. Bytes: 12 len + 4 len / channels.
KERNEL __launch_bounds__(256)
    objective_derivative(const float* __restrict__ output, const float* __restrict__ target,
                         const float* __restrict__ mask, const double* __restrict__ weights, float* __restrict__ d,
                         uint32_t order, ObjectiveSpec s) {
    uint32_t i = element(), pixel = i / s.channels, image = pixel / s.pixels;
    if (image < s.n) d[i] = (float)weighted(s, order, weights + image * 2, mask[pixel], output[i], target[i]);
}
REGISTER_KERNEL(objective_derivative)

// The weights of one image by a plain loop over its mask.
DEVICE void plain_weights(ObjectiveSpec s, const float* mask, double (&weights)[2]) {
    double clean = 0.0, corrupted = 0.0;
    for (uint32_t i = 0; i < s.pixels; i++) clean += 1.0 - mask[i], corrupted += mask[i];
    weights[0] = region_weight(s, 1.0 - s.lambda, clean);
    weights[1] = region_weight(s, s.lambda, corrupted);
}

// loss[0] = L, one thread. output, target: [n,pixels,channels], len elements; mask: [n,pixels]; loss: [1].
// FLOPs: 8 len. Bytes: 8 len + 8 len / channels.
KERNEL __launch_bounds__(256)
    objective_naive(const float* __restrict__ output, const float* __restrict__ target, const float* __restrict__ mask,
                    float* __restrict__ loss, ObjectiveSpec s) {
    if (element() > 0) return;
    double sum = 0.0, weights[2];
    for (uint32_t image = 0; image < s.n; image++) {
        plain_weights(s, mask + image * s.pixels, weights);
        for (uint32_t i = image * s.pixels * s.channels; i < (image + 1) * s.pixels * s.channels; i++) {
            sum += weighted(s, 0, weights, mask[i / s.channels], output[i], target[i]);
        }
    }
    loss[0] = (float)sum;
}
REGISTER_KERNEL(objective_naive)

// As objective_derivative; each thread computes the norms itself. output, target, d: [n,pixels,channels], len elements;
// mask: [n,pixels].
// FLOPs: 3 len pixels. Bytes: 12 len + 4 len / channels.
KERNEL __launch_bounds__(256)
    objective_derivative_naive(const float* __restrict__ output, const float* __restrict__ target,
                               const float* __restrict__ mask, float* __restrict__ d, uint32_t order, ObjectiveSpec s) {
    uint32_t i = element(), pixel = i / s.channels, image = pixel / s.pixels;
    if (image >= s.n) return;
    double weights[2];
    plain_weights(s, mask + image * s.pixels, weights);
    d[i] = (float)weighted(s, order, weights, mask[pixel], output[i], target[i]);
}
REGISTER_KERNEL(objective_derivative_naive)
