// Activation functions A, and the slope S with S(y) = A'(x) as a function of the output y = A(x).
#pragma once
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
