// The taps of convolutions: where they read, and the loaders that turn convolutions and their adjoints into implicit
// GEMMs (gemm.cuh).
// Images are [N, H, W, C], weights [O, kH, kW, I]. The depth, or the rows of a weight gradient, index the pairs (tap,
// channel) in memory order.
#pragma once
#include "gemm.cuh"

// Division by a fixed number, exact for every dividend.
struct Divisor {
    uint32_t d, inverse;
    DEVICE explicit Divisor(uint32_t divisor) : d(divisor), inverse(0xFFFFFFFFu / divisor) {}
    DEVICE uint32_t quotient(uint32_t k) const {
        uint32_t q = __umulhi(k, inverse);  // the quotient or one less
        return k - q * d >= d ? q + 1 : q;
    }
};

// A value of an image: its index, and whether it is inside the image or in the zero padding.
struct Place { uint32_t index; bool inside; };
DEVICE float load_place(const float* p, Place at) { return at.inside ? p[at.index] : 0.0f; }

// The values k..k+3, where `place(k)` is the place of value k. If the number of channels is a multiple of four, four
// values that start at a multiple of four are adjacent; otherwise they can belong to two taps.
template <class Find> DEVICE float4 load_places(const float* p, uint32_t channels, uint32_t k, const Find& place) {
    float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (channels % 4 == 0) {
        Place at = place(k);
        return at.inside ? load4(p + at.index) : v;
    }
#pragma unroll 1
    for (uint32_t e = 0; e < 4; e++) v = make_float4(v.y, v.z, v.w, load_place(p, place(k + e)));
    return v;
}

// A pair (tap, channel). Past the last pair, `row` is past the kernel.
struct Tap { uint32_t row, column, channel; };
struct Taps {
    Divisor side, channels;
    DEVICE Taps(uint32_t kernel, uint32_t channels) : side(kernel), channels(channels) {}
    DEVICE Tap at(uint32_t k) const {
        uint32_t tap = channels.quotient(k), row = side.quotient(tap);
        return {row, tap - row * side.d, k - tap * channels.d};
    }
    DEVICE bool has(Tap tap) const { return tap.row < side.d; }
};

// Maps a pixel of one image and a tap to a pixel of the other image, the source. Along each axis the position in the
// source is (pixel scale + start + tap step) / divide, if this is an integer and inside. The arithmetic is modulo 2^32,
// so a position before the start of the source becomes one far past its end.
struct Window {
    Divisor lines, columns;  // rows and columns of the image whose pixels have windows
    uint32_t h, w;           // of the source
    uint32_t scale, start, step, divide;

    struct Origin {
        uint32_t line, y, x;
    };  // first line of the image in the source; position of tap (0, 0) before the division
    DEVICE Origin origin(uint32_t pixel) const {
        uint32_t line = columns.quotient(pixel), image = lines.quotient(line);
        return {image * h, (line - image * lines.d) * scale + start, (pixel - line * columns.d) * scale + start};
    }
    // The source pixel at a distance from the origin.
    DEVICE Place shifted(Origin o, uint32_t dy, uint32_t dx) const {
        uint32_t y = o.y + dy, x = o.x + dx, odd = divide - 1;  // divide is 1 or 2
        bool whole = ((y | x) & odd) == 0;
        y >>= odd; x >>= odd;
        return {(o.line + y) * w + x, whole && y < h && x < w};
    }
    DEVICE Place at(Origin o, uint32_t row, uint32_t column) const { return shifted(o, row * step, column * step); }
};
// From output pixels to input pixels.
DEVICE Window forward_window(const Conv2dSpec& s) {
    return {Divisor(s.h_out), Divisor(s.w_out), s.h, s.w, s.stride, 0u - s.padding, s.dilation, 1};
}
// From input pixels to output pixels.
DEVICE Window adjoint_window(const Conv2dSpec& s) {
    return {Divisor(s.h), Divisor(s.w), s.h_out, s.w_out, 1, s.padding, 0u - s.dilation, s.stride};
}

DEVICE uint32_t input_pixels(const Conv2dSpec& s) { return s.n * s.h * s.w; }
DEVICE uint32_t output_pixels(const Conv2dSpec& s) { return s.n * s.h_out * s.w_out; }
DEVICE uint32_t tap_count(const Conv2dSpec& s) { return s.kernel * s.kernel; }

// (r, k) = (pixel, (tap, channel)): the value of the source p that the window of pixel r reads.
struct TapDepth {
    static constexpr bool ALONG_DEPTH = true;
    const float* p;
    uint32_t rows;
    Window window;
    Taps taps;
    struct Row { Window::Origin origin; bool inside; };
    DEVICE Row row(uint32_t r) const { return {window.origin(r), r < rows}; }
    DEVICE Place place(const Row& r, uint32_t k) const {
        Tap tap = taps.at(k);
        Place at = window.at(r.origin, tap.row, tap.column);
        return {at.index * taps.channels.d + tap.channel, at.inside && r.inside && taps.has(tap)};
    }
    DEVICE float4 quad(const Row& r, uint32_t k) const {
        return load_places(p, taps.channels.d, k, [&](uint32_t k) { return place(r, k); });
    }
};

// (r, k) = ((tap, channel), pixel): the transpose of the above.
struct TapRows {
    static constexpr bool ALONG_DEPTH = false;
    const float* p;
    uint32_t depth;
    Window window;
    Taps taps;
    struct Row { uint32_t r; Tap tap; };
    DEVICE Row row(uint32_t r) const { return {r, taps.at(r)}; }
    DEVICE Place place(Window::Origin origin, Tap tap) const {
        Place at = window.at(origin, tap.row, tap.column);
        return {at.index * taps.channels.d + tap.channel, at.inside && taps.has(tap)};
    }
    DEVICE float4 quad(const Row& row, uint32_t k) const {
        if (k >= depth) return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        Window::Origin origin = window.origin(k);
        return load_places(p, taps.channels.d, row.r,
                           [&](uint32_t r) { return place(origin, r == row.r ? row.tap : taps.at(r)); });
    }
};

// (r, k) = (input channel, (tap, output channel)) of weights [c_out, taps, c_in].
struct TapWeights {
    static constexpr bool ALONG_DEPTH = false;
    const float* w;
    uint32_t c_in, taps;
    Divisor c_out;
    struct Row { uint32_t start, count; };
    DEVICE Row row(uint32_t r) const { return {r, quad_count(r, c_in)}; }
    DEVICE float4 quad(Row r, uint32_t k) const {
        uint32_t tap = c_out.quotient(k), o = k - tap * c_out.d;
        return load_quad(w, (o * taps + tap) * c_in + r.start, tap < taps ? r.count : 0);
    }
};

// The sums of the naive kernels, computed from the definition, independently of the loaders above. Output pixels have
// `pitch` channels; those of this convolution begin at `start`.

// The input position that a tap of an output position reads, along one axis.
DEVICE Place input_position(const Conv2dSpec& s, uint32_t output, uint32_t tap, uint32_t extent) {
    uint32_t padded = output * s.stride + tap * s.dilation, position = padded - s.padding;
    return {position, padded >= s.padding && position < extent};
}
// The output position whose window reads an input position with a tap, along one axis.
DEVICE Place output_position(const Conv2dSpec& s, uint32_t input, uint32_t tap, uint32_t extent) {
    uint32_t padded = input + s.padding, before = tap * s.dilation, position = (padded - before) / s.stride;
    return {position, padded >= before && (padded - before) % s.stride == 0 && position < extent};
}

// Σ_{a, b, i} w[o, a, b, i] x[…, i] at an output pixel.
DEVICE float naive_output(const Conv2dSpec& s, const float* x, const float* w, uint32_t pixel, uint32_t o) {
    uint32_t q = pixel % s.w_out, p = pixel / s.w_out % s.h_out, image = pixel / s.w_out / s.h_out;
    float sum = 0.0f;
    for (uint32_t a = 0; a < s.kernel; a++)
        for (uint32_t b = 0; b < s.kernel; b++) {
            Place y = input_position(s, p, a, s.h), column = input_position(s, q, b, s.w);
            if (!y.inside || !column.inside) continue;
            const float* from = x + ((image * s.h + y.index) * s.w + column.index) * s.c_in;
            const float* weights = w + ((o * s.kernel + a) * s.kernel + b) * s.c_in;
            for (uint32_t i = 0; i < s.c_in; i++) sum = fmaf(from[i], weights[i], sum);
        }
    return sum;
}
// Σ_{a, b, o} w[o, a, b, i] dz[…, o] at an input pixel.
DEVICE float naive_input_grad(const Conv2dSpec& s, const float* dz, const float* w, uint32_t pixel, uint32_t i,
                              uint32_t pitch, uint32_t start) {
    uint32_t x = pixel % s.w, y = pixel / s.w % s.h, image = pixel / s.w / s.h;
    float sum = 0.0f;
    for (uint32_t a = 0; a < s.kernel; a++)
        for (uint32_t b = 0; b < s.kernel; b++) {
            Place p = output_position(s, y, a, s.h_out), q = output_position(s, x, b, s.w_out);
            if (!p.inside || !q.inside) continue;
            const float* from = dz + ((image * s.h_out + p.index) * s.w_out + q.index) * pitch + start;
            for (uint32_t o = 0; o < s.c_out; o++)
                sum = fmaf(from[o], w[((o * s.kernel + a) * s.kernel + b) * s.c_in + i], sum);
        }
    return sum;
}
// Σ_pixels x dz at element `index` of the weights.
DEVICE float naive_weight_grad(const Conv2dSpec& s, const float* x, const float* dz, uint32_t index, uint32_t pitch,
                               uint32_t start) {
    uint32_t i = index % s.c_in, b = index / s.c_in % s.kernel, a = index / s.c_in / s.kernel % s.kernel,
             o = index / s.c_in / s.kernel / s.kernel;
    float sum = 0.0f;
    for (uint32_t pixel = 0; pixel < output_pixels(s); pixel++) {
        uint32_t q = pixel % s.w_out, p = pixel / s.w_out % s.h_out, image = pixel / s.w_out / s.h_out;
        Place y = input_position(s, p, a, s.h), column = input_position(s, q, b, s.w);
        if (y.inside && column.inside)
            sum = fmaf(x[((image * s.h + y.index) * s.w + column.index) * s.c_in + i], dz[pixel * pitch + start + o],
                       sum);
    }
    return sum;
}
