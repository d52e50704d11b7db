// Splitting the command line into options and their values.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/settings.h"

namespace mainspring::cli {

// Arguments after the sub-command's name. Accepts --name VALUE, --name=VALUE, -x VALUE, -xVALUE, --flag, --no-flag,
// bare arguments for the command's positionals, and -- before bare arguments that begin with a dash. A value may
// begin with a dash ("--max-tokens -1", "--prompt-file -"). kInvalidInput names the flag and suggests a near one.
std::vector<Argument> parse_arguments(const Command& command, std::span<const std::string> args);

// --help or -h is among the arguments (before --): help is given even when the rest is wrong.
bool asks_for_help(std::span<const std::string> args);

// Texts of --help: of the program and of one command.
std::string program_help();
std::string command_help(const Command& command, int columns);

// The script of `mainspring completion`: bash, zsh or fish.
std::string completion_script(std::string_view shell);

}  // namespace mainspring::cli
