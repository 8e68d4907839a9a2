// Activation functions A, and the slope S with S(y) = A'(x) as a function of the output y = A(x).
#pragma once
#include "bf16.cuh"
#include "spec.cuh"

// A(x).
DEVICE float activate(uint32_t activation, float x) {
    switch (activation) {
    case ELU: return x > 0.0f ? x : expm1f(x);
    case TANH: return tanhf(x);
    case SIGMOID: return 1.0f / (1.0f + expf(-x));
    case SOFTPLUS: return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
    default: return x;
    }
}

// Derivative of order k of S at the output y.
DEVICE float slope(uint32_t activation, uint32_t order, float y) {
    switch (activation) {
    case ELU: return y > 0.0f ? (order == 0 ? 1.0f : 0.0f) : order == 0 ? 1.0f + y : order == 1 ? 1.0f : 0.0f;
    case TANH: return order == 0 ? 1.0f - y * y : order == 1 ? -2.0f * y : order == 2 ? -2.0f : 0.0f;
    case SIGMOID: return order == 0 ? y - y * y : order == 1 ? 1.0f - 2.0f * y : order == 2 ? -2.0f : 0.0f;
    case SOFTPLUS: return order == 0 ? -expm1f(-y) : order % 2 == 1 ? expf(-y) : -expf(-y);
    default: return order == 0 ? 1.0f : 0.0f;
    }
}

// Calls each(v[i], w[i]) for i = 0..7 in a rolled loop, so that a switch over activations appears once in the code. The
// values move through the first place, because an index that is not constant would put them into local memory.
template <class Each> DEVICE void in_turn(Eight& v, Eight w, const Each& each) {
#pragma unroll 1
    for (uint32_t i = 0; i < CHUNK; i++) {
        float first = each(v.v[0], w.v[0]);
#pragma unroll
        for (uint32_t j = 0; j + 1 < CHUNK; j++) v.v[j] = v.v[j + 1], w.v[j] = w.v[j + 1];
        v.v[CHUNK - 1] = first;
    }
}

// v = A(v). ELU, which nearly all layers have, is unrolled.
DEVICE void activate8(Eight& v, uint32_t activation) {
    if (activation == IDENTITY) return;
    if (activation != ELU) return in_turn(v, v, [=](float x, float) { return activate(activation, x); });
#pragma unroll
    for (uint32_t i = 0; i < CHUNK; i++) v.v[i] = v.v[i] > 0.0f ? v.v[i] : expm1f(v.v[i]);
}

// sum *= S(y).
DEVICE void multiply_slope(Eight& sum, uint32_t activation, const Eight& y) {
    if (activation == IDENTITY) return;
    if (activation != ELU) return in_turn(sum, y, [=](float d, float y) { return d * slope(activation, 0, y); });
#pragma unroll
    for (uint32_t i = 0; i < CHUNK; i++) sum.v[i] *= y.v[i] > 0.0f ? 1.0f : 1.0f + y.v[i];
}
