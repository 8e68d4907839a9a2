// Draws every patch: its shape, place, and source.
#include "corruption.cuh"

constexpr uint32_t CANDIDATES = 64;
constexpr float NODES_PER_SIGMA = 2.0f;
constexpr float ELASTIC_SMOOTHING = 0.3f;

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

// Makes the random numbers of a replacement those of a grey one: those of red for every channel, and no chroma.
DEVICE void without_colour(uint32_t source, float* u) {
    switch (source) {
    case TEXTURE: u[8] = u[9] = u[7]; break;
    case CONSTANT: u[1] = u[2] = u[0]; break;
    case NOISE:
        u[1] = u[2] = u[0];
        u[6] = 0.0f;
        break;
    case BRIGHTNESS: u[4] = u[5] = u[3]; break;
    case STRUCTURE: u[3] = u[4] = u[2]; break;
    default: break;
    }
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
DEVICE void plan_seamless(const float* u, const Random& bits, const Picture* pictures, const CorruptionSpec& spec,
                          Patch& patch) {
    plan_other_image(u, pictures, spec, patch);
    float scale = 1.0f + 0.5f * normal(bits);
    scale = scale < spec.seamless_scale[0]   ? spec.seamless_scale[0]
            : scale > spec.seamless_scale[1] ? spec.seamless_scale[1]
                                             : scale;
    float stride = 1.0f / scale;
#pragma unroll
    for (int axis = 0; axis < 2; axis++) {
        int32_t low = patch.centre[axis] - patch.radius[axis], high = patch.centre[axis] + patch.radius[axis],
                end = (int32_t)spec.side - 1;
        patch.first[axis] = low < 0 ? 0 : low;
        patch.span[axis] = (high < end ? high : end) - patch.first[axis];
        patch.stride[axis] = stride;
        patch.origin[axis] = (float)(patch.centre[axis] + patch.shift[axis]) +
                             ((float)patch.first[axis] - (float)patch.centre[axis]) * stride;
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
DEVICE void plan_shape(const CorruptionSpec& spec, uint32_t step, uint32_t slot, uint32_t number, float softness,
                       Patch& patch) {
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
        for (int axis = 0; axis < 2; axis++)
            patch.cells[noise][axis] = 1u << choose_item(own.u[axis], spec.perlin_exponents + 1);
    }
    for (int axis = 0; axis < 2; axis++) {
        patch.centre[axis] = spec.side / 2;
        patch.radius[axis] = spec.side < 4 ? 1 : spec.side / 2;
    }
}

// Rows and columns of a patch, from random numbers 2 and 3 of the patch, or from further ones.
DEVICE void plan_size(const float* u, const CorruptionSpec& spec, uint32_t step, uint32_t slot, uint32_t number,
                      Patch& patch) {
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

// The centre of a patch: the first candidate on the object, from random numbers 0 and 1 and then from further ones, or
// else the first. x: the image in the slot.
DEVICE void plan_centre(const CorruptionSpec& spec, const float* x, const Object& object, uint32_t step, uint32_t slot,
                        uint32_t number, Patch& patch) {
    uint32_t row = patch.centre[0], column = patch.centre[1];
    Random random = {};
    for (uint32_t tried = 0; !is_object(pixel(x, spec.side, row, column), object); tried++) {
        if (tried == CANDIDATES) return;
        uint32_t lane = tried % 2 * 2;
        if (lane == 0)
            random = philox(spec.seed, tried / 2, PURPOSE_CORRUPTION + (CENTRE << 8) + (number << 16), step, slot);
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
    patch.opacity =
        u[7] < spec.blend_probability ? draw_from(spec.blend_distribution, u[8], spec.blend[0], spec.blend[1]) : 1.0f;
}

// patches[slot, number] = the patch, or NO_PATCH where the slot has no more patches.
// picks, pictures as above, x: [n, side, side, 3], patches: [n, patches_max].
// FLOPs: 250 n patches_max. Bytes: 164 n patches_max.
// Bound by latency: one thread per patch, a few hundred in total.
KERNEL __launch_bounds__(64)
    corruption_plan(const float* __restrict__ picks, const Picture* __restrict__ pictures, const float* __restrict__ x,
                    Patch* __restrict__ patches, CorruptionSpec spec) {
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
        if (spec.on_object)
            plan_centre(spec, x + slot * spec.side * spec.side * 3, object_of(picks, slot), step, slot, number, patch);
        if (spec.perlin > 0.0f)
            plan_shape(spec, step, slot, number, between(u[4], spec.softness[0], spec.softness[1]), patch);
        float* material = u + 9;
        if (spec.grey) without_colour(patch.source, material);
        switch (patch.source) {
        case TEXTURE: plan_texture(material, pictures, spec, patch); break;
        case OTHER_IMAGE: plan_other_image(material, pictures, spec, patch); break;
        case BRIGHTNESS:
            plan_brightness(material,
                            pixel(x + slot * spec.side * spec.side * 3, spec.side, patch.centre[0], patch.centre[1]),
                            patch);
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
