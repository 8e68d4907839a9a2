// Random fields of masks and replacements, gradients of Perlin noise, and membranes.
#include "corruption.cuh"

constexpr uint32_t TILE = 16, WIDE_TILE = TILE + 2 * FIELD_MARGIN;
constexpr uint32_t POINTS = 8;

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
DEVICE Lattice lattice_of(const CorruptionSpec& spec, const float* picks, const Patch& patch, uint32_t field,
                          uint32_t slot, uint32_t number) {
    bool present = patch.source != NO_PATCH && (field == MASK_FIELD || patch.nodes_per_unit > 0.0f);
    uint32_t side = field == MASK_FIELD ? spec.mask_side : lattice_side(patch.nodes_per_unit);
    return {present ? side : 0, PURPOSE_CORRUPTION + (field << 8) + (number << 16), word(picks, 0), slot};
}

// nodes[i, j] = Σ_a w_a Σ_b w_b n(i + a, j + b) for one tile of 16 x 16 nodes of a lattice: noise for the tile and its
// margin, then sums along rows, then along columns. Either all threads of the block call it, or none.
template <int C> DEVICE void smooth_tile(const CorruptionSpec& spec, const Lattice& lattice, uint32_t tile,
                                        Node<C>* nodes, float (&noise)[C][WIDE_TILE][WIDE_TILE],
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
template <int C>
DEVICE Node<C> smooth_node(const CorruptionSpec& spec, const Lattice& lattice, uint32_t i, uint32_t j) {
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

// The displacement field of the mask of patch first + k: nodes[slot, k, i, j] = Σ_a Σ_b w_a w_b n(i + a, j + b), two
// channels.
// Grid: tiles of a lattice, k, slot. picks as above, patches: [n, patches_max], nodes: [n, patches_at_once, mask_side,
// mask_side, 2].
// FLOPs: 104 n k mask_side^2. Bytes: 8 n k mask_side^2.
// Bound by the integer arithmetic of Philox. For a lattice of up to 16 x 16 nodes no random number is drawn twice.
KERNEL __launch_bounds__(256)
    corruption_mask_field(const float* __restrict__ picks, const Patch* __restrict__ patches,
                          Node<2>* __restrict__ nodes, CorruptionSpec spec, uint32_t first) {
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
KERNEL __launch_bounds__(256)
    corruption_mask_field_naive(const float* __restrict__ picks, const Patch* __restrict__ patches,
                                Node<2>* __restrict__ nodes, CorruptionSpec spec, uint32_t first) {
    uint32_t slot = blockIdx.z, number = first + blockIdx.y, node = blockIdx.x * blockDim.x + threadIdx.x;
    Lattice lattice = lattice_of(spec, picks, patches[slot * spec.patches_max + number], MASK_FIELD, slot, number);
    if (node >= lattice.side * lattice.side) return;
    uint32_t start = (slot * spec.patches_at_once + blockIdx.y) * spec.mask_side * spec.mask_side;
    nodes[start + node] = smooth_node<2>(spec, lattice, node / lattice.side, node % lattice.side);
}
REGISTER_KERNEL(corruption_mask_field_naive)

// The replacement field of patch first + k if its source has one: noise of four channels, or the elastic displacement
// in the first two of them. Each patch has a lattice of its own size, which fills the first side^2 of its
// replacement_side^2 nodes.
// Grid: tiles of the largest lattice, k, slot. nodes: [n, patches_at_once, replacement_side^2, 4], the rest as above.
// FLOPs: 208 n k replacement_side^2. Bytes: 16 n k replacement_side^2.
// Bound by the integer arithmetic of Philox.
KERNEL __launch_bounds__(256)
    corruption_replacement_field(const float* __restrict__ picks, const Patch* __restrict__ patches,
                                 Node<4>* __restrict__ nodes, CorruptionSpec spec, uint32_t first) {
    SHARED(float, noise, [4][WIDE_TILE][WIDE_TILE]);
    SHARED(float, rows, [4][WIDE_TILE][TILE]);
    uint32_t slot = blockIdx.z, number = first + blockIdx.y;
    Lattice lattice =
        lattice_of(spec, picks, patches[slot * spec.patches_max + number], REPLACEMENT_FIELD, slot, number);
    uint32_t tiles = (lattice.side + TILE - 1) / TILE;
    // The condition is the same for the whole block.
    if (blockIdx.x >= tiles * tiles) return;
    uint32_t start = (slot * spec.patches_at_once + blockIdx.y) * spec.replacement_side * spec.replacement_side;
    smooth_tile<4>(spec, lattice, blockIdx.x, nodes + start, noise, rows);
}
REGISTER_KERNEL(corruption_replacement_field)

// The same, one thread per node. Grid: nodes of the largest lattice, k, slot.
// FLOPs: 1456 n k replacement_side^2. Bytes: 16 n k replacement_side^2.
KERNEL __launch_bounds__(256)
    corruption_replacement_field_naive(const float* __restrict__ picks, const Patch* __restrict__ patches,
                                       Node<4>* __restrict__ nodes, CorruptionSpec spec, uint32_t first) {
    uint32_t slot = blockIdx.z, number = first + blockIdx.y, node = blockIdx.x * blockDim.x + threadIdx.x;
    Lattice lattice =
        lattice_of(spec, picks, patches[slot * spec.patches_max + number], REPLACEMENT_FIELD, slot, number);
    if (node >= lattice.side * lattice.side) return;
    uint32_t start = (slot * spec.patches_at_once + blockIdx.y) * spec.replacement_side * spec.replacement_side;
    nodes[start + node] = smooth_node<4>(spec, lattice, node / lattice.side, node % lattice.side);
}
REGISTER_KERNEL(corruption_replacement_field_naive)

// gradients[slot, k, noise, node] = a random unit vector for each node of both Perlin noises of patch first + k, if it
// has that shape.
// Grid: nodes of the finest noise, k, slot. gradients: [n, patches_at_once, 2, gradient_nodes, 2], the rest as above.
// FLOPs: 700 n k gradient_nodes. Bytes: 16 n k gradient_nodes.
// Bound by square root and division, 23 of each for a vector.
KERNEL __launch_bounds__(256)
    corruption_gradients(const float* __restrict__ picks, const Patch* __restrict__ patches,
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

// membranes[slot, k, node] = mean of x - donor over 8 points around each of 16 nodes along the border of patch first +
// k, if it is seamless.
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
        for (int axis = 0; axis < 2; axis++)
            offset[axis] = offset[axis] < patch.span[axis] ? offset[axis] : patch.span[axis];
        Colour here = pixel(image, spec.side, patch.first[0] + offset[0], patch.first[1] + offset[1]);
        Colour donor = donor_at(patch, pictures, pixels, offset[0], offset[1]);
        for (int c = 0; c < 3; c++) sum.c[c] += here.c[c] - donor.c[c];
    }
    for (int c = 0; c < 3; c++) sum.c[c] = sum.c[c] / (float)POINTS;
    membranes[(slot * spec.patches_at_once + blockIdx.y) * MEMBRANE_NODES + node] = sum;
}
REGISTER_KERNEL(corruption_membrane)
