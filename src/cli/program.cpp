// Dispatch to the sub-commands, settings, and errors as one line and a status.
#include "cli/program.h"

#include <csignal>
#include <new>

#include <unistd.h>

#include "base/mapped_file.h"
#include "base/signals.h"
#include "base/str.h"
#include "base/terminal.h"
#include "cli/command_line.h"
#include "cli/output.h"

namespace mainspring::cli {
namespace {

// The settings file's text and name; both empty when there is none. One that was asked for must exist.
std::string read_settings_file(std::span<const Argument> arguments, const EnvGetter& env, std::string& file) {
  bool asked = false;
  for (const Argument& a : arguments)
    if (std::string_view(a.spec->name) == "config") file = a.text, asked = true;
  if (!asked) {
    if (auto path = env("MAINSPRING_CONFIG")) file = *path, asked = true;
  }
  if (!asked) {
    const std::string dir = user_config_dir(env);
    file = dir.empty() ? std::string() : dir + "/config.toml";
    if (file.empty() || !file_exists(file)) return {};
  }
  try {
    return read_file(file, size_t{1} << 20);
  } catch (const Error& e) {
    throw e.in("settings file");
  }
}

int run_command(const Command& command, std::span<const std::string> args, const EnvGetter& env) {
  Output out(STDOUT_FILENO);
  if (asks_for_help(args)) {
    out.write(command_help(command, terminal_columns(STDOUT_FILENO)));
    return 0;
  }
  const std::vector<Argument> arguments = parse_arguments(command, args);
  std::string file;
  const std::string text = read_settings_file(arguments, env, file);
  const Settings settings = layer_settings(command.bit, command.name, arguments, env, parse_config(text, file), file);
  if (settings.flag("print-config")) {
    const bool json = find_option(command.bit, "json") && settings.flag("json");
    out.write(print_config(settings, json));
    return 0;
  }
  for (const char* name : {command.positional, command.second})
    if (name && command.positional_required && !settings.given(name))
      fail(Code::kInvalidInput, command.name, " needs ", find_option(command.bit, name)->value, " (see mainspring ",
           command.name, " --help)");
  SignalWatcher signals;
  App app{settings, out, signals, env};
  return command.run(app);
}

int dispatch(const std::vector<std::string>& args, const EnvGetter& env) {
  if (args.empty()) {
    Output(STDERR_FILENO).write(program_help());
    return exit_status(Code::kInvalidInput);
  }
  std::string name = args[0];
  std::span<const std::string> rest = std::span(args).subspan(1);
  if (name == "--version" || name == "-V") name = "version";
  const bool help = name == "--help" || name == "-h" || name == "help";
  if (help && rest.empty()) {
    Output(STDOUT_FILENO).write(program_help());
    return 0;
  }
  if (help) name = rest[0];
  const Command* command = find_command(name);
  if (!command) {
    const bool option = name.starts_with('-');
    fail(Code::kInvalidInput, option ? "unknown option '" : "unknown command '", printable(name), "'",
         option ? std::string(": the command comes first (see mainspring --help)")
                : suggestion(name, command_names()));
  }
  const std::vector<std::string> only_help = {"--help"};
  return run_command(*command, help ? std::span<const std::string>(only_help) : rest, env);
}

}  // namespace

int run_program(const std::vector<std::string>& args, const EnvGetter& env) {
  try {
    return dispatch(args, env);
  } catch (const OutputClosed&) {
    return 128 + SIGPIPE;
  } catch (const Interrupted& e) {
    return 128 + e.signal;
  } catch (const Error& e) {
    print_error(e.message());
    return exit_status(e.code());
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
    return exit_status(Code::kOutOfMemory);
  } catch (const std::exception& e) {
    print_error(e.what());
    return 1;
  }
}

}  // namespace mainspring::cli
