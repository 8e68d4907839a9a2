// Panels: matrices of bf16 in shared memory, 64 columns (128 bytes) wide, read by ldmatrix and by single words.
//
// A row of a panel is eight chunks of eight values. It fills the 32 banks once, so chunks that are read together must
// lie in different eighths of a row. The place of a chunk is the exclusive or of its number and of bits of row % 8:
//
//      place of chunk   0 1 2 3 4 5 6 7      row % 8 = 4 b2 + 2 b1 + b0, exclusive or with 4 b0 + 2 b2 + b1
//      row 0            0 1 2 3 4 5 6 7
//      row 1            4 5 6 7 0 1 2 3      one chunk of 8 rows (ldmatrix)                   8 different places
//      row 2            1 0 3 2 5 4 7 6      a whole row by 8 lanes (16 bytes a lane)         8 different places
//      row 3            5 4 7 6 1 0 3 2      half of the rows 2r and 2r+1 by 8 lanes          8 different places
//      row 4            2 3 0 1 6 7 4 5      words of a fragment: 8 rows, 4 lanes in each     32 different banks
//      row 5            6 7 4 5 2 3 0 1
//      row 6            3 2 1 0 7 6 5 4
//      row 7            7 6 5 4 3 2 1 0
//
// A wider matrix is an array of panels, each with all rows.
//
// Fragments of mma m16n8k16: a step of 16 along the depth k is two chunks, or 16 rows if the depth runs along the
// rows of the panel. Lane l of ldmatrix names row l % 8 of matrix l / 8:
//
//      operand  panel     matrices 0, 1, 2, 3, each as (m or n, k) of its first value         lanes
//      left     [m, k]    (0, 0) (8, 0) (0, 8) (8, 8)                                         rows_first
//      right    [n, k]    (0, 0) (0, 8) (8, 0) (8, 8)                                         chunks_first
//      right    [k, n]    (0, 0) (0, 8) (8, 0) (8, 8)    transposed                           rows_first
//      left     [k, m]    (0, 0) (8, 0) (0, 8) (8, 8)    transposed                           chunks_first
#pragma once
#include "bf16.cuh"

constexpr uint32_t PANEL = 64, PANEL_CHUNKS = PANEL / CHUNK;
static_assert(PANEL * sizeof(bf16) == 32 * 4, "a row of a panel fills the 32 banks once");

// Offset of a chunk in a panel.
DEVICE uint32_t panel_chunk(uint32_t row, uint32_t chunk) {
    return row * PANEL + (chunk ^ (row % 2 * 4 + row / 2 % 4)) * CHUNK;
}
// Offset of the chunk (row + r, chunk + n) if `offset` is that of (row, chunk): r is a multiple of 8, and chunk and n
// have no bit in common.
DEVICE uint32_t panel_shift(uint32_t offset, uint32_t r, uint32_t n) { return (offset ^ n * CHUNK) + r * PANEL; }

// Offset of this lane's row for ldmatrix of the 16 x 16 values at (0, 0), see above.
DEVICE uint32_t rows_first() { return panel_chunk(threadIdx.x % 16, threadIdx.x / 16 % 2); }
DEVICE uint32_t chunks_first() {
    return panel_chunk(threadIdx.x % 8 + threadIdx.x / 16 % 2 * 8, threadIdx.x / 8 % 2);
}
// Offset of this lane's pair in the fragment of sums at (0, 0): row lane / 4, columns 2 (lane % 4) and the next.
DEVICE uint32_t lane_pair() { return panel_chunk(threadIdx.x % WARP / 4, 0) + threadIdx.x % 4 * 2; }

DEVICE uint32_t load_pair(const bf16* p) { return *(const uint32_t*)p; }
DEVICE void store_pair(bf16* p, uint32_t pair) { *(uint32_t*)p = pair; }

// Starts the copies of ROWS rows and 64 columns of a matrix [rows, pitch] by a block of THREADS threads: rows from
// first_row on, columns from `column` on, of which those before `columns` exist. What does not exist becomes zero.
template <uint32_t ROWS, uint32_t THREADS>
DEVICE void copy_panel(bf16* panel, const bf16* p, uint32_t pitch, uint32_t first_row, uint32_t rows, uint32_t column,
                       uint32_t columns) {
    constexpr uint32_t PASS = THREADS / PANEL_CHUNKS;  // rows that all threads copy at once
    static_assert(PASS % 8 == 0 && ROWS % PASS == 0, "the swizzle of a thread's rows is the same in all passes");
    uint32_t row = threadIdx.x / PANEL_CHUNKS, chunk = threadIdx.x % PANEL_CHUNKS, first = column + chunk * CHUNK;
    bf16* target = panel + panel_chunk(row, chunk);
#pragma unroll
    for (uint32_t j = 0; j < ROWS; j += PASS) {
        uint32_t r = first_row + row + j;
        bool valid = r < rows && first < columns;
        cp_async16(target + j * PANEL, p + (valid ? r * pitch + first : 0), valid);
    }
}

// Calls visit(offset, row, column) for the chunks of a panel that this thread copies with copy_panel. The thread can
// read them as soon as it has waited for its copies, before any barrier.
template <uint32_t ROWS, uint32_t THREADS, class Visit> DEVICE void each_copied_chunk(const Visit& visit) {
    uint32_t chunk = threadIdx.x % PANEL_CHUNKS;
#pragma unroll 1
    for (uint32_t row = threadIdx.x / PANEL_CHUNKS; row < ROWS; row += THREADS / PANEL_CHUNKS)
        visit(panel_chunk(row, chunk), row, chunk * CHUNK);
}

// Calls visit(offset, index) for the chunks of 32 rows and COLUMNS columns, from chunk `first` on, of a panel that
// stands for the values of a matrix [rows, c] from (row, column) on: with the offset in the panel and the index in
// the matrix, for the chunks that the matrix has. A warp visits each chunk once.
template <uint32_t COLUMNS, class Visit>
DEVICE void each_chunk(uint32_t first, uint32_t row, uint32_t rows, uint32_t column, uint32_t c, const Visit& visit) {
    constexpr uint32_t ACROSS = COLUMNS / CHUNK, PASS = WARP / ACROSS;  // chunks of a row, rows at once
    uint32_t lane = threadIdx.x % WARP, chunk = first + lane % ACROSS;
#pragma unroll 1
    for (uint32_t r = lane / ACROSS; r < 32; r += PASS)
        if (row + r < rows && column + chunk * CHUNK < c)
            visit(panel_chunk(r, chunk), (row + r) * c + column + chunk * CHUNK);
}

// Fragments whose depth runs along the rows of the panel: the 16 x 16 values from row k and chunk m or n on, as left
// operand and as two right operands.
DEVICE void left_transposed(uint32_t (&a)[4], const bf16* panel, uint32_t m, uint32_t k) {
    ldmatrix4_transposed(a, panel + panel_shift(chunks_first(), k, m));
}
DEVICE void right_transposed(uint32_t (&b)[4], const bf16* panel, uint32_t n, uint32_t k) {
    ldmatrix4_transposed(b, panel + panel_shift(rows_first(), k, n));
}

// Operands of WarpSums::add. Left: rows of a panel [m, k] that starts at the warp's row.
struct PanelRows {
    const bf16* panel;
    DEVICE void operator()(uint32_t (&a)[4], uint32_t i, uint32_t k) const {
        ldmatrix4(a, panel + panel_shift(rows_first(), i * 16, k));
    }
};
// Right: a panel [n, k].
struct PanelOfOutputs {
    const bf16* panel;
    DEVICE void operator()(uint32_t (&b)[4], uint32_t n, uint32_t k) const {
        ldmatrix4(b, panel + panel_shift(chunks_first(), n * 8, k));
    }
};
// Right: a panel [k, n], from chunk `first` on.
struct PanelOfInputs {
    const bf16* panel;
    uint32_t first;
    DEVICE void operator()(uint32_t (&b)[4], uint32_t n, uint32_t k) const {
        right_transposed(b, panel, first + n, k * CHUNK);
    }
};

// Sums of a warp: 32 rows x N columns in fragments of 16 x 8. Lane l has in v[i][j] the columns 8 j + 2 (l % 4) and
// the next: of row 16 i + l / 4 in [0] and [1], of the row 8 below in [2] and [3].
template <uint32_t N> struct WarpSums {
    static constexpr uint32_t FRAGMENTS = N / 8;
    float v[2][FRAGMENTS][4];

    DEVICE void clear() {
#pragma unroll
        for (uint32_t i = 0; i < 2; i++)
#pragma unroll
            for (uint32_t j = 0; j < FRAGMENTS; j++) v[i][j][0] = v[i][j][1] = v[i][j][2] = v[i][j][3] = 0.0f;
    }
    // v = b[column], zero from column c on; the warp's columns start at `first`, a multiple of 8, as is c.
    DEVICE void start(const float* b, uint32_t first, uint32_t c) {
        first += threadIdx.x % 4 * 2;
#pragma unroll
        for (uint32_t j = 0; j < FRAGMENTS; j++) {
            bool exists = first + j * 8 < c;
            const float* p = b + (exists ? first + j * 8 : 0);
            float x = exists ? p[0] : 0.0f, y = exists ? p[1] : 0.0f;
#pragma unroll
            for (uint32_t i = 0; i < 2; i++) {
                v[i][j][0] = v[i][j][2] = x;
                v[i][j][1] = v[i][j][3] = y;
            }
        }
    }

    // v += A B over a depth of 64. left(a, i, k) loads the fragment of rows 16 i.., right(b, n, k) those of columns
    // 8 n..8 n + 15, both of the depth from chunk k on.
    template <class Left, class Right> DEVICE void add(const Left& left, const Right& right) {
#pragma unroll
        for (uint32_t k = 0; k < PANEL_CHUNKS; k += 2) {
            uint32_t a[2][4];
            left(a[0], 0, k);
            left(a[1], 1, k);
#pragma unroll
            for (uint32_t n = 0; n < FRAGMENTS; n += 2) {
                uint32_t b[4];
                right(b, n, k);
                uint32_t first[2] = {b[0], b[1]}, second[2] = {b[2], b[3]};
                mma_bf16(v[0][n], a[0], first);
                mma_bf16(v[1][n], a[1], first);
                mma_bf16(v[0][n + 1], a[0], second);
                mma_bf16(v[1][n + 1], a[1], second);
            }
        }
    }

    // Calls visit(offset, x, y) for each pair of neighbours x, y, with its offset in a panel that starts at the
    // warp's row and has the warp's columns from chunk `first` on. Destroys the sums: to keep the code short, the loop
    // over two halves is rolled, and as registers have no index, the second half moves to the place of the first.
    template <class Visit> DEVICE void each_pair(uint32_t first, const Visit& visit) {
        constexpr uint32_t HALF = FRAGMENTS / 2;
        uint32_t at = lane_pair();
#pragma unroll 1
        for (uint32_t half = 0; half < 2; half++) {
#pragma unroll
            for (uint32_t j = 0; j < HALF; j++)
#pragma unroll
                for (uint32_t row = 0; row < 4; row++) {  // 8 apart
                    float *pair = &v[row / 2][j][row % 2 * 2], *next = &v[row / 2][j + HALF][row % 2 * 2];
                    visit(panel_shift(at, row * 8, first + half * HALF + j), pair[0], pair[1]);
                    pair[0] = next[0];
                    pair[1] = next[1];
                }
        }
    }
};
