// The specs of src/ops/, which kernels take by value. A spec that only one kernel file uses may be defined in that
// file. A test compares the Rust and C++ definitions of every spec.
#pragma once
#include "dev.cuh"

constexpr uint32_t MAX_BRANCHES = 8;
constexpr uint32_t FIELD_MARGIN = 6, FIELD_TAPS = 2 * FIELD_MARGIN + 1, SOURCES = 8;

enum : uint32_t { IDENTITY = 0, ELU = 1, TANH = 2, SIGMOID = 3, SOFTPLUS = 4 };  // Activation
enum : uint32_t { SQUARED = 0, CHARBONNIER = 1 };                                // Penalty
enum : uint32_t { LOG_UNIFORM = 0, UNIFORM = 1, GAMMA = 2 };                     // Distribution
enum : uint32_t {
    TEXTURE = 0,
    OTHER_IMAGE = 1,
    CONSTANT = 2,
    BRIGHTNESS = 3,
    NOISE = 4,
    ELASTIC = 5,
    STRUCTURE = 6,
    SEAMLESS = 7
};  // Source

struct Conv2dSpec { uint32_t n, h, w, c_in, h_out, w_out, c_out, kernel, stride, dilation, padding, activation; };
struct LinearSpec { uint32_t rows, c_in, c_out, activation; };
struct SdcSpec { uint32_t n, h, w, c_in, c_out, branches, dilations[MAX_BRANCHES], activation; };
struct BranchPointers { const float* at[MAX_BRANCHES]; };  // one buffer per branch, null past the last branch
struct BranchOutputs { float* at[MAX_BRANCHES]; };
struct PoolSpec { uint32_t n, h, w, c, window; };
struct UpsampleSpec { uint32_t n, h, w, c; };
struct ChannelsSpec { uint32_t rows, source, source_start, target, target_start, count; };
struct CcmSpec { uint32_t rows, c; };
struct ObjectiveSpec { uint32_t n, pixels, channels, penalty; double lambda, epsilon; };
struct AdamSpec { double beta1, beta2, epsilon; };
struct BoxAverageSpec { uint32_t n, h, w, size, repeats; };
struct CorruptionSpec {
    uint32_t seed[2], n, side, images, textures;
    float clean;
    uint32_t patches_min, patches_max, patches_at_once, size_distribution;
    float size[2], size_bounds[2], aspect[2], weights[SOURCES], blend_probability;
    uint32_t blend_distribution;
    float blend[2], softness[2], deformation[2], region_threshold, kept_noise[2], perlin, perlin_union,
        perlin_intersection;
    uint32_t perlin_exponents;
    float perlin_threshold, region_slope, region_midpoint;
    float seamless_scale[2];
    uint32_t membranes, on_object, grey, gradient_nodes;
    float mask_nodes_per_unit;
    uint32_t mask_side, replacement_side;
    float taps[FIELD_TAPS];
};
