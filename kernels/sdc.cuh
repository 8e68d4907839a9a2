// Shared by the kernels of the stacked dilated convolution: its branches, the depth that concatenates them, and the
// steps of a depth that can be skipped.
#pragma once
#include "taps.cuh"

constexpr uint32_t TAPS = 9;

// Arguments indexed by the branch are __grid_constant__, so that they are read in place and not copied to local memory.

// One branch as a separate convolution, without the activation.
DEVICE Conv2dSpec branch_of(const SdcSpec& s, uint32_t branch) {
    uint32_t d = s.dilations[branch];
    return {s.n, s.h, s.w, s.c_in, s.h, s.w, s.c_out, 3, 1, d, d, IDENTITY};
}
DEVICE uint32_t pixels_of(const SdcSpec& s) { return s.n * s.h * s.w; }
DEVICE uint32_t concat_channels(const SdcSpec& s) { return s.branches * s.c_out; }

// The image rows, called lines here, of a range of pixels; all lines if the range extends into another image.
struct Lines { uint32_t low, high; };
DEVICE Lines lines_of(Divisor lines, Divisor columns, uint32_t first, uint32_t last) {
    uint32_t low = columns.quotient(first), high = columns.quotient(last), image = lines.quotient(low);
    if (lines.quotient(high) != image) return {0, lines.d - 1};
    return {low - image * lines.d, high - image * lines.d};
}
// Whether a tap reads inside the image for any pixel of those lines.
DEVICE bool reaches(const SdcSpec& s, Lines lines, uint32_t tap, uint32_t dilation) {
    uint32_t row = tap / 3, column = tap % 3;
    bool above = row != 0 || lines.high >= dilation, below = row != 2 || s.h - lines.low > dilation;
    return above && below && (column == 1 || s.w > dilation);
}

// The steps of a depth (branch, tap, channel), of STEP values each, that a tile with pixels in `lines` needs. The depth
// starts at branch `first_branch`.
template <uint32_t STEP> struct TapSteps {
    const SdcSpec& s;
    Divisor channels;
    uint32_t first_branch, end;
    bool adjoint;  // taps are mirrored
    Lines lines;
    DEVICE TapSteps(const SdcSpec& s, uint32_t first_row, uint32_t rows, uint32_t channels, uint32_t first_branch,
                    uint32_t end, bool adjoint)
        : s(s), channels(channels), first_branch(first_branch), end(end), adjoint(adjoint),
          lines(lines_of(Divisor(s.h), Divisor(s.w), first_row, min(first_row + rows, pixels_of(s)) - 1)) {}
    DEVICE bool needed(uint32_t k) const {
        uint32_t last = channels.quotient(min(k + STEP, end) - 1);
        for (uint32_t tap = channels.quotient(k); tap <= last; tap++) {
            uint32_t own = tap % TAPS;
            if (reaches(s, lines, adjoint ? TAPS - 1 - own : own, s.dilations[first_branch + tap / TAPS])) return true;
        }
        return false;
    }
    DEVICE uint32_t next(uint32_t k) const {
        while (k < end && !needed(k)) k += STEP;
        return k;
    }
};

// The steps of a depth of pixels up to `end`, of STEP pixels each, that a tile with taps first..last needs.
template <uint32_t STEP> struct PixelSteps {
    const SdcSpec& s;
    Divisor h, w;
    uint32_t first, last, dilation, end;
    DEVICE bool needed(uint32_t k) const {
        Lines lines = lines_of(h, w, k, min(k + STEP, end) - 1);
        for (uint32_t tap = first; tap <= last; tap++)
            if (reaches(s, lines, tap, dilation)) return true;
        return false;
    }
    DEVICE uint32_t next(uint32_t k) const {
        while (k < end && !needed(k)) k += STEP;
        return k;
    }
};

// A depth index split into (branch, tap, o). Past the end, `branch` is at least the number of branches.
struct BranchDepth {
    Divisor branches, channels;
    DEVICE explicit BranchDepth(uint32_t c_out) : branches(TAPS * c_out), channels(c_out) {}
    struct Position { uint32_t branch, tap, o; };
    DEVICE Position at(uint32_t k) const {
        uint32_t branch = branches.quotient(k), rest = k - branch * branches.d, tap = channels.quotient(rest);
        return {branch, tap, rest - tap * channels.d};
    }
};
