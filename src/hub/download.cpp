// One file of a repository into the cache.
#include "hub/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/str.h"
#include "hub/digest.h"
#include "hub/repo_api.h"

namespace mainspring::hub {

namespace {

constexpr size_t kBlock = 1 << 20;

// Feeds the first `size` bytes of an open file to `sink`; returns how many there were.
uint64_t read_through(int fd, uint64_t size, const std::function<bool(std::string_view)>& sink) {
  std::string block(kBlock, '\0');
  uint64_t done = 0;
  lseek(fd, 0, SEEK_SET);
  while (done < size) {
    const ssize_t n = read(fd, block.data(), std::min<uint64_t>(kBlock, size - done));
    if (n <= 0) break;
    done += static_cast<uint64_t>(n);
    if (!sink({block.data(), static_cast<size_t>(n)})) fail(Code::kCancelled, "cancelled");
  }
  return done;
}

}  // namespace

std::string hash_file(const std::string& path, std::string_view like, uint64_t size,
                      const std::function<bool(int64_t)>& on_bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_errno("cannot read", path);
  struct Closer {
    int fd;
    ~Closer() { close(fd); }
  } closer{fd};
  Digest digest(like, size);
  read_through(fd, UINT64_MAX, [&](std::string_view piece) {
    digest.update(piece);
    return !on_bytes || on_bytes(static_cast<int64_t>(piece.size()));
  });
  return digest.finish();
}

// blobs/<hash>.incomplete: what has arrived so far, and its running hash.
class Downloader::Partial {
 public:
  Partial(const std::string& path, const RepoFile& file, const std::function<bool(int64_t)>& on_bytes)
      : path_(path), file_(file), on_bytes_(on_bytes), digest_(file.hash, file.size) {
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd_ < 0) fail_errno("cannot write", path);
    struct stat st {};
    fstat(fd_, &st);
    if (static_cast<uint64_t>(st.st_size) > file.size) {
      restart();
      return;
    }
    have_ = read_through(fd_, static_cast<uint64_t>(st.st_size), [&](std::string_view piece) {
      digest_.update(piece);
      return on_bytes_(static_cast<int64_t>(piece.size()));
    });
  }
  ~Partial() { close(fd_); }
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;

  uint64_t have() const { return have_; }

  void restart() {
    on_bytes_(-static_cast<int64_t>(have_));
    have_ = 0;
    digest_ = Digest(file_.hash, file_.size);
    if (ftruncate(fd_, 0) != 0) fail_errno("cannot truncate", path_);
  }

  void append(std::string_view bytes) {
    if (bytes.size() > file_.size - have_) {
      restart();
      throw RetryableError(Code::kIo,
                           cat(file_.path, ": the server sends more than the ", file_.size, " bytes it announced"));
    }
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t n = pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(have_ + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail_errno("cannot write", path_);
      done += static_cast<size_t>(n);
    }
    digest_.update(bytes);
    have_ += bytes.size();
    if (!on_bytes_(static_cast<int64_t>(bytes.size()))) fail(Code::kCancelled, file_.path, ": cancelled");
  }

  // Adopts the file when it is all there and right.
  void finish(const std::string& blob) {
    if (have_ != file_.size) {
      throw RetryableError(Code::kIo,
                           cat(file_.path, ": the connection ended after ", have_, " of ", file_.size, " bytes"));
    }
    const std::string hash = digest_.finish();
    if (hash != file_.hash) {
      restart();
      throw RetryableError(Code::kIo, cat(file_.path, ": the content's hash is ", hash, ", expected ", file_.hash));
    }
    if (fsync(fd_) != 0) fail_errno("cannot write", path_);
    if (rename(path_.c_str(), blob.c_str()) != 0) fail_errno("cannot rename to", blob);
  }

 private:
  std::string path_;
  const RepoFile& file_;
  const std::function<bool(int64_t)>& on_bytes_;
  Digest digest_;
  int fd_ = -1;
  uint64_t have_ = 0;
};

Downloader::Downloader(HttpClient& http, const HubConfig& config, const ModelCache& cache, std::string repo,
                       std::string commit, std::function<bool(int64_t)> on_bytes)
    : http_(http),
      config_(config),
      cache_(cache),
      repo_(std::move(repo)),
      commit_(std::move(commit)),
      on_bytes_(std::move(on_bytes)) {}

void Downloader::fetch(const RepoFile& file) {
  const auto keep_going = [&] { return on_bytes_(0); };
  const auto lock = FileLock::acquire(cache_.lock_path(file.hash), keep_going);
  if (cache_.has_blob(file)) {  // another process was faster
    on_bytes_(static_cast<int64_t>(file.size));
    return;
  }
  Partial partial(cache_.partial(file.hash), file, on_bytes_);
  Request request;
  request.url = file_url(config_, repo_, commit_, file.path);
  request.keep_going = keep_going;
  request.on_start = [&](const Response& r) {
    const std::string served = r.header("x-repo-commit");
    if (!served.empty() && served != commit_) {
      fail(Code::kIo, file.path, ": the hub serves commit ", printable(served, 60), " instead of ", commit_);
    }
    const bool continues = r.status == 206 && r.header("content-range").starts_with(cat("bytes ", partial.have(), "-"));
    if (partial.have() > 0 && !continues) partial.restart();  // the server sends it all again
  };
  request.on_data = [&](std::string_view bytes) { partial.append(bytes); };
  const auto before_try = [&](Request& r) {
    if (partial.have() == file.size && file.size > 0) partial.restart();
    r.range = partial.have() > 0 ? cat(partial.have(), "-") : "";
  };
  if (partial.have() == file.size) {  // complete but for the rename, or damaged
    try {
      return partial.finish(cache_.blob(file.hash));
    } catch (const RetryableError&) {
    }
  }
  request.on_end = [&](const Response& r) {
    if (r.status == 416) {
      partial.restart();
      throw RetryableError(Code::kIo, cat(file.path, ": the server cannot go on at the byte the download stopped"));
    }
    partial.finish(cache_.blob(file.hash));
  };
  http_.run(std::move(request), file.path, before_try);
}

}  // namespace mainspring::hub
