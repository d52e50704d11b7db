// ModelRunner: executes batch plans on a device. Owns the model, the KV memory and the workspace.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/batch_plan.h"
#include "nn/causal_lm.h"

namespace mainspring {

struct RunnerConfig {
  KvFormat kv_format = KvFormat::kBf16;
  int32_t max_sequences = 16;
  int32_t max_step_tokens = 512;
  int32_t max_logit_rows = 64;    // rows of logits in one step
  int32_t max_context = 4096;     // tokens of one sequence
  int32_t n_blocks = 0;           // KV blocks, at least max_context / kBlockTokens rounded up
};

class ModelRunner {
 public:
  // Allocates KV memory and a workspace whose exact size a dry run finds. kOutOfMemory when they do not fit.
  ModelRunner(Device& device, std::unique_ptr<CausalLM> model, int64_t vocab_size, const RunnerConfig& config);
  ~ModelRunner();

  // Bytes of KV cache one block of kBlockTokens tokens takes over all layers.
  static size_t kv_block_bytes(const Device& device, const CausalLM& model, KvFormat format);

  const RunnerConfig& config() const noexcept { return c_; }
  int64_t vocab_size() const noexcept { return vocab_; }
  size_t kv_bytes() const noexcept { return kv_bytes_; }
  size_t workspace_bytes() const noexcept { return workspace_bytes_; }
  const CausalLM& model() const noexcept { return *model_; }

  // Logits [rows, vocab] of one step, valid until the next one. `row_of[i]` is the first row of plan.sequences[i], -1 when
  // it wanted none (all_logits: one row per token, else one row and one per drafted token). Mutable: samplers work in place.
  struct Logits {
    float* data = nullptr;
    int64_t vocab = 0;
    std::span<const int32_t> row_of;
    std::span<float> row(int64_t r) const { return {data + r * vocab, static_cast<size_t>(vocab)}; }
  };
  // Runs a plan. Allocates nothing. kInternal when the plan breaks the limits of the configuration.
  Logits step(const BatchPlan& plan);

 private:
  struct Arrays;
  void dry_run();
  void allocate_kv();
  Batch stage(const BatchPlan& plan);
  void check(const BatchPlan& plan) const;

  Device& device_;
  std::unique_ptr<CausalLM> model_;
  int64_t vocab_;
  RunnerConfig c_;
  int32_t max_blocks_per_sequence_;
  size_t kv_bytes_ = 0, workspace_bytes_ = 0, workspace_size_ = 0;
  Device::Buffer kv_memory_, workspace_memory_, step_memory_;
  std::vector<KvLayer> layers_;
  std::unique_ptr<Arrays> arrays_;
};

}  // namespace mainspring
