// Convolution, z[n, p, q, o] = b[o] + Σ_{a, b, i} w[o, a, b, i] x[n, p·stride + a·dilation - padding, q·stride +
// b·dilation - padding, i], y = A(z), with x = 0 outside the image, and its adjoints. Computed as implicit GEMMs
// (taps.cuh, gemm.cuh), bound by arithmetic. The first and last layers, with up to four input or output channels, have
// special kernels, because their tiles would be mostly empty. Each direction has a naive version. Output pixels of all
// images are numbered together: rows = n h_out w_out; depth = kernel² c_in.
#include "taps.cuh"

// y = A(w * x + b). x: [N,H,W,I], w: [O,kH,kW,I], b: [O] or null, y: [N,Hout,Wout,O].
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h w c_in + c_out kernel kernel c_in + bias + n h_out w_out c_out).
KERNEL __launch_bounds__(128) conv2d(const float* __restrict__ x, const float* __restrict__ w,
                                     const float* __restrict__ b, float* __restrict__ y, Conv2dSpec s) {
    SHARED(GemmTiles, tiles);
    float c[THREAD_M][THREAD_N];
    clear(c);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, rows = output_pixels(s), depth = tap_count(s) * s.c_in;
    TapDepth patches{x, rows, forward_window(s), Taps(s.kernel, s.c_in)};
    gemm(tiles, patches, DepthMatrix{w, s.c_out, depth}, m0, n0, 0, depth, c);
    each_row(tiles, c, m0, n0, StoreActivated{y, b, rows, s.c_out, s.activation});
}
REGISTER_KERNEL(conv2d)

// dx += wᵀ * dz: an input pixel gathers from every output pixel that reads it. dz: [N,Hout,Wout,O], w: [O,kH,kW,I], dx:
// [N,H,W,I].
// With stride 2, three quarters of the products are with zeros; the FLOPs do not count them.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h_out w_out c_out + c_out kernel kernel c_in + (1 + adds) n h w c_in).
KERNEL __launch_bounds__(128) conv2d_input_grad(const float* __restrict__ dz, const float* __restrict__ w,
                                                float* __restrict__ dx, uint32_t blank, Conv2dSpec s) {
    SHARED(GemmTiles, tiles);
    float c[THREAD_M][THREAD_N];
    clear(c);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, rows = input_pixels(s);
    TapDepth patches{dz, rows, adjoint_window(s), Taps(s.kernel, s.c_out)};
    TapWeights weights{w, s.c_in, tap_count(s), Divisor(s.c_out)};
    gemm(tiles, patches, weights, m0, n0, 0, tap_count(s) * s.c_out, c);
    each_row(tiles, c, m0, n0, StoreAdded{dx, blank, rows, s.c_in});
}
REGISTER_KERNEL(conv2d_input_grad)

// partial[s] = Σ x dz over split s of the output pixels; sum_splits adds them up.
// x: [N,H,W,I], dz: [N,Hout,Wout,O], partial: [splits,O,kH,kW,I].
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h w c_in + n h_out w_out c_out + splits c_out kernel kernel c_in).
KERNEL __launch_bounds__(128) conv2d_weight_grad(const float* __restrict__ x, const float* __restrict__ dz,
                                                 float* __restrict__ partial, Conv2dSpec s) {
    SHARED(GemmTiles, tiles);
    float c[THREAD_M][THREAD_N];
    clear(c);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, pixels = output_pixels(s), columns = tap_count(s) * s.c_in;
    Split k = split_of(pixels, blockIdx.z, gridDim.z);
    TapRows patches{x, pixels, forward_window(s), Taps(s.kernel, s.c_in)};
    gemm(tiles, RowMatrix{dz, s.c_out, pixels}, patches, m0, n0, k.begin, k.end, c);
    each_row(tiles, c, m0, n0, StorePlain{partial + (uint64_t)blockIdx.z * s.c_out * columns, s.c_out, columns});
}
REGISTER_KERNEL(conv2d_weight_grad)

// Values of bf16 beside few channels in f32. Buffers of bf16 have whole chunks of channels, so that quads of them are
// whole.
DEVICE float load_place(const bf16* p, Place at) { return at.inside ? to_f32(p[at.index]) : 0.0f; }
DEVICE float4 load_quad(const bf16* p, uint32_t index, uint32_t count) {
    if (count == 0) return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    uint2 bits = load8_bytes(p + index);
    return make_float4(low_value(bits.x), high_value(bits.x), low_value(bits.y), high_value(bits.y));
}
DEVICE void store_rounded(bf16* p, uint32_t index, float4 v) {
    store8_bytes(p + index, make_uint2(to_bf16_pair(v.x, v.y), to_bf16_pair(v.z, v.w)));
}
// As StoreActivated.
struct StoreActivatedRounded {
    bf16* y;
    const float* b;
    uint32_t rows, columns, activation;
    DEVICE void operator()(uint32_t m, uint32_t n, float4 v) const {
        if (m >= rows || n >= columns) return;
        store_rounded(y, m * columns + n, activated(v, b, n, columns, activation));
    }
};

constexpr uint32_t FEW = 4;               // most channels on the narrow side
constexpr uint32_t FEW_DEPTH = 9 * FEW;   // largest depth, with a kernel of 3x3
constexpr uint32_t PIXELS = 4;            // pixels per thread; they share each weight that is loaded

// What the pixels of a tile read, and the weights of its output channels.
struct FewTiles { float inputs[FEW_DEPTH][PITCH], weights[FEW_DEPTH][PITCH]; };

DEVICE float4 fma4(float a, float4 b, float4 c) {
    return make_float4(fmaf(a, b.x, c.x), fmaf(a, b.y, c.y), fmaf(a, b.z, c.z), fmaf(a, b.w, c.w));
}
DEVICE float dot4(float4 a, float4 b, float c) {
    return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, c))));
}

// The convolution for up to 4 input channels and a kernel of at most 3x3: the whole depth fits in shared memory. Store:
// what becomes of the sums.
template <class Store>
DEVICE void few_inputs(FewTiles& tiles, const float* x, const float* w, const Conv2dSpec& s, const Store& store) {
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, rows = output_pixels(s), depth = tap_count(s) * s.c_in;
    uint32_t column = threadIdx.x % TILE;
    TapDepth taps{x, rows, forward_window(s), Taps(s.kernel, s.c_in)};
    TapDepth::Row row = taps.row(m0 + column);
    for (uint32_t k = threadIdx.x / TILE; k < depth; k += GEMM_THREADS / TILE)
        tiles.inputs[k][column] = load_place(x, taps.place(row, k));
    // In the order of memory: a warp reads neighbours, though it writes them to few banks.
    uint32_t last = s.c_out * depth;
    for (uint32_t i = threadIdx.x; i < TILE * depth; i += GEMM_THREADS)
        tiles.weights[i % depth][i / depth] = n0 * depth + i < last ? w[n0 * depth + i] : 0.0f;
    __syncthreads();
    float c[THREAD_M][THREAD_N];
    clear(c);
    for (uint32_t k = 0; k < depth; k++) multiply_step(tiles.inputs[k], tiles.weights[k], c);
    __syncthreads();
    each_row(tiles, c, m0, n0, store);
}

// As conv2d, for up to 4 input channels and a kernel of at most 3x3. Bound by memory.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h w c_in + c_out kernel kernel c_in + bias + n h_out w_out c_out).
KERNEL __launch_bounds__(128) conv2d_few_inputs(const float* __restrict__ x, const float* __restrict__ w,
                                                const float* __restrict__ b, float* __restrict__ y, Conv2dSpec s) {
    SHARED(FewTiles, tiles);
    few_inputs(tiles, x, w, s, StoreActivated{y, b, output_pixels(s), s.c_out, s.activation});
}
REGISTER_KERNEL(conv2d_few_inputs)

// The same with y in bf16.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h w c_in + c_out kernel kernel c_in + bias) + 2 n h_out w_out c_out.
KERNEL __launch_bounds__(128)
    conv2d_few_inputs_bf16(const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ b,
                           bf16* __restrict__ y, Conv2dSpec s) {
    SHARED(FewTiles, tiles);
    few_inputs(tiles, x, w, s, StoreActivatedRounded{y, b, output_pixels(s), s.c_out, s.activation});
}
REGISTER_KERNEL(conv2d_few_inputs_bf16)

constexpr uint32_t GROUP = 8;                // lanes that divide the input channels of their pixels among them
constexpr uint32_t GROUPS = 256 / GROUP;     // per block
constexpr uint32_t SUMS = PIXELS * FEW;      // per group

// The sums of sum[pixel][o] over the lanes of a group: lane l returns values l and l + 8.
struct GroupSums { float value[SUMS / GROUP]; };
DEVICE GroupSums reduce_group(const float (&sum)[PIXELS][FEW], uint32_t lane) {
    GroupSums mine{};
#pragma unroll
    for (uint32_t i = 0; i < SUMS; i++) {
        float v = sum[i / FEW][i % FEW];
#pragma unroll
        for (uint32_t distance = GROUP / 2; distance > 0; distance /= 2) v += __shfl_xor_sync(ALL_LANES, v, distance);
        if (lane == i % GROUP) mine.value[i / GROUP] = v;
    }
    return mine;
}

// The convolution for up to 4 output channels: eight lanes divide the input channels of four pixels among them. T:
// float or bf16.
template <class T> DEVICE void few_outputs(const T* x, const float* w, const float* b, float* y, const Conv2dSpec& s) {
    uint32_t rows = output_pixels(s), taps = tap_count(s), lane = threadIdx.x % GROUP;
    uint32_t first = blockIdx.x * GROUPS * PIXELS + threadIdx.x / GROUP;  // pixel j is first + j GROUPS
    Window window = forward_window(s);
    Window::Origin origins[PIXELS];
    float sum[PIXELS][FEW] = {};
#pragma unroll
    for (uint32_t j = 0; j < PIXELS; j++) origins[j] = window.origin(first + j * GROUPS);
    for (uint32_t tap = 0; tap < taps; tap++) {
        Place from[PIXELS];
#pragma unroll
        for (uint32_t j = 0; j < PIXELS; j++) {
            from[j] = window.at(origins[j], tap / s.kernel, tap % s.kernel);
            from[j].inside = from[j].inside && first + j * GROUPS < rows;
        }
        for (uint32_t i = lane * 4; i < s.c_in; i += GROUP * 4) {
            uint32_t count = quad_count(i, s.c_in);
            float4 weights[FEW];
#pragma unroll
            for (uint32_t o = 0; o < FEW; o++)
                weights[o] = load_quad(w, (o * taps + tap) * s.c_in + i, o < s.c_out ? count : 0);
#pragma unroll
            for (uint32_t j = 0; j < PIXELS; j++) {
                float4 v = load_quad(x, from[j].index * s.c_in + i, from[j].inside ? count : 0);
#pragma unroll
                for (uint32_t o = 0; o < FEW; o++) sum[j][o] = dot4(v, weights[o], sum[j][o]);
            }
        }
    }
    GroupSums mine = reduce_group(sum, lane);
#pragma unroll
    for (uint32_t i = 0; i < SUMS / GROUP; i++) {
        uint32_t number = i * GROUP + lane, o = number % FEW, pixel = first + number / FEW * GROUPS;
        if (pixel < rows && o < s.c_out)
            y[pixel * s.c_out + o] = activate(s.activation, mine.value[i] + (b ? b[o] : 0.0f));
    }
}

// As conv2d, for up to 4 output channels. Bound by memory.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h w c_in + c_out kernel kernel c_in + bias + n h_out w_out c_out).
KERNEL __launch_bounds__(256) conv2d_few_outputs(const float* __restrict__ x, const float* __restrict__ w,
                                                 const float* __restrict__ b, float* __restrict__ y, Conv2dSpec s) {
    few_outputs(x, w, b, y, s);
}
REGISTER_KERNEL(conv2d_few_outputs)

// The same with x in bf16.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 2 n h w c_in + 4 (c_out kernel kernel c_in + bias + n h_out w_out c_out).
KERNEL __launch_bounds__(256)
    conv2d_few_outputs_bf16(const bf16* __restrict__ x, const float* __restrict__ w, const float* __restrict__ b,
                            float* __restrict__ y, Conv2dSpec s) {
    few_outputs(x, w, b, y, s);
}
REGISTER_KERNEL(conv2d_few_outputs_bf16)

// The input gradient for up to 4 output channels: a thread computes four input channels of four pixels. Add: what
// becomes of the sums.
template <class Add>
DEVICE void few_outputs_input_grad(const float* dz, const float* w, const Conv2dSpec& s, const Add& add) {
    uint32_t rows = input_pixels(s), taps = tap_count(s), quads = (s.c_in + 3) / 4,
             index = blockIdx.x * blockDim.x + threadIdx.x;
    uint32_t first = index / quads * PIXELS, i = index % quads * 4, count = quad_count(i, s.c_in);
    if (first >= rows) return;
    Window window = adjoint_window(s);
    Window::Origin origins[PIXELS];
    float4 sum[PIXELS];
#pragma unroll
    for (uint32_t j = 0; j < PIXELS; j++) {
        origins[j] = window.origin(first + j);
        sum[j] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
    for (uint32_t tap = 0; tap < taps; tap++) {
        Place from[PIXELS];
#pragma unroll
        for (uint32_t j = 0; j < PIXELS; j++) {
            from[j] = window.at(origins[j], tap / s.kernel, tap % s.kernel);
            from[j].inside = from[j].inside && first + j < rows;
        }
        for (uint32_t o = 0; o < s.c_out; o++) {
            float4 weights = load_quad(w, (o * taps + tap) * s.c_in + i, count);
#pragma unroll
            for (uint32_t j = 0; j < PIXELS; j++)
                sum[j] = fma4(load_place(dz, {from[j].index * s.c_out + o, from[j].inside}), weights, sum[j]);
        }
    }
#pragma unroll
    for (uint32_t j = 0; j < PIXELS; j++) add((first + j) * s.c_in + i, first + j < rows ? count : 0, sum[j]);
}

// As conv2d_input_grad, for up to 4 output channels. Bound by memory.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h_out w_out c_out + c_out kernel kernel c_in + (1 + adds) n h w c_in).
KERNEL __launch_bounds__(256)
    conv2d_few_outputs_input_grad(const float* __restrict__ dz, const float* __restrict__ w, float* __restrict__ dx,
                                  uint32_t blank, Conv2dSpec s) {
    few_outputs_input_grad(dz, w, s, [=](uint32_t at, uint32_t count, float4 v) { add_quad(dx, blank, at, count, v); });
}
REGISTER_KERNEL(conv2d_few_outputs_input_grad)

// The same with dx in bf16, then dx *= S(slope_of) if slope_of is not null, and one rounding. sloped: 1 if there is a
// slope, else 0.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h_out w_out c_out + c_out kernel kernel c_in) + 2 (1 + adds + sloped) n h w c_in.
KERNEL __launch_bounds__(256)
    conv2d_few_outputs_input_grad_bf16(const float* __restrict__ dz, const float* __restrict__ w, bf16* __restrict__ dx,
                                       uint32_t blank, const bf16* __restrict__ slope_of, uint32_t activation,
                                       Conv2dSpec s) {
    few_outputs_input_grad(dz, w, s, [=](uint32_t at, uint32_t count, float4 v) {
        if (count == 0) return;
        float4 old = blank ? make_float4(0.0f, 0.0f, 0.0f, 0.0f) : load_quad(dx, at, count);
        float4 sum = make_float4(old.x + v.x, old.y + v.y, old.z + v.z, old.w + v.w);
        if (slope_of) {
            float4 y = load_quad(slope_of, at, count);
            sum = make_float4(sum.x * slope(activation, 0, y.x), sum.y * slope(activation, 0, y.y),
                              sum.z * slope(activation, 0, y.z), sum.w * slope(activation, 0, y.w));
        }
        store_rounded(dx, at, sum);
    });
}
REGISTER_KERNEL(conv2d_few_outputs_input_grad_bf16)

constexpr uint32_t COLUMNS = 16, PIXEL_LANES = 16;  // per block of the weight gradients below
constexpr uint32_t AT_ONCE = 4;                     // pixels whose loads are in flight together, per thread
typedef float LaneSums[PIXEL_LANES][4 * FEW][COLUMNS];

// Weight gradient where one side, input or output, has up to 4 channels. A column is a tap and four channels of the
// wide side. Sixteen threads divide the pixels of a column among them and write their sums, [few][4] values each, to
// `sums`. Sixteen threads then add these up, one value each.
template <bool FEW_INPUTS, class X, class Dz>
DEVICE void few_weight_grad(LaneSums& sums, const X* x, const Dz* dz, float* partial, const Conv2dSpec& s) {
    uint32_t wide = FEW_INPUTS ? s.c_out : s.c_in, few = FEW_INPUTS ? s.c_in : s.c_out, quads = (wide + 3) / 4,
             taps = tap_count(s);
    uint32_t place = threadIdx.x % COLUMNS, lane = threadIdx.x / COLUMNS, column = blockIdx.x * COLUMNS + place;
    uint32_t tap = column / quads, start = column % quads * 4, count = tap < taps ? quad_count(start, wide) : 0;
    Window window = forward_window(s);
    Split split = split_of(output_pixels(s), blockIdx.z, gridDim.z);
    float4 sum[FEW];
#pragma unroll
    for (uint32_t f = 0; f < FEW; f++) sum[f] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    // Several pixels at once, so that their loads overlap.
    for (uint32_t first = split.begin + lane; first < split.end; first += PIXEL_LANES * AT_ONCE) {
        float4 wides[AT_ONCE];
        float fews[AT_ONCE][FEW];
#pragma unroll
        for (uint32_t j = 0; j < AT_ONCE; j++) {
            uint32_t pixel = first + j * PIXEL_LANES;
            Place input = window.at(window.origin(pixel), tap / s.kernel, tap % s.kernel);
            bool inside = input.inside && pixel < split.end;
            uint32_t wide_pixel = FEW_INPUTS ? pixel : input.index, few_pixel = FEW_INPUTS ? input.index : pixel;
            uint32_t from = wide_pixel * wide + start, values = inside ? count : 0;
            wides[j] = FEW_INPUTS ? load_quad(dz, from, values) : load_quad(x, from, values);
#pragma unroll
            for (uint32_t f = 0; f < FEW; f++) {
                Place at = {few_pixel * few + f, inside && f < few};
                fews[j][f] = FEW_INPUTS ? load_place(x, at) : load_place(dz, at);
            }
        }
#pragma unroll
        for (uint32_t j = 0; j < AT_ONCE; j++)
#pragma unroll
            for (uint32_t f = 0; f < FEW; f++) sum[f] = fma4(fews[j][f], wides[j], sum[f]);
    }
#pragma unroll
    for (uint32_t f = 0; f < FEW; f++) {
        sums[lane][4 * f][place] = sum[f].x; sums[lane][4 * f + 1][place] = sum[f].y;
        sums[lane][4 * f + 2][place] = sum[f].z; sums[lane][4 * f + 3][place] = sum[f].w;
    }
    __syncthreads();
    float total = 0.0f;
    for (uint32_t l = 0; l < PIXEL_LANES; l++) total += sums[l][lane][place];
    uint32_t f = lane / 4, channel = start + lane % 4;
    uint32_t o = FEW_INPUTS ? channel : f, i = FEW_INPUTS ? f : channel;
    if (tap < taps && f < few && channel < wide)
        partial[(uint64_t)blockIdx.z * s.c_out * taps * s.c_in + (o * taps + tap) * s.c_in + i] = total;
}

// As conv2d_weight_grad, for up to 4 input channels. Bound by memory.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h w c_in + n h_out w_out c_out + splits c_out kernel kernel c_in).
KERNEL __launch_bounds__(256)
    conv2d_few_inputs_weight_grad(const float* __restrict__ x, const float* __restrict__ dz,
                                  float* __restrict__ partial, Conv2dSpec s) {
    SHARED(LaneSums, sums);
    few_weight_grad<true>(sums, x, dz, partial, s);
}
REGISTER_KERNEL(conv2d_few_inputs_weight_grad)

// The same with dz in bf16.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h w c_in + splits c_out kernel kernel c_in) + 2 n h_out w_out c_out.
KERNEL __launch_bounds__(256)
    conv2d_few_inputs_weight_grad_bf16(const float* __restrict__ x, const bf16* __restrict__ dz,
                                       float* __restrict__ partial, Conv2dSpec s) {
    SHARED(LaneSums, sums);
    few_weight_grad<true>(sums, x, dz, partial, s);
}
REGISTER_KERNEL(conv2d_few_inputs_weight_grad_bf16)

// As conv2d_weight_grad, for up to 4 output channels. Bound by memory.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h w c_in + n h_out w_out c_out + splits c_out kernel kernel c_in).
KERNEL __launch_bounds__(256)
    conv2d_few_outputs_weight_grad(const float* __restrict__ x, const float* __restrict__ dz,
                                   float* __restrict__ partial, Conv2dSpec s) {
    SHARED(LaneSums, sums);
    few_weight_grad<false>(sums, x, dz, partial, s);
}
REGISTER_KERNEL(conv2d_few_outputs_weight_grad)

// The same with x in bf16.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 2 n h w c_in + 4 (n h_out w_out c_out + splits c_out kernel kernel c_in).
KERNEL __launch_bounds__(256)
    conv2d_few_outputs_weight_grad_bf16(const bf16* __restrict__ x, const float* __restrict__ dz,
                                        float* __restrict__ partial, Conv2dSpec s) {
    SHARED(LaneSums, sums);
    few_weight_grad<false>(sums, x, dz, partial, s);
}
REGISTER_KERNEL(conv2d_few_outputs_weight_grad_bf16)

// As conv2d.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h w c_in + c_out kernel kernel c_in + bias + n h_out w_out c_out).
KERNEL __launch_bounds__(256) conv2d_naive(const float* __restrict__ x, const float* __restrict__ w,
                                           const float* __restrict__ b, float* __restrict__ y, Conv2dSpec s) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= output_pixels(s) * s.c_out) return;
    uint32_t pixel = index / s.c_out, o = index % s.c_out;
    y[index] = activate(s.activation, naive_output(s, x, w, pixel, o) + (b ? b[o] : 0.0f));
}
REGISTER_KERNEL(conv2d_naive)

// As conv2d_input_grad.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h_out w_out c_out + c_out kernel kernel c_in + 2 n h w c_in).
KERNEL __launch_bounds__(256) conv2d_input_grad_naive(const float* __restrict__ dz, const float* __restrict__ w,
                                                      float* __restrict__ dx, Conv2dSpec s) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index < input_pixels(s) * s.c_in)
        dx[index] += naive_input_grad(s, dz, w, index / s.c_in, index % s.c_in, s.c_out, 0);
}
REGISTER_KERNEL(conv2d_input_grad_naive)

// dw += Σ x dz. x: [N,H,W,I], dz: [N,Hout,Wout,O], dw: [O,kH,kW,I].
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 4 (n h w c_in + n h_out w_out c_out + 2 c_out kernel kernel c_in).
KERNEL __launch_bounds__(256) conv2d_weight_grad_naive(const float* __restrict__ x, const float* __restrict__ dz,
                                                       float* __restrict__ dw, Conv2dSpec s) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index < s.c_out * tap_count(s) * s.c_in) dw[index] += naive_weight_grad(s, x, dz, index, s.c_out, 0);
}
REGISTER_KERNEL(conv2d_weight_grad_naive)
