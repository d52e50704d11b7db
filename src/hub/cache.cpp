// The cache folder of one model, in huggingface_hub's layout.
#include "hub/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/str.h"
#include "hub/names.h"

namespace mainspring::hub {

namespace fs = std::filesystem;

namespace {

struct Fd {
  explicit Fd(int f) : fd(f) {}
  ~Fd() {
    if (fd >= 0) close(fd);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  void reset(int f) {
    if (fd >= 0) close(fd);
    fd = f;
  }
  int fd;
};

std::optional<uint64_t> regular_size(const std::string& path) {
  struct stat st {};
  if (stat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return std::nullopt;
  return static_cast<uint64_t>(st.st_size);
}

// Opens the folder `relative` below `root` one part at a time, creating parts; no part may be a symbolic link.
int open_beneath(const std::string& root, std::string_view relative) {
  Fd dir(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.fd < 0) fail_errno("cannot open", root);
  std::string so_far = root;
  for (std::string_view part : split(relative, '/')) {
    const std::string name(part);
    if (name.empty()) continue;
    so_far += "/" + name;
    if (mkdirat(dir.fd, name.c_str(), 0777) != 0 && errno != EEXIST) fail_errno("cannot create", so_far);
    const int next = openat(dir.fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0) {
      if (errno == ELOOP || errno == ENOTDIR)
        fail(Code::kIo, so_far, ": a symbolic link or file stands where a folder must be");
      fail_errno("cannot open", so_far);
    }
    dir.reset(next);
  }
  return std::exchange(dir.fd, -1);
}

}  // namespace

void fail_errno(std::string_view what, const std::string& path) {
  const int error = errno;
  fail(Code::kIo, what, " ", path, ": ", std::strerror(error));
}

std::optional<std::string> read_small_file(const std::string& path) {
  const auto size = regular_size(path);
  if (!size || *size > (uint64_t{64} << 20)) return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void write_small_file(const std::string& path, std::string_view text) {
  const std::string temporary = cat(path, ".", getpid(), ".tmp");
  {
    Fd f(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (f.fd < 0) fail_errno("cannot write", temporary);
    for (size_t done = 0; done < text.size();) {
      const ssize_t n = write(f.fd, text.data() + done, text.size() - done);
      if (n < 0) {
        const int error = errno;
        unlink(temporary.c_str());
        errno = error;
        fail_errno("cannot write", temporary);
      }
      done += static_cast<size_t>(n);
    }
    fsync(f.fd);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) fail_errno("cannot rename to", path);
}

void make_folders_beneath(const std::string& root, std::string_view relative) { Fd dir(open_beneath(root, relative)); }

std::string folder_name(const std::string& repo) {
  std::string name = repo;
  const size_t slash = name.find('/');
  if (slash != std::string::npos) name.replace(slash, 1, "--");
  return "models--" + name;
}

std::optional<std::string> repo_of_folder(const std::string& folder) {
  if (!folder.starts_with("models--")) return std::nullopt;
  std::string repo = folder.substr(8);
  const size_t dashes = repo.find("--");
  if (dashes != std::string::npos) repo.replace(dashes, 2, "/");
  if (!is_repo_name(repo)) return std::nullopt;
  return repo;
}

FileLock::~FileLock() { close(fd_); }

std::unique_ptr<FileLock> FileLock::try_acquire(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) fail_errno("cannot open the lock", path);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return std::unique_ptr<FileLock>(new FileLock(fd));
  const int error = errno;
  close(fd);
  errno = error;
  if (error != EWOULDBLOCK && error != EINTR) fail_errno("cannot lock", path);
  return nullptr;
}

std::unique_ptr<FileLock> FileLock::acquire(const std::string& path, const std::function<bool()>& keep_going) {
  while (true) {
    if (auto lock = try_acquire(path)) return lock;
    if (keep_going && !keep_going()) fail(Code::kCancelled, "cancelled while another process works on the same file");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

ModelCache::ModelCache(const HubConfig& config, std::string repo) {
  if (config.cache_dir.empty()) {
    fail(Code::kInvalidInput, "no cache folder: neither HF_HUB_CACHE, HF_HOME nor HOME is set");
  }
  folder_ = config.cache_dir + "/" + folder_name(repo);
  locks_ = config.cache_dir + "/.locks/" + folder_name(repo);
}

void ModelCache::create() const {
  std::error_code problem;
  for (const std::string& f :
       {folder_ + "/blobs", folder_ + "/refs", folder_ + "/snapshots", folder_ + "/.mainspring", locks_}) {
    fs::create_directories(f, problem);
    if (problem) fail(Code::kIo, "cannot create ", f, ": ", problem.message());
  }
}

std::optional<std::string> ModelCache::commit_of(const std::string& revision) const {
  if (const auto text = read_small_file(folder_ + "/refs/" + revision)) {
    const std::string commit(trim(*text));
    if (is_commit(commit)) return commit;
  }
  std::error_code ignored;
  if (is_commit(revision) && fs::is_directory(snapshot_folder(revision), ignored)) return revision;
  return std::nullopt;
}

void ModelCache::write_ref(const std::string& revision, const std::string& commit) const {
  if (revision == commit) return;
  const size_t slash = revision.rfind('/');
  if (slash != std::string::npos) make_folders_beneath(folder_ + "/refs", revision.substr(0, slash));
  write_small_file(folder_ + "/refs/" + revision, commit);
}

std::optional<Snapshot> ModelCache::read_record(const std::string& commit) const {
  const std::string path = folder_ + "/.mainspring/" + commit + ".json";
  const auto text = read_small_file(path);
  if (!text) return std::nullopt;
  try {
    return snapshot_from_json(parse_json(*text, path));
  } catch (const Error&) {
    return std::nullopt;  // a damaged record is no record; the next pull writes it anew
  }
}

void ModelCache::write_record(const Snapshot& s) const {
  write_small_file(folder_ + "/.mainspring/" + s.commit + ".json", to_json(s).dump());
}

void ModelCache::link(const std::string& commit, const RepoFile& file) const {
  const size_t slash = file.path.rfind('/');
  const std::string parent = slash == std::string::npos ? "" : file.path.substr(0, slash);
  const std::string name = slash == std::string::npos ? file.path : file.path.substr(slash + 1);
  Fd dir(open_beneath(folder_ + "/snapshots", commit + "/" + parent));
  std::string target;
  for (char c : file.path) target += c == '/' ? "../" : "";
  target += "../../blobs/" + file.hash;
  const std::string temporary = cat(".", getpid(), ".link");
  unlinkat(dir.fd, temporary.c_str(), 0);
  if (symlinkat(target.c_str(), dir.fd, temporary.c_str()) != 0 ||
      renameat(dir.fd, temporary.c_str(), dir.fd, name.c_str()) != 0) {
    fail_errno("cannot link", snapshot_folder(commit) + "/" + file.path);
  }
}

bool ModelCache::has_blob(const RepoFile& file) const { return regular_size(blob(file.hash)) == file.size; }

bool ModelCache::holds(const std::string& commit, const RepoFile& file) const {
  return regular_size(snapshot_folder(commit) + "/" + file.path) == file.size;
}

std::vector<RepoFile> ModelCache::snapshot_files(const std::string& commit) const {
  std::vector<RepoFile> files;
  std::error_code problem;
  const fs::path root = snapshot_folder(commit);
  for (fs::recursive_directory_iterator it(root, problem), end; !problem && it != end; it.increment(problem)) {
    const fs::path& p = it->path();
    if (it->is_directory(problem) && !it->is_symlink(problem)) continue;
    RepoFile f{p.lexically_relative(root).generic_string(), regular_size(p).value_or(UINT64_MAX), ""};
    if (it->is_symlink(problem)) f.hash = fs::read_symlink(p, problem).filename().string();
    if (is_safe_path(f.path)) files.push_back(std::move(f));
  }
  std::sort(files.begin(), files.end(), [](const RepoFile& a, const RepoFile& b) { return a.path < b.path; });
  return files;
}

std::vector<std::string> ModelCache::commits() const {
  std::vector<std::string> out;
  std::error_code problem;
  for (fs::directory_iterator it(folder_ + "/snapshots", problem), end; !problem && it != end; it.increment(problem)) {
    if (is_commit(it->path().filename().string())) out.push_back(it->path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::pair<std::string, std::string>> ModelCache::refs() const {
  std::vector<std::pair<std::string, std::string>> out;
  std::error_code problem;
  const fs::path root = folder_ + "/refs";
  for (fs::recursive_directory_iterator it(root, problem), end; !problem && it != end; it.increment(problem)) {
    if (!it->is_regular_file(problem)) continue;
    const std::string name = it->path().lexically_relative(root).generic_string();
    if (const auto commit = commit_of(name)) out.emplace_back(name, *commit);
  }
  std::sort(out.begin(), out.end());
  return out;
}

uint64_t ModelCache::remove_partials() const {
  uint64_t freed = 0;
  std::error_code problem;
  for (fs::directory_iterator it(folder_ + "/blobs", problem), end; !problem && it != end; it.increment(problem)) {
    const std::string name = it->path().filename().string();
    if (!name.ends_with(".incomplete")) continue;
    const std::string hash = name.substr(0, name.find('.'));
    const auto lock = is_hash(hash) ? FileLock::try_acquire(lock_path(hash)) : nullptr;
    if (!lock) continue;
    const uint64_t size = regular_size(it->path()).value_or(0);
    std::error_code ignored;
    if (fs::remove(it->path(), ignored)) freed += size;
  }
  return freed;
}

}  // namespace mainspring::hub
