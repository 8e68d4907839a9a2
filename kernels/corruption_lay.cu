// Masks and replacements of the patches, the corrupted images, and noise that the target keeps.
#include "corruption.cuh"

constexpr uint32_t CELLS = 8, CELL_BITS = 3;
constexpr float MARGIN = 0.25f;
constexpr float TAPER = 0.35f;

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
template <int C>
DEVICE Node<C> field_at(const Node<C>* nodes, float nodes_per_unit, uint32_t side, const float (&p)[2]) {
    Cell i = cell_of(p[0], nodes_per_unit, side), j = cell_of(p[1], nodes_per_unit, side);
    const Node<C>* corner = nodes + i.index * side + j.index;
    Node<C> a = corner[0], b = corner[1], c = corner[side], d = corner[side + 1], value;
#pragma unroll
    for (int k = 0; k < C; k++)
        value.v[k] = between(i.place, between(j.place, a.v[k], b.v[k]), between(j.place, c.v[k], d.v[k]));
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
DEVICE float perlin_at(const Patch& patch, uint32_t noise, const Node<2>* gradients, uint32_t side,
                       const int32_t (&place)[2]) {
    float middle = 0.5f * (float)(side - 1), down = (float)place[0] - middle, right = (float)place[1] - middle, g[2],
          t[2], weight[2];
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
    for (int axis = 0; axis < 2; axis++)
        weight[axis] = t[axis] * t[axis] * t[axis] * (t[axis] * (t[axis] * 6.0f - 15.0f) + 10.0f);
    float upper = between(weight[1], product[0][0], product[0][1]),
          lower = between(weight[1], product[1][0], product[1][1]);
    return 1.41421356f * between(weight[0], upper, lower);
}

// M = s((v - T) / fade), v one noise, or the larger or the smaller of two.
DEVICE float perlin_mask(const Patch& patch, const Node<2>* gradients, const CorruptionSpec& spec,
                         const int32_t (&place)[2]) {
    float v = perlin_at(patch, 0, gradients, spec.side, place);
    if (patch.shape != PERLIN) {
        float second = perlin_at(patch, 1, gradients + spec.gradient_nodes, spec.side, place);
        v = (patch.shape == PERLIN_UNION) == (second > v) ? second : v;
    }
    return fade_in(v - spec.perlin_threshold, patch.fade);
}

// One pixel: its position in the image, its offset from the patch's centre, and this offset in units of half the
// patch's side.
struct Site { int32_t place[2], offset[2]; float p[2]; };

DEVICE Colour texture_at(const Patch& patch, const Picture* pictures, const float* pixels, const Site& site) {
    Picture texture = pictures[patch.picture];
    int32_t down = patch.transposed ? site.offset[1] : site.offset[0],
            right = patch.transposed ? site.offset[0] : site.offset[1];
    float row = patch.origin[0] + (float)down * patch.stride[0],
          column = patch.origin[1] + (float)right * patch.stride[1];
    Colour found = bilinear(pixels + texture.start, texture.height, texture.width, row, column);
    return patch.recoloured ? recolour(found, patch.gain, patch.colour) : found;
}

DEVICE Colour other_image_at(const Patch& patch, const Picture* pictures, const float* pixels, const Site& site) {
    Picture image = pictures[patch.picture];
    uint32_t row = reflect(site.place[0] + patch.shift[0], image.height),
             column = reflect(site.place[1] + patch.shift[1], image.width);
    return pixel(pixels + image.start, image.width, row, column);
}

DEVICE Colour noise_at(const Patch& patch, const Node<4>* nodes, const Site& site) {
    Node<4> noise = field_at(nodes, patch.nodes_per_unit, lattice_side(patch.nodes_per_unit), site.p);
    Colour y;
#pragma unroll
    for (int k = 0; k < 3; k++)
        y.c[k] = cut(patch.colour[k] + patch.amplitude * between(patch.chroma, noise.v[3], noise.v[k]));
    return y;
}

// x is the image before any patch.
DEVICE Colour elastic_at(const Patch& patch, const Node<4>* nodes, const float* x, uint32_t side, const Site& site) {
    Node<4> u = field_at(nodes, patch.nodes_per_unit, lattice_side(patch.nodes_per_unit), site.p);
    float row = (float)site.place[0] + patch.stride[0] * u.v[0],
          column = (float)site.place[1] + patch.stride[1] * u.v[1];
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

// The donor plus the membrane, which interpolates its nodes by mean-value coordinates. About 500 FLOPs, which are not
// counted.
DEVICE Colour seamless_at(const Patch& patch, const Picture* pictures, const float* pixels, const Colour* nodes,
                          const Site& site) {
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

// The weight of a pixel of the region: 1, or the logistic function of its change in grey levels, |x̂ - x| 255/3 summed
// over the channels.
DEVICE float region_weight(const CorruptionSpec& spec, Colour after, Colour before) {
    if (spec.region_slope == 0.0f) return 1.0f;
    float change = fabsf(after.c[0] - before.c[0]) + fabsf(after.c[1] - before.c[1]) + fabsf(after.c[2] - before.c[2]);
    return logistic(spec.region_slope * (change * 85.0f - spec.region_midpoint));
}

// Applies k patches from patch `first` on: x̂ := x̂ + M_i a (y - x̂), M := M + M_i (1 - M). Before the first
// patch x̂ is x and M is 0. After the last one M := 1, or the weight of the pixel's change, where it exceeds the
// threshold, else 0. Between launches `region` holds the soft M.
// Grid: columns of 32 pixels, rows of 8, slot. picks, pictures, pixels, patches as above, x: [n, side, side, 3],
// shapes: [n, patches_at_once, mask_side, mask_side, 2], gradients, membranes as above, materials: [n, patches_at_once,
// replacement_side^2, 4],
// corrupted: [n, side, side, 3], region: [n, side, side].
// FLOPs: 100 n k side^2. Bytes: 28 n side^2.
// Bound by memory if patches are few and small; the FLOPs are those of patches that cover the image.
KERNEL __launch_bounds__(256)
    corruption_lay(const float* __restrict__ picks, const Picture* __restrict__ pictures,
                   const float* __restrict__ pixels, const float* __restrict__ x, const Patch* __restrict__ patches,
                   const Node<2>* __restrict__ shapes, const Node<2>* __restrict__ gradients,
                   const Node<4>* __restrict__ materials, const Colour* __restrict__ membranes,
                   float* __restrict__ corrupted, float* __restrict__ region, CorruptionSpec spec, uint32_t first) {
    uint32_t column = blockIdx.x * 32 + threadIdx.x % 32, row = blockIdx.y * 8 + threadIdx.x / 32, slot = blockIdx.z;
    if (row >= spec.side || column >= spec.side) return;
    uint32_t start = slot * spec.side * spec.side, here = start + row * spec.side + column;
    uint32_t last = first + spec.patches_at_once < spec.patches_max ? first + spec.patches_at_once : spec.patches_max,
             end = last;
    Colour current = pixel(first == 0 ? x : corrupted, 0, 0, here);
    // Beside the object no patch has a mask.
    if (spec.on_object && !is_object(pixel(x, 0, 0, here), object_of(picks, slot))) end = first;
    float m = first == 0 ? 0.0f : region[here];
    for (uint32_t number = first; number < end; number++) {
        const Patch& patch = patches[slot * spec.patches_max + number];
        if (patch.source == NO_PATCH) break;
        Site site = {
            {(int32_t)row, (int32_t)column}, {(int32_t)row - patch.centre[0], (int32_t)column - patch.centre[1]}, {}};
        if (abs(site.offset[0]) > patch.radius[0] || abs(site.offset[1]) > patch.radius[1]) continue;
#pragma unroll
        for (int axis = 0; axis < 2; axis++) site.p[axis] = (float)site.offset[axis] / (float)patch.radius[axis];
        uint32_t own = slot * spec.patches_at_once + number - first;
        float own_mask = patch.shape == DISK
                             ? disk_mask(patch, shapes + own * spec.mask_side * spec.mask_side, spec, site.p)
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
    region[here] = last < spec.patches_max     ? m
                   : m > spec.region_threshold ? region_weight(spec, current, pixel(x, 0, 0, here))
                                               : 0.0f;
}
REGISTER_KERNEL(corruption_lay)

// x̂ += ε, x += ε: noise that the target keeps. ε = σ n, with σ drawn for each image.
// picks as above, corrupted, x: [n, side, side, 3].
// FLOPs: 12 n side^2. Bytes: 48 n side^2.
// Bound by the integer arithmetic of Philox.
KERNEL __launch_bounds__(256) corruption_kept_noise(const float* __restrict__ picks, float* __restrict__ corrupted,
                                                    float* __restrict__ x, CorruptionSpec spec) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x, image = spec.side * spec.side * 3;
    if (i >= spec.n * image) return;
    uint32_t slot = i / image, step = word(picks, 0);
    float u = uniform(philox(spec.seed, 0, PURPOSE_CORRUPTION, step, slot).lane[2]);
    float deviation = between(u, spec.kept_noise[0], spec.kept_noise[1]);
    // The channels of a grey pixel have the noise of the first.
    uint32_t element = spec.grey ? i % image / 3 * 3 : i % image;
    float noise = deviation * normal(philox(spec.seed, element, PURPOSE_CORRUPTION + (KEPT_NOISE << 8), step, slot));
    corrupted[i] += noise;
    x[i] += noise;
}
REGISTER_KERNEL(corruption_kept_noise)
