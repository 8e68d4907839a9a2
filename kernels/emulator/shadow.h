// Finds races: remembers for every byte of shared and global memory who wrote and read it last, and when.
//
// Two accesses to a byte, one of them a write, are ordered if they are of one thread, or of one block with a
// __syncthreads in between, or of one warp with a __syncwarp in between. Nothing else orders them: the PTX manual
// promises an order of memory for bar.sync and bar.warp.sync, and none for shfl, mma and ldmatrix, which only make
// lanes wait for each other. Nothing orders accesses of two blocks. The write of a cp.async is unordered with
// everything, also with its own thread, until that thread has waited for it.
#pragma once
#include "std.h"

namespace emu {
constexpr uintptr_t WORD_BYTES = 4, SHADOW_PAGE = 4096;

// One access. Without a stamp there was none.
struct Touch {
    uint32_t stamp = 0;       // counts barriers and blocks of the launch, from 1
    uint32_t warp_stamp = 0;  // counts the __syncwarps of the thread's warp
    uint32_t block = 0;
    uint16_t thread : 15 = 0, pending : 1 = 0;  // pending: a copy that has not been waited for
    uint32_t site = 0;        // number of the instruction
};
inline bool same_warp(const Touch& a, const Touch& b) { return a.thread / 32 == b.thread / 32; }
inline bool same_thread(const Touch& a, const Touch& b) { return a.block == b.block && a.thread == b.thread; }
// Whether `earlier` is ordered before `now`.
inline bool ordered(const Touch& earlier, const Touch& now) {
    if (!earlier.stamp) return true;
    if (earlier.pending) return false;
    if (earlier.block != now.block) return false;
    if (earlier.thread == now.thread || earlier.stamp != now.stamp) return true;
    return same_warp(earlier, now) && earlier.warp_stamp != now.warp_stamp;
}

// The last write of some bytes, and as many of the reads since as it takes to find every race with a later write: one
// of an earlier block, and of this block's reads since its last barrier two of different warps, or else two of
// different lanes since the last __syncwarp.
struct Cell {
    Touch write, foreign, first, second;

    // Calls race(earlier, was_write) for every remembered access that is not ordered before `now`.
    template <class Race> void read(const Touch& now, const Race& race) {
        if (!ordered(write, now)) race(write, true);
        if (first.stamp && first.block != now.block) { foreign = first; first = second = Touch{}; }
        if (!first.stamp || first.stamp != now.stamp) { first = now; second = Touch{}; return; }
        if (!same_warp(first, now)) { if (!second.stamp || same_warp(first, second)) second = now; return; }
        bool has_other_warp = second.stamp && !same_warp(first, second);
        if (first.warp_stamp != now.warp_stamp) { first = now; if (!has_other_warp) second = Touch{}; return; }
        if (first.thread != now.thread && !has_other_warp) second = now;
    }
    template <class Race> void wrote(const Touch& now, const Race& race) {
        if (!ordered(write, now)) race(write, true);
        for (const Touch* reader : {&foreign, &first, &second}) if (!ordered(*reader, now)) race(*reader, false);
        *this = Cell{now};
    }
    // The write of a copy is complete and seen by the thread that waited for it.
    void landed(const Touch& now) {
        if (!write.pending || !same_thread(write, now)) return;
        uint32_t site = write.site;
        write = now;
        write.site = site;
    }
};

// The cells of all bytes that were touched. A word has one cell until a part of it is touched by itself; then each
// byte has its own.
class Shadow {
public:
    void clear() { pages_.clear(); split_.clear(); last_ = nullptr; }
    // Calls visit(cell) for each cell of [begin, begin + bytes).
    template <class Visit> void each(uintptr_t begin, size_t bytes, const Visit& visit) {
        uintptr_t end = begin + bytes;
        for (uintptr_t word = begin & ~(WORD_BYTES - 1); word < end; word += WORD_BYTES) {
            Page& page = this->page(word);
            size_t index = word % SHADOW_PAGE / WORD_BYTES;
            if (word >= begin && word + WORD_BYTES <= end && !page.split[index]) { visit(page.cells[index]); continue; }
            std::array<Cell, WORD_BYTES>& cells = this->bytes(page, index);
            uintptr_t last = std::min(word + WORD_BYTES, end);
            for (uintptr_t byte = std::max(word, begin); byte < last; byte++) visit(cells[byte - word]);
        }
    }

private:
    struct Page {
        Cell cells[SHADOW_PAGE / WORD_BYTES];
        uint32_t split[SHADOW_PAGE / WORD_BYTES] = {};  // index into split_, plus 1
    };

    Page& page(uintptr_t address) {
        uintptr_t number = address / SHADOW_PAGE;
        if (last_ && last_number_ == number) return *last_;
        auto& found = pages_[number];
        if (!found) found = std::make_unique<Page>();
        last_number_ = number;
        return *(last_ = found.get());
    }
    std::array<Cell, WORD_BYTES>& bytes(Page& page, size_t index) {
        if (!page.split[index]) {
            split_.emplace_back();
            split_.back().fill(page.cells[index]);
            page.split[index] = (uint32_t)split_.size();
        }
        return split_[page.split[index] - 1];
    }

    std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages_;
    std::vector<std::array<Cell, WORD_BYTES>> split_;
    uintptr_t last_number_ = 0;
    Page* last_ = nullptr;
};
}  // namespace emu
