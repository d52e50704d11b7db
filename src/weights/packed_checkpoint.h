// A file that `mainspring pack` wrote: matrices as a device keeps them, used where they lie in the mapping.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "ops/packed_matrix.h"
#include "weights/checkpoint.h"
#include "weights/gguf.h"

namespace mainspring {

// How a packed file was made.
struct PackedInfo {
  std::string program;    // "mainspring 0.1.0"
  std::string device;     // "cpu"
  std::string isa;        // "avx512"
  std::string quantize;   // "w4 g128", or empty: the formats of the source
  std::string source;     // container and name of what was packed, for reports
  ComputeType compute = ComputeType::kBf16;
};

bool has_packed_magic(const MappedFile& file) noexcept;

class PackedCheckpoint final : public Checkpoint {
 public:
  // Reads and checks the directory; nothing of the matrices is touched. kInvalidInput says what is wrong and where.
  explicit PackedCheckpoint(std::shared_ptr<const MappedFile> file);

  const std::vector<TensorInfo>& tensors() const noexcept override { return infos_; }
  const TensorInfo* find(std::string_view name) const noexcept override;
  // kUnsupported: the rows of a packed matrix cannot be read one by one.
  std::unique_ptr<LinearSource> matrix(std::string_view name) const override;
  std::vector<float> values(std::string_view name) const override;
  const Json& config() const noexcept override { return config_; }
  const Json& generation_config() const noexcept override { return generation_config_; }
  std::string container() const override { return "packed"; }
  uint64_t file_bytes() const noexcept override { return file_->size(); }
  const GgufMetadata* gguf() const noexcept override { return gguf_.get(); }
  const PackedCheckpoint* packed() const noexcept override { return this; }

  const PackedInfo& info() const noexcept { return info_; }
  // A matrix for Device::bind_packed; kNotFound, or kInvalidInput when it is not a matrix.
  PackedMatrix packed_matrix(std::string_view name) const;
  // A tokenizer file by its name, nothing when the model had none.
  std::optional<std::string_view> text(std::string_view name) const noexcept;
  // Brings the matrices into memory in the order in which a model was built, so that a step waits for the disk as
  // little as possible. For a thread of its own; keeps the file while it runs, and ends soon after `stop`.
  std::function<void(const std::atomic<bool>& stop)> prefetcher() const;
  // Reads all of the file and compares hashes; kInvalidInput names the first part that differs. `progress` gets the
  // bytes done so far.
  void verify(const std::function<void(uint64_t done)>& progress = {}) const;

 private:
  struct Part {
    uint64_t offset = 0, bytes = 0, hash = 0;
  };
  struct Format {
    WeightFormat format;
    uint64_t layout = 0;
  };

  Json read_directory() const;
  Part read_part(const Json& entry, uint64_t alignment, const std::string& what) const;
  void read_info(const Json& directory);
  void read_matrices(const Json& directory);
  void read_vectors(const Json& directory);
  void read_texts(const Json& directory);
  void add_tensor(const Json& entry, Part part, std::string encoding, std::optional<size_t> format);
  size_t index_of(std::string_view name) const;
  std::span<const std::byte> bytes_of(const Part& part) const noexcept {
    return file_->bytes().subspan(part.offset, part.bytes);
  }

  std::shared_ptr<const MappedFile> file_;
  std::string where_;
  PackedInfo info_;
  Json config_, generation_config_;
  std::vector<Format> formats_;
  std::vector<TensorInfo> infos_;
  std::vector<Part> parts_;                         // parallel to infos_
  std::vector<std::optional<size_t>> format_of_;  // parallel to infos_: a matrix's entry of formats_, none for a vector
  std::unordered_map<std::string_view, size_t> index_;  // keys point into infos_
  std::vector<std::pair<std::string, Part>> texts_;
  std::unique_ptr<GgufMetadata> gguf_;
};

}  // namespace mainspring
