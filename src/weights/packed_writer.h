// Writes a file of packed matrices: into a temporary file beside it, which becomes the file when all is on the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "weights/checkpoint.h"
#include "weights/packed_checkpoint.h"

namespace mainspring {

class PackedWriter {
 public:
  // Called after every few megabytes with the bytes written so far; what it throws ends the writing.
  using Written = std::function<void(uint64_t bytes)>;

  // kInvalidInput when `path` is something else than a packed file already, kIo when it cannot be created or fewer than
  // `needed` bytes are free.
  PackedWriter(std::string path, uint64_t needed, Written written);
  ~PackedWriter();   // removes the temporary file when finish() did not end well
  PackedWriter(const PackedWriter&) = delete;
  PackedWriter& operator=(const PackedWriter&) = delete;

  // kUnsupported when the device's matrices cannot be kept.
  void matrix(const TensorInfo& info, const LinearWeight& weight);
  void vector(const TensorInfo& info, std::span<const float> values);
  void text(std::string_view name, std::span<const std::byte> bytes);
  // Directory, header, to the disk, and the name. Returns the size of the file.
  uint64_t finish(const PackedInfo& info, const Json& config, const Json& generation_config);

 private:
  Json place(std::span<const std::byte> bytes, uint64_t alignment);   // {"offset", "bytes", "hash"}
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  void sync_and_rename();

  std::string path_, temporary_;
  int fd_ = -1;
  bool named_ = false;   // whether the temporary file has a name yet
  uint64_t end_;      // of what was written
  Written written_;
  std::vector<WeightFormat> formats_;
  Json format_list_ = Json::array(), matrices_ = Json::array(), vectors_ = Json::array(), texts_ = Json::array();
};

}  // namespace mainspring
