// A matrix that a device packed in an earlier run, as a file gives it back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ops/weight.h"

namespace mainspring {

struct PackedMatrix {
  WeightFormat format;
  ComputeType compute = ComputeType::kBf16;
  int64_t out_features = 0, in_features = 0;
  uint64_t layout = 0;                 // LinearWeight::layout() of then
  std::span<const std::byte> data;     // LinearWeight::packed_bytes() of then, 64-byte aligned
  std::shared_ptr<const void> owner;   // keeps the data
  std::string where;                   // for messages: tensor name and file
};

}  // namespace mainspring
