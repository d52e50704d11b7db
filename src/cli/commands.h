// The sub-commands: their table, and what a sub-command gets to work with.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"

namespace mainspring {
class SignalWatcher;
}

namespace mainspring::cli {

class Output;
class Settings;

struct App {
  const Settings& settings;
  Output& out;
  SignalWatcher& signals;
  EnvGetter env;
};

struct Command {
  const char* name;
  uint32_t bit;
  const char* summary;               // one line
  const char* positional;            // name of the option that a bare argument sets, or nullptr
  bool positional_required;
  const char* details;               // paragraphs of --help
  int (*run)(App& app);              // exit status
  const char* second = nullptr;      // the option that a second bare argument sets; required with the first
};

std::span<const Command> command_table();
const Command* find_command(std::string_view name);
std::vector<std::string> command_names();

// One per file of this folder.
int run_chat(App& app);
int run_generate(App& app);
int run_inspect(App& app);
int run_tokenize(App& app);
int run_perplexity(App& app);
int run_logits(App& app);
int run_bench(App& app);
int run_doctor(App& app);
int run_pull(App& app);
int run_list(App& app);
int run_rm(App& app);
int run_version(App& app);
int run_completion(App& app);
int run_pack(App& app);

}  // namespace mainspring::cli
