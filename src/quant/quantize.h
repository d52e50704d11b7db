// Load-time quantisation: a matrix of a checkpoint seen in another format than the file's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ops/weight.h"

namespace mainspring {

// kW4: unsigned 4-bit codes, a scale and an integer zero point per group of inputs.
// kW8A8: signed 8-bit codes with one scale per output, and int8 activations with one scale per token.
enum class QuantizeMode : uint8_t { kNone, kW4, kW8A8 };

struct QuantizeOptions {
  QuantizeMode mode = QuantizeMode::kNone;
  int group = 128;                   // kW4: 32, 64 or 128
  std::optional<ActType> act;        // empty: int8 with kW8A8, else at least 16 bits
  bool changes_anything() const noexcept { return mode != QuantizeMode::kNone || act; }
};

// What a matrix is for. Tables (token embedding, output head) keep 8 bits: errors there reach every logit directly.
enum class MatrixRole : uint8_t { kLinear, kTable };

// kInvalidInput names the option, what it may be and what was found. Names: "" or "none", w4, w8a8; 0, 32, 64, 128;
// "", int16, int8.
QuantizeOptions parse_quantize(std::string_view mode, int64_t group, std::string_view activations);
// "w4 g128", "w8a8", "int8 activations", "" for the file's own formats.
std::string quantize_name(const QuantizeOptions& options);

// The format a matrix [out, in] is loaded in. Only dense matrices are quantised, and only where a supported group
// divides `in`; the rest keeps its codes. The activation type applies to every format with codes.
WeightFormat loaded_format(const QuantizeOptions& options, const WeightFormat& source, int64_t out, int64_t in,
                           MatrixRole role);

// `source` in the format `target`, rounded row by row as it is read: no second copy. target is what loaded_format gave.
std::unique_ptr<LinearSource> quantized(std::unique_ptr<LinearSource> source, const WeightFormat& target);
// `source` as f32 values, for devices that cannot compute in its codes.
std::unique_ptr<LinearSource> decoded(std::unique_ptr<LinearSource> source);

}  // namespace mainspring
