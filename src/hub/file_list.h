// The files of a repository and the choice among them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "hub/hub.h"

namespace mainspring::hub {

struct RepoFile {
  std::string path;
  uint64_t size = 0;
  std::string hash;  // sha256 (64 hex digits) or git blob sha1 (40); the blob's name in the cache
};

struct Snapshot {
  std::string commit;
  std::vector<RepoFile> files;  // sorted by path
};

// The files a reference asks for. Without selector: config, tokenizer, templates and weights (safetensors, else the
// GGUF with Q4_K_M, Q4_0 or Q8_0, else PyTorch files). With one: that file, or the GGUF of that quantisation with all
// its parts. kNotFound, naming what there is, when nothing fits.
std::vector<RepoFile> select_files(const ModelRef& ref, const std::vector<RepoFile>& files);
// The path a caller loads: `folder`, or the (first) GGUF when the selection is one.
std::string load_path(const std::string& folder, const std::vector<RepoFile>& selected);

// Our own record of a snapshot's files, kept in the cache for completeness checks without network.
Json to_json(const Snapshot& s);
Snapshot snapshot_from_json(const Json& j);

}  // namespace mainspring::hub
