// getenv and the XDG base directories.
#include "base/env.h"

#include <cstdlib>

namespace mainspring {

std::optional<std::string> get_env(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  if (!value || !*value) return std::nullopt;
  return std::string(value);
}

namespace {

std::string xdg_dir(const EnvGetter& env, std::string_view variable, std::string_view below_home) {
  if (auto base = env(variable); base && base->front() == '/') return *base + "/mainspring";
  if (auto home = env("HOME")) return *home + std::string(below_home) + "/mainspring";
  return {};
}

}  // namespace

std::string user_config_dir(const EnvGetter& env) { return xdg_dir(env, "XDG_CONFIG_HOME", "/.config"); }
std::string user_state_dir(const EnvGetter& env) { return xdg_dir(env, "XDG_STATE_HOME", "/.local/state"); }

}  // namespace mainspring
