// Check device.
#include "backends/wrap/check_device.h"

#include <cmath>
#include <cstring>

#include "base/str.h"

namespace mainspring {

namespace {

// A matrix bound on both devices; operations get the right half each.
struct PairWeight final : LinearWeight {
  std::unique_ptr<LinearWeight> inner, second;
  const char* kernel_name() const noexcept override { return inner->kernel_name(); }
};
const PairWeight& pair_of(const LinearWeight* w) { return *static_cast<const PairWeight*>(w); }

// What an operation writes.
template <class Op>
std::vector<Tensor*> outputs(Op& op) {
  if constexpr (requires { op.residual; op.out; }) return {&op.residual, &op.out};
  else if constexpr (requires { op.residual; }) return {&op.residual};
  else if constexpr (requires { op.out; }) return {&op.out};
  else if constexpr (requires { op.table.rank; op.inv_freq; }) return {&op.table};
  else if constexpr (requires { op.style; }) return {&op.x};
  else return {};  // KvWrite: seen when attention reads it
}

size_t span_bytes(const Tensor& t) {
  if (t.rows() == 0) return 0;
  return static_cast<size_t>((t.rows() - 1) * t.stride0 + t.row_elements()) * dtype_size(t.dtype);
}

void compare(const char* op, const Tensor& a, const Tensor& b, float tolerance) {
  double top = 0;
  for (int64_t r = 0; r < b.rows(); ++r)
    for (int64_t i = 0; i < b.row_elements(); ++i) top = std::fmax(top, std::fabs(b.row<float>(r)[i]));
  for (int64_t r = 0; r < b.rows(); ++r)
    for (int64_t i = 0; i < b.row_elements(); ++i) {
      const double x = a.row<float>(r)[i], y = b.row<float>(r)[i];
      if (!(std::fabs(x - y) <= tolerance * top) && !(std::isnan(x) && std::isnan(y)))
        fail(Code::kInternal, op, ": row ", r, " column ", i, " is ", x, ", the second device has ", y, " (tolerance ",
             tolerance, " of ", top, ")");
    }
}

}  // namespace

CheckTolerances CheckTolerances::defaults(ComputeType compute, float slack) {
  CheckTolerances t;
  for (float& v : t.of) v = 1e-6f * slack;
  const auto set = [&](OpId id, float v) { t.of[static_cast<size_t>(id)] = v * slack; };
  set(OpId::kEmbed, ops::kEmbedTolerance);
  set(OpId::kRmsNorm, ops::kRmsNormTolerance);
  set(OpId::kRmsNormAdd, ops::kRmsNormTolerance);
  set(OpId::kLinear, compute == ComputeType::kF32 ? ops::kLinearTolerance : ops::kLinear16Tolerance);
  set(OpId::kRopeTable, ops::kRopeTolerance);
  set(OpId::kRope, ops::kRopeTolerance);
  set(OpId::kAttention, ops::kAttentionTolerance);
  set(OpId::kGatedAct, ops::kGatedActTolerance);
  return t;
}

std::string CheckDevice::name() const {
  return second_ ? cat("check of ", inner_.name(), " against ", second_->name()) : cat("check of ", inner_.name());
}

std::unique_ptr<LinearWeight> CheckDevice::bind_linear(const LinearSource& source, ComputeType compute) {
  auto inner = inner_.bind_linear(source, compute);
  if (!second_) return inner;
  auto both = std::make_unique<PairWeight>();
  both->out_features = inner->out_features, both->in_features = inner->in_features;
  both->format = inner->format, both->bytes = inner->bytes;
  both->inner = std::move(inner);
  both->second = second_->bind_linear(source, compute);
  return both;
}

KvLayer CheckDevice::shadow_layer(const KvLayer& layer, const Batch& batch) {
  const size_t stride = second_->kv_block_bytes(layer.spec, layer.format);
  int32_t last = 0;
  for (int64_t s = 0; s < batch.n_sequences(); ++s) {
    const int32_t used = (batch.kv_length.as<int32_t>()[s] + kBlockTokens - 1) / kBlockTokens;
    for (int32_t b = 0; b < used; ++b) last = std::max(last, batch.block_table.row<int32_t>(s)[b]);
  }
  Shadow& shadow = shadows_[layer.base];
  const size_t needed = static_cast<size_t>(last) + 1;
  if (needed > shadow.blocks) {
    Buffer bigger = second_->alloc(2 * needed * stride);
    if (shadow.blocks > 0) std::memcpy(bigger.get(), shadow.memory.get(), shadow.blocks * stride);
    shadow = {std::move(bigger), 2 * needed};
  }
  return {shadow.memory.get(), stride, layer.spec, layer.format};
}

// Factor on an operation's tolerance.
float looser(const auto&) { return 1.0f; }
float looser(const ops::Attention& op) { return ops::attention_tolerance(op.kv.format) / ops::kAttentionTolerance; }

// The second device runs first, on copies of what the operation writes: inputs may be overwritten in place.
template <class Op>
void CheckDevice::run_both(const Op& op, const Op& on_inner, Op on_second) {
  std::vector<std::vector<std::byte>> copies;
  const std::vector<Tensor*> shadows = outputs(on_second);
  Op original = op;
  const std::vector<Tensor*> results = outputs(original);
  for (Tensor* t : shadows) {
    copies.emplace_back(span_bytes(*t));
    if (!copies.back().empty()) std::memcpy(copies.back().data(), t->data, copies.back().size());
    t->data = copies.back().data();
  }
  second_->run(on_second);
  second_->sync();
  inner_.run(on_inner);
  inner_.sync();
  for (size_t i = 0; i < results.size(); ++i)
    compare(op_name(OpTraits<Op>::kId), *results[i], *shadows[i],
            tolerances_.of[static_cast<size_t>(OpTraits<Op>::kId)] * looser(op));
}

template <class Op>
void CheckDevice::run_op(const Op& op) {
  ops::check(op);
  if (!second_) return inner_.run(op);
  Op on_inner = op, on_second = op;
  std::vector<const LinearWeight*> inner_parts, second_parts;
  if constexpr (requires { op.parts; }) {
    for (int i = 0; i < op.n_parts; ++i) {
      inner_parts.push_back(pair_of(op.parts[i]).inner.get());
      second_parts.push_back(pair_of(op.parts[i]).second.get());
    }
    on_inner.parts = inner_parts.data(), on_second.parts = second_parts.data();
  }
  if constexpr (requires { op.ids; }) {
    on_inner.table = pair_of(op.table).inner.get(), on_second.table = pair_of(op.table).second.get();
  }
  if constexpr (requires { op.kv; }) on_second.kv = shadow_layer(op.kv, *op.batch);
  run_both(op, on_inner, on_second);
}

void CheckDevice::dispatch(OpId id, const void* op) {
  switch (id) {
#define MAINSPRING_OP(Type, name) \
  case OpId::k##Type: return run_op(*static_cast<const ops::Type*>(op));
#include "ops/ops.def"
#undef MAINSPRING_OP
    case OpId::kCount: break;
  }
}

}  // namespace mainspring
