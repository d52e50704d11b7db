// The settings of one run: command line over environment over file over default, each value with its origin.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/config_file.h"
#include "base/env.h"
#include "base/json.h"
#include "cli/options.h"

namespace mainspring::cli {

enum class Origin { kUnset, kDefault, kFile, kEnvironment, kCommandLine, kRequest };
const char* origin_name(Origin origin) noexcept;

struct Setting {
  const OptionSpec* spec = nullptr;
  Origin origin = Origin::kUnset;
  std::string source;   // "--seed", "MAINSPRING_SEED", "/etc/m.toml:3"
  OptionValue value;
};

// Asking for a name the command does not have is kInternal. Copyable: a batch overlays each request on a copy.
class Settings {
 public:
  // Defaults only.
  explicit Settings(uint32_t command);

  const Setting& get(std::string_view name) const;
  bool given(std::string_view name) const;   // set by someone, also by the default
  bool chosen(std::string_view name) const;  // set by someone, not by the default
  bool flag(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  std::string text(std::string_view name) const;   // "" when unset
  const std::vector<std::string>& list(std::string_view name) const;

  void set(const OptionSpec& spec, std::vector<std::string> texts, Origin origin, std::string source);
  // Adds to a list of the same origin, replaces anything else.
  void add(const OptionSpec& spec, std::string text, Origin origin, std::string source);

  uint32_t command() const noexcept { return command_; }
  const std::vector<Setting>& all() const noexcept { return settings_; }   // in table order

 private:
  Setting& slot(const OptionSpec& spec);

  uint32_t command_;
  std::vector<Setting> settings_;
};

// One value of the command line, before layering.
struct Argument {
  const OptionSpec* spec = nullptr;
  std::string text, source;
};

// Settings of `command_name` (bit `command`). `file` names where the entries come from, for messages.
Settings layer_settings(uint32_t command, std::string_view command_name, std::span<const Argument> arguments,
                        const EnvGetter& env, std::span<const ConfigEntry> entries, const std::string& file);

// TOML with origins as comments, or JSON.
std::string print_config(const Settings& settings, bool json);

}  // namespace mainspring::cli
