// The convex combination module on tensor cores, on activations stored as bf16: one kernel forward, two backward.
// Equations as in ccm.cu: m = [s, u, (s-u)²], h = ELU(w_mix m + b_mix), β = σ(w_gate h + b_gate), y = β s + (1-β) u,
// clamped to the interval between s and u.
//
// A block keeps a tile of rows with all their channels in shared memory (panels.cuh) and streams the weights through
// a ring of stages. Between the first read and the last write of a row, everything stays in the block:
//
//      forward: panels s, u, h, each [ROWS, c]              backward: panels s, u, β, dy, h, dz_gate, each [ROWS, c]
//      h = ELU(w_mix m + b)    -> h                         dz_gate = dy (s-u) β (1-β)           elementwise
//      β = σ(w_gate h + b)     -> s, in place               dz_mix = (dz_gate w_gate) ELU'(h)    -> h, in place
//      y = β s + (1-β) u       -> u, in place               d0, d1, d2 = dz_mix w_mix            sums in registers
//                                                           ds, then du, in f32                  -> β, dy, in place
//
// "In place": a lane reads the words at the places of its own sums and replaces them, so no lane reads a word that
// another one changes. A warp then copies its own results to global memory, 16 bytes a lane. The operand (s-u)² is
// made in registers, from the fragments of s and of u, which have the same layout.
//
// The ring has STAGES places. Step i waits for its weights, 64 of the depth by COLUMNS output channels, and starts the
// copies of step i + STAGES - 1:
//
//      place        0      1      2
//      step i       use    wait   fill      the barrier of step i shows that all warps have read the place of
//      step i + 1   fill   use    wait      step i - 1, which is filled now
//
// Rounding: a stored value is rounded once, from f32. (s-u)² is rounded as an operand. h, β, dz_gate and dz_mix are
// used as they are stored.
//
// The number of channels decides how many rows fit. So each kernel exists for up to 64, 128, 256 and 512 channels,
// which the number in its name says. Bound by memory with 64 and 128 channels, with more by the weights, which each
// block reads from the L2 cache.
#include "panels.cuh"
#include "activation.cuh"

// 2^x and 1 / x with a relative error below 2^-21, for results that are rounded to bf16 (2^-8) afterwards. In full
// precision, the activations of a pixel with 64 channels would take longer than its products.
#ifdef __CUDACC__
DEVICE float quick_exp2(float x) { float y; asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }
DEVICE float quick_reciprocal(float x) { float y; asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }
#else
inline float quick_exp2(float x) { return exp2f(x); }
inline float quick_reciprocal(float x) { return 1.0f / x; }
#endif
constexpr float LOG2_E = 1.44269504f;

DEVICE float quick_sigmoid(float x) { return quick_reciprocal(1.0f + quick_exp2(-LOG2_E * x)); }

// Near 0, exp(x) - 1 loses its digits, and the series x + x²/2 + x³/6 takes over. At -1/32 its remainder is below
// 2^-19 of the value, and the error of exp(x) - 1 below 2^-16.
DEVICE float quick_elu(float x) {
    float series = x * fmaf(fmaf(x, 1.0f / 6.0f, 0.5f), x, 1.0f), far = quick_exp2(LOG2_E * x) - 1.0f;
    return x > 0.0f ? x : x > -1.0f / 32.0f ? series : far;
}

// β s + (1-β) u for β in [0, 1], clamped to the interval between s and u. The comparisons leave a NaN a NaN.
DEVICE float mixed(float beta, float s, float u) {
    float y = fmaf(beta, s, (1.0f - beta) * u), low = fminf(s, u), high = fmaxf(s, u);
    return y < low ? low : y > high ? high : y;
}

// Bytes of shared memory that a block can have, alone or with one or two others on a multiprocessor of 228 KiB, where
// each block takes 1 KiB more than it asks for.
constexpr uint32_t ONE_BLOCK = 232448, TWO_BLOCKS = (228 / 2 - 1) * 1024, THREE_BLOCKS = (228 / 3 - 1) * 1024;

// ROWS rows and at most PANELS panels of channels, COLUMNS output channels at a time, in warps of 32 x WARP_COLUMNS.
template <uint32_t ROWS_, uint32_t PANELS_, uint32_t COLUMNS_, uint32_t STAGES_, uint32_t WARP_COLUMNS_>
struct Tiling {
    static constexpr uint32_t ROWS = ROWS_, PANELS = PANELS_, COLUMNS = COLUMNS_, STAGES = STAGES_;
    static constexpr uint32_t WARP_COLUMNS = WARP_COLUMNS_, THREADS = ROWS / 32 * (COLUMNS / WARP_COLUMNS) * WARP;
    static_assert(COLUMNS % PANEL == 0 && PANELS % (COLUMNS / PANEL) == 0, "output channels fill whole panels");
    using Tile = bf16[PANELS][ROWS * PANEL];
    using Weights = bf16[STAGES][COLUMNS * PANEL];

    DEVICE static uint32_t warp_row() { return threadIdx.x / WARP % (ROWS / 32) * 32; }
    DEVICE static uint32_t warp_column() { return threadIdx.x / WARP / (ROWS / 32) * WARP_COLUMNS; }
    // The warp's first chunk in its panel.
    DEVICE static uint32_t warp_chunk() { return warp_column() % PANEL / CHUNK; }
};

// Where the block and the warp are in the matrices [rows, c].
template <class T> struct Place {
    uint32_t rows, c, row0, row, corner;  // first row of the block, of the warp, offset of the latter in a panel

    DEVICE explicit Place(CcmSpec spec)
        : rows(spec.rows), c(spec.c), row0(blockIdx.x * T::ROWS), row(row0 + T::warp_row()),
          corner(T::warp_row() * PANEL) {}

    // Starts the copies of the block's rows.
    DEVICE void copy(typename T::Tile& tile, const bf16* p) const {
#pragma unroll 1
        for (uint32_t k = 0; k < c; k += PANEL)
            copy_panel<T::ROWS, T::THREADS>(tile[k / PANEL], p, c, row0, rows, k, c);
    }
    // Calls visit(offset in the panel at the warp's row, index) for the warp's chunks of panel p.
    template <class Visit> DEVICE void each_own_chunk(uint32_t p, const Visit& visit) const {
        each_chunk<T::WARP_COLUMNS>(T::warp_chunk(), row, rows, p * PANEL, c, visit);
    }
};

// A place in the sequence of steps: one product after the other, for blocks of output channels, for panels of the
// depth, for the three parts of w_mix.
template <class T, bool MIX_FIRST> struct Step {
    bool mix = MIX_FIRST, done = false;
    uint32_t column = 0, k = 0, part = 0;  // first output channel, first of the depth, part

    DEVICE void advance(uint32_t c) {
        if (mix && ++part < 3) return;
        part = 0;
        if ((k += PANEL) < c) return;
        k = 0;
        if ((column += T::COLUMNS) < c) return;
        column = 0;
        done = mix != MIX_FIRST;
        mix = !MIX_FIRST;
    }
};

// The ring of weights: w_mix [c, 3c] and w_gate [c, c] in panels [output channel, depth], or if ADJOINT in panels
// [depth, output channel], whose output channels are inputs of the module.
template <class T, bool ADJOINT> struct Ring {
    typename T::Weights& stages;
    const bf16 *w_mix, *w_gate;
    uint32_t c, used, filled;
    Step<T, !ADJOINT> step;

    DEVICE Ring(typename T::Weights& stages, const bf16* w_mix, const bf16* w_gate, uint32_t c)
        : stages(stages), w_mix(w_mix), w_gate(w_gate), c(c), used(T::STAGES - 1), filled(0) {}

    // Starts the copies of the next step as one group, which is empty after the last step.
    DEVICE void fill() {
        if (!step.done) {
            const bf16* w = step.mix ? w_mix + step.part * c : w_gate;
            uint32_t pitch = step.mix ? 3 * c : c;
#pragma unroll
            for (uint32_t p = 0; p < T::COLUMNS; p += PANEL) {
                uint32_t output = step.column + p, row = ADJOINT ? step.k : output, column = ADJOINT ? output : step.k;
                copy_panel<PANEL, T::THREADS>(stages[filled] + p * PANEL, w, pitch, row, c, column, c);
            }
            step.advance(c);
        }
        cp_commit();
        filled = filled + 1 == T::STAGES ? 0 : filled + 1;
    }
    DEVICE void start() {
#pragma unroll 1
        for (uint32_t i = 0; i + 1 < T::STAGES; i++) fill();
    }
    // The weights of this warp's columns for the next step. The barrier also shows all warps what was written to
    // shared memory before it.
    DEVICE const bf16* next() {
        cp_wait<T::STAGES - 2>();  // this thread's copies for the step are complete
        __syncthreads();           // all threads' copies are complete, and the previous step is no longer read
        fill();
        used = used + 1 == T::STAGES ? 0 : used + 1;
        return stages[used] + T::warp_column() / PANEL * PANEL * PANEL;
    }
};

// Left operand (s-u)², from panels that start at the warp's row.
struct SquaredDifference {
    const bf16 *s, *u;
    DEVICE static uint32_t square(uint32_t a, uint32_t b) {
        float low = low_value(a) - low_value(b), high = high_value(a) - high_value(b);
        return to_bf16_pair(low * low, high * high);
    }
    DEVICE void operator()(uint32_t (&a)[4], uint32_t i, uint32_t k) const {
        uint32_t b[4];
        PanelRows{s}(a, i, k);
        PanelRows{u}(b, i, k);
#pragma unroll
        for (uint32_t j = 0; j < 4; j++) a[j] = square(a[j], b[j]);
    }
};

template <class T> struct ForwardTiles { typename T::Tile s, u, h; typename T::Weights weights; };

// h = ELU(w_mix m + b), to the panels and to memory.
template <class T>
DEVICE void hidden(ForwardTiles<T>& tiles, Ring<T, false>& ring, const Place<T>& at, const float* b, bf16* h) {
    WarpSums<T::WARP_COLUMNS> sums;
#pragma unroll 1
    for (uint32_t first = 0; first < at.c; first += T::COLUMNS) {
        uint32_t column = first + T::warp_column(), p = column / PANEL;
        sums.start(b, column, at.c);
#pragma unroll 1
        for (uint32_t k = 0; k < at.c; k += PANEL) {
            const bf16 *s = tiles.s[k / PANEL] + at.corner, *u = tiles.u[k / PANEL] + at.corner;
#pragma unroll 1
            for (uint32_t part = 0; part < 2; part++)
                sums.add(PanelRows{part == 0 ? s : u}, PanelOfOutputs{ring.next()});
            sums.add(SquaredDifference{s, u}, PanelOfOutputs{ring.next()});
        }
        if (column >= at.c) continue;
        bf16* panel = tiles.h[p] + at.corner;
        sums.each_pair(T::warp_chunk(), [&](uint32_t place, float x, float z) {
            store_pair(panel + place, to_bf16_pair(quick_elu(x), quick_elu(z)));
        });
        __syncwarp();  // the warp's words are complete
        at.each_own_chunk(p, [&](uint32_t place, uint32_t index) { store16(h + index, load16(panel + place)); });
    }
}

// β = σ(w_gate h + b) and y = β s + (1-β) u, in the panels of s and u, and to memory.
template <class T>
DEVICE void gate(ForwardTiles<T>& tiles, Ring<T, false>& ring, const Place<T>& at, const float* b, bf16* beta,
                 bf16* y) {
    WarpSums<T::WARP_COLUMNS> sums;
#pragma unroll 1
    for (uint32_t first = 0; first < at.c; first += T::COLUMNS) {
        uint32_t column = first + T::warp_column(), p = column / PANEL;
        sums.start(b, column, at.c);
#pragma unroll 1
        for (uint32_t k = 0; k < at.c; k += PANEL) {
            const bf16* weights = ring.next();  // h is complete, and no warp reads s and u as operands any more
            sums.add(PanelRows{tiles.h[k / PANEL] + at.corner}, PanelOfOutputs{weights});
        }
        if (column >= at.c) continue;
        bf16 *left = tiles.s[p] + at.corner, *right = tiles.u[p] + at.corner;
        sums.each_pair(T::warp_chunk(), [&](uint32_t place, float x, float z) {
            uint32_t gates = to_bf16_pair(quick_sigmoid(x), quick_sigmoid(z));
            uint32_t s = load_pair(left + place), u = load_pair(right + place);
            store_pair(left + place, gates);
            store_pair(right + place, to_bf16_pair(mixed(low_value(gates), low_value(s), low_value(u)),
                                                   mixed(high_value(gates), high_value(s), high_value(u))));
        });
        __syncwarp();  // the warp's words are complete
        at.each_own_chunk(p, [&](uint32_t place, uint32_t index) {
            store16(beta + index, load16(left + place));
            store16(y + index, load16(right + place));
        });
    }
}

template <class T>
DEVICE void forward(const bf16* s, const bf16* u, const bf16* w_mix, const float* b_mix, const bf16* w_gate,
                    const float* b_gate, bf16* h, bf16* beta, bf16* y, CcmSpec spec) {
    DYN_SHARED(ForwardTiles<T>, tiles);
    const Place<T> at(spec);
    Ring<T, false> ring(tiles->weights, w_mix, w_gate, spec.c);
    at.copy(tiles->s, s);  // part of the first group of weights, as is u
    at.copy(tiles->u, u);
    ring.start();
    hidden(*tiles, ring, at, b_mix, h);
    gate(*tiles, ring, at, b_gate, beta, y);
}

using Forward64 = Tiling<128, 1, 64, 3, 64>;
static_assert(sizeof(ForwardTiles<Forward64>) == 73728 && 73728 <= THREE_BLOCKS, "as said below");
static_assert(Forward64::THREADS == 128, "as launched");

// h = ELU(w_mix [s, u, (s-u)²] + b_mix), β = σ(w_gate h + b_gate), y = β s + (1-β) u, for c <= 64.
// s, u, h, beta, y: [rows, c], w_mix: [c, 3c], b_mix: [c], w_gate: [c, c], b_gate: [c]. One block per 128 rows.
// FLOPs: 8 rows c c + 4 rows c. Bytes: 10 rows c + 8 c c + 8 c. Unit: matrix.
// Dynamic shared memory: 73728 bytes.
KERNEL __launch_bounds__(128, 3)
    ccm_bf16_64(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ w_mix,
                const float* __restrict__ b_mix, const bf16* __restrict__ w_gate, const float* __restrict__ b_gate,
                bf16* __restrict__ h, bf16* __restrict__ beta, bf16* __restrict__ y, CcmSpec spec) {
    forward<Forward64>(s, u, w_mix, b_mix, w_gate, b_gate, h, beta, y, spec);
}
REGISTER_KERNEL(ccm_bf16_64)

using Forward128 = Tiling<128, 2, 64, 2, 64>;
static_assert(sizeof(ForwardTiles<Forward128>) == 114688 && 114688 <= TWO_BLOCKS, "as said below");
static_assert(Forward128::THREADS == 128, "as launched");

// As ccm_bf16_64, for c <= 128. One block per 128 rows.
// FLOPs: 8 rows c c + 4 rows c. Bytes: 10 rows c + 8 c c + 8 c. Unit: matrix.
// Dynamic shared memory: 114688 bytes.
KERNEL __launch_bounds__(128, 2)
    ccm_bf16_128(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ w_mix,
                 const float* __restrict__ b_mix, const bf16* __restrict__ w_gate, const float* __restrict__ b_gate,
                 bf16* __restrict__ h, bf16* __restrict__ beta, bf16* __restrict__ y, CcmSpec spec) {
    forward<Forward128>(s, u, w_mix, b_mix, w_gate, b_gate, h, beta, y, spec);
}
REGISTER_KERNEL(ccm_bf16_128)

using Forward256 = Tiling<128, 4, 128, 2, 64>;
static_assert(sizeof(ForwardTiles<Forward256>) == 229376 && 229376 <= ONE_BLOCK, "as said below");
static_assert(Forward256::THREADS == 256, "as launched");

// As ccm_bf16_64, for c <= 256. One block per 128 rows.
// FLOPs: 8 rows c c + 4 rows c. Bytes: 10 rows c + 8 c c + 8 c. Unit: matrix.
// Dynamic shared memory: 229376 bytes.
KERNEL __launch_bounds__(256, 1)
    ccm_bf16_256(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ w_mix,
                 const float* __restrict__ b_mix, const bf16* __restrict__ w_gate, const float* __restrict__ b_gate,
                 bf16* __restrict__ h, bf16* __restrict__ beta, bf16* __restrict__ y, CcmSpec spec) {
    forward<Forward256>(s, u, w_mix, b_mix, w_gate, b_gate, h, beta, y, spec);
}
REGISTER_KERNEL(ccm_bf16_256)

using Forward512 = Tiling<64, 8, 128, 2, 64>;
static_assert(sizeof(ForwardTiles<Forward512>) == 229376 && 229376 <= ONE_BLOCK, "as said below");
static_assert(Forward512::THREADS == 128, "as launched");

// As ccm_bf16_64, for c <= 512. One block per 64 rows.
// FLOPs: 8 rows c c + 4 rows c. Bytes: 10 rows c + 8 c c + 8 c. Unit: matrix.
// Dynamic shared memory: 229376 bytes.
KERNEL __launch_bounds__(128, 1)
    ccm_bf16_512(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ w_mix,
                 const float* __restrict__ b_mix, const bf16* __restrict__ w_gate, const float* __restrict__ b_gate,
                 bf16* __restrict__ h, bf16* __restrict__ beta, bf16* __restrict__ y, CcmSpec spec) {
    forward<Forward512>(s, u, w_mix, b_mix, w_gate, b_gate, h, beta, y, spec);
}
REGISTER_KERNEL(ccm_bf16_512)

// An end of the interval, s or u: where its gradient goes, and how the addition ends. `blank`: the memory stands for
// zeros that were never written. `y`, if not null: the sum is multiplied by A'(z) with y = A(z).
struct End {
    bf16* gradient;
    uint32_t blank;
    const bf16* y;
    uint32_t activation;

    // The common activation is asked for once, not by each value.
    DEVICE void multiply_slopes(Eight& sum, const Eight& out) const {
        if (activation == ELU) {
#pragma unroll
            for (uint32_t i = 0; i < CHUNK; i++) sum.v[i] *= slope(ELU, 0, out.v[i]);
        } else {
#pragma unroll
            for (uint32_t i = 0; i < CHUNK; i++) sum.v[i] *= slope(activation, 0, out.v[i]);
        }
    }
    // Adds eight sums at `index`. `copy` is a copy in shared memory of what the end itself has there.
    DEVICE void add(Eight sum, uint32_t index, const bf16* end, const bf16* copy) const {
        if (!blank) {
            Eight old = load8(gradient + index);
#pragma unroll
            for (uint32_t i = 0; i < CHUNK; i++) sum.v[i] += old.v[i];
        }
        // Most often y is the end itself.
        if (y != nullptr) multiply_slopes(sum, load8(y == end ? copy : y + index));
        store8(gradient + index, sum);
    }
};

template <class T> struct BackwardTiles { typename T::Tile s, u, beta, dy, h, dz; typename T::Weights weights; };

DEVICE Eight gate_grad(const Eight& s, const Eight& u, const Eight& beta, const Eight& dy) {
    Eight dz;
#pragma unroll
    for (uint32_t i = 0; i < CHUNK; i++) dz.v[i] = dy.v[i] * (s.v[i] - u.v[i]) * slope(SIGMOID, 0, beta.v[i]);
    return dz;
}
// dz_gate = dy (s-u) β (1-β), to the panels and to memory. Each thread reads only what it copied itself.
template <class T> DEVICE void gate_grads(BackwardTiles<T>& tiles, const Place<T>& at, bf16* dz_gate) {
#pragma unroll 1
    for (uint32_t k = 0; k < at.c; k += PANEL)
        each_copied_chunk<T::ROWS, T::THREADS>([&](uint32_t place, uint32_t r, uint32_t column) {
            uint32_t p = k / PANEL, row = at.row0 + r;
            uint4 dz = pack8(gate_grad(load8(tiles.s[p] + place), load8(tiles.u[p] + place),
                                       load8(tiles.beta[p] + place), load8(tiles.dy[p] + place)));
            store16(tiles.dz[p] + place, dz);
            if (row < at.rows && k + column < at.c) store16(dz_gate + (row * at.c + k + column), dz);
        });
}

// dz_mix = (dz_gate w_gate) ELU'(h), in the panels of h, and to memory.
template <class T>
DEVICE void hidden_grads(BackwardTiles<T>& tiles, Ring<T, true>& ring, const Place<T>& at, bf16* dz_mix) {
    WarpSums<T::WARP_COLUMNS> sums;
#pragma unroll 1
    for (uint32_t first = 0; first < at.c; first += T::COLUMNS) {
        uint32_t p = (first + T::warp_column()) / PANEL;
        sums.clear();
#pragma unroll 1
        for (uint32_t k = 0; k < at.c; k += PANEL) {
            const bf16* weights = ring.next();  // dz_gate is complete
            sums.add(PanelRows{tiles.dz[k / PANEL] + at.corner}, PanelOfInputs{weights, T::warp_chunk()});
        }
        if (p * PANEL >= at.c) continue;
        bf16* panel = tiles.h[p] + at.corner;
        sums.each_pair(T::warp_chunk(), [&](uint32_t place, float x, float z) {
            uint32_t h = load_pair(panel + place);
            store_pair(panel + place, to_bf16_pair(x * slope(ELU, 0, low_value(h)), z * slope(ELU, 0, high_value(h))));
        });
        __syncwarp();  // the warp's words are complete
        at.each_own_chunk(p, [&](uint32_t place, uint32_t index) { store16(dz_mix + index, load16(panel + place)); });
    }
}

// ds = dy β + d0 + 2 (s-u) d2 and du = dy (1-β) + d1 - 2 (s-u) d2, in the places of d0 and d1.
DEVICE void ends_grad(float& d0, float& d1, float d2, float s, float u, float beta, float dy) {
    float square = 2.0f * (s - u) * d2;
    d0 = fmaf(dy, beta, d0) + square;
    d1 = fmaf(dy, 1.0f - beta, d1) - square;
}
// The same for all sums of a warp. The panels start at the warp's row; `first` is the warp's first chunk.
template <uint32_t N>
DEVICE void ends_grads(WarpSums<N> (&d)[3], uint32_t first, const bf16* s, const bf16* u, const bf16* beta,
                       const bf16* dy) {
    uint32_t lane = lane_pair();
#pragma unroll
    for (uint32_t j = 0; j < N / 8; j++)
#pragma unroll
        for (uint32_t row = 0; row < 4; row++) {  // 8 apart
            uint32_t at = panel_shift(lane, row * 8, first + j), x = row % 2 * 2;
            uint32_t a = load_pair(s + at), b = load_pair(u + at), gate = load_pair(beta + at), g = load_pair(dy + at);
            float *d0 = &d[0].v[row / 2][j][x], *d1 = &d[1].v[row / 2][j][x], *d2 = &d[2].v[row / 2][j][x];
            ends_grad(d0[0], d1[0], d2[0], low_value(a), low_value(b), low_value(gate), low_value(g));
            ends_grad(d0[1], d1[1], d2[1], high_value(a), high_value(b), high_value(gate), high_value(g));
        }
}

// Writes the f32 sums of a warp over the words of two panels: of each pair, the first to `left`, the second to `right`.
template <uint32_t N> DEVICE void store_sums(const WarpSums<N>& sums, uint32_t first, bf16* left, bf16* right) {
    uint32_t lane = lane_pair();
#pragma unroll
    for (uint32_t j = 0; j < N / 8; j++)
#pragma unroll
        for (uint32_t row = 0; row < 4; row++) {  // 8 apart
            uint32_t at = panel_shift(lane, row * 8, first + j);
            store_pair(left + at, __float_as_uint(sums.v[row / 2][j][row % 2 * 2]));
            store_pair(right + at, __float_as_uint(sums.v[row / 2][j][row % 2 * 2 + 1]));
        }
}
// Eight neighbours written by store_sums.
DEVICE Eight load_sums(const bf16* left, const bf16* right) {
    uint4 a = load16(left), b = load16(right);
    return {{__uint_as_float(a.x), __uint_as_float(b.x), __uint_as_float(a.y), __uint_as_float(b.y),
             __uint_as_float(a.z), __uint_as_float(b.z), __uint_as_float(a.w), __uint_as_float(b.w)}};
}

// The last product, [d0, d1, d2] = dz_mix w_mix, and what it adds to the gradients of s and u.
template <class T>
DEVICE void input_grads(BackwardTiles<T>& tiles, Ring<T, true>& ring, const Place<T>& at, const bf16* s, const bf16* u,
                        const End& to_s, const End& to_u) {
    WarpSums<T::WARP_COLUMNS> d[3];
#pragma unroll 1
    for (uint32_t first = 0; first < at.c; first += T::COLUMNS) {
        uint32_t p = (first + T::warp_column()) / PANEL;
#pragma unroll
        for (uint32_t part = 0; part < 3; part++) d[part].clear();
#pragma unroll 1
        for (uint32_t k = 0; k < at.c; k += PANEL)
#pragma unroll
            for (uint32_t part = 0; part < 3; part++) {
                const bf16* weights = ring.next();  // dz_mix is complete
                d[part].add(PanelRows{tiles.h[k / PANEL] + at.corner}, PanelOfInputs{weights, T::warp_chunk()});
            }
        if (p * PANEL >= at.c) continue;
        bf16 *own_s = tiles.s[p] + at.corner, *own_u = tiles.u[p] + at.corner;
        bf16 *left = tiles.beta[p] + at.corner, *right = tiles.dy[p] + at.corner;
        ends_grads(d, T::warp_chunk(), own_s, own_u, left, right);
#pragma unroll 1
        for (uint32_t i = 0; i < 2; i++) {
            __syncwarp();  // the warp has read the words that are written now
            store_sums(d[0], T::warp_chunk(), left, right);
            d[0] = d[1];
            __syncwarp();  // the warp's words are complete
            // Chosen field by field, the end stays in registers.
            const End to{i == 0 ? to_s.gradient : to_u.gradient, i == 0 ? to_s.blank : to_u.blank,
                         i == 0 ? to_s.y : to_u.y, i == 0 ? to_s.activation : to_u.activation};
            const bf16 *end = i == 0 ? s : u, *copy = i == 0 ? own_s : own_u;
            at.each_own_chunk(p, [&](uint32_t place, uint32_t index) {
                to.add(load_sums(left + place, right + place), index, end, copy + place);
            });
        }
    }
}

template <class T>
DEVICE void backward(const bf16* s, const bf16* u, const bf16* h, const bf16* beta, const bf16* dy, const bf16* w_mix,
                     const bf16* w_gate, const End& to_s, const End& to_u, bf16* dz_gate, bf16* dz_mix, CcmSpec spec) {
    DYN_SHARED(BackwardTiles<T>, tiles);
    const Place<T> at(spec);
    Ring<T, true> ring(tiles->weights, w_mix, w_gate, spec.c);
    at.copy(tiles->s, s);
    at.copy(tiles->u, u);
    at.copy(tiles->beta, beta);
    at.copy(tiles->dy, dy);
    cp_commit();
    at.copy(tiles->h, h);  // part of the first group of weights
    ring.start();
    cp_wait<T::STAGES - 1>();  // for all but the groups of weights
    gate_grads(*tiles, at, dz_gate);
    hidden_grads(*tiles, ring, at, dz_mix);
    input_grads(*tiles, ring, at, s, u, to_s, to_u);
}

using Backward64 = Tiling<64, 1, 64, 3, 32>;
static_assert(sizeof(BackwardTiles<Backward64>) == 73728 && 73728 <= THREE_BLOCKS, "as said below");
static_assert(Backward64::THREADS == 128, "as launched");

// dz_gate = dy (s-u) β (1-β), dz_mix = (dz_gate w_gate) ELU'(h), [d0, d1, d2] = dz_mix w_mix,
// ds += dy β + d0 + 2 (s-u) d2, du += dy (1-β) + d1 - 2 (s-u) d2, for c <= 64. s, u, h, beta, dy, ds, du, s_finish,
// u_finish, dz_gate, dz_mix: [rows, c], w_mix: [c, 3c], w_gate: [c, c]. ds_blank: ds stands for zeros and is not read.
// s_finish, if not null: the sum is multiplied by the slope of s_activation at the output s_finish, most often s
// itself. The same for u. ds and du are two buffers. adds_s, adds_u: 1 if it is read, else 0. One block per 64 rows.
// FLOPs: 8 rows c c + 24 rows c. Bytes: 18 rows c + 8 c c + 2 (adds_s + adds_u) rows c. Unit: matrix.
// Dynamic shared memory: 73728 bytes.
KERNEL __launch_bounds__(128, 3)
    ccm_input_grad_bf16_64(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                           const bf16* __restrict__ beta, const bf16* __restrict__ dy, const bf16* __restrict__ w_mix,
                           const bf16* __restrict__ w_gate, bf16* __restrict__ ds, uint32_t ds_blank,
                           const bf16* __restrict__ s_finish, uint32_t s_activation, bf16* __restrict__ du,
                           uint32_t du_blank, const bf16* __restrict__ u_finish, uint32_t u_activation,
                           bf16* __restrict__ dz_gate, bf16* __restrict__ dz_mix, CcmSpec spec) {
    End to_s{ds, ds_blank, s_finish, s_activation}, to_u{du, du_blank, u_finish, u_activation};
    backward<Backward64>(s, u, h, beta, dy, w_mix, w_gate, to_s, to_u, dz_gate, dz_mix, spec);
}
REGISTER_KERNEL(ccm_input_grad_bf16_64)

using Backward128 = Tiling<64, 2, 64, 2, 32>;
static_assert(sizeof(BackwardTiles<Backward128>) == 114688 && 114688 <= TWO_BLOCKS, "as said below");
static_assert(Backward128::THREADS == 128, "as launched");

// As ccm_input_grad_bf16_64, for c <= 128. One block per 64 rows.
// FLOPs: 8 rows c c + 24 rows c. Bytes: 18 rows c + 8 c c + 2 (adds_s + adds_u) rows c. Unit: matrix.
// Dynamic shared memory: 114688 bytes.
KERNEL __launch_bounds__(128, 2)
    ccm_input_grad_bf16_128(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                            const bf16* __restrict__ beta, const bf16* __restrict__ dy, const bf16* __restrict__ w_mix,
                            const bf16* __restrict__ w_gate, bf16* __restrict__ ds, uint32_t ds_blank,
                            const bf16* __restrict__ s_finish, uint32_t s_activation, bf16* __restrict__ du,
                            uint32_t du_blank, const bf16* __restrict__ u_finish, uint32_t u_activation,
                            bf16* __restrict__ dz_gate, bf16* __restrict__ dz_mix, CcmSpec spec) {
    End to_s{ds, ds_blank, s_finish, s_activation}, to_u{du, du_blank, u_finish, u_activation};
    backward<Backward128>(s, u, h, beta, dy, w_mix, w_gate, to_s, to_u, dz_gate, dz_mix, spec);
}
REGISTER_KERNEL(ccm_input_grad_bf16_128)

using Backward256 = Tiling<64, 4, 128, 2, 32>;
static_assert(sizeof(BackwardTiles<Backward256>) == 229376 && 229376 <= ONE_BLOCK, "as said below");
static_assert(Backward256::THREADS == 256, "as launched");

// As ccm_input_grad_bf16_64, for c <= 256. One block per 64 rows.
// FLOPs: 8 rows c c + 24 rows c. Bytes: 18 rows c + 8 c c + 2 (adds_s + adds_u) rows c. Unit: matrix.
// Dynamic shared memory: 229376 bytes.
KERNEL __launch_bounds__(256, 1)
    ccm_input_grad_bf16_256(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                            const bf16* __restrict__ beta, const bf16* __restrict__ dy, const bf16* __restrict__ w_mix,
                            const bf16* __restrict__ w_gate, bf16* __restrict__ ds, uint32_t ds_blank,
                            const bf16* __restrict__ s_finish, uint32_t s_activation, bf16* __restrict__ du,
                            uint32_t du_blank, const bf16* __restrict__ u_finish, uint32_t u_activation,
                            bf16* __restrict__ dz_gate, bf16* __restrict__ dz_mix, CcmSpec spec) {
    End to_s{ds, ds_blank, s_finish, s_activation}, to_u{du, du_blank, u_finish, u_activation};
    backward<Backward256>(s, u, h, beta, dy, w_mix, w_gate, to_s, to_u, dz_gate, dz_mix, spec);
}
REGISTER_KERNEL(ccm_input_grad_bf16_256)

using Backward512 = Tiling<32, 8, 128, 2, 32>;
static_assert(sizeof(BackwardTiles<Backward512>) == 229376 && 229376 <= ONE_BLOCK, "as said below");
static_assert(Backward512::THREADS == 128, "as launched");

// As ccm_input_grad_bf16_64, for c <= 512. One block per 32 rows.
// FLOPs: 8 rows c c + 24 rows c. Bytes: 18 rows c + 8 c c + 2 (adds_s + adds_u) rows c. Unit: matrix.
// Dynamic shared memory: 229376 bytes.
KERNEL __launch_bounds__(128, 1)
    ccm_input_grad_bf16_512(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                            const bf16* __restrict__ beta, const bf16* __restrict__ dy, const bf16* __restrict__ w_mix,
                            const bf16* __restrict__ w_gate, bf16* __restrict__ ds, uint32_t ds_blank,
                            const bf16* __restrict__ s_finish, uint32_t s_activation, bf16* __restrict__ du,
                            uint32_t du_blank, const bf16* __restrict__ u_finish, uint32_t u_activation,
                            bf16* __restrict__ dz_gate, bf16* __restrict__ dz_mix, CcmSpec spec) {
    End to_s{ds, ds_blank, s_finish, s_activation}, to_u{du, du_blank, u_finish, u_activation};
    backward<Backward512>(s, u, h, beta, dy, w_mix, w_gate, to_s, to_u, dz_gate, dz_mix, spec);
}
REGISTER_KERNEL(ccm_input_grad_bf16_512)

// Weight gradients. A block computes, over the rows of a split, the products of OUTPUTS panels of outputs o and one
// panel of inputs i:
//
//                     s [r, i]   u [r, i]   (s-u)² [r, i]   h [r, i]       a stage: ROWS rows of each operand
//      dz_mix [r, o]   part 0     part 1     part 2                        a warp: 32 outputs x 16 inputs of all four,
//      dz_gate [r, o]                                        gate          64 sums a lane
//
// So a block reads each operand once, and makes (s-u)² from fragments that it has anyway. The gradients of the biases
// are products with ones, computed by the warps of the first 32 inputs.
template <uint32_t OUTPUTS_, uint32_t STAGES_> struct WeightTiling {
    static constexpr uint32_t OUTPUTS = OUTPUTS_, STAGES = STAGES_, WARPS_DOWN = OUTPUTS * PANEL / 32;
    static constexpr uint32_t THREADS = WARPS_DOWN * (PANEL / 16) * WARP;
    static constexpr uint32_t ROWS = THREADS / PANEL_CHUNKS;  // so that a thread copies one chunk of each panel

    DEVICE static uint32_t warp_output() { return threadIdx.x / WARP % WARPS_DOWN * 32; }
    DEVICE static uint32_t warp_input() { return threadIdx.x / WARP / WARPS_DOWN * 16; }
};
template <class T> struct WeightStage {
    static constexpr uint32_t SIZE = T::ROWS * PANEL;
    bf16 s[SIZE], u[SIZE], h[SIZE], dz_mix[T::OUTPUTS][SIZE], dz_gate[T::OUTPUTS][SIZE];
};
template <class T> struct WeightStages { WeightStage<T> at[T::STAGES]; };

constexpr uint32_t GATE = 3, PRODUCTS = 4;
enum : uint32_t { MIX_BIAS = 0, GATE_BIAS = 1, NO_BIAS = 2 };
constexpr uint32_t ONES = 0x3F803F80u;  // a pair of ones

// One warp's sums: v[product][16 outputs][8 inputs], and the gradient of one of the biases in each column of `bias`.
struct WeightSums {
    float v[PRODUCTS][2][2][4], bias[2][4];

    DEVICE void clear() {
#pragma unroll
        for (uint32_t i = 0; i < 2; i++)
#pragma unroll
            for (uint32_t e = 0; e < 4; e++) {
#pragma unroll
                for (uint32_t p = 0; p < PRODUCTS; p++) v[p][i][0][e] = v[p][i][1][e] = 0.0f;
                bias[i][e] = 0.0f;
            }
    }
    DEVICE void add(uint32_t product, const uint32_t (&a)[2][4], const uint32_t (&b)[4]) {
        const uint32_t first[2] = {b[0], b[1]}, second[2] = {b[2], b[3]};
#pragma unroll
        for (uint32_t i = 0; i < 2; i++) {
            mma_bf16(v[product][i][0], a[i], first);
            mma_bf16(v[product][i][1], a[i], second);
        }
    }
    DEVICE void add_bias(const uint32_t (&a)[2][4]) {
        const uint32_t ones[2] = {ONES, ONES};
        mma_bf16(bias[0], a[0], ones);
        mma_bf16(bias[1], a[1], ones);
    }
    // Adds the 16 rows of a stage from row k on, for the warp's outputs and inputs, and for one bias.
    template <class T> DEVICE void add_rows(const WeightStage<T>& stage, uint32_t k, uint32_t which) {
        const uint32_t panel = T::warp_output() / PANEL, o = T::warp_output() % PANEL / CHUNK;
        const uint32_t i = T::warp_input() / CHUNK;
        uint32_t a[2][4], s[4], u[4];
        left_transposed(a[0], stage.dz_mix[panel], o, k);
        left_transposed(a[1], stage.dz_mix[panel], o + 2, k);
        right_transposed(s, stage.s, i, k);
        right_transposed(u, stage.u, i, k);
        add(0, a, s);
        add(1, a, u);
#pragma unroll
        for (uint32_t e = 0; e < 4; e++) s[e] = SquaredDifference::square(s[e], u[e]);
        add(2, a, s);
        if (which == MIX_BIAS) add_bias(a);
        left_transposed(a[0], stage.dz_gate[panel], o, k);
        left_transposed(a[1], stage.dz_gate[panel], o + 2, k);
        right_transposed(u, stage.h, i, k);
        add(GATE, a, u);
        if (which == GATE_BIAS) add_bias(a);
    }
    // Stores the products for the outputs and inputs from (o, i) on: dw_mix [c, 3c], then dw_gate [c, c].
    DEVICE void store(float* partial, uint32_t o, uint32_t i, uint32_t c) const {
        o += threadIdx.x % WARP / 4;
        i += threadIdx.x % 4 * 2;
#pragma unroll
        for (uint32_t p = 0; p < PRODUCTS; p++)
#pragma unroll
            for (uint32_t m = 0; m < 4; m++)
#pragma unroll
                for (uint32_t n = 0; n < 2; n++) {
                    uint32_t output = o + m * 8, input = i + n * 8;
                    float* row = p == GATE ? partial + 3 * c * c + output * c : partial + output * 3 * c + p * c;
                    const float* pair = &v[p][m / 2][n][m % 2 * 2];
                    if (output < c && input < c) *(float2*)(row + input) = float2{pair[0], pair[1]};
                }
    }
    DEVICE void store_bias(float* gradient, uint32_t o, uint32_t c) const {
        o += threadIdx.x % WARP / 4;
        if (threadIdx.x % 4 != 0) return;  // all columns are the same
#pragma unroll
        for (uint32_t m = 0; m < 4; m++)
            if (o + m * 8 < c) gradient[o + m * 8] = bias[m / 2][m % 2 * 2];
    }
};

// The operands, and this thread's part in copying them: one chunk of each panel, at the same place in all of them.
template <class T> struct WeightOperands {
    const bf16 *s, *u, *h, *dz_gate, *dz_mix;
    uint32_t c, o, i;           // channels, the block's first output and input
    uint32_t row, end;          // this thread's next row, end of the rows

    // Starts the copies of the next stage as one group. What does not exist becomes zero, as do stages after the end.
    DEVICE void fill(WeightStage<T>& stage) {
        uint32_t chunk = threadIdx.x % PANEL_CHUNKS, at = panel_chunk(threadIdx.x / PANEL_CHUNKS, chunk);
        uint32_t column = chunk * CHUNK, start = row * c + column;
        bool exists = row < end, input = exists && i + column < c;
        uint32_t from = input ? start + i : 0;
        cp_async16(stage.s + at, s + from, input);
        cp_async16(stage.u + at, u + from, input);
        cp_async16(stage.h + at, h + from, input);
#pragma unroll
        for (uint32_t p = 0; p < T::OUTPUTS; p++) {
            bool output = exists && o + p * PANEL + column < c;
            from = output ? start + o + p * PANEL : 0;
            cp_async16(stage.dz_mix[p] + at, dz_mix + from, output);
            cp_async16(stage.dz_gate[p] + at, dz_gate + from, output);
        }
        cp_commit();
        row += T::ROWS;
    }
};

template <class T>
DEVICE void weight_grad(const bf16* s, const bf16* u, const bf16* h, const bf16* dz_gate, const bf16* dz_mix,
                        float* partial, CcmSpec spec) {
    DYN_SHARED(WeightStages<T>, stages);
    // The split's part of the rows, in whole stages; the first splits have one more.
    const uint32_t c = spec.c, o = blockIdx.x * T::OUTPUTS * PANEL, i = blockIdx.y * PANEL, z = blockIdx.z;
    const uint32_t steps = (spec.rows + T::ROWS - 1) / T::ROWS, share = steps / gridDim.z, longer = steps % gridDim.z;
    const uint32_t first = z * share + min(z, longer), count = share + (z < longer);
    const uint32_t end = min((first + count) * T::ROWS, spec.rows), row = first * T::ROWS + threadIdx.x / PANEL_CHUNKS;
    WeightOperands<T> operands{s, u, h, dz_gate, dz_mix, c, o, i, row, end};

    const uint32_t which = blockIdx.y == 0 ? min(T::warp_input() / 16, (uint32_t)NO_BIAS) : NO_BIAS;
    WeightSums sums;
    sums.clear();
#pragma unroll 1
    for (uint32_t p = 0; p + 1 < T::STAGES; p++) operands.fill(stages->at[p]);
    uint32_t used = 0, free = T::STAGES - 1;
#pragma unroll 1
    for (uint32_t step = 0; step < count; step++) {
        cp_wait<T::STAGES - 2>();  // this thread's copies for the step are complete
        __syncthreads();           // all threads' copies are complete, and the previous step is no longer read
        operands.fill(stages->at[free]);
#pragma unroll
        for (uint32_t k = 0; k < T::ROWS; k += 16) sums.add_rows(stages->at[used], k, which);
        free = used;
        used = used + 1 == T::STAGES ? 0 : used + 1;
    }
    cp_wait<0>();  // for the stages after the end
    partial += (uint64_t)z * (4 * c * c + 2 * c);
    sums.store(partial, o + T::warp_output(), i + T::warp_input(), c);
    if (which != NO_BIAS) sums.store_bias(partial + 4 * c * c + which * c, o + T::warp_output(), c);
}

using WeightGrad64 = WeightTiling<1, 4>;
static_assert(sizeof(WeightStages<WeightGrad64>) == 81920 && 81920 <= TWO_BLOCKS, "as said below");
static_assert(WeightGrad64::THREADS == 256, "as launched");
// Two blocks a multiprocessor leave 128 registers a thread, one too few before Hopper.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
constexpr uint32_t WEIGHT_GRAD_BLOCKS = 1;
#else
constexpr uint32_t WEIGHT_GRAD_BLOCKS = 2;
#endif

// Over split z of the rows: dw_mix = dz_mixᵀ [s, u, (s-u)²], dw_gate = dz_gateᵀ h, db_mix = Σ dz_mix,
// db_gate = Σ dz_gate. s, u, h, dz_gate, dz_mix: [rows, c], partial: [splits, 4 c c + 2 c], in each split dw_mix
// [c, 3c], dw_gate [c, c], db_mix [c], db_gate [c], one after the other; sum_splits adds the splits up. Any c, made for
// c <= 64. One block per 64 outputs (x), 64 inputs (y) and split (z).
// FLOPs: 8 rows c c + 2 rows c. Bytes: 10 rows c + 4 splits (4 c c + 2 c). Unit: matrix.
// Dynamic shared memory: 81920 bytes.
KERNEL __launch_bounds__(256, WEIGHT_GRAD_BLOCKS)
    ccm_weight_grad_bf16_64(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                            const bf16* __restrict__ dz_gate, const bf16* __restrict__ dz_mix,
                            float* __restrict__ partial, CcmSpec spec) {
    weight_grad<WeightGrad64>(s, u, h, dz_gate, dz_mix, partial, spec);
}
REGISTER_KERNEL(ccm_weight_grad_bf16_64)

using WeightGrad128 = WeightTiling<2, 3>;
static_assert(sizeof(WeightStages<WeightGrad128>) == 172032 && 172032 <= ONE_BLOCK, "as said below");
static_assert(WeightGrad128::THREADS == 512, "as launched");

// As ccm_weight_grad_bf16_64, but with 128 outputs a block, which reads s, u and h half as often. Made for c > 64.
// FLOPs: 8 rows c c + 2 rows c. Bytes: 10 rows c + 4 splits (4 c c + 2 c). Unit: matrix.
// Dynamic shared memory: 172032 bytes.
KERNEL __launch_bounds__(512, 1)
    ccm_weight_grad_bf16_128(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                             const bf16* __restrict__ dz_gate, const bf16* __restrict__ dz_mix,
                             float* __restrict__ partial, CcmSpec spec) {
    weight_grad<WeightGrad128>(s, u, h, dz_gate, dz_mix, partial, spec);
}
REGISTER_KERNEL(ccm_weight_grad_bf16_128)
