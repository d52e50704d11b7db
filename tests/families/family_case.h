// A golden of one family: a tiny checkpoint, prompts, and the logits that transformers gave in fp32.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/model_runner.h"
#include "ops/device.h"
#include "quant/quantize.h"

namespace mainspring {

struct FamilyCase {
  struct Prompt {
    std::vector<int32_t> ids;
    std::vector<int64_t> positions;  // whose logits are in `logits`, from row first_row on
    int64_t first_row = 0;
  };
  std::string name, path;            // path: what open_checkpoint takes
  std::vector<Prompt> prompts;
  int64_t vocab = 0;
  std::vector<float> logits;         // [rows, vocab]
  std::vector<int32_t> greedy_prompt, greedy_tokens;

  const float* expected(const Prompt& p, size_t i) const {
    return logits.data() + (p.first_row + static_cast<int64_t>(i)) * vocab;
  }
};

std::vector<std::string> family_case_names();
FamilyCase load_family_case(const std::string& name);

// How a model is run in a test.
struct RunSetup {
  std::string device = "cpu";  // or ref
  std::string isa;
  int threads = 1;
  ComputeType compute = ComputeType::kF32;
  KvFormat kv = KvFormat::kF32;
  int32_t max_context = 256;
  QuantizeOptions quantize = {};
};

struct RunningModel {
  std::unique_ptr<Device> device;
  std::unique_ptr<ModelRunner> runner;
};
RunningModel open_model(const std::string& path, const RunSetup& setup);

// Logits of every position, computing `ids` in chunks of `chunk` tokens (0: whole). The blocks used start at `first_block`.
std::vector<std::vector<float>> run_tokens(ModelRunner& runner, const std::vector<int32_t>& ids, int chunk,
                                           int32_t first_block = 0);

// KL(expected || found) of the next-token distributions, in nats.
double kl(const float* expected, const float* found, int64_t n);

// Instruction sets this CPU can run.
std::vector<std::string> usable_isas();

}  // namespace mainspring
