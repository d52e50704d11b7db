// mmap, madvise and whole-file reads.
#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/str.h"

namespace mainspring {

namespace {

struct Fd {
  int fd;
  ~Fd() {
    if (fd >= 0) ::close(fd);
  }
};

[[noreturn]] void os_error(const char* what, const std::string& path) {
  const int e = errno;
  fail(e == ENOENT || e == ENOTDIR ? Code::kNotFound : Code::kIo, "cannot ", what, " ", printable(path, 200), ": ",
       std::strerror(e));
}

size_t open_regular(Fd& f, const std::string& path) {
  f.fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (f.fd < 0) os_error("open", path);
  struct stat st;
  if (::fstat(f.fd, &st) != 0) os_error("stat", path);
  if (S_ISDIR(st.st_mode)) fail(Code::kInvalidInput, printable(path, 200), " is a folder, expected a file");
  return static_cast<size_t>(st.st_size);
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  Fd f{-1};
  size_ = open_regular(f, path);
  if (size_ == 0) return;
  void* p = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, f.fd, 0);
  if (p == MAP_FAILED) os_error("map", path);
  data_ = static_cast<std::byte*>(p);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& o) noexcept
    : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)), path_(std::move(o.path_)) {}

MappedFile& MappedFile::operator=(MappedFile&& o) noexcept {
  std::swap(data_, o.data_);
  std::swap(size_, o.size_);
  std::swap(path_, o.path_);
  return *this;
}

void MappedFile::will_need(size_t offset, size_t length) const noexcept {
  if (!data_ || offset >= size_) return;
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t start = offset / page * page;
  ::madvise(data_ + start, std::min(length + (offset - start), size_ - start), MADV_WILLNEED);
}

void MappedFile::populate(size_t offset, size_t length) const noexcept {
#ifdef MADV_POPULATE_READ
  if (!data_ || offset >= size_) return;
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t start = offset / page * page;
  if (::madvise(data_ + start, std::min(length + (offset - start), size_ - start), MADV_POPULATE_READ) == 0) return;
#endif
  will_need(offset, length);   // older kernels: at least the reading begins
}

void MappedFile::drop_pages(size_t offset, size_t length) const noexcept {
  if (!data_ || offset >= size_) return;
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t start = (offset + page - 1) / page * page;
  const size_t end = std::min(offset + length, size_) / page * page;
  if (end > start) ::madvise(data_ + start, end - start, MADV_DONTNEED);
}

std::string read_file(const std::string& path, size_t max_bytes) {
  Fd f{-1};
  const size_t size = open_regular(f, path);
  if (size > max_bytes)
    fail(Code::kInvalidInput, printable(path, 200), ": ", size, " bytes is over the limit of ", max_bytes);
  std::string text;
  char buffer[1 << 16];
  for (;;) {  // the stated size may be 0 (pipes, /proc), so read to the end
    const ssize_t n = ::read(f.fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) os_error("read", path);
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > max_bytes) fail(Code::kInvalidInput, printable(path, 200), ": over the limit of ", max_bytes, " bytes");
  }
}

bool file_exists(const std::string& path) noexcept { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace mainspring
