// Attention in steps: sequences with fixed queries, keys and values, run through a device in any order of chunks.
#pragma once

#include <vector>

#include "backends/self_test/host.h"

namespace mainspring::self_test {

struct AttentionShape {
  int heads = 4, kv_heads = 2, d = 64;
  KvFormat format = KvFormat::kBf16;
  int window = 0;
  float softcap = 0.0f;
  bool sinks = false;
  float sharpness = 1.0f;  // factor on the usual scale: large scores overflow exp unless the maximum is taken off
  float size = 1.0f;       // factor on keys and values
  std::vector<int> lengths = {40};  // tokens of each sequence
  std::string text() const;
};

// One step: how many new tokens of which sequence.
struct Part {
  int sequence, tokens;
};
using Step = std::vector<Part>;
using Steps = std::vector<Step>;

Steps whole(const AttentionShape& shape);                // every sequence at once, in one step
Steps one_by_one(const AttentionShape& shape);           // each sequence alone, in one step
Steps chunked(const AttentionShape& shape, int tokens);  // all sequences, so many tokens a step
Steps ragged(const AttentionShape& shape, unsigned seed);

class Scenario {
 public:
  Scenario(const AttentionShape& shape, unsigned seed);
  const AttentionShape& shape() const { return shape_; }

  // Outputs of all tokens of all sequences, [sum of lengths, heads, d]. KV memory starts out as NaNs.
  std::vector<float> run(Device& device, const Steps& steps) const;

  // Replaces a token's key and value by NaN: later results must, earlier ones must not show it.
  void poison(int sequence, int token);

 private:
  std::vector<float> rows(const std::vector<float>& all, const Step& step, const std::vector<int>& done,
                          int width) const;

  AttentionShape shape_;
  std::vector<int> first_;  // row of each sequence's token 0
  std::vector<float> q_, k_, v_, sinks_;
  std::vector<int32_t> table_;
  int blocks_ = 0, max_blocks_ = 0;
};

}  // namespace mainspring::self_test
