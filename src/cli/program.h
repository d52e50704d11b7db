// The program: from arguments to an exit status.
#pragma once

#include <string>
#include <vector>

#include "base/env.h"

namespace mainspring::cli {

// args without the program's name. 0 good, 2 bad input, 3 not enough memory, 4 not found, 1 the rest, 128 + signal.
int run_program(const std::vector<std::string>& args, const EnvGetter& env);

}  // namespace mainspring::cli
