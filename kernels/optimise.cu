// The update of the tensors of a network, many of them in one launch. Values that change from step to step are read
// from device memory, so that a recorded step can be replayed; if the loss is not finite, nothing is changed.
#include "elements.cuh"
#include "spec.cuh"

// Most tensors of a launch: every driver takes 4096 bytes of arguments, and a tensor has six pointers and an end.
constexpr uint32_t TENSORS = 64;
// Elements of a block.
constexpr uint32_t SPAN = 4 * 256;

// One buffer per tensor, null where there is none.
struct Sources { const float* at[TENSORS]; };
struct Targets { float* at[TENSORS]; };
struct Copies { bf16* at[TENSORS]; };
// Where each tensor ends if every one begins with a block; never, past the last.
struct Ends { uint64_t at[TENSORS]; };

// The tensor to which the block with this first element belongs: as many end before it.
DEVICE uint32_t tensor_of(uint64_t first, const Ends& ends) {
    uint32_t tensor = 0;
#pragma unroll
    for (uint32_t half = TENSORS / 2; half > 0; half /= 2)
        if (ends.at[tensor + half - 1] <= first) tensor += half;
    return tensor;
}

// A step of one parameter p with gradient g, moments m and v and average a.
struct Step {
    float rate, scale, keep, take, keep1, take1, keep2, take2, epsilon;

    DEVICE void apply(float g, float& p, float& m, float& v, float& a) const {
        m = keep1 * m + take1 * g;
        v = keep2 * v + take2 * (g * g);
        p -= rate * m / (sqrtf(v * scale) + epsilon);
        a = keep * a + take * p;
    }
};

// Its constants. step: rate / c1, 1 / c2, decay, 1 - decay. The differences are computed in double: in float,
// 1 - 0.999 has a relative error of 5e-5.
DEVICE Step step_of(float4 step, const AdamSpec& s) {
    return {step.x, step.y, step.z, step.w, (float)s.beta1, (float)(1.0 - s.beta1), (float)s.beta2,
            (float)(1.0 - s.beta2), (float)s.epsilon};
}

// m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2, p -= rate (m/c1) / (sqrt(v/c2) + eps), a = decay a + (1-decay) p,
// copy = p rounded to nearest even. One thread per four elements of a tensor; a block has elements of one tensor only.
// g, p, m, v: up to 64 buffers each, len elements in all. average (a) and copy: as large or null, averaged and rounded
// elements in all. step: [4]; loss: [1]. Bound by memory: every element of the state is read and written once.
// FLOPs: 13 len + 3 averaged. Bytes: 28 len + 8 averaged + 2 rounded.
KERNEL __launch_bounds__(256)
    adam(const float* __restrict__ step, const float* __restrict__ loss, Sources g, Targets p, Copies copy, Targets m,
         Targets v, Targets average, Ends ends, AdamSpec s) {
    if (!finite(loss[0])) return;
    uint64_t first = (uint64_t)blockIdx.x * SPAN;
    uint32_t t = tensor_of(first, ends);
    uint64_t start = t == 0 ? 0 : (ends.at[t - 1] + SPAN - 1) / SPAN * SPAN;
    uint32_t i = (uint32_t)(first - start) + 4 * threadIdx.x, len = (uint32_t)(ends.at[t] - start);
    if (i >= len) return;
    Quad q = quad_of_array(i, len);
    bool averages = average.at[t], rounds = copy.at[t];
    float4 dp = load_quad(g.at[t] + i, q), x = load_quad(p.at[t] + i, q), mean = load_quad(m.at[t] + i, q),
           square = load_quad(v.at[t] + i, q);
    float4 slow = averages ? load_quad(average.at[t] + i, q) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    Step one = step_of(load4(step), s);
    one.apply(dp.x, x.x, mean.x, square.x, slow.x);
    one.apply(dp.y, x.y, mean.y, square.y, slow.y);
    one.apply(dp.z, x.z, mean.z, square.z, slow.z);
    one.apply(dp.w, x.w, mean.w, square.w, slow.w);
    store_quad(p.at[t] + i, x, q);
    store_quad(m.at[t] + i, mean, q);
    store_quad(v.at[t] + i, square, q);
    if (averages) store_quad(average.at[t] + i, slow, q);
    // A copy has whole chunks of eight elements.
    if (rounds) store8_bytes(copy.at[t] + i, make_uint2(to_bf16_pair(x.x, x.y), to_bf16_pair(x.z, x.w)));
}
REGISTER_KERNEL(adam)
