// Counts what the memory system does for each instruction of a warp: sectors of global memory, wavefronts of shared
// memory.
//
// Global memory moves sectors of 32 bytes. The ideal is the number of sectors that would hold the distinct bytes of
// the request, if they lay together. Shared memory has 32 banks of 4 bytes and serves one word of each per wavefront.
// Lanes are served together as far as they move 128 bytes: all 32 with up to 4 bytes each, 16 with 8, 8 with 16. The
// least number of wavefronts is that of distinct words over banks.
#pragma once
#include "std.h"

namespace emu {
constexpr unsigned LANES = 32, SECTOR_BYTES = 32, BANKS = 32, BANK_BYTES = 4, WAVEFRONT_BYTES = BANKS * BANK_BYTES;
constexpr unsigned REQUEST_BYTES = 16;                             // that one lane moves at most by one instruction
constexpr unsigned REQUEST_WORDS = REQUEST_BYTES / BANK_BYTES + 1;  // of which these are parts

enum Kind : uint32_t { GLOBAL_LOAD, GLOBAL_STORE, SHARED_LOAD, SHARED_STORE, COPY, MATRIX_LOAD };

// The counts of one instruction. Rust reads this struct (src/backend/cuda/driver/emulator/observation.rs).
struct SiteTotals {
    uint64_t pc = 0, kind = 0;
    uint64_t requests = 0, lanes = 0, bytes = 0, sectors = 0, ideal_sectors = 0, wavefronts = 0, least_wavefronts = 0;
};
static_assert(sizeof(SiteTotals) == 72);

// What the lanes of a warp do in one execution of an instruction. Global addresses count from the start of the
// buffer, since real buffers begin at a multiple of 256 bytes and emulated ones do not.
struct Request {
    uint32_t active = 0;             // a bit per lane
    uint64_t global[LANES] = {};     // the address in global memory, or of what a copy reads
    uint64_t shared[LANES] = {};     // the address in shared memory, or of what a copy writes
    uint32_t bytes[LANES] = {};      // to or from global memory; 0 if the lane's copy writes zeros
    uint32_t shared_bytes[LANES] = {};
};

struct Interval { uint64_t begin, end; };

inline void count_sectors(SiteTotals& totals, const Request& request, uint64_t weight) {
    Interval parts[LANES];
    unsigned count = 0;
    for (unsigned l = 0; l < LANES; l++)
        if (uint64_t begin = request.global[l]; request.active >> l & 1 && request.bytes[l])
            parts[count++] = {begin, begin + request.bytes[l]};
    std::sort(parts, parts + count, [](Interval a, Interval b) { return a.begin < b.begin; });
    uint64_t bytes = 0, distinct = 0, sectors = 0, reached = 0, next_sector = 0;  // up to where all is counted
    for (unsigned i = 0; i < count; i++) {
        auto [begin, end] = parts[i];
        bytes += end - begin;
        if (end > reached) distinct += end - std::max(begin, reached);
        reached = std::max(reached, end);
        uint64_t first = std::max(begin / SECTOR_BYTES, next_sector), past = (end - 1) / SECTOR_BYTES + 1;
        if (past > first) sectors += past - first;
        next_sector = std::max(next_sector, past);
    }
    totals.bytes += weight * bytes;
    totals.sectors += weight * sectors;
    totals.ideal_sectors += weight * ((distinct + SECTOR_BYTES - 1) / SECTOR_BYTES);
}

inline void count_wavefronts(SiteTotals& totals, const Request& request, uint64_t weight) {
    uint32_t widest = 1;
    for (unsigned l = 0; l < LANES; l++)
        if (request.active >> l & 1) widest = std::max(widest, request.shared_bytes[l]);
    unsigned together = std::max(1u, std::min(LANES, WAVEFRONT_BYTES / std::max(widest, BANK_BYTES)));
    for (unsigned first = 0; first < LANES; first += together) {
        uint64_t words[LANES * REQUEST_WORDS];
        unsigned count = 0, of_bank[BANKS] = {}, most = 0;
        for (unsigned l = first; l < first + together; l++) {
            if (!(request.active >> l & 1)) continue;
            uint64_t begin = request.shared[l], end = begin + request.shared_bytes[l];
            for (uint64_t w = begin / BANK_BYTES; w <= (end - 1) / BANK_BYTES; w++) words[count++] = w;
        }
        if (!count) continue;
        std::sort(words, words + count);
        count = std::unique(words, words + count) - words;
        for (unsigned i = 0; i < count; i++) most = std::max(most, ++of_bank[words[i] % BANKS]);
        totals.wavefronts += weight * most;
        totals.least_wavefronts += weight * ((count + BANKS - 1) / BANKS);
    }
}

inline void count_request(SiteTotals& totals, const Request& request, uint64_t weight) {
    totals.requests += weight;
    totals.lanes += weight * std::popcount(request.active);
    auto kind = (Kind)totals.kind;
    if (kind == GLOBAL_LOAD || kind == GLOBAL_STORE || kind == COPY) count_sectors(totals, request, weight);
    if (kind == GLOBAL_LOAD || kind == GLOBAL_STORE) return;
    count_wavefronts(totals, request, weight);
    if (kind == COPY) return;  // its bytes are those that it reads
    for (unsigned l = 0; l < LANES; l++)
        if (request.active >> l & 1) totals.bytes += weight * request.shared_bytes[l];
}

// Joins the accesses of single lanes to requests of their warp. The lanes of a warp run one after another here: the
// n-th execution of an instruction by one lane, counted since the warp last met, belongs to the n-th of the others.
// Where lanes go separate ways between two meetings, this can join what hardware would not; it is exact where all
// lanes execute an instruction equally often.
class Joiner {
public:
    void begin(unsigned threads) {
        totals.clear();
        index_.clear();
        last_key_ = 0;
        warps_.assign((threads + LANES - 1) / LANES, {});
    }
    // Adds an access of `thread` by the instruction number `site`; `fill(request, lane)` enters it.
    template <class Fill> void add(unsigned thread, uint32_t site, const Fill& fill) {
        uint32_t lane = thread % LANES;
        Warp& warp = warps_[thread / LANES];
        if (warp.tracks.size() <= site) warp.tracks.resize(site + 1);
        Track& track = warp.tracks[site];
        if (!track.used) warp.dirty.push_back(site);
        uint32_t nth = track.done[lane]++;
        if (track.used <= nth) {
            track.used = nth + 1;
            if (track.requests.size() < track.used) track.requests.resize(track.used);
            track.requests[nth].active = 0;
        }
        Request& request = track.requests[nth];
        request.active |= 1u << lane;
        fill(request, lane);
    }
    // Counts what is complete because the lanes of the warp have met, each for `weight` blocks.
    void flush(unsigned warp_index, uint64_t weight) {
        Warp& warp = warps_[warp_index];
        for (uint32_t site : warp.dirty) {
            Track& track = warp.tracks[site];
            for (uint32_t i = 0; i < track.used; i++) count_request(totals[site], track.requests[i], weight);
            track.used = 0;
            memset(track.done, 0, sizeof track.done);
        }
        warp.dirty.clear();
    }
    void flush_all(uint64_t weight) { for (unsigned i = 0; i < warps_.size(); i++) flush(i, weight); }
    // The number of an instruction in `totals`. It can be both that of a load from global and of one from shared
    // memory.
    uint32_t site(uint64_t pc, Kind kind) {
        uint64_t key = pc * 8 + kind;
        if (key == last_key_) return last_site_;
        auto [found, fresh] = index_.try_emplace(key, (uint32_t)totals.size());
        if (fresh) totals.push_back({pc, kind});
        last_key_ = key;
        return last_site_ = found->second;
    }

    std::vector<SiteTotals> totals;

private:
    struct Track { uint32_t used = 0, done[LANES] = {}; std::vector<Request> requests; };
    struct Warp { std::vector<Track> tracks; std::vector<uint32_t> dirty; };
    std::unordered_map<uint64_t, uint32_t> index_;
    uint64_t last_key_ = 0;
    uint32_t last_site_ = 0;
    std::vector<Warp> warps_;
};
}  // namespace emu
