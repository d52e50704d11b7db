// The process environment and the per-user folders that follow from it. The only place that calls getenv.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace mainspring {

// Looks a variable up; absent and empty are the same (POSIX programs treat an empty variable as unset).
using EnvGetter = std::function<std::optional<std::string>(std::string_view name)>;

std::optional<std::string> get_env(std::string_view name);

// XDG base directories: $XDG_CONFIG_HOME/mainspring or ~/.config/mainspring, and the same for state
// (~/.local/state/mainspring). Empty when neither the variable nor HOME is set. Relative XDG values are ignored, as the
// specification demands. Nothing is created.
std::string user_config_dir(const EnvGetter& env);
std::string user_state_dir(const EnvGetter& env);

}  // namespace mainspring
