// One file of a repository into the cache: resumed, hashed while it is written, adopted only when the hash is right.
#pragma once

#include <functional>
#include <string>

#include "hub/cache.h"
#include "hub/http_client.h"

namespace mainspring::hub {

class Downloader {
 public:
  // `on_bytes` gets every change of the bytes that lie in the partial file; false cancels.
  Downloader(HttpClient& http, const HubConfig& config, const ModelCache& cache, std::string repo, std::string commit,
             std::function<bool(int64_t)> on_bytes);
  // Leaves blobs/<hash> in place; waits while another process downloads the same file.
  void fetch(const RepoFile& file);

 private:
  class Partial;
  HttpClient& http_;
  const HubConfig& config_;
  const ModelCache& cache_;
  std::string repo_, commit_;
  std::function<bool(int64_t)> on_bytes_;
};

// The hash of a file's content, for comparing with `like` (which says the kind of hash). `on_bytes` as above.
std::string hash_file(const std::string& path, std::string_view like, uint64_t size,
                      const std::function<bool(int64_t)>& on_bytes);

}  // namespace mainspring::hub
