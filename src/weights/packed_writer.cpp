// The writer.
#include "weights/packed_writer.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/hash.h"
#include "base/str.h"
#include "weights/packed_format.h"

namespace mainspring {

namespace {

constexpr size_t kPiece = size_t{4} << 20;   // between two calls of Written

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

[[noreturn]] void os_error(std::string_view what, const std::string& path) {
  const int e = errno;
  fail(e == ENOENT || e == ENOTDIR ? Code::kNotFound : Code::kIo, "cannot ", what, " ", printable(path, 200), ": ",
       std::strerror(e));
}

// Nothing but an older packed file is overwritten: a mistyped command must not cost a model.
void check_target(const std::string& path) {
  if (!file_exists(path)) return;
  const MappedFile there(path);   // refuses folders
  if (!has_packed_magic(there))
    fail(Code::kInvalidInput, printable(path, 200), ": is there already and is no packed file; choose another name");
}

void check_space(const std::string& path, uint64_t needed) {
  struct statvfs s;
  const std::string folder = folder_of(path);
  if (::statvfs(folder.c_str(), &s) != 0) os_error("look at", folder);
  const uint64_t free = uint64_t{s.f_bavail} * s.f_frsize;
  if (free < needed)
    fail(Code::kIo, printable(folder, 200), ": the packed file needs ", human_bytes(needed), ", ", human_bytes(free),
         " are free on the disk");
}

}  // namespace

PackedWriter::PackedWriter(std::string path, uint64_t needed, Written written)
    : path_(std::move(path)),
      temporary_(cat(path_, ".", ::getpid(), ".tmp")),
      end_(sizeof(PackedHeader)),
      written_(std::move(written)) {
  check_target(path_);
  check_space(path_, needed);
#if defined(O_TMPFILE)
  // Without a name until it is whole: whatever ends the process leaves nothing behind.
  fd_ = ::open(folder_of(path_).c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0644);
#endif
  named_ = fd_ < 0;  // not every file system can
  if (named_) fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd_ < 0) os_error("create", temporary_);
}

PackedWriter::~PackedWriter() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (named_) ::unlink(temporary_.c_str());
}

void PackedWriter::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), std::min(bytes.size(), kPiece), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) os_error("write", path_);
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
    if (written_) written_(offset);
  }
}

Json PackedWriter::place(std::span<const std::byte> bytes, uint64_t alignment) {
  const uint64_t offset = (end_ + alignment - 1) / alignment * alignment;
  write_at(offset, bytes);
  end_ = offset + bytes.size();
  return Json::object({{"offset", offset}, {"bytes", uint64_t{bytes.size()}}, {"hash", hash_text(hash64(bytes))}});
}

namespace {

Json entry(std::string_view name, const TensorInfo* info, Json part) {
  Json e = Json::object({{"name", name}});
  if (info) {
    Json shape = Json::array();
    for (const int64_t d : info->shape) shape.push_back(d);
    e.set("shape", std::move(shape));
  }
  for (const auto& [key, value] : part.as_object()) e.set(key, value);
  return e;
}

}  // namespace

void PackedWriter::matrix(const TensorInfo& info, const LinearWeight& weight) {
  const auto bytes = weight.packed_bytes();
  if (bytes.empty())
    fail(Code::kUnsupported, "tensor ", printable(info.name), ": this device's matrices (", weight.kernel_name(),
         ") cannot be kept in a file");
  size_t format = static_cast<size_t>(std::find(formats_.begin(), formats_.end(), weight.format) - formats_.begin());
  if (format == formats_.size()) {
    formats_.push_back(weight.format);
    Json f = format_json(weight.format);
    f.set("layout", hash_text(weight.layout()));
    f.set("kernel", weight.kernel_name());
    format_list_.push_back(std::move(f));
  }
  Json e = entry(info.name, &info, place(bytes, kPackedPage));
  e.set("format", uint64_t{format});
  e.set("source", info.encoding);
  matrices_.push_back(std::move(e));
}

void PackedWriter::vector(const TensorInfo& info, std::span<const float> values) {
  vectors_.push_back(entry(info.name, &info, place(std::as_bytes(values), kPackedAlign)));
}

void PackedWriter::text(std::string_view name, std::span<const std::byte> bytes) {
  texts_.push_back(entry(name, nullptr, place(bytes, kPackedAlign)));
}

uint64_t PackedWriter::finish(const PackedInfo& info, const Json& config, const Json& generation_config) {
  const Json directory = Json::object({{"program", info.program},
                                       {"device", info.device},
                                       {"isa", info.isa},
                                       {"compute", compute_type_name(info.compute)},
                                       {"quantize", info.quantize},
                                       {"source", info.source},
                                       {"config", config},
                                       {"generation_config", generation_config},
                                       {"formats", std::move(format_list_)},
                                       {"matrices", std::move(matrices_)},
                                       {"vectors", std::move(vectors_)},
                                       {"texts", std::move(texts_)}});
  const std::string text = directory.dump();
  const Json part = place(std::as_bytes(std::span(text)), kPackedAlign);
  PackedHeader h{};
  std::memcpy(h.magic, kPackedMagic, sizeof kPackedMagic);
  h.version = kPackedVersion;
  h.header_bytes = sizeof h;
  h.file_bytes = end_;
  h.directory_offset = part.at("offset").as_uint();
  h.directory_bytes = text.size();
  h.directory_hash = hash64(std::as_bytes(std::span(text)));
  h.header_hash = hash64(std::as_bytes(std::span(&h, 1)).first(offsetof(PackedHeader, header_hash)));
  write_at(0, std::as_bytes(std::span(&h, 1)));
  sync_and_rename();
  return end_;
}

void PackedWriter::sync_and_rename() {
  if (::fsync(fd_) != 0) os_error("write", path_);
  if (!named_) {  // a link cannot replace a file, a rename can
    const std::string open_file = cat("/proc/self/fd/", fd_);
    if (::linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0)
      os_error("create", temporary_);
    named_ = true;
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) os_error("rename to", path_);
  ::close(std::exchange(fd_, -1));
  // The new name too must survive a power cut; file systems that cannot sync a folder do not need it.
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) ::fsync(folder), ::close(folder);
}

}  // namespace mainspring
