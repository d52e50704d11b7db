// The cache folder of one model, in huggingface_hub's layout:
//   models--org--name/{refs/<revision>, blobs/<hash>, snapshots/<commit>/<path> -> ../../blobs/<hash>}
//   .locks/models--org--name/<hash>.lock
// plus models--org--name/.mainspring/<commit>.json, our record of the snapshot's files.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/file_list.h"

namespace mainspring::hub {

// An exclusive lock on a file, for as long as the object lives. Held by a process, so a crash frees it.
class FileLock {
 public:
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  // Waits; `keep_going` is polled and false throws kCancelled.
  static std::unique_ptr<FileLock> acquire(const std::string& path, const std::function<bool()>& keep_going = {});
  static std::unique_ptr<FileLock> try_acquire(const std::string& path);  // null when another process holds it

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

class ModelCache {
 public:
  ModelCache(const HubConfig& config, std::string repo);

  const std::string& folder() const { return folder_; }
  std::string blob(const std::string& hash) const { return folder_ + "/blobs/" + hash; }
  std::string partial(const std::string& hash) const { return blob(hash) + ".incomplete"; }
  std::string snapshot_folder(const std::string& commit) const { return folder_ + "/snapshots/" + commit; }
  std::string lock_path(const std::string& name) const { return locks_ + "/" + name + ".lock"; }

  void create() const;  // the folders
  // The commit a revision names here; nothing when it is unknown.
  std::optional<std::string> commit_of(const std::string& revision) const;
  void write_ref(const std::string& revision, const std::string& commit) const;
  std::optional<Snapshot> read_record(const std::string& commit) const;
  void write_record(const Snapshot& s) const;
  // snapshots/<commit>/<path> -> the blob; never through a symbolic link in between.
  void link(const std::string& commit, const RepoFile& file) const;
  bool has_blob(const RepoFile& file) const;
  // Whether the snapshot holds the file with the size it should have.
  bool holds(const std::string& commit, const RepoFile& file) const;
  // Files of a snapshot folder as they lie there (hash = name of the blob when it is a link to one).
  std::vector<RepoFile> snapshot_files(const std::string& commit) const;
  std::vector<std::string> commits() const;
  std::vector<std::pair<std::string, std::string>> refs() const;  // revision, commit
  // Removes downloads that broke off and that no process works on.
  uint64_t remove_partials() const;

 private:
  std::string folder_, locks_;
};

// Whole small files; replaced atomically.
std::optional<std::string> read_small_file(const std::string& path);
void write_small_file(const std::string& path, std::string_view text);
// Creates `relative` and its parents below `root`; faults when a symbolic link stands in the way.
void make_folders_beneath(const std::string& root, std::string_view relative);
[[noreturn]] void fail_errno(std::string_view what, const std::string& path);
std::string folder_name(const std::string& repo);                      // "models--org--name"
std::optional<std::string> repo_of_folder(const std::string& folder);  // and back

}  // namespace mainspring::hub
