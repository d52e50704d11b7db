// The path cursor over a checkpoint.
#include "weights/weights.h"

#include <algorithm>

#include "base/str.h"

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
  if (context_->progress) context_->progress->loaded(full, info.bytes);
  return v;
}

Device::Buffer Weights::vector(std::string_view leaf, int64_t n) const {
  const std::vector<float> v = values(leaf, n);
  Device::Buffer b = device().alloc(v.size() * sizeof(float));
  device().copy_to_device(b.get(), v.data(), v.size() * sizeof(float));
  return b;
}

std::unique_ptr<LinearWeight> Weights::linear(std::string_view leaf, int64_t out, int64_t in) const {
  const std::string full = name(leaf);
  const int64_t shape[] = {out, in};
  const TensorInfo& info = require(context_->checkpoint, full, shape);
  context_->used.push_back(full);
  auto packed = device().bind_linear(*context_->checkpoint.matrix(full), compute());
  if (context_->progress) context_->progress->loaded(full, info.bytes);
  return packed;
}

}  // namespace mainspring
