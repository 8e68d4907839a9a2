// Crops of the resident images.
#include "corruption.cuh"

// The pixel of an image at the place of a pixel of its crop: real coordinates before the quarter turns and flips, and
// after them.
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

// x[slot, row, column] = the image that the slot picks, cropped, flipped, turned, rotated. A rotation costs about 60
// FLOPs per pixel, which are not counted.
// picks: [2 (1 + 8 n)], pictures: [images + textures], pixels: all pictures [height, width, 3], x: [n, side, side, 3].
// FLOPs: 0. Bytes: 24 n side^2.
// Bound by memory.
KERNEL __launch_bounds__(256)
    corruption_crop(const float* __restrict__ picks, const Picture* __restrict__ pictures,
                    const float* __restrict__ pixels, float* __restrict__ x, CorruptionSpec spec) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= spec.n * spec.side * spec.side) return;
    uint32_t slot = i / (spec.side * spec.side), row = i / spec.side % spec.side, column = i % spec.side;
    uint32_t own = 1 + PICK_WORDS * slot;
    Picture picture = pictures[word(picks, own)];
    uint32_t top = word(picks, own + 1), left = word(picks, own + 2), turns = word(picks, own + 3),
             flips = word(picks, own + 4);
    float t = __uint_as_float(word(picks, own + 5)), last = (float)(spec.side - 1), r = (float)row, c = (float)column;
    if (t != 0.0f) rotate(t, last, r, c);
    untransform(turns, flips, last, r, c);
    // Without a rotation the coordinates are whole numbers, and this is the pixel itself.
    Colour v = bilinear(pixels + picture.start, picture.height, picture.width, (float)top + r, (float)left + c);
#pragma unroll
    for (int k = 0; k < 3; k++) x[i * 3 + k] = v.c[k];
}
REGISTER_KERNEL(corruption_crop)
