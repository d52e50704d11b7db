// The path cursor over a checkpoint.
#include "weights/weights.h"

#include <algorithm>
#include <utility>

#include "base/str.h"
#include "weights/packed_checkpoint.h"

namespace mainspring {

Weights Weights::operator/(std::string_view part) const { return Weights(*context_, name(part)); }
Weights Weights::operator/(int64_t index) const { return *this / cat(index); }

std::string Weights::name(std::string_view leaf) const {
  if (prefix_.empty()) return std::string(leaf);
  return leaf.empty() ? prefix_ : cat(prefix_, ".", leaf);
}

bool Weights::has(std::string_view leaf) const { return context_->checkpoint.find(name(leaf)) != nullptr; }

namespace {

const TensorInfo& require(const Checkpoint& checkpoint, const std::string& name, std::span<const int64_t> expected) {
  const TensorInfo* info = checkpoint.find(name);
  if (!info)
    fail(Code::kInvalidInput, "tensor ", name, " ", shape_text(expected), " is missing from the checkpoint");
  if (!std::equal(info->shape.begin(), info->shape.end(), expected.begin(), expected.end()))
    fail(Code::kInvalidInput, "tensor ", name, ": expected shape ", shape_text(expected), ", found ",
         shape_text(info->shape));
  return *info;
}

}  // namespace

std::vector<float> Weights::values(std::string_view leaf, int64_t n) const {
  const std::string full = name(leaf);
  const int64_t shape[] = {n};
  const TensorInfo& info = require(context_->checkpoint, full, shape);
  context_->used.push_back(full);
  std::vector<float> v = context_->checkpoint.values(full);
  if (context_->progress) {
    context_->progress->values(info, v);
    context_->progress->loaded(full, info.bytes);
  }
  return v;
}

Device::Buffer Weights::vector(std::string_view leaf, int64_t n) const {
  const std::vector<float> v = values(leaf, n);
  Device::Buffer b = device().alloc(v.size() * sizeof(float));
  device().copy_to_device(b.get(), v.data(), v.size() * sizeof(float));
  return b;
}

std::unique_ptr<LinearWeight> Weights::linear(std::string_view leaf, int64_t out, int64_t in) const {
  return bind(leaf, out, in, MatrixRole::kLinear);
}
std::unique_ptr<LinearWeight> Weights::table(std::string_view leaf, int64_t out, int64_t in) const {
  return bind(leaf, out, in, MatrixRole::kTable);
}

namespace {

std::unique_ptr<LinearSource> in_loaded_format(std::unique_ptr<LinearSource> source, const QuantizeOptions& options,
                                               ComputeType compute, MatrixRole role) {
  const WeightFormat target = loaded_format(options, source->format(), source->out_features(), source->in_features(), role);
  source = quantized(std::move(source), target);
  // fp32 kernels know groups; rows of one scale are given to them as numbers.
  const WeightFormat& f = source->format();
  return compute == ComputeType::kF32 && f.scheme == Scheme::kGroup && f.group == 0 ? decoded(std::move(source))
                                                                                    : std::move(source);
}

// The activation type is not in the matrix's bytes where one layout serves both: it can be chosen anew.
std::unique_ptr<LinearWeight> bind_packed(const PackedCheckpoint& file, Weights::Context& c, const std::string& name) {
  PackedMatrix m = file.packed_matrix(name);
  if (m.format.scheme == Scheme::kGroup && c.quantize.act) m.format.act = *c.quantize.act;
  return c.device.bind_packed(m);
}

}  // namespace

std::unique_ptr<LinearWeight> Weights::bind(std::string_view leaf, int64_t out, int64_t in, MatrixRole role) const {
  Context& c = *context_;
  const std::string full = name(leaf);
  const int64_t shape[] = {out, in};
  const TensorInfo& info = require(c.checkpoint, full, shape);
  c.used.push_back(full);
  std::unique_ptr<LinearWeight> packed;
  if (const PackedCheckpoint* file = c.checkpoint.packed()) {
    packed = bind_packed(*file, c, full);
  } else {
    const auto source = in_loaded_format(c.checkpoint.matrix(full), c.quantize, compute(), role);
    if (c.quantize.mode != QuantizeMode::kNone && source->format().scheme == Scheme::kDense &&
        compute() != ComputeType::kF32)
      c.report.kept.push_back(full);
    packed = device().bind_linear(*source, compute());
  }
  LoadReport::Total& total = c.report.formats[cat(stored_name(packed->format, compute()), " (", packed->kernel_name(), ")")];
  ++total.matrices;
  total.bytes += packed->bytes;
  if (c.progress) {
    c.progress->matrix(info, packed);
    c.progress->loaded(full, info.bytes);
  }
  return packed;
}

}  // namespace mainspring
