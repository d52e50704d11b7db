// A read-only file mapping.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace mainspring {

// Move-only. The bytes stay valid while the object lives; reading past a file that somebody truncates meanwhile is the
// operating system's SIGBUS, so model files must not be rewritten in place while they are served.
class MappedFile {
 public:
  MappedFile() = default;
  // kNotFound or kIo with the path; an empty file maps to an empty span. Directories are refused.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  size_t size() const noexcept { return size_; }
  const std::string& path() const noexcept { return path_; }

  // Hints; they never fail. Ranges are offsets into the file.
  void will_need(size_t offset, size_t length) const noexcept;
  void populate(size_t offset, size_t length) const noexcept;    // reads and maps the pages; returns when they are there
  void drop_pages(size_t offset, size_t length) const noexcept;  // resident pages fully inside the range are given back

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::string path_;
};

// Whole small file as a string. kNotFound / kIo; kInvalidInput when larger than max_bytes.
std::string read_file(const std::string& path, size_t max_bytes = size_t{256} << 20);
bool file_exists(const std::string& path) noexcept;

}  // namespace mainspring
