// Models from a Hugging Face hub: download into the Hub's own cache layout, find, list and remove them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/errors.h"

namespace mainspring {

struct HubConfig {
  std::string endpoint = "https://huggingface.co";
  std::string token;      // empty: anonymous
  std::string cache_dir;  // the folder that holds models--org--name
  bool offline = false;   // never touch the network
  int connect_timeout_ms = 10'000;
  int stall_timeout_ms = 10'000;   // an answer that brings no byte for so long has failed
  int tries = 5;                   // per request, the first one included
  int backoff_ms = 500;  // before the second try; doubles, and Retry-After of the server wins (up to a minute)

  // HF_ENDPOINT, HF_TOKEN (else the file HF_TOKEN_PATH or $HF_HOME/token), HF_HUB_CACHE > HUGGINGFACE_HUB_CACHE >
  // $HF_HOME/hub > $XDG_CACHE_HOME/huggingface/hub > ~/.cache/huggingface/hub, HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE,
  // HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT (seconds). kInvalidInput when a value makes no sense.
  static HubConfig from_environment(const EnvGetter& env);
};

// "org/name[@revision][:file-or-quant]", for example "Qwen/Qwen3-0.6B@main" or "org/name-GGUF:Q8_0".
struct ModelRef {
  std::string repo;
  std::string revision = "main";
  bool revision_given = false;
  std::string selector;  // a file of the repository, or a GGUF quantisation; empty: the default files
  std::string text() const;
};
// kInvalidInput when it is not a reference (also for names that would leave the cache folder).
ModelRef parse_model_ref(std::string_view text);

struct PullProgress {
  std::string file;            // being downloaded
  size_t file_index = 0, file_count = 0;
  uint64_t done = 0, total = 0;  // bytes of all files
  double rate = 0;             // bytes per second of this run
  double seconds_left = -1;    // -1: unknown
};
// Called while bytes arrive; false cancels (kCancelled; what is there stays and is resumed later).
using PullCallback = std::function<bool(const PullProgress&)>;

struct PullOptions {
  bool verify = false;  // also hash the files that are already there, and fetch again those that are damaged
};

// Downloads what is missing and returns the local path: the snapshot folder, or for GGUF the (first) file. Files are
// hashed while they are written and never adopted when the hash is wrong; a broken download goes on where it stopped.
// Errors: kNotFound (no such model, revision or file), kUnavailable (rate limit, server trouble after all tries),
// kIo (network, disk full: says needed and free bytes, before the download), kInvalidInput, kCancelled.
std::string pull(const ModelRef& ref, const HubConfig& config, const PullCallback& progress = {},
                 const PullOptions& options = {});

// The same path without network. kNotFound when the model is not in the cache or its snapshot is incomplete.
std::string resolve_model(const ModelRef& ref, const HubConfig& config);

struct CachedModel {
  std::string repo;
  std::string revision;  // commit
  std::vector<std::string> refs;  // "main", ...
  uint64_t bytes = 0;
  std::string path;      // snapshot folder
  bool complete = false;
};
std::vector<CachedModel> list_models(const HubConfig& config);

// Removes a model, one revision of it (when the reference names one) or one file or quantisation (selector), and the
// blobs nothing else uses. Returns the bytes freed; kNotFound when there is nothing to remove.
uint64_t remove_model(const ModelRef& ref, const HubConfig& config);

}  // namespace mainspring
