// Updates of the optimiser, one thread per element. Values that change from step to step are read from device memory,
// so that a recorded step can be replayed; if the loss is not finite, nothing is changed.
// Bound by memory: every element of the state is read and written once.
#include "elements.cuh"
#include "spec.cuh"

// Elements of a step: rate / c1, 1 / c2, decay, 1 - decay.
enum : uint32_t { STEP_RATE = 0, STEP_SCALE = 1, STEP_KEEP = 2, STEP_TAKE = 3 };

// m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2, p -= rate (m/c1) / (sqrt(v/c2) + eps). g, p, m, v: [len]; step: [4];
// loss: [1].
// FLOPs: 13 len. Bytes: 28 len.
KERNEL __launch_bounds__(256)
    adam(const float* __restrict__ step, const float* __restrict__ loss, const float* __restrict__ g,
         float* __restrict__ p, float* __restrict__ m, float* __restrict__ v, AdamSpec s, uint32_t len) {
    uint32_t i = element();
    if (i >= len || !finite(loss[0])) return;
    // The differences are computed in double: in float, 1 - 0.999 has a relative error of 5e-5.
    float keep1 = (float)s.beta1, take1 = (float)(1.0 - s.beta1), keep2 = (float)s.beta2,
          take2 = (float)(1.0 - s.beta2);
    float mean = keep1 * m[i] + take1 * g[i], square = keep2 * v[i] + take2 * (g[i] * g[i]);
    m[i] = mean;
    v[i] = square;
    p[i] -= step[STEP_RATE] * mean / (sqrtf(square * step[STEP_SCALE]) + (float)s.epsilon);
}
REGISTER_KERNEL(adam)

// average = decay average + (1-decay) p. p, average: [len]; step: [4]; loss: [1].
// FLOPs: 3 len. Bytes: 12 len.
KERNEL __launch_bounds__(256) moving_average(const float* __restrict__ step, const float* __restrict__ loss,
                                             const float* __restrict__ p, float* __restrict__ average, uint32_t len) {
    uint32_t i = element();
    if (i < len && finite(loss[0])) average[i] = step[STEP_KEEP] * average[i] + step[STEP_TAKE] * p[i];
}
REGISTER_KERNEL(moving_average)
