// Creates a training batch on the device: crops x of the resident images, and their partial corruption x̂ = M ⊙ y + M̄ ⊙ x, one patch
// after another (Method §2). The results must equal those of src/data/corruption/ bit for bit, so only + - * / and square root are used,
// in the same order. src/data/corruption/mod.rs documents which random number determines what.
// Everything that changes from step to step is in `picks`: 32-bit words, each stored as two floats, its low and high 16 bits. Word 0 is the
// step. Then each slot has image, top, left, quarter turns, flips (1 rows, 2 columns), and the bits of tan(θ/2) of a rotation by θ and of the
// lowest and highest grey value of the object.
#include "philox.cuh"
#include "spec.cuh"

constexpr uint32_t PICK_WORDS = 8, CANDIDATES = 64;
constexpr uint32_t NO_PATCH = 0xFFFFFFFFu;
constexpr uint32_t MASK_FIELD = 1, REPLACEMENT_FIELD = 2, KEPT_NOISE = 3, CHOICES = 4, PERLIN_FIELD = 5, CENTRE = 7;
enum : uint32_t { DISK = 0, PERLIN = 1, PERLIN_UNION = 2, PERLIN_INTERSECTION = 3 };
constexpr float NODES_PER_SIGMA = 2.0f;
constexpr float ELASTIC_SMOOTHING = 0.3f;
constexpr uint32_t CELLS = 8, CELL_BITS = 3;
constexpr uint32_t INTERVALS = 4, POINTS = 8, MEMBRANE_NODES = 4 * INTERVALS;
constexpr float MARGIN = 0.25f;
constexpr float DISK_RADIUS = 0.65f, TAPER = 0.35f;
constexpr uint32_t TILE = 16, WIDE_TILE = TILE + 2 * FIELD_MARGIN;

// An image in device memory: its first element, rows, columns.
struct Picture { uint32_t start, height, width; };
struct Colour { float c[3]; };

// One patch; which of the fields below `opacity` are used depends on the source.
struct Patch {
    uint32_t source;
    int32_t centre[2], radius[2];
    float fade, strength, opacity;
    float origin[2], stride[2];  // texture: position at the centre, and step per image pixel; elastic: stride is the reach
    float gain, colour[3];       // texture, brightness: contrast and shift; constant, noise: the colour
    uint32_t picture;            // texture, other image
    int32_t shift[2];            // other image
    uint32_t transposed, recoloured;
    float amplitude, chroma;     // noise
    float nodes_per_unit;        // of the replacement's field; 0 where there is none
    uint32_t shape, cells[2][2]; // cells of each Perlin noise along both axes
    float turn[2][2];            // cosine and sine of the angle of each
    uint32_t rounds[4];          // structure: the functions that relabel the cells
    int32_t first[2], span[2];   // seamless: first row and column of the part inside the image, and from there to the last
};
static_assert(sizeof(Patch) == 41 * 4, "the scratch memory has 41 floats per patch");

// A node of a random field.
template <int C> struct alignas(4 * C) Node { float v[C]; };

DEVICE uint32_t word(const float* picks, uint32_t index) { return (uint32_t)picks[2 * index] | (uint32_t)picks[2 * index + 1] << 16; }

// low + u (high - low).
DEVICE float between(float u, float low, float high) { return low + u * (high - low); }
DEVICE float cut(float v) { return v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v; }
DEVICE float norm2(float a, float b) { return sqrtf(a * a + b * b); }
DEVICE uint32_t lattice_side(float nodes_per_unit) { return (uint32_t)(2.0f * nodes_per_unit) + 2; }

// One of n items, for u in [0, 1).
DEVICE uint32_t choose_item(float u, uint32_t n) {
    uint32_t item = (uint32_t)(u * (float)n);
    return item < n ? item : n - 1;
}

// low (high / low)^u by repeated square roots, one per binary digit of u.
DEVICE float log_uniform(float u, float low, float high) {
    uint32_t digits = (uint32_t)(u * 16777216.0f);
    float root = high / low, power = 1.0f;
    for (int digit = 23; digit >= 0; digit--) {
        root = sqrtf(root);
        if (digits >> digit & 1) power *= root;
    }
    return low * power;
}

// The number at fraction u of a distribution over [low, high).
DEVICE float draw_from(uint32_t distribution, float u, float low, float high) {
    return distribution == LOG_UNIFORM ? log_uniform(u, low, high) : between(u, low, high);
}

// Cosine and sine of 2πu, by half angles, one per binary digit of u.
DEVICE void direction(float u, float (&unit)[2]) {
    uint32_t digits = (uint32_t)(u * 16777216.0f);
    float cosine = digits >> 23 & 1 ? -1.0f : 1.0f, sine = 0.0f, c = 0.0f, s = 1.0f;
    for (int digit = 22; digit >= 0; digit--) {
        if (digits >> digit & 1) {
            float turned = cosine * c - sine * s;
            sine = sine * c + cosine * s;
            cosine = turned;
        }
        float half = sqrtf((1.0f + c) * 0.5f);
        s = s / (2.0f * half);
        c = half;
    }
    unit[0] = cosine;
    unit[1] = sine;
}

// exp(-z) for z >= 0; 0 from 87 on.
DEVICE float exp_of_negative(float z) {
    if (!(z < 87.0f)) return 0.0f;
    uint32_t n = (uint32_t)(z * 1.44269504f);
    float r = (z - (float)n * 0.693359375f) - (float)n * -2.12194440e-4f, sum = 1.0f;
    for (int k = 9; k >= 1; k--) sum = 1.0f - r * sum / (float)k;
    return sum * __uint_as_float((127 - n) << 23);
}

// 1 / (1 + exp(-z)).
DEVICE float logistic(float z) {
    float e = exp_of_negative(fabsf(z));
    return z < 0.0f ? e / (1.0f + e) : 1.0f / (1.0f + e);
}

// -ln v for v in [2^-126, 1].
DEVICE float negative_log(float v) {
    uint32_t bits = __float_as_uint(v);
    int32_t exponent = (int32_t)(bits >> 23) - 127;
    float m = __uint_as_float((bits & 0x7FFFFFu) | 0x3F800000u);
    if (m > 1.41421356f) {
        m *= 0.5f;
        exponent++;
    }
    float s = (m - 1.0f) / (m + 1.0f), q = s * s;
    float series = s * (2.0f + q * (0.6666667f + q * (0.4f + q * (0.2857143f + q * 0.2222222f))));
    return -((float)exponent * 0.693147181f + series);
}

// Nearly normal, mean 0, variance 1: the sum of eight 16-bit numbers, centred and scaled.
DEVICE float normal(Random random) {
    uint32_t sum = 0;
#pragma unroll
    for (int lane = 0; lane < 4; lane++) sum += (random.lane[lane] & 0xFFFFu) + (random.lane[lane] >> 16);
    return ((float)sum - 262140.0f) * (1.0f / 53509.92f);
}

// The mask at a depth inside the shape: the smoothstep of depth / fade.
DEVICE float fade_in(float depth, float fade) {
    if (depth <= 0.0f) return 0.0f;
    if (depth >= fade) return 1.0f;
    float t = depth / fade;
    return t * t * (3.0f - 2.0f * t);
}

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

// The pixel of an image at the place of a pixel of its crop: real coordinates before the quarter turns and flips, and after them.
DEVICE void untransform(uint32_t turns, uint32_t flips, float last, float& row, float& column) {
    float r = turns == 0 ? row : turns == 1 ? column : turns == 2 ? last - row : last - column;
    float c = turns == 0 ? column : turns == 1 ? last - row : turns == 2 ? last - column : row;
    row = flips & 1 ? last - r : r;
    column = flips & 2 ? last - c : c;
}

// Rotates a pixel about the centre of the crop, t = tan(θ/2).
DEVICE void rotate(float t, float last, float& row, float& column) {
    float cosine = (1.0f - t * t) / (1.0f + t * t), sine = 2.0f * t / (1.0f + t * t), middle = 0.5f * last;
    float down = row - middle, right = column - middle;
    row = middle + (cosine * down - sine * right);
    column = middle + (sine * down + cosine * right);
}

// x[slot, row, column] = the image that the slot picks, cropped, flipped, turned, rotated. A rotation costs about 60 FLOPs per pixel, which
// are not counted.
// picks: [2 (1 + 6 n)], pictures: [images + textures], pixels: all pictures [height, width, 3], x: [n, side, side, 3].
// FLOPs: 0. Bytes: 24 n side^2.
// Bound by memory.
KERNEL __launch_bounds__(256) corruption_crop(const float* __restrict__ picks, const Picture* __restrict__ pictures,
                                              const float* __restrict__ pixels, float* __restrict__ x, CorruptionSpec spec) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= spec.n * spec.side * spec.side) return;
    uint32_t slot = i / (spec.side * spec.side), row = i / spec.side % spec.side, column = i % spec.side;
    uint32_t own = 1 + PICK_WORDS * slot;
    Picture picture = pictures[word(picks, own)];
    uint32_t top = word(picks, own + 1), left = word(picks, own + 2), turns = word(picks, own + 3), flips = word(picks, own + 4);
    float t = __uint_as_float(word(picks, own + 5)), last = (float)(spec.side - 1), r = (float)row, c = (float)column;
    if (t != 0.0f) rotate(t, last, r, c);
    untransform(turns, flips, last, r, c);
    // Without a rotation the coordinates are whole numbers, and this is the pixel itself.
    Colour v = bilinear(pixels + picture.start, picture.height, picture.width, (float)top + r, (float)left + c);
#pragma unroll
    for (int k = 0; k < 3; k++) x[i * 3 + k] = v.c[k];
}
REGISTER_KERNEL(corruption_crop)

// The source whose interval of the cumulative weights contains u; CONSTANT if all weights are 0.
DEVICE uint32_t choose_source(float u, const CorruptionSpec& spec) {
    float total = 0.0f, low = 0.0f;
#pragma unroll
    for (uint32_t s = 0; s < SOURCES; s++) total += spec.weights[s];
    uint32_t chosen = CONSTANT;
#pragma unroll
    for (uint32_t s = 0; s < SOURCES; s++) {
        if (spec.weights[s] > 0.0f && u * total >= low) chosen = s;
        low += spec.weights[s];
    }
    return chosen;
}

// A random colour, moved towards the grey of its mean by 1 - saturation.
DEVICE void random_colour(float red, float green, float blue, float saturation, float (&colour)[3]) {
    float mean = (red + green + blue) / 3.0f;
    colour[0] = between(saturation, mean, red);
    colour[1] = between(saturation, mean, green);
    colour[2] = between(saturation, mean, blue);
}

// A random place in a texture, flipped and scaled, and recoloured with probability 1/2.
DEVICE void plan_texture(const float* u, const Picture* pictures, const CorruptionSpec& spec, Patch& patch) {
    patch.picture = spec.images + choose_item(u[0], spec.textures);
    Picture texture = pictures[patch.picture];
    uint32_t turn = choose_item(u[4], 8);
    float stride = log_uniform(u[3], 0.5f, 2.0f);
    patch.origin[0] = u[1] * (float)texture.height;
    patch.origin[1] = u[2] * (float)texture.width;
    patch.stride[0] = turn & 1 ? -stride : stride;
    patch.stride[1] = turn & 2 ? -stride : stride;
    patch.transposed = turn & 4;
    patch.recoloured = u[5] < 0.5f;
    patch.gain = between(u[6], 0.3f, 1.5f);
    random_colour(u[7], u[8], u[9], u[10], patch.colour);
#pragma unroll
    for (int k = 0; k < 3; k++) patch.colour[k] -= 0.5f;
}

// A shift to another place in an image, at least a quarter of the image away along one axis.
DEVICE void far_shift(const float* u, const Picture& image, int32_t (&shift)[2]) {
    uint32_t far_axis = choose_item(u[1], 2);
    float distance = between(u[2], 0.25f, 0.75f);
    shift[0] = (int32_t)((far_axis == 0 ? distance : u[3]) * (float)image.height);
    shift[1] = (int32_t)((far_axis == 1 ? distance : u[3]) * (float)image.width);
}

// Another place in a training image.
DEVICE void plan_other_image(const float* u, const Picture* pictures, const CorruptionSpec& spec, Patch& patch) {
    patch.picture = choose_item(u[0], spec.images);
    far_shift(u, pictures[patch.picture], patch.shift);
}

// The same, rescaled: the part of the box inside the image, and where it is in the donor.
DEVICE void plan_seamless(const float* u, const Random& bits, const Picture* pictures, const CorruptionSpec& spec, Patch& patch) {
    plan_other_image(u, pictures, spec, patch);
    float scale = 1.0f + 0.5f * normal(bits);
    scale = scale < spec.seamless_scale[0] ? spec.seamless_scale[0] : scale > spec.seamless_scale[1] ? spec.seamless_scale[1] : scale;
    float stride = 1.0f / scale;
#pragma unroll
    for (int axis = 0; axis < 2; axis++) {
        int32_t low = patch.centre[axis] - patch.radius[axis], high = patch.centre[axis] + patch.radius[axis], end = (int32_t)spec.side - 1;
        patch.first[axis] = low < 0 ? 0 : low;
        patch.span[axis] = (high < end ? high : end) - patch.first[axis];
        patch.stride[axis] = stride;
        patch.origin[axis] = (float)(patch.centre[axis] + patch.shift[axis]) + ((float)patch.first[axis] - (float)patch.centre[axis]) * stride;
    }
}

// Changed contrast, brightness and colour: brighter with probability 1 - mean of the central pixel.
DEVICE void plan_brightness(const float* u, Colour centre, Patch& patch) {
    float mean = (centre.c[0] + centre.c[1] + centre.c[2]) / 3.0f;
    float sign = u[2] < 1.0f - mean ? 1.0f : -1.0f;
    float common = sign * between(u[1], 0.1f, 0.4f);
#pragma unroll
    for (int k = 0; k < 3; k++) patch.colour[k] = common + between(u[3 + k], -0.1f, 0.1f);
    patch.gain = between(u[0], 0.6f, 1.4f);
}

DEVICE void plan_noise(const float* u, Patch& patch) {
    patch.nodes_per_unit = NODES_PER_SIGMA / log_uniform(u[4], 0.08f, 0.4f);
    patch.amplitude = between(u[5], 0.05f, 0.3f);
    patch.chroma = u[6];
    random_colour(u[0], u[1], u[2], u[3], patch.colour);
}

DEVICE void plan_elastic(const float* u, Patch& patch) {
    float strength = between(u[0], 0.15f, 0.5f);
    patch.nodes_per_unit = NODES_PER_SIGMA / ELASTIC_SMOOTHING;
#pragma unroll
    for (int axis = 0; axis < 2; axis++) patch.stride[axis] = strength * (float)patch.radius[axis];
}

// Functions that relabel the cells, and changed contrast and colour with probability 1/2.
DEVICE void plan_structure(const float* u, const Random& rounds, Patch& patch) {
#pragma unroll
    for (int round = 0; round < 4; round++) patch.rounds[round] = rounds.lane[round];
    patch.recoloured = u[0] < 0.5f;
    patch.gain = between(u[1], 0.6f, 1.4f);
#pragma unroll
    for (int k = 0; k < 3; k++) patch.colour[k] = between(u[2 + k], -0.2f, 0.2f);
}

// Rows or columns on either side of the centre, for a patch `length` pixels long.
DEVICE int32_t half_length(float length) {
    int32_t radius = (int32_t)(length * 0.5f);
    return radius < 1 ? 1 : radius;
}

// Further random bits of a patch, and the same as uniform numbers.
DEVICE Random further(const CorruptionSpec& spec, uint32_t block, uint32_t step, uint32_t slot, uint32_t number) {
    return philox(spec.seed, block, PURPOSE_CORRUPTION + (CHOICES << 8) + (number << 16), step, slot);
}
struct Choices { float u[4]; };
DEVICE Choices choices(const CorruptionSpec& spec, uint32_t block, uint32_t step, uint32_t slot, uint32_t number) {
    Random random = further(spec, block, step, slot, number);
    Choices chosen;
#pragma unroll
    for (int lane = 0; lane < 4; lane++) chosen.u[lane] = uniform(random.lane[lane]);
    return chosen;
}

// Disk or Perlin noise; then the noises, and the whole image as box.
DEVICE void plan_shape(const CorruptionSpec& spec, uint32_t step, uint32_t slot, uint32_t number, float softness, Patch& patch) {
    Choices chosen = choices(spec, 0, step, slot, number);
    if (chosen.u[0] >= spec.perlin) return;
    float both = spec.perlin_union + spec.perlin_intersection;
    patch.shape = chosen.u[1] < spec.perlin_union ? PERLIN_UNION : chosen.u[1] < both ? PERLIN_INTERSECTION : PERLIN;
    patch.fade = softness * (1.0f - spec.perlin_threshold);
    for (uint32_t noise = 0; noise < 2; noise++) {
        Choices own = choices(spec, 1 + noise, step, slot, number);
        float unit[2];
        direction(0.5f * own.u[2], unit);
        patch.turn[noise][0] = unit[1];
        patch.turn[noise][1] = -unit[0];
        for (int axis = 0; axis < 2; axis++) patch.cells[noise][axis] = 1u << choose_item(own.u[axis], spec.perlin_exponents + 1);
    }
    for (int axis = 0; axis < 2; axis++) {
        patch.centre[axis] = spec.side / 2;
        patch.radius[axis] = spec.side < 4 ? 1 : spec.side / 2;
    }
}

// Rows and columns of a patch, from random numbers 2 and 3 of the patch, or from further ones.
DEVICE void plan_size(const float* u, const CorruptionSpec& spec, uint32_t step, uint32_t slot, uint32_t number, Patch& patch) {
    float side = (float)spec.side, length[2];
    if (spec.size_distribution == GAMMA) {
        Choices own = choices(spec, 3, step, slot, number);
        for (int axis = 0; axis < 2; axis++) {
            float share = 0.06f + 0.1f * negative_log((1.0f - own.u[2 * axis]) * (1.0f - own.u[2 * axis + 1]));
            length[axis] = (share < spec.size[0] ? spec.size[0] : share > spec.size[1] ? spec.size[1] : share) * side;
        }
    } else {
        float size = draw_from(spec.size_distribution, u[2], spec.size[0], spec.size[1]);
        float root = sqrtf(log_uniform(u[3], spec.aspect[0], spec.aspect[1]));
        length[0] = size * side * root;
        length[1] = size * side / root;
    }
    for (int axis = 0; axis < 2; axis++) {
        float bound = spec.size_bounds[axis] * side;
        patch.radius[axis] = half_length(spec.size_bounds[axis] > 0.0f && bound < length[axis] ? bound : length[axis]);
    }
}

// The centre of a patch: the first candidate on the object, from random numbers 0 and 1 and then from further ones, or else the first. x: the
// image in the slot.
DEVICE void plan_centre(const CorruptionSpec& spec, const float* x, const Object& object, uint32_t step, uint32_t slot,
                        uint32_t number, Patch& patch) {
    uint32_t row = patch.centre[0], column = patch.centre[1];
    Random random = {};
    for (uint32_t tried = 0; !is_object(pixel(x, spec.side, row, column), object); tried++) {
        if (tried == CANDIDATES) return;
        uint32_t lane = tried % 2 * 2;
        if (lane == 0) random = philox(spec.seed, tried / 2, PURPOSE_CORRUPTION + (CENTRE << 8) + (number << 16), step, slot);
        row = choose_item(uniform(random.lane[lane]), spec.side);
        column = choose_item(uniform(random.lane[lane + 1]), spec.side);
    }
    patch.centre[0] = row;
    patch.centre[1] = column;
}

// Position, softness and opacity, from random numbers 0 to 8 of the patch.
DEVICE void plan_place(const float* u, const CorruptionSpec& spec, Patch& patch) {
    patch.source = choose_source(u[6], spec);
    patch.centre[0] = choose_item(u[0], spec.side);
    patch.centre[1] = choose_item(u[1], spec.side);
    patch.fade = between(u[4], spec.softness[0], spec.softness[1]) * DISK_RADIUS;
    patch.strength = between(u[5], spec.deformation[0], spec.deformation[1]);
    patch.opacity = u[7] < spec.blend_probability ? draw_from(spec.blend_distribution, u[8], spec.blend[0], spec.blend[1]) : 1.0f;
}

// patches[slot, number] = the patch, or NO_PATCH where the slot has no more patches.
// picks, pictures as above, x: [n, side, side, 3], patches: [n, patches_max].
// FLOPs: 250 n patches_max. Bytes: 164 n patches_max.
// Bound by latency: one thread per patch, a few hundred in total.
KERNEL __launch_bounds__(64) corruption_plan(const float* __restrict__ picks, const Picture* __restrict__ pictures,
                                             const float* __restrict__ x, Patch* __restrict__ patches, CorruptionSpec spec) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= spec.n * spec.patches_max) return;
    uint32_t slot = i / spec.patches_max, number = i % spec.patches_max, step = word(picks, 0);
    Random first = philox(spec.seed, 0, PURPOSE_CORRUPTION, step, slot);
    uint32_t count = spec.patches_min + below(first.lane[0], spec.patches_max - spec.patches_min + 1);
    if (uniform(first.lane[1]) < spec.clean) count = 0;
    Patch patch = {};
    patch.source = NO_PATCH;
    if (number < count) {
        float u[20];
#pragma unroll
        for (uint32_t block = 0; block < 5; block++) {
            Random random = philox(spec.seed, 1 + 5 * number + block, PURPOSE_CORRUPTION, step, slot);
#pragma unroll
            for (int lane = 0; lane < 4; lane++) u[4 * block + lane] = uniform(random.lane[lane]);
        }
        plan_place(u, spec, patch);
        plan_size(u, spec, step, slot, number, patch);
        if (spec.on_object) plan_centre(spec, x + slot * spec.side * spec.side * 3, object_of(picks, slot), step, slot, number, patch);
        if (spec.perlin > 0.0f) plan_shape(spec, step, slot, number, between(u[4], spec.softness[0], spec.softness[1]), patch);
        const float* material = u + 9;
        switch (patch.source) {
        case TEXTURE: plan_texture(material, pictures, spec, patch); break;
        case OTHER_IMAGE: plan_other_image(material, pictures, spec, patch); break;
        case BRIGHTNESS:
            plan_brightness(material, pixel(x + slot * spec.side * spec.side * 3, spec.side, patch.centre[0], patch.centre[1]), patch);
            break;
        case NOISE: plan_noise(material, patch); break;
        case ELASTIC: plan_elastic(material, patch); break;
        case STRUCTURE: plan_structure(material, further(spec, 4, step, slot, number), patch); break;
        case SEAMLESS: plan_seamless(material, further(spec, 5, step, slot, number), pictures, spec, patch); break;
        default: random_colour(material[0], material[1], material[2], material[3], patch.colour);
        }
    }
    patches[i] = patch;
}
REGISTER_KERNEL(corruption_plan)

// The lattice of a random field: nodes per side, and the counter of its random numbers.
struct Lattice { uint32_t side, word, step, slot; };

// White noise of standard deviation 1 at node (i, j) of the lattice widened by 6 nodes on every side.
template <int C> DEVICE Node<C> white(const CorruptionSpec& spec, const Lattice& lattice, uint32_t i, uint32_t j) {
    uint32_t wide = lattice.side + 2 * FIELD_MARGIN;
    Random random = philox(spec.seed, i * wide + j, lattice.word, lattice.step, lattice.slot);
    Node<C> node;
#pragma unroll
    for (int c = 0; c < C; c++) node.v[c] = 1.7320508f * (2.0f * uniform(random.lane[c]) - 1.0f);
    return node;
}

// The lattice of patch `number` of `slot`; its side is 0 if the patch has no such field. NO_PATCH has no fields.
DEVICE Lattice lattice_of(const CorruptionSpec& spec, const float* picks, const Patch& patch, uint32_t field, uint32_t slot, uint32_t number) {
    bool present = patch.source != NO_PATCH && (field == MASK_FIELD || patch.nodes_per_unit > 0.0f);
    uint32_t side = field == MASK_FIELD ? spec.mask_side : lattice_side(patch.nodes_per_unit);
    return {present ? side : 0, PURPOSE_CORRUPTION + (field << 8) + (number << 16), word(picks, 0), slot};
}

// nodes[i, j] = Σ_a w_a Σ_b w_b n(i + a, j + b) for one tile of 16 x 16 nodes of a lattice: noise for the tile and its margin, then
// sums along rows, then along columns. Either all threads of the block call it, or none.
template <int C>
DEVICE void smooth_tile(const CorruptionSpec& spec, const Lattice& lattice, uint32_t tile, Node<C>* nodes, float (&noise)[C][WIDE_TILE][WIDE_TILE],
                        float (&rows)[C][WIDE_TILE][TILE]) {
    uint32_t tiles = (lattice.side + TILE - 1) / TILE, wide = lattice.side + 2 * FIELD_MARGIN;
    uint32_t top = tile / tiles * TILE, left = tile % tiles * TILE;
    for (uint32_t k = threadIdx.x; k < WIDE_TILE * WIDE_TILE; k += blockDim.x) {
        uint32_t i = k / WIDE_TILE, j = k % WIDE_TILE;
        // Sums outside the lattice are not stored, so their noise can be 0.
        Node<C> node = {};
        if (top + i < wide && left + j < wide) node = white<C>(spec, lattice, top + i, left + j);
#pragma unroll
        for (int c = 0; c < C; c++) noise[c][i][j] = node.v[c];
    }
    __syncthreads();
    for (uint32_t k = threadIdx.x; k < WIDE_TILE * TILE; k += blockDim.x) {
        uint32_t i = k / TILE, j = k % TILE;
#pragma unroll
        for (int c = 0; c < C; c++) {
            float sum = 0.0f;
#pragma unroll
            for (uint32_t tap = 0; tap < FIELD_TAPS; tap++) sum += spec.taps[tap] * noise[c][i][j + tap];
            rows[c][i][j] = sum;
        }
    }
    __syncthreads();
    uint32_t i = threadIdx.x / TILE, j = threadIdx.x % TILE;
    if (top + i >= lattice.side || left + j >= lattice.side) return;
    Node<C> node = {};
#pragma unroll
    for (int c = 0; c < C; c++) {
#pragma unroll
        for (uint32_t tap = 0; tap < FIELD_TAPS; tap++) node.v[c] += spec.taps[tap] * rows[c][i + tap][j];
    }
    nodes[(top + i) * lattice.side + left + j] = node;
}

// The same for one node, which draws all of its random numbers itself.
template <int C> DEVICE Node<C> smooth_node(const CorruptionSpec& spec, const Lattice& lattice, uint32_t i, uint32_t j) {
    Node<C> node = {};
    for (uint32_t a = 0; a < FIELD_TAPS; a++) {
        Node<C> row = {};
        for (uint32_t b = 0; b < FIELD_TAPS; b++) {
            Node<C> term = white<C>(spec, lattice, i + a, j + b);
            for (int c = 0; c < C; c++) row.v[c] += spec.taps[b] * term.v[c];
        }
        for (int c = 0; c < C; c++) node.v[c] += spec.taps[a] * row.v[c];
    }
    return node;
}

// The displacement field of the mask of patch first + k: nodes[slot, k, i, j] = Σ_a Σ_b w_a w_b n(i + a, j + b), two channels.
// Grid: tiles of a lattice, k, slot. picks as above, patches: [n, patches_max], nodes: [n, patches_at_once, mask_side, mask_side, 2].
// FLOPs: 104 n k mask_side^2. Bytes: 8 n k mask_side^2.
// Bound by the integer arithmetic of Philox. For a lattice of up to 16 x 16 nodes no random number is drawn twice.
KERNEL __launch_bounds__(256) corruption_mask_field(const float* __restrict__ picks, const Patch* __restrict__ patches, Node<2>* __restrict__ nodes,
                                                    CorruptionSpec spec, uint32_t first) {
    SHARED(float, noise, [2][WIDE_TILE][WIDE_TILE]);
    SHARED(float, rows, [2][WIDE_TILE][TILE]);
    uint32_t slot = blockIdx.z, number = first + blockIdx.y;
    Lattice lattice = lattice_of(spec, picks, patches[slot * spec.patches_max + number], MASK_FIELD, slot, number);
    // The condition is the same for the whole block.
    if (lattice.side == 0) return;
    uint32_t start = (slot * spec.patches_at_once + blockIdx.y) * spec.mask_side * spec.mask_side;
    smooth_tile<2>(spec, lattice, blockIdx.x, nodes + start, noise, rows);
}
REGISTER_KERNEL(corruption_mask_field)

// The same, one thread per node. Grid: nodes of a lattice, k, slot.
// FLOPs: 728 n k mask_side^2. Bytes: 8 n k mask_side^2.
KERNEL __launch_bounds__(256) corruption_mask_field_naive(const float* __restrict__ picks, const Patch* __restrict__ patches,
                                                          Node<2>* __restrict__ nodes, CorruptionSpec spec, uint32_t first) {
    uint32_t slot = blockIdx.z, number = first + blockIdx.y, node = blockIdx.x * blockDim.x + threadIdx.x;
    Lattice lattice = lattice_of(spec, picks, patches[slot * spec.patches_max + number], MASK_FIELD, slot, number);
    if (node >= lattice.side * lattice.side) return;
    uint32_t start = (slot * spec.patches_at_once + blockIdx.y) * spec.mask_side * spec.mask_side;
    nodes[start + node] = smooth_node<2>(spec, lattice, node / lattice.side, node % lattice.side);
}
REGISTER_KERNEL(corruption_mask_field_naive)

// The replacement field of patch first + k if its source has one: noise of four channels, or the elastic displacement in the first two of
// them. Each patch has a lattice of its own size, which fills the first side^2 of its replacement_side^2 nodes.
// Grid: tiles of the largest lattice, k, slot. nodes: [n, patches_at_once, replacement_side^2, 4], the rest as above.
// FLOPs: 208 n k replacement_side^2. Bytes: 16 n k replacement_side^2.
// Bound by the integer arithmetic of Philox.
KERNEL __launch_bounds__(256) corruption_replacement_field(const float* __restrict__ picks, const Patch* __restrict__ patches,
                                                           Node<4>* __restrict__ nodes, CorruptionSpec spec, uint32_t first) {
    SHARED(float, noise, [4][WIDE_TILE][WIDE_TILE]);
    SHARED(float, rows, [4][WIDE_TILE][TILE]);
    uint32_t slot = blockIdx.z, number = first + blockIdx.y;
    Lattice lattice = lattice_of(spec, picks, patches[slot * spec.patches_max + number], REPLACEMENT_FIELD, slot, number);
    uint32_t tiles = (lattice.side + TILE - 1) / TILE;
    // The condition is the same for the whole block.
    if (blockIdx.x >= tiles * tiles) return;
    uint32_t start = (slot * spec.patches_at_once + blockIdx.y) * spec.replacement_side * spec.replacement_side;
    smooth_tile<4>(spec, lattice, blockIdx.x, nodes + start, noise, rows);
}
REGISTER_KERNEL(corruption_replacement_field)

// The same, one thread per node. Grid: nodes of the largest lattice, k, slot.
// FLOPs: 1456 n k replacement_side^2. Bytes: 16 n k replacement_side^2.
KERNEL __launch_bounds__(256) corruption_replacement_field_naive(const float* __restrict__ picks, const Patch* __restrict__ patches,
                                                                 Node<4>* __restrict__ nodes, CorruptionSpec spec, uint32_t first) {
    uint32_t slot = blockIdx.z, number = first + blockIdx.y, node = blockIdx.x * blockDim.x + threadIdx.x;
    Lattice lattice = lattice_of(spec, picks, patches[slot * spec.patches_max + number], REPLACEMENT_FIELD, slot, number);
    if (node >= lattice.side * lattice.side) return;
    uint32_t start = (slot * spec.patches_at_once + blockIdx.y) * spec.replacement_side * spec.replacement_side;
    nodes[start + node] = smooth_node<4>(spec, lattice, node / lattice.side, node % lattice.side);
}
REGISTER_KERNEL(corruption_replacement_field_naive)

// gradients[slot, k, noise, node] = a random unit vector for each node of both Perlin noises of patch first + k, if it has that shape.
// Grid: nodes of the finest noise, k, slot. gradients: [n, patches_at_once, 2, gradient_nodes, 2], the rest as above.
// FLOPs: 700 n k gradient_nodes. Bytes: 16 n k gradient_nodes.
// Bound by square root and division, 23 of each for a vector.
KERNEL __launch_bounds__(256) corruption_gradients(const float* __restrict__ picks, const Patch* __restrict__ patches,
                                                   Node<2>* __restrict__ gradients, CorruptionSpec spec, uint32_t first) {
    uint32_t slot = blockIdx.z, number = first + blockIdx.y, node = blockIdx.x * blockDim.x + threadIdx.x;
    const Patch& patch = patches[slot * spec.patches_max + number];
    if (patch.source == NO_PATCH || patch.shape == DISK) return;
    uint32_t start = (slot * spec.patches_at_once + blockIdx.y) * 2 * spec.gradient_nodes;
    for (uint32_t noise = 0; noise < 2; noise++) {
        if (node >= (patch.cells[noise][0] + 1) * (patch.cells[noise][1] + 1)) continue;
        uint32_t counter = PURPOSE_CORRUPTION + ((PERLIN_FIELD + noise) << 8) + (number << 16);
        Node<2> gradient;
        direction(uniform(philox(spec.seed, node, counter, word(picks, 0), slot).lane[0]), gradient.v);
        gradients[start + noise * spec.gradient_nodes + node] = gradient;
    }
}
REGISTER_KERNEL(corruption_gradients)

// The donor of a seamless patch at a pixel, counted from the first one of its rectangle.
DEVICE Colour donor_at(const Patch& patch, const Picture* pictures, const float* pixels, int32_t down, int32_t right) {
    Picture donor = pictures[patch.picture];
    float row = patch.origin[0] + (float)down * patch.stride[0], column = patch.origin[1] + (float)right * patch.stride[1];
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

// membranes[slot, k, node] = mean of x - donor over 8 points around each of 16 nodes along the border of patch first + k, if it is seamless.
// Grid: 1, k, slot.
// pictures, pixels, x, patches as in the other kernels, membranes: [n, patches_at_once, 16, 3].
// FLOPs: 6000 n k. Bytes: 192 n k.
// Bound by latency: one thread per node.
KERNEL __launch_bounds__(32) corruption_membrane(const Picture* __restrict__ pictures, const float* __restrict__ pixels,
                                                 const float* __restrict__ x, const Patch* __restrict__ patches,
                                                 Colour* __restrict__ membranes, CorruptionSpec spec, uint32_t first) {
    uint32_t slot = blockIdx.z, number = first + blockIdx.y, node = threadIdx.x;
    const Patch& patch = patches[slot * spec.patches_max + number];
    if (patch.source != SEAMLESS || node >= MEMBRANE_NODES) return;
    const float* image = x + slot * spec.side * spec.side * 3;
    Colour sum = {};
    for (uint32_t point = 0; point < POINTS; point++) {
        float t = (float)node + (((float)point + 0.5f) / (float)POINTS - 0.5f);
        Place place = on_border(t < 0.0f ? t + (float)MEMBRANE_NODES : t, (float)patch.span[0], (float)patch.span[1]);
        int32_t offset[2] = {(int32_t)(place.row + 0.5f), (int32_t)(place.column + 0.5f)};
        for (int axis = 0; axis < 2; axis++) offset[axis] = offset[axis] < patch.span[axis] ? offset[axis] : patch.span[axis];
        Colour here = pixel(image, spec.side, patch.first[0] + offset[0], patch.first[1] + offset[1]);
        Colour donor = donor_at(patch, pictures, pixels, offset[0], offset[1]);
        for (int c = 0; c < 3; c++) sum.c[c] += here.c[c] - donor.c[c];
    }
    for (int c = 0; c < 3; c++) sum.c[c] = sum.c[c] / (float)POINTS;
    membranes[(slot * spec.patches_at_once + blockIdx.y) * MEMBRANE_NODES + node] = sum;
}
REGISTER_KERNEL(corruption_membrane)

// The lattice cell of a coordinate in [-1, 1], and the position inside the cell.
struct Cell { uint32_t index; float place; };
DEVICE Cell cell_of(float coordinate, float nodes_per_unit, uint32_t side) {
    float position = (coordinate + 1.0f) * nodes_per_unit;
    position = position > 0.0f ? position : 0.0f;
    uint32_t index = (uint32_t)position;
    index = index < side - 2 ? index : side - 2;
    return {index, position - (float)index};
}

// The field at p, bilinear between nodes: first along the row, then along the column.
template <int C> DEVICE Node<C> field_at(const Node<C>* nodes, float nodes_per_unit, uint32_t side, const float (&p)[2]) {
    Cell i = cell_of(p[0], nodes_per_unit, side), j = cell_of(p[1], nodes_per_unit, side);
    const Node<C>* corner = nodes + i.index * side + j.index;
    Node<C> a = corner[0], b = corner[1], c = corner[side], d = corner[side + 1], value;
#pragma unroll
    for (int k = 0; k < C; k++) value.v[k] = between(i.place, between(j.place, a.v[k], b.v[k]), between(j.place, c.v[k], d.v[k]));
    return value;
}

// M(p) = s((R - |q|) / fade), q = p + taper(p) strength (u(p) - u(0)), s the smoothstep.
DEVICE float disk_mask(const Patch& patch, const Node<2>* nodes, const CorruptionSpec& spec, const float (&p)[2]) {
    float distance = norm2(p[0], p[1]);
    // The displacement is 0 there, and the disk ends at a smaller distance.
    if (distance >= 1.0f) return 0.0f;
    const float middle[2] = {0.0f, 0.0f};
    Node<2> centre = field_at(nodes, spec.mask_nodes_per_unit, spec.mask_side, middle);
    Node<2> u = field_at(nodes, spec.mask_nodes_per_unit, spec.mask_side, p);
    float reach = cut((1.0f - distance) * (1.0f / TAPER)) * patch.strength;
    float depth = DISK_RADIUS - norm2(p[0] + reach * (u.v[0] - centre.v[0]), p[1] + reach * (u.v[1] - centre.v[1]));
    return fade_in(depth, patch.fade);
}

// One Perlin noise of a patch at a pixel, times √2; 0 outside its grid, which is turned about the centre of the image.
DEVICE float perlin_at(const Patch& patch, uint32_t noise, const Node<2>* gradients, uint32_t side, const int32_t (&place)[2]) {
    float middle = 0.5f * (float)(side - 1), down = (float)place[0] - middle, right = (float)place[1] - middle, g[2], t[2], weight[2];
    float cosine = patch.turn[noise][0], sine = patch.turn[noise][1];
    const float turned[2] = {cosine * down - sine * right, sine * down + cosine * right};
#pragma unroll
    for (int axis = 0; axis < 2; axis++) {
        float cells = (float)patch.cells[noise][axis], scale = cells / (float)side;
        g[axis] = turned[axis] * scale + 0.5f * cells;
        if (g[axis] < 0.0f || g[axis] >= cells) return 0.0f;
    }
    uint32_t i = (uint32_t)g[0], j = (uint32_t)g[1], nodes = patch.cells[noise][1] + 1;
    t[0] = g[0] - (float)i;
    t[1] = g[1] - (float)j;
    float product[2][2];
#pragma unroll
    for (uint32_t a = 0; a < 2; a++) {
#pragma unroll
        for (uint32_t b = 0; b < 2; b++) {
            Node<2> gradient = gradients[(i + a) * nodes + j + b];
            product[a][b] = gradient.v[0] * (t[0] - (float)a) + gradient.v[1] * (t[1] - (float)b);
        }
    }
#pragma unroll
    for (int axis = 0; axis < 2; axis++) weight[axis] = t[axis] * t[axis] * t[axis] * (t[axis] * (t[axis] * 6.0f - 15.0f) + 10.0f);
    float upper = between(weight[1], product[0][0], product[0][1]), lower = between(weight[1], product[1][0], product[1][1]);
    return 1.41421356f * between(weight[0], upper, lower);
}

// M = s((v - T) / fade), v one noise, or the larger or the smaller of two.
DEVICE float perlin_mask(const Patch& patch, const Node<2>* gradients, const CorruptionSpec& spec, const int32_t (&place)[2]) {
    float v = perlin_at(patch, 0, gradients, spec.side, place);
    if (patch.shape != PERLIN) {
        float second = perlin_at(patch, 1, gradients + spec.gradient_nodes, spec.side, place);
        v = (patch.shape == PERLIN_UNION) == (second > v) ? second : v;
    }
    return fade_in(v - spec.perlin_threshold, patch.fade);
}

// One pixel: its position in the image, its offset from the patch's centre, and this offset in units of half the patch's side.
struct Site { int32_t place[2], offset[2]; float p[2]; };

DEVICE Colour texture_at(const Patch& patch, const Picture* pictures, const float* pixels, const Site& site) {
    Picture texture = pictures[patch.picture];
    int32_t down = patch.transposed ? site.offset[1] : site.offset[0], right = patch.transposed ? site.offset[0] : site.offset[1];
    float row = patch.origin[0] + (float)down * patch.stride[0], column = patch.origin[1] + (float)right * patch.stride[1];
    Colour found = bilinear(pixels + texture.start, texture.height, texture.width, row, column);
    return patch.recoloured ? recolour(found, patch.gain, patch.colour) : found;
}

DEVICE Colour other_image_at(const Patch& patch, const Picture* pictures, const float* pixels, const Site& site) {
    Picture image = pictures[patch.picture];
    uint32_t row = reflect(site.place[0] + patch.shift[0], image.height), column = reflect(site.place[1] + patch.shift[1], image.width);
    return pixel(pixels + image.start, image.width, row, column);
}

DEVICE Colour noise_at(const Patch& patch, const Node<4>* nodes, const Site& site) {
    Node<4> noise = field_at(nodes, patch.nodes_per_unit, lattice_side(patch.nodes_per_unit), site.p);
    Colour y;
#pragma unroll
    for (int k = 0; k < 3; k++) y.c[k] = cut(patch.colour[k] + patch.amplitude * between(patch.chroma, noise.v[3], noise.v[k]));
    return y;
}

// x is the image before any patch.
DEVICE Colour elastic_at(const Patch& patch, const Node<4>* nodes, const float* x, uint32_t side, const Site& site) {
    Node<4> u = field_at(nodes, patch.nodes_per_unit, lattice_side(patch.nodes_per_unit), site.p);
    float row = (float)site.place[0] + patch.stride[0] * u.v[0], column = (float)site.place[1] + patch.stride[1] * u.v[1];
    return bilinear(x, side, side, row, column);
}

// One round of the relabelling of a cell, which is its own inverse.
DEVICE void mix(const Patch& patch, uint32_t round, uint32_t (&label)[2]) {
    if (round % 2 == 0) label[0] ^= patch.rounds[round] >> (CELL_BITS * label[1]) & (CELLS - 1);
    else label[1] ^= patch.rounds[round] >> (CELL_BITS * label[0]) & (CELLS - 1);
}

// The image before any patch, its cells exchanged in pairs.
DEVICE Colour structure_at(const Patch& patch, const float* x, uint32_t side, const Site& site) {
    uint32_t cell[2], label[2], from[2];
    for (int axis = 0; axis < 2; axis++) label[axis] = cell[axis] = (uint32_t)site.place[axis] * CELLS / side;
    for (uint32_t round = 0; round < 4; round++) mix(patch, round, label);
    label[1] ^= 1;
    for (uint32_t round = 4; round > 0; round--) mix(patch, round - 1, label);
    for (int axis = 0; axis < 2; axis++) {
        uint32_t own = (cell[axis] * side + CELLS - 1) / CELLS, other = (label[axis] * side + CELLS - 1) / CELLS;
        uint32_t place = other + (uint32_t)site.place[axis] - own;
        from[axis] = place < side ? place : side - 1;
    }
    Colour found = pixel(x, side, from[0], from[1]);
    return patch.recoloured ? recolour(found, patch.gain, patch.colour) : found;
}

// From a pixel to a node of a membrane; tan(α/2) of the angle between two such vectors.
DEVICE Place spoke(uint32_t node, const float (&sides)[2], const float (&p)[2]) {
    Place place = on_border((float)(node % MEMBRANE_NODES), sides[0], sides[1]);
    return {place.row - p[0], place.column - p[1]};
}
DEVICE float half_tangent(const Place& a, const Place& b) {
    float product = norm2(a.row, a.column) * norm2(b.row, b.column);
    return (a.column * b.row - a.row * b.column) / (product + (a.row * b.row + a.column * b.column));
}

// The donor plus the membrane, which interpolates its nodes by mean-value coordinates. About 500 FLOPs, which are not counted.
DEVICE Colour seamless_at(const Patch& patch, const Picture* pictures, const float* pixels, const Colour* nodes, const Site& site) {
    int32_t offset[2];
    float sides[2], p[2];
#pragma unroll
    for (int axis = 0; axis < 2; axis++) {
        offset[axis] = site.place[axis] - patch.first[axis];
        sides[axis] = (float)(patch.span[axis] > 1 ? patch.span[axis] : 1);
        float place = (float)offset[axis], end = sides[axis] - MARGIN;
        p[axis] = place < MARGIN ? MARGIN : place > end ? end : place;
    }
    Place before = spoke(MEMBRANE_NODES - 1, sides, p), here = spoke(0, sides, p);
    float total = 0.0f, sum[3] = {};
    for (uint32_t node = 0; node < MEMBRANE_NODES; node++) {
        Place behind = spoke(node + 1, sides, p);
        float weight = (half_tangent(before, here) + half_tangent(here, behind)) / norm2(here.row, here.column);
        total += weight;
        for (int c = 0; c < 3; c++) sum[c] += weight * nodes[node].c[c];
        before = here;
        here = behind;
    }
    Colour y = donor_at(patch, pictures, pixels, offset[0], offset[1]);
#pragma unroll
    for (int c = 0; c < 3; c++) y.c[c] = cut(y.c[c] + sum[c] / total);
    return y;
}

// The weight of a pixel of the region: 1, or the logistic function of its change in grey levels, |x̂ - x| 255/3 summed over the channels.
DEVICE float region_weight(const CorruptionSpec& spec, Colour after, Colour before) {
    if (spec.region_slope == 0.0f) return 1.0f;
    float change = fabsf(after.c[0] - before.c[0]) + fabsf(after.c[1] - before.c[1]) + fabsf(after.c[2] - before.c[2]);
    return logistic(spec.region_slope * (change * 85.0f - spec.region_midpoint));
}

// Applies k patches from patch `first` on: x̂ := x̂ + M_i a (y - x̂), M := M + M_i (1 - M). Before the first
// patch x̂ is x and M is 0. After the last one M := 1, or the weight of the pixel's change, where it exceeds the threshold, else 0. Between
// launches `region` holds the soft M.
// Grid: columns of 32 pixels, rows of 8, slot. picks, pictures, pixels, patches as above, x: [n, side, side, 3],
// shapes: [n, patches_at_once, mask_side, mask_side, 2], gradients, membranes as above, materials: [n, patches_at_once, replacement_side^2, 4],
// corrupted: [n, side, side, 3], region: [n, side, side].
// FLOPs: 100 n k side^2. Bytes: 28 n side^2.
// Bound by memory if patches are few and small; the FLOPs are those of patches that cover the image.
KERNEL __launch_bounds__(256)
    corruption_lay(const float* __restrict__ picks, const Picture* __restrict__ pictures, const float* __restrict__ pixels,
                   const float* __restrict__ x, const Patch* __restrict__ patches, const Node<2>* __restrict__ shapes,
                   const Node<2>* __restrict__ gradients, const Node<4>* __restrict__ materials, const Colour* __restrict__ membranes,
                   float* __restrict__ corrupted, float* __restrict__ region, CorruptionSpec spec, uint32_t first) {
    uint32_t column = blockIdx.x * 32 + threadIdx.x % 32, row = blockIdx.y * 8 + threadIdx.x / 32, slot = blockIdx.z;
    if (row >= spec.side || column >= spec.side) return;
    uint32_t start = slot * spec.side * spec.side, here = start + row * spec.side + column;
    uint32_t last = first + spec.patches_at_once < spec.patches_max ? first + spec.patches_at_once : spec.patches_max, end = last;
    Colour current = pixel(first == 0 ? x : corrupted, 0, 0, here);
    // Beside the object no patch has a mask.
    if (spec.on_object && !is_object(pixel(x, 0, 0, here), object_of(picks, slot))) end = first;
    float m = first == 0 ? 0.0f : region[here];
    for (uint32_t number = first; number < end; number++) {
        const Patch& patch = patches[slot * spec.patches_max + number];
        if (patch.source == NO_PATCH) break;
        Site site = {{(int32_t)row, (int32_t)column}, {(int32_t)row - patch.centre[0], (int32_t)column - patch.centre[1]}, {}};
        if (abs(site.offset[0]) > patch.radius[0] || abs(site.offset[1]) > patch.radius[1]) continue;
#pragma unroll
        for (int axis = 0; axis < 2; axis++) site.p[axis] = (float)site.offset[axis] / (float)patch.radius[axis];
        uint32_t own = slot * spec.patches_at_once + number - first;
        float own_mask = patch.shape == DISK ? disk_mask(patch, shapes + own * spec.mask_side * spec.mask_side, spec, site.p)
                                             : perlin_mask(patch, gradients + own * 2 * spec.gradient_nodes, spec, site.place);
        if (own_mask == 0.0f) continue;
        const Node<4>* material = materials + own * spec.replacement_side * spec.replacement_side;
        Colour y;
        switch (patch.source) {
        case TEXTURE: y = texture_at(patch, pictures, pixels, site); break;
        case OTHER_IMAGE: y = other_image_at(patch, pictures, pixels, site); break;
        case BRIGHTNESS: y = recolour(current, patch.gain, patch.colour); break;
        case NOISE: y = noise_at(patch, material, site); break;
        case ELASTIC: y = elastic_at(patch, material, x + start * 3, spec.side, site); break;
        case SEAMLESS: y = seamless_at(patch, pictures, pixels, membranes + own * MEMBRANE_NODES, site); break;
        case STRUCTURE: y = structure_at(patch, x + start * 3, spec.side, site); break;
        default: y = {{patch.colour[0], patch.colour[1], patch.colour[2]}};
        }
#pragma unroll
        for (int k = 0; k < 3; k++) current.c[k] = cut(between(own_mask * patch.opacity, current.c[k], y.c[k]));
        m += own_mask * (1.0f - m);
    }
#pragma unroll
    for (int k = 0; k < 3; k++) corrupted[here * 3 + k] = current.c[k];
    region[here] = last < spec.patches_max ? m : m > spec.region_threshold ? region_weight(spec, current, pixel(x, 0, 0, here)) : 0.0f;
}
REGISTER_KERNEL(corruption_lay)

// x̂ += ε, x += ε: noise that the target keeps. ε = σ n, with σ drawn for each image.
// picks as above, corrupted, x: [n, side, side, 3].
// FLOPs: 12 n side^2. Bytes: 48 n side^2.
// Bound by the integer arithmetic of Philox.
KERNEL __launch_bounds__(256) corruption_kept_noise(const float* __restrict__ picks, float* __restrict__ corrupted, float* __restrict__ x,
                                                    CorruptionSpec spec) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x, image = spec.side * spec.side * 3;
    if (i >= spec.n * image) return;
    uint32_t slot = i / image, step = word(picks, 0);
    float u = uniform(philox(spec.seed, 0, PURPOSE_CORRUPTION, step, slot).lane[2]);
    float deviation = between(u, spec.kept_noise[0], spec.kept_noise[1]);
    float noise = deviation * normal(philox(spec.seed, i % image, PURPOSE_CORRUPTION + (KEPT_NOISE << 8), step, slot));
    corrupted[i] += noise;
    x[i] += noise;
}
REGISTER_KERNEL(corruption_kept_noise)
