// Weights: a checkpoint seen from a path, so that a module asks for "q_proj" and not for a full name.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ops/device.h"
#include "quant/quantize.h"
#include "weights/checkpoint.h"

namespace mainspring {

// Receives what a model asks for while it is built.
struct LoadProgress {
  virtual ~LoadProgress() = default;
  virtual void loaded(std::string_view tensor, uint64_t file_bytes) = 0;
  // A matrix as the device keeps it, and a vector or small tensor; an observer may take the matrix away and leave one
  // that only has its shape.
  virtual void matrix(const TensorInfo&, std::unique_ptr<LinearWeight>&) {}
  virtual void values(const TensorInfo&, std::span<const float>) {}
};

// What became of the matrices.
struct LoadReport {
  struct Total {
    int64_t matrices = 0;
    uint64_t bytes = 0;   // on the device
  };
  std::map<std::string, Total> formats;   // by format name, the kernel behind it: "u4 g128 +offset (group_a16)"
  std::vector<std::string> kept;          // to be quantised, but no supported group divides their inputs
};

// Cheap to copy: a pointer to the loading context and a prefix. `w / "layers" / 3 / "mlp"`.
class Weights {
 public:
  struct Context {
    const Checkpoint& checkpoint;
    Device& device;
    ComputeType compute = ComputeType::kBf16;
    LoadProgress* progress = nullptr;
    std::vector<std::string> used;   // names asked for, to report tensors that nobody wanted
    QuantizeOptions quantize = {};
    LoadReport report = {};
  };
  explicit Weights(Context& context, std::string prefix = {}) : context_(&context), prefix_(std::move(prefix)) {}

  Weights operator/(std::string_view name) const;
  Weights operator/(int64_t index) const;

  // "prefix.leaf", or the prefix itself for an empty leaf.
  std::string name(std::string_view leaf = {}) const;
  bool has(std::string_view leaf) const;
  // f32 copy in device memory of a vector of n numbers; kInvalidInput names the tensor and both shapes.
  Device::Buffer vector(std::string_view leaf, int64_t n) const;
  // Host copy.
  std::vector<float> values(std::string_view leaf, int64_t n) const;
  // A matrix [out, in], packed for the device; kInvalidInput names the tensor and both shapes.
  std::unique_ptr<LinearWeight> linear(std::string_view leaf, int64_t out, int64_t in) const;
  // The same for a token embedding or output head, which load-time quantisation treats with more care.
  std::unique_ptr<LinearWeight> table(std::string_view leaf, int64_t out, int64_t in) const;

  Device& device() const noexcept { return context_->device; }
  ComputeType compute() const noexcept { return context_->compute; }

 private:
  std::unique_ptr<LinearWeight> bind(std::string_view leaf, int64_t out, int64_t in, MatrixRole role) const;

  Context* context_;
  std::string prefix_;
};

}  // namespace mainspring
