// What the kernels of a training batch share. They crop x from the resident images (corruption_crop.cu), draw the
// patches (corruption_plan.cu), make random fields for them (corruption_fields.cu), and corrupt x̂ = M ⊙ y + M̄ ⊙ x,
// one patch after another (corruption_lay.cu; Method §2). The results must equal those of src/data/corruption/ bit for
// bit. src/data/corruption/mod.rs documents which random number determines what.
// Everything that changes from step to step is in `picks`: 32-bit words, each stored as two floats, its low and high 16
// bits. Word 0 is the step. Then each slot has image, top, left, quarter turns, flips (1 rows, 2 columns), and the bits
// of tan(θ/2) of a rotation by θ and of the lowest and highest grey value of the object.
#pragma once
#include "exact.cuh"

constexpr uint32_t PICK_WORDS = 8;
constexpr uint32_t NO_PATCH = 0xFFFFFFFFu;
// Which random numbers of a patch.
constexpr uint32_t MASK_FIELD = 1, REPLACEMENT_FIELD = 2, KEPT_NOISE = 3, CHOICES = 4, PERLIN_FIELD = 5, CENTRE = 7;
enum : uint32_t { DISK = 0, PERLIN = 1, PERLIN_UNION = 2, PERLIN_INTERSECTION = 3 };
constexpr float DISK_RADIUS = 0.65f;
constexpr uint32_t INTERVALS = 4, MEMBRANE_NODES = 4 * INTERVALS;

// An image in device memory: its first element, rows, columns.
struct Picture { uint32_t start, height, width; };
struct Colour { float c[3]; };

// One patch; which of the fields below `opacity` are used depends on the source.
struct Patch {
    uint32_t source;
    int32_t centre[2], radius[2];
    float fade, strength, opacity;
    float origin[2],
        stride[2];  // texture: position at the centre, and step per image pixel; elastic: stride is the reach
    float gain, colour[3];       // texture, brightness: contrast and shift; constant, noise: the colour
    uint32_t picture;            // texture, other image
    int32_t shift[2];            // other image
    uint32_t transposed, recoloured;
    float amplitude, chroma;     // noise
    float nodes_per_unit;        // of the replacement's field; 0 where there is none
    uint32_t shape, cells[2][2]; // cells of each Perlin noise along both axes
    float turn[2][2];            // cosine and sine of the angle of each
    uint32_t rounds[4];          // structure: the functions that relabel the cells
    int32_t first[2],
        span[2];  // seamless: first row and column of the part inside the image, and from there to the last
};
static_assert(sizeof(Patch) == 41 * 4, "the scratch memory has 41 floats per patch");

// A node of a random field.
template <int C> struct alignas(4 * C) Node { float v[C]; };

DEVICE uint32_t word(const float* picks, uint32_t index) {
    return (uint32_t)picks[2 * index] | (uint32_t)picks[2 * index + 1] << 16;
}
DEVICE uint32_t lattice_side(float nodes_per_unit) { return (uint32_t)(2.0f * nodes_per_unit) + 2; }

// The object of the image in a slot: grey values from low to high.
struct Object { float low, high; };
DEVICE Object object_of(const float* picks, uint32_t slot) {
    uint32_t own = 1 + PICK_WORDS * slot;
    return {__uint_as_float(word(picks, own + 6)), __uint_as_float(word(picks, own + 7))};
}
DEVICE bool is_object(Colour v, const Object& object) {
    float grey = (v.c[0] + v.c[1] + v.c[2]) / 3.0f;
    return object.low <= grey && grey < object.high;
}

// Index into a line of n values, mirrored beyond both ends.
DEVICE uint32_t reflect(int32_t i, uint32_t n) {
    int32_t period = 2 * (int32_t)n, place = i % period;
    if (place < 0) place += period;
    return place < (int32_t)n ? place : period - 1 - place;
}

DEVICE Colour pixel(const float* picture, uint32_t width, uint32_t row, uint32_t column) {
    const float* p = picture + (row * width + column) * 3;
    return {{p[0], p[1], p[2]}};
}

// The image at real coordinates, bilinear: first along the row, then along the column. Mirrored beyond its border.
DEVICE Colour bilinear(const float* picture, uint32_t height, uint32_t width, float row, float column) {
    float top = floorf(row), left = floorf(column);
    uint32_t r0 = reflect((int32_t)top, height), r1 = reflect((int32_t)top + 1, height);
    uint32_t c0 = reflect((int32_t)left, width), c1 = reflect((int32_t)left + 1, width);
    float down = row - top, right = column - left;
    Colour a = pixel(picture, width, r0, c0), b = pixel(picture, width, r0, c1);
    Colour c = pixel(picture, width, r1, c0), d = pixel(picture, width, r1, c1), y;
#pragma unroll
    for (int k = 0; k < 3; k++) y.c[k] = between(down, between(right, a.c[k], b.c[k]), between(right, c.c[k], d.c[k]));
    return y;
}

// 1/2 + gain (v - 1/2) + shift, clamped to [0, 1].
DEVICE Colour recolour(Colour v, float gain, const float (&shift)[3]) {
#pragma unroll
    for (int k = 0; k < 3; k++) v.c[k] = cut(0.5f + gain * (v.c[k] - 0.5f) + shift[k]);
    return v;
}

// The donor of a seamless patch at a pixel, counted from the first one of its rectangle.
DEVICE Colour donor_at(const Patch& patch, const Picture* pictures, const float* pixels, int32_t down, int32_t right) {
    Picture donor = pictures[patch.picture];
    float row = patch.origin[0] + (float)down * patch.stride[0],
          column = patch.origin[1] + (float)right * patch.stride[1];
    return bilinear(pixels + donor.start, donor.height, donor.width, row, column);
}

// The place on the border of a rectangle at t intervals behind its first row and column, t in [0, 16).
struct Place { float row, column; };
DEVICE Place on_border(float t, float height, float width) {
    float sides = t / (float)INTERVALS, part = sides - (float)(uint32_t)sides;
    switch ((uint32_t)sides) {
    case 0: return {0.0f, part * width};
    case 1: return {part * height, width};
    case 2: return {height, width - part * width};
    default: return {height - part * height, 0.0f};
    }
}
