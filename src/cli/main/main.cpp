// The mainspring executable.
#include <string>
#include <vector>

#include "base/env.h"
#include "cli/program.h"

int main(int argc, char** argv) {
  return mainspring::cli::run_program(std::vector<std::string>(argv + (argc > 0), argv + argc), mainspring::get_env);
}
