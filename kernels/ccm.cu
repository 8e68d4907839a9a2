// Convex combination module: h = ELU(w_mix m + b_mix) with the mixture m = [s, u, (s-u)²], β = σ(w_gate h + b_gate),
// y = β s + (1-β) u, and its adjoint. The loaders of the tiles (gemm.cuh) compute the mixture, which is never stored.
//
// The gate's gradient dz_gate = dy (s-u) β (1-β) is stored in scratch memory [rows, c], because three computations need
// it: two matrix products and a sum over rows. If each of them recomputed it, every one of the c / 64 column tiles of
// both products, and the sum, would read four values per element: 4 (8 c / 64 + 4) bytes. Written once and read back,
// it costs 20 + 4 (2 c / 64 + 1) bytes: 32 instead of 48 for c = 64, 56 instead of 144 for c = 256. The gate's weight
// and bias gradients are those of a linear map (linear.cu).
//
// Bound by arithmetic for many channels, by memory for few. Each product has a naive version, one thread per output.
#include "gemm.cuh"

// β s + (1-β) u, clamped to the interval between s and u for β in [0, 1]. The comparisons are written so that a NaN
// stays a NaN.
DEVICE float combine(float beta, float s, float u) {
    float y = beta * s + (1.0f - beta) * u, low = fminf(s, u), high = fmaxf(s, u);
    bool convex = beta >= 0.0f && beta <= 1.0f;
    return convex && y < low ? low : convex && y > high ? high : y;
}

// Values of the mixture [s, u, (s-u)²] of a pixel whose channels start at `start`.
struct Mixture {
    const float *s, *u;
    uint32_t c;
    DEVICE float at(uint32_t start, uint32_t k) const {
        if (k < c) return s[start + k];
        if (k < 2 * c) return u[start + k - c];
        float d = s[start + k - 2 * c] - u[start + k - 2 * c];
        return d * d;
    }
    // The values k..k+3, of which the first `count` exist. They are not adjacent if they belong to two parts.
    DEVICE float4 quad(uint32_t start, uint32_t k, uint32_t count) const {
        uint32_t part = k < c ? 0 : k < 2 * c ? 1 : 2, first = k - part * c, index = start + first;
        if (first + count > c)
            return make_float4(count > 0 ? at(start, k) : 0.0f, count > 1 ? at(start, k + 1) : 0.0f,
                               count > 2 ? at(start, k + 2) : 0.0f, count > 3 ? at(start, k + 3) : 0.0f);
        if (part < 2) return load_quad(part == 0 ? s : u, index, count);
        float4 a = load_quad(s, index, count), b = load_quad(u, index, count);
        float4 d = make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w);
        return make_float4(d.x * d.x, d.y * d.y, d.z * d.z, d.w * d.w);
    }
};

// (r, k): value k of the mixture of pixel r.
struct MixtureOfRow {
    static constexpr bool ALONG_DEPTH = true;
    Mixture m;
    uint32_t rows;
    struct Row { uint32_t start; bool inside; };
    DEVICE Row row(uint32_t r) const { return {r * m.c, r < rows}; }
    DEVICE float4 quad(Row r, uint32_t k) const { return m.quad(r.start, k, r.inside ? quad_count(k, 3 * m.c) : 0); }
};

// (r, k): value r of the mixture of pixel k.
struct MixtureOfDepth {
    static constexpr bool ALONG_DEPTH = false;
    Mixture m;
    uint32_t depth;
    struct Row { uint32_t start, count; };
    DEVICE Row row(uint32_t r) const { return {r, quad_count(r, 3 * m.c)}; }
    DEVICE float4 quad(Row r, uint32_t k) const { return m.quad(k * m.c, r.start, k < depth ? r.count : 0); }
};

// (r, k): w[k, part c + r], one of the three parts of w_mix [c, 3c], transposed.
struct MixWeightPart {
    static constexpr bool ALONG_DEPTH = false;
    const float* w;
    uint32_t c, part;
    struct Row { uint32_t start, count; };
    DEVICE Row row(uint32_t r) const { return {part * c + r, quad_count(r, c)}; }
    DEVICE float4 quad(Row r, uint32_t k) const { return load_quad(w, k * 3 * c + r.start, k < c ? r.count : 0); }
};

DEVICE float4 combine4(float4 beta, float4 s, float4 u) {
    return make_float4(combine(beta.x, s.x, u.x), combine(beta.y, s.y, u.y), combine(beta.z, s.z, u.z),
                       combine(beta.w, s.w, u.w));
}

// y = β s + (1-β) u, clamped to the interval between s and u. beta, s, u, y: [len]. Bound by memory.
// FLOPs: 4 len. Bytes: 16 len.
KERNEL __launch_bounds__(256)
    convex_combination(const float* __restrict__ beta, const float* __restrict__ s, const float* __restrict__ u,
                       float* __restrict__ y, uint32_t len) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < len) y[i] = combine(beta[i], s[i], u[i]);
}
REGISTER_KERNEL(convex_combination)

// dbeta += dy (s-u), ds += dy β, du += dy (1-β). All [len]. Bound by memory.
// FLOPs: 8 len. Bytes: 40 len.
KERNEL __launch_bounds__(256)
    convex_combination_grad(const float* __restrict__ beta, const float* __restrict__ s, const float* __restrict__ u,
                            const float* __restrict__ dy, float* __restrict__ dbeta, float* __restrict__ ds,
                            float* __restrict__ du, uint32_t len) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= len) return;
    dbeta[i] += dy[i] * (s[i] - u[i]);
    ds[i] += dy[i] * beta[i];
    du[i] += dy[i] * (1.0f - beta[i]);
}
REGISTER_KERNEL(convex_combination_grad)

// h = ELU(w_mix [s, u, (s-u)²] + b_mix). s, u: [rows, c], w: [c, 3c], b: [c], h: [rows, c].
// FLOPs: 6 rows c c. Bytes: 4 (3 rows c + 3 c c + c).
KERNEL __launch_bounds__(128)
    ccm_mix(const float* __restrict__ s, const float* __restrict__ u, const float* __restrict__ w,
            const float* __restrict__ b, float* __restrict__ h, CcmSpec spec) {
    SHARED(GemmTiles, tiles);
    float acc[THREAD_M][THREAD_N];
    clear(acc);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, depth = 3 * spec.c;
    gemm(tiles, MixtureOfRow{{s, u, spec.c}, spec.rows}, DepthMatrix{w, spec.c, depth}, m0, n0, 0, depth, acc);
    each_row(tiles, acc, m0, n0, StoreActivated{h, b, spec.rows, spec.c, ELU});
}
REGISTER_KERNEL(ccm_mix)

// β = σ(w_gate h + b_gate), y = β s + (1-β) u. h, s, u: [rows, c], w: [c, c], b: [c], beta, y: [rows, c].
// FLOPs: 2 rows c c + 4 rows c. Bytes: 4 (5 rows c + c c + c).
KERNEL __launch_bounds__(128)
    ccm_gate(const float* __restrict__ h, const float* __restrict__ s, const float* __restrict__ u,
             const float* __restrict__ w, const float* __restrict__ b, float* __restrict__ beta, float* __restrict__ y,
             CcmSpec spec) {
    SHARED(GemmTiles, tiles);
    float acc[THREAD_M][THREAD_N];
    clear(acc);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, rows = spec.rows, c = spec.c;
    gemm(tiles, DepthMatrix{h, rows, c}, DepthMatrix{w, c, c}, m0, n0, 0, c, acc);
    each_row(tiles, acc, m0, n0, [=](uint32_t m, uint32_t n, float4 v) {
        uint32_t count = m < rows ? quad_count(n, c) : 0, index = m * c + n;
        float4 bias = load_quad(b, n, count);
        float4 gate = make_float4(activate(SIGMOID, v.x + bias.x), activate(SIGMOID, v.y + bias.y),
                                  activate(SIGMOID, v.z + bias.z), activate(SIGMOID, v.w + bias.w));
        store_quad(beta, index, count, gate);
        store_quad(y, index, count, combine4(gate, load_quad(s, index, count), load_quad(u, index, count)));
    });
}
REGISTER_KERNEL(ccm_gate)

// dz_gate = dy (s-u) β (1-β). s, u, beta, dy, dz: [len]. Bound by memory.
// FLOPs: 5 len. Bytes: 20 len.
KERNEL __launch_bounds__(256)
    ccm_gate_grad(const float* __restrict__ s, const float* __restrict__ u, const float* __restrict__ beta,
                  const float* __restrict__ dy, float* __restrict__ dz, uint32_t len) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < len) dz[i] = dy[i] * (s[i] - u[i]) * slope(SIGMOID, 0, beta[i]);
}
REGISTER_KERNEL(ccm_gate_grad)

// dz_mix = (dz_gate w_gate) ELU'(h). dz_gate, h: [rows, c], w: [c, c], dz_mix: [rows, c].
// FLOPs: 2 rows c c + 3 rows c. Bytes: 4 (3 rows c + c c).
KERNEL __launch_bounds__(128)
    ccm_hidden_grad(const float* __restrict__ dz_gate, const float* __restrict__ w, const float* __restrict__ h,
                    float* __restrict__ dz_mix, CcmSpec spec) {
    SHARED(GemmTiles, tiles);
    float acc[THREAD_M][THREAD_N];
    clear(acc);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, rows = spec.rows, c = spec.c;
    gemm(tiles, DepthMatrix{dz_gate, rows, c}, RowMatrix{w, c, c}, m0, n0, 0, c, acc);
    each_row(tiles, acc, m0, n0, [=](uint32_t m, uint32_t n, float4 v) {
        uint32_t count = m < rows ? quad_count(n, c) : 0, index = m * c + n;
        float4 y = load_quad(h, index, count);
        float4 dz = make_float4(v.x * slope(ELU, 0, y.x), v.y * slope(ELU, 0, y.y), v.z * slope(ELU, 0, y.z),
                                v.w * slope(ELU, 0, y.w));
        store_quad(dz_mix, index, count, dz);
    });
}
REGISTER_KERNEL(ccm_hidden_grad)

// Contribution of dy and of the gradient d2 of (s-u)² to ds and du: dy β + 2 (s-u) d2 and dy (1-β) - 2 (s-u) d2.
struct Ends { float s, u; };
DEVICE Ends ends_grad(float s, float u, float beta, float dy, float d2) {
    float square = 2.0f * (s - u) * d2;
    return {dy * beta + square, dy * (1.0f - beta) - square};
}

// d = dz_mix w_mix in three parts d0, d1, d2: ds += dy β + d0 + 2 (s-u) d2, du += dy (1-β) + d1 - 2 (s-u) d2.
// dz, s, u, beta, dy: [rows, c], w: [c, 3c], ds, du: [rows, c].
// The parts use the same tile of registers one after another; a block's ds and du stay in the cache in between.
// FLOPs: 6 rows c c + 12 rows c. Bytes: 4 ((7 + adds_s + adds_u) rows c + 3 c c).
KERNEL __launch_bounds__(128)
    ccm_input_grad(const float* __restrict__ dz, const float* __restrict__ w, const float* __restrict__ s,
                   const float* __restrict__ u, const float* __restrict__ beta, const float* __restrict__ dy,
                   float* __restrict__ ds, uint32_t ds_blank, float* __restrict__ du, uint32_t du_blank, CcmSpec spec) {
    SHARED(GemmTiles, tiles);
    float acc[THREAD_M][THREAD_N];
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, rows = spec.rows, c = spec.c;
#pragma unroll 1
    for (uint32_t part = 0; part < 3; part++) {
        clear(acc);
        gemm(tiles, DepthMatrix{dz, rows, c}, MixWeightPart{w, c, part}, m0, n0, 0, c, acc);
        if (part == 2) break;
        each_row(tiles, acc, m0, n0, StoreAdded{part == 0 ? ds : du, part == 0 ? ds_blank : du_blank, rows, c});
        __syncthreads();  // before the next product overwrites the staged values
    }
    each_row(tiles, acc, m0, n0, [=](uint32_t m, uint32_t n, float4 d2) {
        uint32_t count = m < rows ? quad_count(n, c) : 0, at = m * c + n;
        float4 a = load_quad(s, at, count), b = load_quad(u, at, count), gate = load_quad(beta, at, count),
               d = load_quad(dy, at, count);
        Ends first = ends_grad(a.x, b.x, gate.x, d.x, d2.x), second = ends_grad(a.y, b.y, gate.y, d.y, d2.y);
        Ends third = ends_grad(a.z, b.z, gate.z, d.z, d2.z), fourth = ends_grad(a.w, b.w, gate.w, d.w, d2.w);
        add_quad(ds, 0, at, count, make_float4(first.s, second.s, third.s, fourth.s));
        add_quad(du, 0, at, count, make_float4(first.u, second.u, third.u, fourth.u));
    });
}
REGISTER_KERNEL(ccm_input_grad)

// partial[p] = dz_mixᵀ [s, u, (s-u)²] over split p of the rows; sum_splits adds them up to dw_mix. s, u, dz: [rows, c],
// partial: [splits, c, 3c].
// FLOPs: 6 rows c c. Bytes: 4 (3 rows c + 3 splits c c).
KERNEL __launch_bounds__(128)
    ccm_mix_weight_grad(const float* __restrict__ s, const float* __restrict__ u, const float* __restrict__ dz,
                        float* __restrict__ partial, CcmSpec spec) {
    SHARED(GemmTiles, tiles);
    float acc[THREAD_M][THREAD_N];
    clear(acc);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, c = spec.c;
    Split k = split_of(spec.rows, blockIdx.z, gridDim.z);
    gemm(tiles, RowMatrix{dz, c, spec.rows}, MixtureOfDepth{{s, u, c}, spec.rows}, m0, n0, k.begin, k.end, acc);
    each_row(tiles, acc, m0, n0, StorePlain{partial + (uint64_t)blockIdx.z * c * 3 * c, c, 3 * c});
}
REGISTER_KERNEL(ccm_mix_weight_grad)

// As ccm_mix.
// FLOPs: 6 rows c c. Bytes: 4 (3 rows c + 3 c c + c).
KERNEL __launch_bounds__(256)
    ccm_mix_naive(const float* __restrict__ s, const float* __restrict__ u, const float* __restrict__ w,
                  const float* __restrict__ b, float* __restrict__ h, CcmSpec spec) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x, c = spec.c;
    if (index >= spec.rows * c) return;
    uint32_t r = index / c, o = index % c;
    Mixture mixture{s, u, c};
    float sum = b[o];
    for (uint32_t k = 0; k < 3 * c; k++) sum = fmaf(mixture.at(r * c, k), w[o * 3 * c + k], sum);
    h[index] = activate(ELU, sum);
}
REGISTER_KERNEL(ccm_mix_naive)

// As ccm_gate.
// FLOPs: 2 rows c c + 4 rows c. Bytes: 4 (5 rows c + c c + c).
KERNEL __launch_bounds__(256)
    ccm_gate_naive(const float* __restrict__ h, const float* __restrict__ s, const float* __restrict__ u,
                   const float* __restrict__ w, const float* __restrict__ b, float* __restrict__ beta,
                   float* __restrict__ y, CcmSpec spec) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x, c = spec.c;
    if (index >= spec.rows * c) return;
    uint32_t r = index / c, o = index % c;
    float sum = b[o];
    for (uint32_t k = 0; k < c; k++) sum = fmaf(h[r * c + k], w[o * c + k], sum);
    beta[index] = activate(SIGMOID, sum);
    y[index] = combine(beta[index], s[index], u[index]);
}
REGISTER_KERNEL(ccm_gate_naive)

// As ccm_hidden_grad.
// FLOPs: 2 rows c c + 3 rows c. Bytes: 4 (3 rows c + c c).
KERNEL __launch_bounds__(256)
    ccm_hidden_grad_naive(const float* __restrict__ dz_gate, const float* __restrict__ w, const float* __restrict__ h,
                          float* __restrict__ dz_mix, CcmSpec spec) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x, c = spec.c;
    if (index >= spec.rows * c) return;
    uint32_t r = index / c, i = index % c;
    float sum = 0.0f;
    for (uint32_t o = 0; o < c; o++) sum = fmaf(dz_gate[r * c + o], w[o * c + i], sum);
    dz_mix[index] = sum * slope(ELU, 0, h[index]);
}
REGISTER_KERNEL(ccm_hidden_grad_naive)

// As ccm_input_grad.
// FLOPs: 6 rows c c + 12 rows c. Bytes: 4 (9 rows c + 3 c c).
KERNEL __launch_bounds__(256)
    ccm_input_grad_naive(const float* __restrict__ dz, const float* __restrict__ w, const float* __restrict__ s,
                         const float* __restrict__ u, const float* __restrict__ beta, const float* __restrict__ dy,
                         float* __restrict__ ds, float* __restrict__ du, CcmSpec spec) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x, c = spec.c;
    if (index >= spec.rows * c) return;
    uint32_t r = index / c, i = index % c;
    float d0 = 0.0f, d1 = 0.0f, d2 = 0.0f;
    for (uint32_t o = 0; o < c; o++) {
        const float* row = w + o * 3 * c + i;
        float z = dz[r * c + o];
        d0 = fmaf(z, row[0], d0);
        d1 = fmaf(z, row[c], d1);
        d2 = fmaf(z, row[2 * c], d2);
    }
    Ends e = ends_grad(s[index], u[index], beta[index], dy[index], d2);
    ds[index] += d0 + e.s;
    du[index] += d1 + e.u;
}
REGISTER_KERNEL(ccm_input_grad_naive)

// dw_mix += dz_mixᵀ [s, u, (s-u)²]. s, u, dz: [rows, c], dw: [c, 3c].
// FLOPs: 6 rows c c. Bytes: 4 (3 rows c + 6 c c).
KERNEL __launch_bounds__(256)
    ccm_mix_weight_grad_naive(const float* __restrict__ s, const float* __restrict__ u, const float* __restrict__ dz,
                              float* __restrict__ dw, CcmSpec spec) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x, c = spec.c;
    if (index >= c * 3 * c) return;
    uint32_t o = index / (3 * c), k = index % (3 * c);
    Mixture mixture{s, u, c};
    float sum = 0.0f;
    for (uint32_t r = 0; r < spec.rows; r++) sum = fmaf(dz[r * c + o], mixture.at(r * c, k), sum);
    dw[index] += sum;
}
REGISTER_KERNEL(ccm_mix_weight_grad_naive)
