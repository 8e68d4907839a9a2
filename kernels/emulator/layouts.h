// Offsets of the fields of every spec, for the test that compares them with the Rust side.
#pragma once
#include "../spec.cuh"

namespace emu {
template <class S, class... F> bool layout(const char* name, F S::*... fields) {
    static S s;
    layouts()[name] = {size_t((char*)&(s.*fields) - (char*)&s)..., sizeof(S)};
    return true;
}
#define LAYOUT(S, ...) static bool layout_##S = layout<S>(#S, __VA_ARGS__);
LAYOUT(Conv2dSpec, &Conv2dSpec::n, &Conv2dSpec::h, &Conv2dSpec::w, &Conv2dSpec::c_in, &Conv2dSpec::h_out, &Conv2dSpec::w_out, &Conv2dSpec::c_out,
       &Conv2dSpec::kernel, &Conv2dSpec::stride, &Conv2dSpec::dilation, &Conv2dSpec::padding, &Conv2dSpec::activation)
LAYOUT(LinearSpec, &LinearSpec::rows, &LinearSpec::c_in, &LinearSpec::c_out, &LinearSpec::activation)
LAYOUT(SdcSpec, &SdcSpec::n, &SdcSpec::h, &SdcSpec::w, &SdcSpec::c_in, &SdcSpec::c_out, &SdcSpec::branches, &SdcSpec::dilations, &SdcSpec::activation)
LAYOUT(PoolSpec, &PoolSpec::n, &PoolSpec::h, &PoolSpec::w, &PoolSpec::c, &PoolSpec::window)
LAYOUT(UpsampleSpec, &UpsampleSpec::n, &UpsampleSpec::h, &UpsampleSpec::w, &UpsampleSpec::c)
LAYOUT(ChannelsSpec, &ChannelsSpec::rows, &ChannelsSpec::source, &ChannelsSpec::source_start, &ChannelsSpec::target, &ChannelsSpec::target_start, &ChannelsSpec::count)
LAYOUT(CcmSpec, &CcmSpec::rows, &CcmSpec::c)
LAYOUT(ObjectiveSpec, &ObjectiveSpec::n, &ObjectiveSpec::pixels, &ObjectiveSpec::channels, &ObjectiveSpec::penalty, &ObjectiveSpec::lambda, &ObjectiveSpec::epsilon)
LAYOUT(AdamSpec, &AdamSpec::beta1, &AdamSpec::beta2, &AdamSpec::epsilon)
LAYOUT(WindowedMeanSpec, &WindowedMeanSpec::n, &WindowedMeanSpec::h, &WindowedMeanSpec::w, &WindowedMeanSpec::c, &WindowedMeanSpec::size, &WindowedMeanSpec::taps)
LAYOUT(BoxAverageSpec, &BoxAverageSpec::n, &BoxAverageSpec::h, &BoxAverageSpec::w, &BoxAverageSpec::size, &BoxAverageSpec::repeats)
LAYOUT(CorruptionSpec, &CorruptionSpec::seed, &CorruptionSpec::n, &CorruptionSpec::side, &CorruptionSpec::images, &CorruptionSpec::textures,
       &CorruptionSpec::patches_min, &CorruptionSpec::patches_max, &CorruptionSpec::patches_at_once, &CorruptionSpec::log_uniform_size,
       &CorruptionSpec::size, &CorruptionSpec::aspect, &CorruptionSpec::weights, &CorruptionSpec::blend_probability, &CorruptionSpec::blend,
       &CorruptionSpec::softness, &CorruptionSpec::deformation, &CorruptionSpec::region_threshold, &CorruptionSpec::mask_nodes_per_unit,
       &CorruptionSpec::mask_side, &CorruptionSpec::replacement_side, &CorruptionSpec::taps)
}  // namespace emu
