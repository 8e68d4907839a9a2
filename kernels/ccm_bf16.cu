// The convex combination module on tensor cores, on activations stored as bf16: one kernel forward, two backward. Equations as in ccm.cu:
// m = [s, u, (s-u)²], h = ELU(w_mix m + b_mix), β = σ(w_gate h + b_gate), y = β s + (1-β) u, clamped to the interval between s and u.
//
// A block keeps a tile of rows with all their channels in shared memory (panels.cuh) and streams the weights through a ring of stages of
// 64 x 64 weights, or two of them side by side. Everything between the first read and the last write of a row stays in the block:
//
//      forward                                              backward, inputs
//      panels s, u, h        [ROWS, c] each                 panels s, u, β, dy, h, dz_gate      [ROWS, c] each
//      h  = ELU(w_mix m + b)    h -> panel h                dz_gate = dy (s-u) β (1-β)          elementwise
//      β  = σ(w_gate h + b)     β -> panel s, in place      dz_mix = (dz_gate w_gate) ELU'(h)   -> panel h, in place
//      y  = β s + (1-β) u       y -> panel u, in place      d0, d1, d2 = dz_mix w_mix           three sums in registers
//                                                           ds, then du, in f32                 -> panels β and dy, in place
//
// "In place": a lane reads the words of its own sums and replaces them, so no lane sees a word that another one changes. The results of a
// warp are then copied to global memory by the same warp, 16 bytes a lane. Products start from panels: the operand (s-u)² is made in
// registers from the fragments of s and u, which lie in the same places.
//
// The ring has STAGES places. Step i waits for its weights, then starts the copies of step i + STAGES - 1:
//
//      place      0      1      2          the barrier of step i shows that step i - 1 has been read, whose place is filled next
//      step i     use    wait   fill
//      step i+1   fill   use    wait
//
// Rounding: a stored value is rounded once, from f32. (s-u)² is rounded as an operand; h, β, dz_gate and dz_mix are used as rounded.
//
// The width decides how many rows fit, so each kernel exists for up to 64, 128, 256 and 512 channels; the number in its name says which.
#include "panels.cuh"
#include "activation.cuh"

// 2^x and 1 / x with a relative error below 2^-21, for values that are rounded to bf16 (2^-8) afterwards. Full precision would cost more
// instructions than all products of a pixel with 64 channels.
#ifdef __CUDACC__
DEVICE float quick_exp2(float x) { float y; asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }
DEVICE float quick_reciprocal(float x) { float y; asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }
#else
inline float quick_exp2(float x) { return exp2f(x); }
inline float quick_reciprocal(float x) { return 1.0f / x; }
#endif
constexpr float LOG2_E = 1.44269504f;

DEVICE float quick_sigmoid(float x) { return quick_reciprocal(1.0f + quick_exp2(-LOG2_E * x)); }

// Near 0, exp(x) - 1 loses its digits, and the series x + x²/2 + x³/6 takes over: its remainder x³/24 (relative) is below 2^-19 at -1/32,
// where the error of exp(x) - 1 is below 2^-16.
DEVICE float quick_elu(float x) {
    float series = x * fmaf(fmaf(x, 1.0f / 6.0f, 0.5f), x, 1.0f), far = quick_exp2(LOG2_E * x) - 1.0f;
    return x > 0.0f ? x : x > -1.0f / 32.0f ? series : far;
}

// β s + (1-β) u for β in [0, 1], clamped to the interval between s and u. The comparisons leave a NaN a NaN.
DEVICE float mixed(float beta, float s, float u) {
    float y = fmaf(beta, s, (1.0f - beta) * u), low = fminf(s, u), high = fmaxf(s, u);
    return y < low ? low : y > high ? high : y;
}

constexpr uint32_t MAX_SHARED = 232448;           // bytes that a block can have
constexpr uint32_t TWO_BLOCKS = 115712, THREE_BLOCKS = 76800;  // the same if a multiprocessor (228 KiB, 1 KiB a block kept) holds two, three

// ROWS rows, at most PANELS panels of channels, COLUMNS output channels at a time; warps of 32 rows x WARP_COLUMNS columns.
template <uint32_t ROWS_, uint32_t PANELS_, uint32_t COLUMNS_, uint32_t STAGES_, uint32_t WARP_COLUMNS_> struct Tiling {
    static constexpr uint32_t ROWS = ROWS_, PANELS = PANELS_, COLUMNS = COLUMNS_, STAGES = STAGES_, WARP_COLUMNS = WARP_COLUMNS_;
    static constexpr uint32_t THREADS = ROWS / 32 * (COLUMNS / WARP_COLUMNS) * WARP;
    static_assert(PANELS % (COLUMNS / PANEL) == 0 && COLUMNS % PANEL == 0, "output channels fill whole panels");
    using Tile = bf16[PANELS][ROWS * PANEL];

    DEVICE static uint32_t warp_row() { return threadIdx.x / WARP % (ROWS / 32) * 32; }
    DEVICE static uint32_t warp_column() { return threadIdx.x / WARP / (ROWS / 32) * WARP_COLUMNS; }
};

// The weights of a step: 64 of the depth by COLUMNS output channels, as panels.
template <class T> using Weights = bf16[T::STAGES][T::COLUMNS * PANEL];

// A place in the sequence of steps: both products in the given order, over blocks of columns, panels of the depth, parts of the mixture.
template <class T, bool MIX_FIRST> struct Step {
    bool mix = MIX_FIRST, done = false;
    uint32_t column = 0, k = 0, part = 0;  // first output channel, first of the depth, part of w_mix

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

// The ring of weights. TRANSPOSED: panels [k, output channel] for the adjoint, else [output channel, k]. w_mix [c, 3c], w_gate [c, c].
template <class T, bool MIX_FIRST, bool TRANSPOSED> struct Ring {
    Weights<T>& stages;
    const bf16 *w_mix, *w_gate;
    uint32_t c, used, filled;
    Step<T, MIX_FIRST> step;

    DEVICE Ring(Weights<T>& stages, const bf16* w_mix, const bf16* w_gate, uint32_t c)
        : stages(stages), w_mix(w_mix), w_gate(w_gate), c(c), used(T::STAGES - 1), filled(0) {}

    // Starts the copies of the next step as one group, which is empty after the last step.
    DEVICE void fill() {
        if (!step.done) {
            const bf16* w = step.mix ? w_mix + step.part * c : w_gate;
            uint32_t pitch = step.mix ? 3 * c : c;
#pragma unroll
            for (uint32_t p = 0; p < T::COLUMNS; p += PANEL) {
                uint32_t output = step.column + p, row = TRANSPOSED ? step.k : output, column = TRANSPOSED ? output : step.k;
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
    // The panel of this warp's columns for the next step.
    DEVICE const bf16* next() {
        cp_wait<T::STAGES - 2>();  // this thread's copies for the step are complete
        __syncthreads();           // all threads' copies are complete, and the previous step is no longer read
        fill();
        used = used + 1 == T::STAGES ? 0 : used + 1;
        return stages[used] + T::warp_column() / PANEL * PANEL * PANEL;
    }
};

// Left operand (s-u)², from the panels s and u at the warp's row.
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

template <class T> struct ForwardTiles { typename T::Tile s, u, h; Weights<T> weights; };

template <class T>
DEVICE void forward(const bf16* s, const bf16* u, const bf16* w_mix, const float* b_mix, const bf16* w_gate, const float* b_gate, bf16* h,
                    bf16* beta, bf16* y, CcmSpec spec) {
    DYN_SHARED(ForwardTiles<T>, tiles);
    const uint32_t c = spec.c, rows = spec.rows, row0 = blockIdx.x * T::ROWS, warp_row = T::warp_row();
    const uint32_t corner = warp_row * PANEL, row = row0 + warp_row;
    Ring<T, true, false> ring(tiles->weights, w_mix, w_gate, c);
#pragma unroll 1
    for (uint32_t k = 0; k < c; k += PANEL) {
        copy_panel<T::ROWS, T::THREADS>(tiles->s[k / PANEL], s, c, row0, rows, k, c);
        copy_panel<T::ROWS, T::THREADS>(tiles->u[k / PANEL], u, c, row0, rows, k, c);
    }
    ring.start();

    WarpSums<T::WARP_COLUMNS> sums;
#pragma unroll 1
    for (uint32_t first = 0; first < c; first += T::COLUMNS) {
        uint32_t column = first + T::warp_column();  // of this warp
        sums.start(b_mix, column, c);
#pragma unroll 1
        for (uint32_t k = 0; k < c; k += PANEL) {
            const bf16 *left = tiles->s[k / PANEL] + corner, *right = tiles->u[k / PANEL] + corner;
#pragma unroll 1
            for (const bf16* operand = left;; operand = right) {
                sums.add(PanelRows{operand}, PanelOfOutputs{ring.next()});
                if (operand == right) break;
            }
            sums.add(SquaredDifference{left, right}, PanelOfOutputs{ring.next()});
        }
        if (column >= c) continue;
        bf16* panel = tiles->h[column / PANEL] + corner;
        sums.each_pair(0, [&](uint32_t at, float x, float z) {
            store_pair(panel + at, to_bf16_pair(quick_elu(x), quick_elu(z)));
        });
        __syncwarp();  // the warp's words are complete
        each_chunk<T::WARP_COLUMNS>(0, row, rows, column, c, [&](uint32_t at, uint32_t index) { store16(h + index, load16(panel + at)); });
    }

#pragma unroll 1
    for (uint32_t first = 0; first < c; first += T::COLUMNS) {
        uint32_t column = first + T::warp_column();  // of this warp
        sums.start(b_gate, column, c);
#pragma unroll 1
        for (uint32_t k = 0; k < c; k += PANEL) {
            const bf16* weights = ring.next();  // also: all warps' h are complete, and s and u are no longer read as operands
            sums.add(PanelRows{tiles->h[k / PANEL] + corner}, PanelOfOutputs{weights});
        }
        if (column >= c) continue;
        bf16 *end_s = tiles->s[column / PANEL] + corner, *end_u = tiles->u[column / PANEL] + corner;
        sums.each_pair(0, [&](uint32_t at, float x, float z) {
            uint32_t gate = to_bf16_pair(quick_sigmoid(x), quick_sigmoid(z));
            uint32_t a = load_pair(end_s + at), b = load_pair(end_u + at);
            store_pair(end_s + at, gate);
            store_pair(end_u + at, to_bf16_pair(mixed(low_value(gate), low_value(a), low_value(b)),
                                                mixed(high_value(gate), high_value(a), high_value(b))));
        });
        __syncwarp();  // the warp's words are complete
        each_chunk<T::WARP_COLUMNS>(0, row, rows, column, c, [&](uint32_t at, uint32_t index) {
            store16(beta + index, load16(end_s + at));
            store16(y + index, load16(end_u + at));
        });
    }
}

using Forward64 = Tiling<128, 1, 64, 3, 64>;
// h = ELU(w_mix [s, u, (s-u)²] + b_mix), β = σ(w_gate h + b_gate), y = β s + (1-β) u, for c <= 64. s, u, h, beta, y: [rows, c], w_mix: [c, 3c],
// b_mix: [c], w_gate: [c, c], b_gate: [c]. One block per 128 rows.
// FLOPs: 8 rows c c + 4 rows c. Bytes: 10 rows c + 8 c c + 8 c. Unit: matrix.
// Dynamic shared memory: 73728 bytes.
static_assert(sizeof(ForwardTiles<Forward64>) == 73728 && 73728 <= THREE_BLOCKS, "as said above");
KERNEL __launch_bounds__(128, 3)
    ccm_bf16_64(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ w_mix, const float* __restrict__ b_mix,
                const bf16* __restrict__ w_gate, const float* __restrict__ b_gate, bf16* __restrict__ h, bf16* __restrict__ beta,
                bf16* __restrict__ y, CcmSpec spec) {
    forward<Forward64>(s, u, w_mix, b_mix, w_gate, b_gate, h, beta, y, spec);
}
REGISTER_KERNEL(ccm_bf16_64)

using Forward128 = Tiling<128, 2, 64, 2, 64>;
// As ccm_bf16_64, for c <= 128. One block per 128 rows.
// FLOPs: 8 rows c c + 4 rows c. Bytes: 10 rows c + 8 c c + 8 c. Unit: matrix.
// Dynamic shared memory: 114688 bytes.
static_assert(sizeof(ForwardTiles<Forward128>) == 114688 && 114688 <= TWO_BLOCKS, "as said above");
KERNEL __launch_bounds__(128, 2)
    ccm_bf16_128(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ w_mix, const float* __restrict__ b_mix,
                 const bf16* __restrict__ w_gate, const float* __restrict__ b_gate, bf16* __restrict__ h, bf16* __restrict__ beta,
                 bf16* __restrict__ y, CcmSpec spec) {
    forward<Forward128>(s, u, w_mix, b_mix, w_gate, b_gate, h, beta, y, spec);
}
REGISTER_KERNEL(ccm_bf16_128)

using Forward256 = Tiling<128, 4, 128, 2, 64>;
// As ccm_bf16_64, for c <= 256. One block per 128 rows.
// FLOPs: 8 rows c c + 4 rows c. Bytes: 10 rows c + 8 c c + 8 c. Unit: matrix.
// Dynamic shared memory: 229376 bytes.
static_assert(sizeof(ForwardTiles<Forward256>) == 229376 && 229376 <= MAX_SHARED, "as said above");
KERNEL __launch_bounds__(256, 1)
    ccm_bf16_256(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ w_mix, const float* __restrict__ b_mix,
                 const bf16* __restrict__ w_gate, const float* __restrict__ b_gate, bf16* __restrict__ h, bf16* __restrict__ beta,
                 bf16* __restrict__ y, CcmSpec spec) {
    forward<Forward256>(s, u, w_mix, b_mix, w_gate, b_gate, h, beta, y, spec);
}
REGISTER_KERNEL(ccm_bf16_256)

using Forward512 = Tiling<64, 8, 128, 2, 64>;
// As ccm_bf16_64, for c <= 512. One block per 64 rows.
// FLOPs: 8 rows c c + 4 rows c. Bytes: 10 rows c + 8 c c + 8 c. Unit: matrix.
// Dynamic shared memory: 229376 bytes.
static_assert(sizeof(ForwardTiles<Forward512>) == 229376 && 229376 <= MAX_SHARED, "as said above");
KERNEL __launch_bounds__(128, 1)
    ccm_bf16_512(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ w_mix, const float* __restrict__ b_mix,
                 const bf16* __restrict__ w_gate, const float* __restrict__ b_gate, bf16* __restrict__ h, bf16* __restrict__ beta,
                 bf16* __restrict__ y, CcmSpec spec) {
    forward<Forward512>(s, u, w_mix, b_mix, w_gate, b_gate, h, beta, y, spec);
}
REGISTER_KERNEL(ccm_bf16_512)
