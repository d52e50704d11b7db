// Names of formats for messages and reports.
#include "base/str.h"
#include "ops/kv.h"
#include "ops/weight.h"

namespace mainspring {

const char* compute_type_name(ComputeType t) noexcept {
  switch (t) {
    case ComputeType::kF32: return "f32";
    case ComputeType::kBf16: return "bf16";
    case ComputeType::kF16: return "f16";
  }
  return "?";
}

const char* kv_format_name(KvFormat f) noexcept {
  switch (f) {
    case KvFormat::kF32: return "f32";
    case KvFormat::kBf16: return "bf16";
    case KvFormat::kF16: return "f16";
    case KvFormat::kInt8: return "int8";
    case KvFormat::kK8V4: return "k8v4";
    case KvFormat::kInt4: return "int4";
  }
  return "?";
}

std::string stored_name(const WeightFormat& f, ComputeType compute) {
  return f.scheme == Scheme::kDense && compute != ComputeType::kF32 ? compute_type_name(compute) : format_name(f);
}

std::string format_name(const WeightFormat& f) {
  if (f.scheme == Scheme::kDense) return dtype_name(f.dense);
  return cat(f.is_signed ? "s" : "u", int{f.bits}, f.group == 0 ? " row" : cat(" g", f.group), f.has_offset ? " +offset" : "",
             f.act == ActType::k8 ? " a8" : "");
}

}  // namespace mainspring
