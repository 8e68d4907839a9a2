// Elementwise functions and arithmetic: one thread per element.
// Bound by memory: every element is read and written once.
#include "activation.cuh"
#include "elements.cuh"

// y = A(x). x, y: [len]. FLOPs are those of ELU.
// FLOPs: 2 len. Bytes: 8 len.
KERNEL __launch_bounds__(256)
    activation(const float* __restrict__ x, float* __restrict__ y, uint32_t kind, uint32_t len) {
    uint32_t i = element();
    if (i < len) y[i] = activate(kind, x[i]);
}
REGISTER_KERNEL(activation)

// dz = dy S(y) in place: dz holds dy on entry. y, dz: [len]. FLOPs are those of ELU.
// FLOPs: 3 len. Bytes: 12 len.
KERNEL __launch_bounds__(256)
    activation_grad(const float* __restrict__ y, float* __restrict__ dz, uint32_t kind, uint32_t len) {
    uint32_t i = element();
    if (i < len) dz[i] *= slope(kind, 0, y[i]);
}
REGISTER_KERNEL(activation_grad)

// As activation_grad, for eight values per thread. y, dz: [len] bf16; len is a multiple of 8.
// FLOPs: 3 len. Bytes: 6 len.
KERNEL __launch_bounds__(256)
    activation_grad_bf16(const bf16* __restrict__ y, bf16* __restrict__ dz, uint32_t kind, uint32_t len) {
    uint32_t i = element() * CHUNK;
    if (i >= len) return;
    Eight sum = load8(dz + i);
    multiply_slope(sum, kind, load8(y + i));
    store8(dz + i, sum);
}
REGISTER_KERNEL(activation_grad_bf16)

// s = the derivative of S of the given order, at y. y, s: [len].
// FLOPs: 2 len. Bytes: 8 len.
KERNEL __launch_bounds__(256)
    activation_slope(const float* __restrict__ y, float* __restrict__ s, uint32_t kind, uint32_t order, uint32_t len) {
    uint32_t i = element();
    if (i < len) s[i] = slope(kind, order, y[i]);
}
REGISTER_KERNEL(activation_slope)

// y = a + b. a, b, y: [len].
// FLOPs: len. Bytes: 12 len.
KERNEL __launch_bounds__(256)
    add(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ y, uint32_t len) {
    uint32_t i = element();
    if (i < len) y[i] = a[i] + b[i];
}
REGISTER_KERNEL(add)

// y = a - b. a, b, y: [len].
// FLOPs: len. Bytes: 12 len.
KERNEL __launch_bounds__(256)
    sub(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ y, uint32_t len) {
    uint32_t i = element();
    if (i < len) y[i] = a[i] - b[i];
}
REGISTER_KERNEL(sub)

// y = a b. a, b, y: [len].
// FLOPs: len. Bytes: 12 len.
KERNEL __launch_bounds__(256)
    mul(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ y, uint32_t len) {
    uint32_t i = element();
    if (i < len) y[i] = a[i] * b[i];
}
REGISTER_KERNEL(mul)

// y = a / b. a, b, y: [len].
// FLOPs: len. Bytes: 12 len.
KERNEL __launch_bounds__(256)
    divide(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ y, uint32_t len) {
    uint32_t i = element();
    if (i < len) y[i] = a[i] / b[i];
}
REGISTER_KERNEL(divide)

// y = √x. x, y: [len].
// FLOPs: len. Bytes: 8 len.
KERNEL __launch_bounds__(256) square_root(const float* __restrict__ x, float* __restrict__ y, uint32_t len) {
    uint32_t i = element();
    if (i < len) y[i] = sqrtf(x[i]);
}
REGISTER_KERNEL(square_root)

// y += a b. a, b, y: [len].
// FLOPs: 2 len. Bytes: 12 len + 4 adds len.
KERNEL __launch_bounds__(256) mul_add(const float* __restrict__ a, const float* __restrict__ b,
                                      float* __restrict__ y, uint32_t blank, uint32_t len) {
    uint32_t i = element();
    if (i < len) y[i] = (blank ? 0.0f : y[i]) + a[i] * b[i];
}
REGISTER_KERNEL(mul_add)

// y = alpha x + beta. x, y: [len].
// FLOPs: 2 len. Bytes: 8 len.
KERNEL __launch_bounds__(256)
    affine(const float* __restrict__ x, float* __restrict__ y, float alpha, float beta, uint32_t len) {
    uint32_t i = element();
    if (i < len) y[i] = alpha * x[i] + beta;
}
REGISTER_KERNEL(affine)

// y += alpha x. x, y: [len].
// FLOPs: 2 len. Bytes: 8 len + 4 adds len.
KERNEL __launch_bounds__(256)
    axpy(const float* __restrict__ x, float* __restrict__ y, uint32_t blank, float alpha, uint32_t len) {
    uint32_t i = element();
    if (i < len) y[i] = (blank ? 0.0f : y[i]) + alpha * x[i];
}
REGISTER_KERNEL(axpy)

// y = x + b in every row. x, y: [len / c, c], b: [c].
// FLOPs: len. Bytes: 8 len + 4 c.
KERNEL __launch_bounds__(256) add_bias(const float* __restrict__ x, const float* __restrict__ b,
                                       float* __restrict__ y, uint32_t c, uint32_t len) {
    uint32_t i = element();
    if (i < len) y[i] = x[i] + b[i % c];
}
REGISTER_KERNEL(add_bias)
