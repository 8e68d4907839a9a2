// Modules, kernels and launches. A module is a false CUBIN: a file that begins like an ELF file and then has the words `false CUBIN`,
// its architecture, and the names of its kernels, which the emulator runs.
#include <cstring>
#include <sstream>

#include "../../../kernels/emulator/functions.h"
#include "../../../kernels/emulator/registry.h"
#include "memory.h"

namespace {
constexpr unsigned MAX_THREADS = 1024, MAX_GRID_YZ = 65535;

using Arguments = std::vector<std::vector<char>>;

bool runs_here(const std::string& arch) {
    std::string own = "sm_" + std::to_string(settings().major) + std::to_string(settings().minor);
    return arch == own || arch == own + "a";
}

const emu::Entry& entry(const std::string& kernel) {
    emu_kernel(0);  // makes sure that all kernels are registered
    auto found = emu::registry().find(kernel);
    if (found == emu::registry().end()) refuse(NO_KERNEL, kernel);
    return found->second;
}

// Notes the memory that the address among the arguments leads to. Values that are no addresses lead nowhere.
void note_memory(Operation& launch, uintptr_t address) {
    const Block* block = block_at(address);
    if (block && block->context != current()) refuse(OTHER_CONTEXT, launch.name);
    if (block) return launch.blocks.push_back(block->number);
    if (address && is_freed(address)) refuse(USED_AFTER_FREE, launch.name);
}

Arguments copied(Operation& launch, void** from, const std::vector<size_t>& sizes) {
    Arguments arguments;
    for (size_t i = 0; i < sizes.size(); i++) {
        if (!from || !from[i]) refuse(NO_ARGUMENT, launch.name);
        arguments.emplace_back((char*)from[i], (char*)from[i] + sizes[i]);
        for (size_t at = 0; at + 8 <= sizes[i]; at += 8) {
            uintptr_t word;
            memcpy(&word, arguments.back().data() + at, 8);
            note_memory(launch, word);
        }
    }
    return arguments;
}

std::string emulate(const std::string& name, const unsigned* grid, const unsigned* block, size_t shared, Arguments& arguments) {
    std::vector<void*> pointers;
    std::vector<size_t> sizes;
    for (auto& argument : arguments) pointers.push_back(argument.data()), sizes.push_back(argument.size());
    char message[512] = "";
    uint64_t trail[emu::TRAIL];
    emu::Options options;
    options.seed = 1 + draw(~0ull);
    emu_launch(name.c_str(), grid, block, shared, &options, pointers.data(), sizes.data(), sizes.size(), message, sizeof message, trail);
    return message;
}
}  // namespace

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
    return call("cuModuleLoadData", CONTEXT, [=] {
        not_in_strict_capture("a module");
        if (memcmp(image, "\x7f" "ELF", 4)) refuse(NO_CUBIN);
        std::istringstream words(strncmp((const char*)image + 4, "false CUBIN ", 12) ? "" : (const char*)image + 16);
        std::string arch, kernel;
        if (!(words >> arch) || !runs_here(arch)) refuse(OTHER_GPU, arch);
        *module = make<Module>(current());
        while (words >> kernel) (*module)->kernels.insert(kernel);
    });
}
CUresult cuModuleUnload(CUmodule handle) {
    return call("cuModuleUnload", CONTEXT, [=] {
        not_in_strict_capture("a module");
        Module* module = living(handle);
        if (is_waiting([=](const Operation& work) { return work.module == module; })) refuse(UNLOADED_IN_USE);
        for (auto& [name, function] : module->functions) end(function);
        end(module);
    });
}
CUresult cuModuleGetFunction(CUfunction* function, CUmodule handle, const char* name) {
    return call("cuModuleGetFunction", CONTEXT, [=] {
        Module* module = living(handle);
        if (!module->kernels.count(name)) refuse(NO_KERNEL, name);
        entry(name);
        Function*& found = module->functions[name];
        if (!found) found = make<Function>(module, std::string(name));
        *function = found;
    });
}
CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value) {
    return call("cuFuncSetAttribute", CONTEXT, [=] {
        if (attribute != MAX_DYNAMIC_SHARED) refuse(NO_SUCH_ATTRIBUTE, std::to_string(attribute));
        if (value < 0 || size_t(value) > emu::MAX_SHARED_BYTES) refuse(TOO_MUCH_SHARED);
        living(function)->dynamic_shared = unsigned(value);
    });
}
// Describes an array of bf16 with four dimensions and 128-byte swizzling, the kind that the emulator models. The map is what its copy
// engine reads: `Map` of kernels/emulator/hopper.h.
CUresult cuTensorMapEncodeTiled(void* map, int type, unsigned rank, void* array, const uint64_t* len, const uint64_t* stride,
                                const uint32_t* box, const uint32_t* step, int interleave, int swizzle, int, int fill) {
    return call("cuTensorMapEncodeTiled", CONTEXT, [=] {
        constexpr int BFLOAT16 = 9, SWIZZLE_128B = 3;
        if ((uintptr_t)map % 64 || (uintptr_t)array % 16 || type != BFLOAT16 || rank != 4) refuse(BAD_MAP);
        if (interleave || swizzle != SWIZZLE_128B || fill) refuse(BAD_MAP);
        struct { void* base; uint64_t stride[4]; uint32_t len[4], box[4]; } known{array, {2, stride[0], stride[1], stride[2]}, {}, {}};
        for (int i = 0; i < 4; i++) {
            if (!len[i] || !box[i] || box[i] > 256 || step[i] != 1 || (i && stride[i - 1] % 16)) refuse(BAD_MAP);
            known.len[i] = uint32_t(len[i]);
            known.box[i] = box[i];
        }
        memset(map, 0, 128);
        memcpy(map, &known, sizeof known);
    });
}
CUresult cuLaunchKernel(CUfunction handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                        unsigned block_z, unsigned shared, CUstream stream_handle, void** from, void**) {
    return call("cuLaunchKernel", CONTEXT, [=] {
        Stream* stream = stream_of(stream_handle);
        Function* function = living(handle);
        size_t threads = size_t(block_x) * block_y * block_z, blocks = size_t(grid_x) * grid_y * grid_z;
        if (!threads || threads > MAX_THREADS || !blocks || grid_x > 0x7fffffffu || grid_y > MAX_GRID_YZ || grid_z > MAX_GRID_YZ)
            refuse(LAUNCH_SIZE, function->name);
        if (shared > function->dynamic_shared) refuse(TOO_MUCH_SHARED, function->name);
        Operation launch{function->name, {}, function->module, 0, 0, nullptr};
        Arguments arguments = copied(launch, from, entry(function->name).sizes);
        std::string name = function->name;
        launch.run = [=]() mutable {
            unsigned grid[] = {grid_x, grid_y, grid_z}, block[] = {block_x, block_y, block_z};
            return emulate(name, grid, block, shared, arguments);
        };
        submit(stream, std::move(launch));
    });
}
