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

// An end of the interval, s or u: where its gradient goes, and how the addition ends. `blank`: the memory stands for zeros that were
// never written. `y`, if not null: the sum is multiplied by A'(z) with y = A(z).
struct End {
    bf16* gradient;
    uint32_t blank;
    const bf16* y;
    uint32_t activation;

    DEVICE void add(Eight sum, uint32_t index, const bf16* value, const bf16* copy) const {
        if (!blank) {
            Eight old = load8(gradient + index);
#pragma unroll
            for (uint32_t i = 0; i < CHUNK; i++) sum.v[i] += old.v[i];
        }
        if (y != nullptr) {
            Eight out = load8(y == value ? copy : y + index);  // most often the end itself, whose copy is at hand
#pragma unroll
            for (uint32_t i = 0; i < CHUNK; i++) sum.v[i] *= slope(activation, 0, out.v[i]);
        }
        store8(gradient + index, sum);
    }
};

template <class T> struct BackwardTiles { typename T::Tile s, u, beta, dy, h, dz; Weights<T> weights; };

DEVICE Eight gate_grad(const Eight& s, const Eight& u, const Eight& beta, const Eight& dy) {
    Eight dz;
#pragma unroll
    for (uint32_t i = 0; i < CHUNK; i++) dz.v[i] = dy.v[i] * (s.v[i] - u.v[i]) * slope(SIGMOID, 0, beta.v[i]);
    return dz;
}

// ds = dy β + d0 + 2 (s-u) d2 and du = dy (1-β) + d1 - 2 (s-u) d2, in the places of d0 and d1.
DEVICE void ends_grad(float& d0, float& d1, float d2, float s, float u, float beta, float dy) {
    float square = 2.0f * (s - u) * d2;
    d0 = fmaf(dy, beta, d0) + square;
    d1 = fmaf(dy, 1.0f - beta, d1) - square;
}

// The same for all sums of a warp. The panels start at the warp's row; `first` is the warp's first chunk.
template <uint32_t N>
DEVICE void ends_grads(WarpSums<N> (&d)[3], uint32_t first, const bf16* s, const bf16* u, const bf16* beta, const bf16* dy) {
    uint32_t lane = lane_pair();
#pragma unroll
    for (uint32_t j = 0; j < N / 8; j++)
#pragma unroll
        for (uint32_t i = 0; i < 2; i++)
#pragma unroll
            for (uint32_t below = 0; below < 2; below++) {
                uint32_t at = panel_shift(lane, i * 16 + below * 8, first + j), x = 2 * below, y = x + 1;
                uint32_t a = load_pair(s + at), b = load_pair(u + at), gate = load_pair(beta + at), g = load_pair(dy + at);
                ends_grad(d[0].v[i][j][x], d[1].v[i][j][x], d[2].v[i][j][x], low_value(a), low_value(b), low_value(gate), low_value(g));
                ends_grad(d[0].v[i][j][y], d[1].v[i][j][y], d[2].v[i][j][y], high_value(a), high_value(b), high_value(gate),
                          high_value(g));
            }
}

// Writes each f32 sum of a warp over the words of two panels: of each pair, the first into `left` and the second into `right`.
template <uint32_t N> DEVICE void store_sums(const WarpSums<N>& sums, uint32_t first, bf16* left, bf16* right) {
    uint32_t lane = lane_pair();
#pragma unroll
    for (uint32_t j = 0; j < N / 8; j++)
#pragma unroll
        for (uint32_t i = 0; i < 2; i++)
#pragma unroll
            for (uint32_t below = 0; below < 2; below++) {
                uint32_t at = panel_shift(lane, i * 16 + below * 8, first + j);
                store_pair(left + at, __float_as_uint(sums.v[i][j][2 * below]));
                store_pair(right + at, __float_as_uint(sums.v[i][j][2 * below + 1]));
            }
}
// Eight sums written by store_sums.
DEVICE Eight load_sums(const bf16* left, const bf16* right) {
    uint4 a = load16(left), b = load16(right);
    return {{__uint_as_float(a.x), __uint_as_float(b.x), __uint_as_float(a.y), __uint_as_float(b.y),
             __uint_as_float(a.z), __uint_as_float(b.z), __uint_as_float(a.w), __uint_as_float(b.w)}};
}

template <class T>
DEVICE void backward(const bf16* s, const bf16* u, const bf16* h, const bf16* beta, const bf16* dy, const bf16* w_mix,
                     const bf16* w_gate, const End& to_s, const End& to_u, bf16* dz_gate, bf16* dz_mix, CcmSpec spec) {
    DYN_SHARED(BackwardTiles<T>, tiles);
    const uint32_t c = spec.c, rows = spec.rows, row0 = blockIdx.x * T::ROWS, corner = T::warp_row() * PANEL, row = row0 + T::warp_row();
    const uint32_t chunk = T::warp_column() % PANEL / CHUNK;  // the warp's first chunk in its panel
    Ring<T, false, true> ring(tiles->weights, w_mix, w_gate, c);
#pragma unroll 1
    for (uint32_t k = 0; k < c; k += PANEL) {
        copy_panel<T::ROWS, T::THREADS>(tiles->s[k / PANEL], s, c, row0, rows, k, c);
        copy_panel<T::ROWS, T::THREADS>(tiles->u[k / PANEL], u, c, row0, rows, k, c);
        copy_panel<T::ROWS, T::THREADS>(tiles->beta[k / PANEL], beta, c, row0, rows, k, c);
        copy_panel<T::ROWS, T::THREADS>(tiles->dy[k / PANEL], dy, c, row0, rows, k, c);
    }
    cp_commit();
#pragma unroll 1
    for (uint32_t k = 0; k < c; k += PANEL)  // part of the first group of weights
        copy_panel<T::ROWS, T::THREADS>(tiles->h[k / PANEL], h, c, row0, rows, k, c);
    ring.start();

    cp_wait<T::STAGES - 1>();  // all but the groups of weights
#pragma unroll 1
    for (uint32_t k = 0; k < c; k += PANEL)
        each_copied_chunk<T::ROWS, T::THREADS>([&](uint32_t at, uint32_t r, uint32_t column) {
            uint32_t p = k / PANEL;
            uint4 dz = pack8(gate_grad(load8(tiles->s[p] + at), load8(tiles->u[p] + at), load8(tiles->beta[p] + at), load8(tiles->dy[p] + at)));
            store16(tiles->dz[p] + at, dz);
            if (row0 + r < rows && k + column < c) store16(dz_gate + ((row0 + r) * c + k + column), dz);
        });

    WarpSums<T::WARP_COLUMNS> d[3];
#pragma unroll 1
    for (uint32_t first = 0; first < c; first += T::COLUMNS) {
        d[0].clear();
#pragma unroll 1
        for (uint32_t k = 0; k < c; k += PANEL) {
            const bf16* weights = ring.next();  // also: all threads' dz_gate are complete
            d[0].add(PanelRows{tiles->dz[k / PANEL] + corner}, PanelOfInputs{weights, chunk});
        }
        uint32_t p = (first + T::warp_column()) / PANEL;
        if (p * PANEL >= c) continue;
        bf16* panel = tiles->h[p] + corner;
        d[0].each_pair(chunk, [&](uint32_t at, float x, float y) {
            uint32_t hidden = load_pair(panel + at);
            store_pair(panel + at, to_bf16_pair(x * slope(ELU, 0, low_value(hidden)), y * slope(ELU, 0, high_value(hidden))));
        });
        __syncwarp();  // the warp's words are complete
        each_chunk<T::WARP_COLUMNS>(chunk, row, rows, p * PANEL, c,
                                    [&](uint32_t at, uint32_t index) { store16(dz_mix + index, load16(panel + at)); });
    }

#pragma unroll 1
    for (uint32_t first = 0; first < c; first += T::COLUMNS) {
#pragma unroll
        for (uint32_t part = 0; part < 3; part++) d[part].clear();
#pragma unroll 1
        for (uint32_t k = 0; k < c; k += PANEL) {
            const bf16* left = tiles->h[k / PANEL] + corner;
#pragma unroll
            for (uint32_t part = 0; part < 3; part++) {
                const bf16* weights = ring.next();  // also: all warps' dz_mix are complete
                d[part].add(PanelRows{left}, PanelOfInputs{weights, chunk});
            }
        }
        uint32_t p = (first + T::warp_column()) / PANEL;
        if (p * PANEL >= c) continue;
        bf16 *own_s = tiles->s[p] + corner, *own_u = tiles->u[p] + corner, *left = tiles->beta[p] + corner, *right = tiles->dy[p] + corner;
        ends_grads(d, chunk, own_s, own_u, left, right);
#pragma unroll 1
        for (uint32_t end = 0; end < 2; end++) {
            __syncwarp();  // the warp has read the words that are written now
            store_sums(d[0], chunk, left, right);
            d[0] = d[1];
            __syncwarp();  // the warp's words are complete
            const End to{end == 0 ? to_s.gradient : to_u.gradient, end == 0 ? to_s.blank : to_u.blank, end == 0 ? to_s.y : to_u.y,
                         end == 0 ? to_s.activation : to_u.activation};  // field by field, which stays in registers
            const bf16 *value = end == 0 ? s : u, *copy = end == 0 ? own_s : own_u;
            each_chunk<T::WARP_COLUMNS>(chunk, row, rows, p * PANEL, c, [&](uint32_t at, uint32_t index) {
                to.add(load_sums(left + at, right + at), index, value, copy + at);
            });
        }
    }
}

using Backward64 = Tiling<64, 1, 64, 3, 32>;
// dz_gate = dy (s-u) β (1-β), dz_mix = (dz_gate w_gate) ELU'(h), [d0, d1, d2] = dz_mix w_mix, ds += dy β + d0 + 2 (s-u) d2,
// du += dy (1-β) + d1 - 2 (s-u) d2, for c <= 64. s, u, h, beta, dy, ds, du, s_finish, u_finish, dz_gate, dz_mix: [rows, c],
// w_mix: [c, 3c], w_gate: [c, c]. ds_blank: ds stands for zeros and is not read. s_finish, if not null: ds is multiplied by the slope of
// s_activation at the output s_finish, which most often is s. The same for u. One block per 64 rows.
// FLOPs: 8 rows c c + 24 rows c. Bytes: 18 rows c + 8 c c + 2 accumulated rows c. Unit: matrix.
// Dynamic shared memory: 73728 bytes.
static_assert(sizeof(BackwardTiles<Backward64>) == 73728 && 73728 <= THREE_BLOCKS, "as said above");
KERNEL __launch_bounds__(128, 3)
    ccm_input_grad_bf16_64(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                           const bf16* __restrict__ beta, const bf16* __restrict__ dy, const bf16* __restrict__ w_mix,
                           const bf16* __restrict__ w_gate, bf16* __restrict__ ds, uint32_t ds_blank, const bf16* __restrict__ s_finish,
                           uint32_t s_activation, bf16* __restrict__ du, uint32_t du_blank, const bf16* __restrict__ u_finish,
                           uint32_t u_activation, bf16* __restrict__ dz_gate, bf16* __restrict__ dz_mix, CcmSpec spec) {
    End to_s{ds, ds_blank, s_finish, s_activation}, to_u{du, du_blank, u_finish, u_activation};
    backward<Backward64>(s, u, h, beta, dy, w_mix, w_gate, to_s, to_u, dz_gate, dz_mix, spec);
}
REGISTER_KERNEL(ccm_input_grad_bf16_64)

using Backward128 = Tiling<64, 2, 64, 2, 32>;
// As ccm_input_grad_bf16_64, for c <= 128. One block per 64 rows.
// FLOPs: 8 rows c c + 24 rows c. Bytes: 18 rows c + 8 c c + 2 accumulated rows c. Unit: matrix.
// Dynamic shared memory: 114688 bytes.
static_assert(sizeof(BackwardTiles<Backward128>) == 114688 && 114688 <= TWO_BLOCKS, "as said above");
KERNEL __launch_bounds__(128, 2)
    ccm_input_grad_bf16_128(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                           const bf16* __restrict__ beta, const bf16* __restrict__ dy, const bf16* __restrict__ w_mix,
                           const bf16* __restrict__ w_gate, bf16* __restrict__ ds, uint32_t ds_blank, const bf16* __restrict__ s_finish,
                           uint32_t s_activation, bf16* __restrict__ du, uint32_t du_blank, const bf16* __restrict__ u_finish,
                           uint32_t u_activation, bf16* __restrict__ dz_gate, bf16* __restrict__ dz_mix, CcmSpec spec) {
    End to_s{ds, ds_blank, s_finish, s_activation}, to_u{du, du_blank, u_finish, u_activation};
    backward<Backward128>(s, u, h, beta, dy, w_mix, w_gate, to_s, to_u, dz_gate, dz_mix, spec);
}
REGISTER_KERNEL(ccm_input_grad_bf16_128)

using Backward256 = Tiling<64, 4, 128, 2, 32>;
// As ccm_input_grad_bf16_64, for c <= 256. One block per 64 rows.
// FLOPs: 8 rows c c + 24 rows c. Bytes: 18 rows c + 8 c c + 2 accumulated rows c. Unit: matrix.
// Dynamic shared memory: 229376 bytes.
static_assert(sizeof(BackwardTiles<Backward256>) == 229376 && 229376 <= MAX_SHARED, "as said above");
KERNEL __launch_bounds__(256, 1)
    ccm_input_grad_bf16_256(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                           const bf16* __restrict__ beta, const bf16* __restrict__ dy, const bf16* __restrict__ w_mix,
                           const bf16* __restrict__ w_gate, bf16* __restrict__ ds, uint32_t ds_blank, const bf16* __restrict__ s_finish,
                           uint32_t s_activation, bf16* __restrict__ du, uint32_t du_blank, const bf16* __restrict__ u_finish,
                           uint32_t u_activation, bf16* __restrict__ dz_gate, bf16* __restrict__ dz_mix, CcmSpec spec) {
    End to_s{ds, ds_blank, s_finish, s_activation}, to_u{du, du_blank, u_finish, u_activation};
    backward<Backward256>(s, u, h, beta, dy, w_mix, w_gate, to_s, to_u, dz_gate, dz_mix, spec);
}
REGISTER_KERNEL(ccm_input_grad_bf16_256)

using Backward512 = Tiling<32, 8, 128, 2, 32>;
// As ccm_input_grad_bf16_64, for c <= 512. One block per 32 rows.
// FLOPs: 8 rows c c + 24 rows c. Bytes: 18 rows c + 8 c c + 2 accumulated rows c. Unit: matrix.
// Dynamic shared memory: 229376 bytes.
static_assert(sizeof(BackwardTiles<Backward512>) == 229376 && 229376 <= MAX_SHARED, "as said above");
KERNEL __launch_bounds__(128, 1)
    ccm_input_grad_bf16_512(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                           const bf16* __restrict__ beta, const bf16* __restrict__ dy, const bf16* __restrict__ w_mix,
                           const bf16* __restrict__ w_gate, bf16* __restrict__ ds, uint32_t ds_blank, const bf16* __restrict__ s_finish,
                           uint32_t s_activation, bf16* __restrict__ du, uint32_t du_blank, const bf16* __restrict__ u_finish,
                           uint32_t u_activation, bf16* __restrict__ dz_gate, bf16* __restrict__ dz_mix, CcmSpec spec) {
    End to_s{ds, ds_blank, s_finish, s_activation}, to_u{du, du_blank, u_finish, u_activation};
    backward<Backward512>(s, u, h, beta, dy, w_mix, w_gate, to_s, to_u, dz_gate, dz_mix, spec);
}
REGISTER_KERNEL(ccm_input_grad_bf16_512)

// Weight gradients. A block computes 64 OUTPUTS outputs o by 64 inputs i of all four 64-wide products of the rows of a split:
//
//                 s [r, i]   u [r, i]   (s-u)² [r, i]   h [r, i]      a stage: 32 OUTPUTS rows of s, u, h, dz_mix, dz_gate, 64 channels each
//   dz_mix [r, o]   mix 0      mix 1      mix 2                       a warp: 32 outputs x 16 inputs of the four products;
//   dz_gate [r, o]                                        gate        64 sums a lane
//
// so that a block reads each operand once, and makes each fragment of (s-u)² from the fragments of s and u that it has anyway. The bias
// gradients are products with ones, computed by the warps of the first inputs.
template <uint32_t OUTPUTS_, uint32_t STAGES_> struct WeightTiling {
    static constexpr uint32_t OUTPUTS = OUTPUTS_, ROWS = 32 * OUTPUTS, STAGES = STAGES_;  // OUTPUTS panels of outputs
    static constexpr uint32_t WARPS_DOWN = OUTPUTS * PANEL / 32, THREADS = WARPS_DOWN * (PANEL / 16) * WARP;
    DEVICE static uint32_t warp_output() { return threadIdx.x / WARP % WARPS_DOWN * 32; }
    DEVICE static uint32_t warp_input() { return threadIdx.x / WARP / WARPS_DOWN * 16; }
};
template <class T> struct WeightStage {
    static constexpr uint32_t PANEL_SIZE = T::ROWS * PANEL;
    bf16 s[PANEL_SIZE], u[PANEL_SIZE], h[PANEL_SIZE], dz_mix[T::OUTPUTS][PANEL_SIZE], dz_gate[T::OUTPUTS][PANEL_SIZE];
};
template <class T> struct WeightStages { WeightStage<T> at[T::STAGES]; };

constexpr uint32_t GATE = 3, PRODUCTS = 4;
constexpr uint32_t ONES = 0x3F803F80u;  // a pair of ones

// One warp's sums: v[product][16 outputs][8 inputs], and the bias gradient of its outputs in all columns of `bias`.
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
    // Adds 16 rows from row k of a stage on. The outputs and inputs are those of the warp; which: 0 and 1 add to the gradients of the mix's
    // and the gate's biases.
    template <class T> DEVICE void add(const WeightStage<T>& stage, uint32_t k, uint32_t which) {
        const uint32_t outputs = T::warp_output(), panel = outputs / PANEL, o = outputs % PANEL / CHUNK, i = T::warp_input() / CHUNK;
        const uint32_t ones[2] = {ONES, ONES};
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
        if (which == 0) { mma_bf16(bias[0], a[0], ones); mma_bf16(bias[1], a[1], ones); }
        left_transposed(a[0], stage.dz_gate[panel], o, k);
        left_transposed(a[1], stage.dz_gate[panel], o + 2, k);
        right_transposed(u, stage.h, i, k);
        add(GATE, a, u);
        if (which == 1) { mma_bf16(bias[0], a[0], ones); mma_bf16(bias[1], a[1], ones); }
    }
    // Stores the products for the outputs and inputs from (o, i) on, in the layout of `partial` below.
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
                    float* target = p == GATE ? partial + 3 * c * c + output * c : partial + output * 3 * c + p * c;
                    if (output < c && input < c)
                        *(float2*)(target + input) = float2{v[p][m / 2][n][m % 2 * 2], v[p][m / 2][n][m % 2 * 2 + 1]};
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

template <class T>
DEVICE void weight_grad(const bf16* s, const bf16* u, const bf16* h, const bf16* dz_gate, const bf16* dz_mix, float* partial,
                        CcmSpec spec) {
    DYN_SHARED(WeightStages<T>, stages);
    const uint32_t c = spec.c, o = blockIdx.x * T::OUTPUTS * PANEL, i = blockIdx.y * PANEL;
    // The split's part of the rows, in whole stages; the first splits have one more.
    const uint32_t steps = (spec.rows + T::ROWS - 1) / T::ROWS, share = steps / gridDim.z, longer = steps % gridDim.z;
    uint32_t step = blockIdx.z * share + min(blockIdx.z, longer), end = step + share + (blockIdx.z < longer);
    // A thread copies one chunk of each panel, at the same place in all of them.
    static_assert(T::THREADS == T::ROWS * PANEL_CHUNKS, "one chunk a thread");
    const uint32_t chunk = threadIdx.x % PANEL_CHUNKS * CHUNK, at = panel_chunk(threadIdx.x / PANEL_CHUNKS, threadIdx.x % PANEL_CHUNKS);
    uint32_t row = step * T::ROWS + threadIdx.x / PANEL_CHUNKS;
    const uint32_t last = min(end * T::ROWS, spec.rows);
    // Starts the copies of the next step as one group, of zeros after the last step.
    auto fill = [&](uint32_t place) {
        WeightStage<T>& stage = stages->at[place];
        bool exists = row < last, input = exists && i + chunk < c;
        uint32_t start = row * c + chunk, from = input ? start + i : 0;
        cp_async16(stage.s + at, s + from, input);
        cp_async16(stage.u + at, u + from, input);
        cp_async16(stage.h + at, h + from, input);
#pragma unroll
        for (uint32_t p = 0; p < T::OUTPUTS; p++) {
            bool output = exists && o + p * PANEL + chunk < c;
            uint32_t from = output ? start + o + p * PANEL : 0;
            cp_async16(stage.dz_mix[p] + at, dz_mix + from, output);
            cp_async16(stage.dz_gate[p] + at, dz_gate + from, output);
        }
        cp_commit();
        row += T::ROWS;
    };
    WeightSums sums;
    sums.clear();
    const uint32_t which = blockIdx.y == 0 ? T::warp_input() / 16 : 2;
#pragma unroll 1
    for (uint32_t p = 0; p + 1 < T::STAGES; p++) fill(p);
    uint32_t place = 0, free = T::STAGES - 1;
#pragma unroll 1
    for (; step < end; step++) {
        cp_wait<T::STAGES - 2>();  // this thread's copies for the step are complete
        __syncthreads();           // all threads' copies are complete, and the previous step is no longer read
        fill(free);
#pragma unroll
        for (uint32_t k = 0; k < T::ROWS; k += 16) sums.add(stages->at[place], k, which);
        free = place;
        place = place + 1 == T::STAGES ? 0 : place + 1;
    }
    partial += (uint64_t)blockIdx.z * (4 * c * c + 2 * c);
    sums.store(partial, o + T::warp_output(), i + T::warp_input(), c);
    if (which < 2) sums.store_bias(partial + 4 * c * c + which * c, o + T::warp_output(), c);
}

using WeightGrad64 = WeightTiling<1, 4>;
// Over split z of the rows: dw_mix = dz_mixᵀ [s, u, (s-u)²] [c, 3c], dw_gate = dz_gateᵀ h [c, c], db_mix = Σ dz_mix [c], db_gate = Σ dz_gate
// [c]. s, u, h, dz_gate, dz_mix: [rows, c], partial: [splits, 4 c c + 2 c], in each split dw_mix, dw_gate, db_mix, db_gate one after the
// other; sum_splits adds the splits up. One block per 64 outputs, 64 inputs and split; made for c <= 64.
// FLOPs: 8 rows c c + 2 rows c. Bytes: 10 rows c + 4 splits (4 c c + 2 c). Unit: matrix.
// Dynamic shared memory: 81920 bytes.
static_assert(sizeof(WeightStages<WeightGrad64>) == 81920 && 81920 <= TWO_BLOCKS, "as said above");
static_assert(WeightGrad64::THREADS == 256, "as launched");
KERNEL __launch_bounds__(256, 2)
    ccm_weight_grad_bf16_64(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                            const bf16* __restrict__ dz_gate, const bf16* __restrict__ dz_mix, float* __restrict__ partial,
                            CcmSpec spec) {
    weight_grad<WeightGrad64>(s, u, h, dz_gate, dz_mix, partial, spec);
}
REGISTER_KERNEL(ccm_weight_grad_bf16_64)

using WeightGrad128 = WeightTiling<2, 3>;
// As ccm_weight_grad_bf16_64, with 128 outputs a block, which reads s, u and h half as often; made for c > 64.
// FLOPs: 8 rows c c + 2 rows c. Bytes: 10 rows c + 4 splits (4 c c + 2 c). Unit: matrix.
// Dynamic shared memory: 172032 bytes.
static_assert(sizeof(WeightStages<WeightGrad128>) == 172032 && 172032 <= MAX_SHARED, "as said above");
static_assert(WeightGrad128::THREADS == 512, "as launched");
KERNEL __launch_bounds__(512, 1)
    ccm_weight_grad_bf16_128(const bf16* __restrict__ s, const bf16* __restrict__ u, const bf16* __restrict__ h,
                            const bf16* __restrict__ dz_gate, const bf16* __restrict__ dz_mix, float* __restrict__ partial,
                            CcmSpec spec) {
    weight_grad<WeightGrad128>(s, u, h, dz_gate, dz_mix, partial, spec);
}
REGISTER_KERNEL(ccm_weight_grad_bf16_128)
