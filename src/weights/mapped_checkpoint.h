// A checkpoint whose tensors are byte ranges of mapped files: what every container becomes once its directory is read.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "quant/encoding.h"
#include "weights/checkpoint.h"
#include "weights/gguf.h"

namespace mainspring {

// Where a tensor lies and what has to be undone while reading it.
struct StoredTensor {
  std::shared_ptr<const MappedFile> file;
  uint64_t offset = 0;                 // from the start of the file; the range was checked against its size
  const Encoding* encoding = nullptr;  // nullptr: listed only
  // > 0: the file holds the rows of each attention head interleaved for rotation of neighbours (2i, 2i+1); reading gives
  // the half-split order (i, i + rope_half) of Hugging Face. Heads have 2 * rope_half rows.
  int64_t rope_half = 0;
  bool plus_one = false;               // norm weights stored as 1 + w
};

struct CheckpointParts {
  std::string container;
  std::vector<TensorInfo> infos;
  std::vector<StoredTensor> stored;    // parallel to infos
  Json config, generation_config;
  std::unique_ptr<GgufMetadata> gguf;
  uint64_t file_bytes = 0;
};

class MappedCheckpoint final : public Checkpoint {
 public:
  // kInvalidInput when two tensors have one name.
  explicit MappedCheckpoint(CheckpointParts parts);

  const std::vector<TensorInfo>& tensors() const noexcept override { return parts_.infos; }
  const TensorInfo* find(std::string_view name) const noexcept override;
  std::unique_ptr<LinearSource> matrix(std::string_view name) const override;
  std::vector<float> values(std::string_view name) const override;
  const Json& config() const noexcept override { return parts_.config; }
  const Json& generation_config() const noexcept override { return parts_.generation_config; }
  std::string container() const override { return parts_.container; }
  uint64_t file_bytes() const noexcept override { return parts_.file_bytes; }
  const GgufMetadata* gguf() const noexcept override { return parts_.gguf.get(); }

 private:
  // Index of a tensor that an encoding can read; kNotFound / kUnsupported name it.
  size_t readable(std::string_view name) const;

  CheckpointParts parts_;
  std::unordered_map<std::string_view, size_t> index_;  // keys point into parts_.infos
};

}  // namespace mainspring
