// The functions of a LinearKernel that only depend on its packed layout.
#pragma once

#include "backends/cpu/isa.h"
#include "backends/cpu/packing/panels.h"

namespace mainspring::cpu::MAINSPRING_ISA {

// kPanels(format, in) describes the panels of a matrix (packing/panels.h).
template <auto kPanels>
struct PackedBy {
  static size_t packed_bytes(const WeightFormat& f, int64_t out, int64_t in) {
    return cpu::packed_bytes(kPanels(f, in), out);
  }
  static size_t pack_scratch(const WeightFormat& f, int64_t in) { return cpu::pack_scratch(kPanels(f, in)); }
  static void pack(const LinearSource& source, int64_t panel, std::byte* packed, std::byte* buffer) {
    pack_panel(kPanels(source.format(), source.in_features()), source, panel, packed, buffer);
  }
  static void rows(const WeightFormat& f, const std::byte* packed, int64_t, int64_t in, const int32_t* ids, int64_t n,
                   float* values, int64_t stride, float scale) {
    read_rows(kPanels(f, in), packed, ids, n, values, stride, scale);
  }

  static constexpr LinearKernel kernel(const char* name, decltype(LinearKernel::score) score, int panel_rows,
                                       InputForm input, decltype(LinearKernel::run) run) {
    return {name, score, &packed_bytes, panel_rows, &pack_scratch, &pack, &rows, input, run};
  }
};

}  // namespace mainspring::cpu::MAINSPRING_ISA
