// What is in the cache: resolve, list, remove.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/json.h"
#include "base/str.h"
#include "hub/cache.h"
#include "hub/hub.h"
#include "hub/names.h"

namespace mainspring {

namespace fs = std::filesystem;
using hub::ModelCache;
using hub::RepoFile;

namespace {

// What a snapshot lacks of the files a reference asks for; empty when it is complete.
struct State {
  std::vector<RepoFile> selected;
  std::vector<std::string> missing;
};

// Without our record (a cache that another program filled) completeness follows from the files themselves: links that
// lead somewhere, every shard of the weights' index, every part of a split GGUF.
void check_unrecorded(const ModelCache& cache, const std::string& commit, State& s) {
  const std::string folder = cache.snapshot_folder(commit);
  for (const RepoFile& f : s.selected) {
    if (f.size == UINT64_MAX) s.missing.push_back(f.path);
    if (f.path.ends_with(".index.json")) {
      const auto text = hub::read_small_file(folder + "/" + f.path);
      const Json index = parse_json(text.value_or("{}"), f.path);
      const Json* map = index.find("weight_map");
      std::set<std::string> shards;
      if (map != nullptr && map->is_object()) {
        for (const auto& [tensor, shard] : map->as_object()) shards.insert(shard.as_string());
      }
      for (const std::string& shard : shards) {
        std::error_code ignored;
        if (!hub::is_safe_path(shard) || !fs::is_regular_file(folder + "/" + shard, ignored))
          s.missing.push_back(shard);
      }
    }
    // "-00001-of-00003.gguf": as many parts as the name says
    const size_t of = f.path.rfind("-of-");
    if (f.path.ends_with(".gguf") && of != std::string::npos && of + 14 == f.path.size()) {
      const size_t parts = static_cast<size_t>(std::atoi(f.path.c_str() + of + 4));
      if (parts != s.selected.size()) s.missing.push_back(cat(parts, " parts of ", f.path));
    }
  }
}

State state_of(const ModelCache& cache, const std::string& commit, const ModelRef& ref) {
  State s;
  if (const auto record = cache.read_record(commit)) {
    s.selected = hub::select_files(ref, record->files);
    for (const RepoFile& f : s.selected) {
      if (!cache.holds(commit, f)) s.missing.push_back(f.path);
    }
    return s;
  }
  s.selected = hub::select_files(ref, cache.snapshot_files(commit));
  check_unrecorded(cache, commit, s);
  return s;
}

std::string pull_advice(const ModelRef& ref, const HubConfig& config) {
  return cat(config.offline ? "; the hub is switched off (HF_HUB_OFFLINE), get it with: " : "; get it with: ",
             "mainspring pull ", ref.text());
}

// Bytes of the distinct files a snapshot leads to.
uint64_t bytes_of(const std::vector<RepoFile>& files) {
  std::map<std::string, uint64_t> sizes;
  for (const RepoFile& f : files) {
    if (f.size != UINT64_MAX) sizes[f.hash.empty() ? f.path : f.hash] = f.size;
  }
  uint64_t sum = 0;
  for (const auto& [name, size] : sizes) sum += size;
  return sum;
}

// What is there of any selection: at least one model's files are whole.
bool is_complete(const ModelCache& cache, const std::string& commit, const std::string& repo) {
  ModelRef ref;
  ref.repo = repo;
  try {
    if (state_of(cache, commit, ref).missing.empty()) return true;
  } catch (const Error&) {
  }
  // Perhaps another quantisation than the default was pulled.
  for (const RepoFile& f : cache.snapshot_files(commit)) {
    if (!f.path.ends_with(".gguf")) continue;
    ref.selector = f.path;
    try {
      if (state_of(cache, commit, ref).missing.empty()) return true;
    } catch (const Error&) {
    }
  }
  return false;
}

uint64_t folder_bytes(const std::string& folder) {
  uint64_t sum = 0;
  std::error_code problem;
  for (fs::recursive_directory_iterator it(folder, problem), end; !problem && it != end; it.increment(problem)) {
    if (it->is_regular_file(problem) && !it->is_symlink(problem)) sum += it->file_size(problem);
  }
  return sum;
}

void remove_all(const std::string& path) {
  std::error_code problem;
  fs::remove_all(path, problem);
  if (problem) fail(Code::kIo, "cannot remove ", path, ": ", problem.message());
}

// Removes blobs that no snapshot leads to.
uint64_t remove_unused_blobs(const ModelCache& cache) {
  std::set<std::string> used;
  for (const std::string& commit : cache.commits()) {
    for (const RepoFile& f : cache.snapshot_files(commit)) used.insert(f.hash);
  }
  uint64_t freed = cache.remove_partials();
  std::error_code problem;
  for (fs::directory_iterator it(cache.folder() + "/blobs", problem), end; !problem && it != end;
       it.increment(problem)) {
    const std::string name = it->path().filename().string();
    if (used.contains(name) || !hub::is_hash(name)) continue;
    const auto lock = hub::FileLock::try_acquire(cache.lock_path(name));
    if (!lock) continue;  // being downloaded
    const uint64_t size = it->file_size(problem);
    std::error_code ignored;
    if (fs::remove(it->path(), ignored)) freed += size;
  }
  return freed;
}

void remove_snapshot(const ModelCache& cache, const std::string& commit) {
  remove_all(cache.snapshot_folder(commit));
  std::error_code ignored;
  fs::remove(cache.folder() + "/.mainspring/" + commit + ".json", ignored);
  for (const auto& [name, target] : cache.refs()) {
    if (target == commit) fs::remove(cache.folder() + "/refs/" + name, ignored);
  }
}

}  // namespace

std::string resolve_model(const ModelRef& ref, const HubConfig& config) {
  const ModelCache cache(config, ref.repo);
  const auto commit = cache.commit_of(ref.revision);
  if (!commit) {
    fail(Code::kNotFound, "model ", ref.text(), " is not in ", config.cache_dir, pull_advice(ref, config));
  }
  const State s = state_of(cache, *commit, ref);
  if (!s.missing.empty()) {
    fail(Code::kNotFound, "the snapshot of ", ref.text(), " is incomplete: ", s.missing.size(), " of ",
         s.selected.size(), " files missing, first ", printable(s.missing[0]), pull_advice(ref, config));
  }
  return hub::load_path(cache.snapshot_folder(*commit), s.selected);
}

std::vector<CachedModel> list_models(const HubConfig& config) {
  std::vector<CachedModel> out;
  std::error_code problem;
  for (fs::directory_iterator it(config.cache_dir, problem), end; !problem && it != end; it.increment(problem)) {
    const auto repo = hub::repo_of_folder(it->path().filename().string());
    if (!repo || !it->is_directory(problem)) continue;
    const ModelCache cache(config, *repo);
    const auto refs = cache.refs();
    for (const std::string& commit : cache.commits()) {
      CachedModel m{*repo, commit, {}, bytes_of(cache.snapshot_files(commit)), cache.snapshot_folder(commit), false};
      for (const auto& [name, target] : refs) {
        if (target == commit) m.refs.push_back(name);
      }
      m.complete = is_complete(cache, commit, *repo);
      out.push_back(std::move(m));
    }
  }
  std::sort(out.begin(), out.end(), [](const CachedModel& a, const CachedModel& b) {
    return std::tie(a.repo, a.revision) < std::tie(b.repo, b.revision);
  });
  return out;
}

uint64_t remove_model(const ModelRef& ref, const HubConfig& config) {
  const ModelCache cache(config, ref.repo);
  std::error_code ignored;
  if (!fs::is_directory(cache.folder(), ignored))
    fail(Code::kNotFound, "model ", ref.repo, " is not in ", config.cache_dir);
  if (!ref.revision_given && ref.selector.empty()) {
    const uint64_t bytes = folder_bytes(cache.folder());
    remove_all(cache.folder());
    remove_all(config.cache_dir + "/.locks/" + hub::folder_name(ref.repo));
    return bytes;
  }
  cache.create();  // for the locks
  const auto commit = cache.commit_of(ref.revision);
  if (!commit) fail(Code::kNotFound, "revision ", ref.revision, " of ", ref.repo, " is not in ", config.cache_dir);
  if (ref.selector.empty()) {
    remove_snapshot(cache, *commit);
  } else {
    size_t removed = 0;
    for (const RepoFile& f : hub::select_files(ref, cache.snapshot_files(*commit))) {
      removed += fs::remove(cache.snapshot_folder(*commit) + "/" + f.path, ignored);
    }
    if (removed == 0) fail(Code::kNotFound, "nothing of ", ref.text(), " is in ", config.cache_dir);
    if (cache.snapshot_files(*commit).empty()) remove_snapshot(cache, *commit);
  }
  uint64_t freed = remove_unused_blobs(cache);
  if (cache.commits().empty()) {
    freed += folder_bytes(cache.folder());
    remove_all(cache.folder());
    remove_all(config.cache_dir + "/.locks/" + hub::folder_name(ref.repo));
  }
  return freed;
}

}  // namespace mainspring
