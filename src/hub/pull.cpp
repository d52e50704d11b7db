// pull: what is missing comes from the hub.
#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>

#include "base/str.h"
#include "hub/cache.h"
#include "hub/download.h"
#include "hub/hub.h"
#include "hub/repo_api.h"

namespace mainspring {

namespace {

using hub::ModelCache;
using hub::RepoFile;

// Turns counts of bytes into progress reports, at most every 100 ms.
class Reporter {
 public:
  Reporter(const PullCallback& callback, const std::vector<RepoFile>& files) : callback_(callback) {
    state_.file_count = files.size();
    for (const RepoFile& f : files) state_.total += f.size;
  }

  void begin_file(const RepoFile& f, size_t index) {
    state_.file = f.path;
    state_.file_index = index;
    last_ = {};
  }

  // Bytes that are there already.
  void skip(uint64_t bytes) {
    state_.done += bytes;
    skipped_ += static_cast<int64_t>(bytes);
  }

  bool add(int64_t bytes) {
    state_.done = static_cast<uint64_t>(static_cast<int64_t>(state_.done) + bytes);
    const auto now = Clock::now();
    if (!callback_ || now - last_ < std::chrono::milliseconds(100)) return last_answer_;
    last_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double fresh = static_cast<double>(static_cast<int64_t>(state_.done) - skipped_);
    state_.rate = seconds > 0 ? std::max(0.0, fresh / seconds) : 0;
    state_.seconds_left =
        state_.rate > 0 ? static_cast<double>(state_.total - std::min(state_.total, state_.done)) / state_.rate : -1;
    return last_answer_ = callback_(state_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  const PullCallback& callback_;
  PullProgress state_;
  int64_t skipped_ = 0;
  bool last_answer_ = true;
  Clock::time_point start_ = Clock::now(), last_;
};

uint64_t partial_size(const ModelCache& cache, const RepoFile& f) {
  std::error_code problem;
  const auto n = std::filesystem::file_size(cache.partial(f.hash), problem);
  return problem ? 0 : std::min<uint64_t>(n, f.size);
}

void check_space(const ModelCache& cache, const std::vector<RepoFile>& missing, const ModelRef& ref) {
  uint64_t needed = 0;
  for (const RepoFile& f : missing) needed += f.size - partial_size(cache, f);
  struct statvfs fs {};
  if (statvfs(cache.folder().c_str(), &fs) != 0) return;  // not knowable here; writing will tell
  const uint64_t free_bytes = static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize;
  if (needed > free_bytes) {
    fail(Code::kIo, "not enough disk space for ", ref.text(), ": ", needed, " bytes (", human_bytes(needed),
         ") needed, ", free_bytes, " bytes (", human_bytes(free_bytes), ") free in ", cache.folder());
  }
}

// Blobs that are there but whose content is not what their name says.
std::vector<RepoFile> damaged_blobs(const ModelCache& cache, const std::vector<RepoFile>& present, Reporter& report) {
  std::vector<RepoFile> bad;
  for (const RepoFile& f : present) {
    report.begin_file(f, 0);
    if (hub::hash_file(cache.blob(f.hash), f.hash, f.size, [&](int64_t) { return report.add(0); }) != f.hash)
      bad.push_back(f);
  }
  return bad;
}

}  // namespace

std::string pull(const ModelRef& ref, const HubConfig& config, const PullCallback& progress,
                 const PullOptions& options) {
  if (config.offline) return resolve_model(ref, config);
  const ModelCache cache(config, ref.repo);
  hub::HttpClient http(config);
  const hub::Snapshot snapshot = hub::fetch_snapshot(http, config, ref);
  const std::vector<RepoFile> files = hub::select_files(ref, snapshot.files);
  cache.create();
  Reporter report(progress, files);
  std::vector<RepoFile> present, missing;
  std::set<std::string> seen;  // two paths may have the same content
  for (const RepoFile& f : files) {
    const bool have = cache.has_blob(f);
    if (have || !seen.insert(f.hash).second) report.skip(f.size);
    if (have) present.push_back(f);
    else if (std::none_of(missing.begin(), missing.end(), [&](const RepoFile& m) { return m.hash == f.hash; }))
      missing.push_back(f);
  }
  if (options.verify) {
    for (const RepoFile& f : damaged_blobs(cache, present, report)) {
      const auto lock = hub::FileLock::acquire(cache.lock_path(f.hash));
      std::error_code ignored;
      std::filesystem::remove(cache.blob(f.hash), ignored);
      missing.push_back(f);
      report.add(-static_cast<int64_t>(f.size));
    }
  }
  check_space(cache, missing, ref);
  // The record comes first: a snapshot without all its files is then known to be incomplete.
  cache.write_record(snapshot);
  hub::Downloader downloader(http, config, cache, ref.repo, snapshot.commit, [&](int64_t n) { return report.add(n); });
  for (size_t i = 0; i < missing.size(); ++i) {
    report.begin_file(missing[i], i);
    downloader.fetch(missing[i]);
  }
  for (const RepoFile& f : files) cache.link(snapshot.commit, f);
  cache.write_ref(ref.revision, snapshot.commit);
  cache.remove_partials();
  return hub::load_path(cache.snapshot_folder(snapshot.commit), files);
}

}  // namespace mainspring
