// A checkpoint: named tensors and a configuration, whichever files they lie in.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "ops/weight.h"

namespace mainspring {

struct TensorInfo {
  std::string name;            // Hugging Face name, also when the file is a GGUF
  std::vector<int64_t> shape;  // row-major, outermost first
  std::string encoding;        // "F32", "BF16", "Q4_1", ...
  uint64_t bytes = 0;          // in the file

  uint64_t elements() const noexcept {  // the directory's parser checked that the product fits
    uint64_t n = 1;
    for (int64_t d : shape) n *= static_cast<uint64_t>(d);
    return n;
  }
};

class PackedCheckpoint;

// What a GGUF file says beyond tensors (empty for Hugging Face folders), for the tokenizer and `inspect`.
class GgufMetadata;

// Thread-safe after opening. Nothing of the tensors is read before it is asked for.
class Checkpoint {
 public:
  virtual ~Checkpoint() = default;

  virtual const std::vector<TensorInfo>& tensors() const noexcept = 0;
  virtual const TensorInfo* find(std::string_view name) const noexcept = 0;
  // A rank-2 tensor; kNotFound / kInvalidInput name the tensor. (In GGUF: rows already in Hugging Face order.)
  virtual std::unique_ptr<LinearSource> matrix(std::string_view name) const = 0;
  // Any tensor of at most 2^24 elements as f32 (norms, biases).
  virtual std::vector<float> values(std::string_view name) const = 0;

  // config.json with Hugging Face's keys; GGUF metadata is mapped onto them.
  virtual const Json& config() const noexcept = 0;
  // generation_config.json, or null.
  virtual const Json& generation_config() const noexcept = 0;
  // "safetensors", "gguf" or "packed", for reports only: no model may look at it.
  virtual std::string container() const = 0;
  virtual uint64_t file_bytes() const noexcept = 0;
  virtual const GgufMetadata* gguf() const noexcept { return nullptr; }
  // This checkpoint as a file of packed matrices, or null.
  virtual const PackedCheckpoint* packed() const noexcept { return nullptr; }
};

// A folder with config.json and *.safetensors (sharded or not), or a .gguf file (any part of a split: the others are
// found beside it), or a file that `mainspring pack` wrote. kNotFound / kInvalidInput say what is missing.
std::unique_ptr<Checkpoint> open_checkpoint(const std::string& path);

}  // namespace mainspring
