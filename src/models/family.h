// What a family file gives to the program: the architecture names it serves and a function that builds the model.
#pragma once

#include <memory>
#include <span>

#include "nn/causal_lm.h"
#include "weights/config.h"
#include "weights/weights.h"

namespace mainspring {

struct Family {
  std::span<const char* const> architectures;   // entries of config.json's "architectures"
  std::unique_ptr<CausalLM> (*build)(const Config& config, const Weights& weights);
};

// Every family, from the file names in src/models/ (see cmake/tables.cmake).
std::span<const Family* const> all_family();

}  // namespace mainspring

// MAINSPRING_FAMILY(llama, build_llama, "LlamaForCausalLM"): at the end of src/models/llama.cpp.
#define MAINSPRING_FAMILY(file, build_function, ...)                          \
  namespace mainspring {                                                      \
  static const char* const kArchitectures_##file[] = {__VA_ARGS__};           \
  extern const Family family_##file;                                          \
  const Family family_##file{kArchitectures_##file, build_function};          \
  }
