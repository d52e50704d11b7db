// The engine thread with a model whose answers can be predicted: outputs, ends, cancels, faults, under load from threads.
#include "engine/engine_core.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "backends/ref/ref_device.h"
#include "base/str.h"

namespace mainspring {
namespace {

constexpr int32_t kVocab = 97, kPoison = 96;

int32_t successor(int32_t token, int32_t position) { return (token * 7 + position * 3 + 1) % (kVocab - 2); }

// Logits depend on the row's own token and position; a poisoned token makes the step fail.
class PredictableModel final : public CausalLM {
 public:
  Tensor forward(Ctx& ctx) const override {
    const int64_t rows = ctx.batch.logit_rows.rows();
    const Tensor logits = ctx.ws.alloc(DType::kF32, rows, kVocab);
    if (ctx.ws.measuring()) return logits;
    const auto* tokens = ctx.batch.tokens.as<int32_t>();
    for (int64_t t = 0; t < ctx.batch.n_tokens(); ++t)
      if (tokens[t] == kPoison) fail(Code::kInternal, "poisoned");
    for (int64_t r = 0; r < rows; ++r) {
      const int32_t row = ctx.batch.logit_rows.as<int32_t>()[r];
      for (int32_t v = 0; v < kVocab; ++v) logits.row<float>(r)[v] = 0.01f * static_cast<float>(v % 13);
      logits.row<float>(r)[successor(tokens[row], ctx.batch.positions.as<int32_t>()[row])] = 9.0f;
    }
    return logits;
  }
  std::vector<StateSpec> state() const override { return {{.kv_heads = 1, .head_dim = 8}}; }
};

struct CollectingSink final : RequestSink {
  std::vector<int32_t> tokens;
  std::vector<int64_t> positions;
  std::vector<TokenLogprobs> prompt;
  std::atomic<int> ends{0};
  FinishReason reason = FinishReason::kNone;
  std::string error;
  Usage usage;
  std::promise<void> done;

  void token(int32_t id, const TokenLogprobs*) override { tokens.push_back(id); }
  void logits(int64_t position, std::span<const float>) override { positions.push_back(position); }
  void prompt_logprobs(TokenLogprobs l) override { prompt.push_back(std::move(l)); }
  void finished(FinishReason r, const Error* e, const Usage& u) override {
    reason = r;
    usage = u;
    if (e) error = e->message();
    if (++ends == 1) done.set_value();
  }
};

class EngineCoreTest : public testing::Test {
 protected:
  std::unique_ptr<Device> device = make_ref_device();

  std::unique_ptr<EngineCore> core(int32_t n_blocks = 64, int32_t max_context = 256, std::vector<int32_t> eos = {},
                                   int64_t sampled_ids = 0) {
    RunnerConfig r;
    r.kv_format = KvFormat::kF32;
    r.max_sequences = 6;
    r.max_step_tokens = 40;
    r.max_logit_rows = 16;
    r.max_context = max_context;
    r.n_blocks = n_blocks;
    auto runner = std::make_unique<ModelRunner>(*device, std::make_unique<PredictableModel>(), kVocab, r);
    return std::make_unique<EngineCore>(std::move(runner), EngineCore::Config{.eos_ids = std::move(eos), .sampled_ids = sampled_ids});
  }

  static EngineRequest greedy(std::vector<int32_t> prompt, int64_t max_tokens) {
    EngineRequest r;
    r.prompt = std::move(prompt);
    r.sampling.temperature = 0;
    r.sampling.max_tokens = max_tokens;
    return r;
  }
  static std::vector<int32_t> expected(const std::vector<int32_t>& prompt, int64_t n) {
    std::vector<int32_t> out;
    int32_t last = prompt.back(), position = static_cast<int32_t>(prompt.size()) - 1;
    while (static_cast<int64_t>(out.size()) < n) out.push_back(last = successor(last, position++));
    return out;
  }
  static std::vector<int32_t> prompt_of(int seed, int length) {
    std::vector<int32_t> p;
    for (int i = 0; i < length; ++i) p.push_back((seed * 31 + i * i) % (kVocab - 2));
    return p;
  }
};

TEST_F(EngineCoreTest, ManyThreadsATinyPoolAndPreemption) {
  auto engine = core(10);  // 320 tokens for up to six sequences of up to 150
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 8; ++i) {
        auto sink = std::make_shared<CollectingSink>();
        const std::vector<int32_t> prompt = prompt_of(t * 8 + i, 3 + 11 * i);
        engine->submit(greedy(prompt, 60), sink);
        sink->done.get_future().wait();
        EXPECT_EQ(sink->tokens, expected(prompt, 60));
        EXPECT_EQ(sink->reason, FinishReason::kLength);
        EXPECT_EQ(sink->usage.output_tokens, 60);
      }
    });
  for (auto& t : threads) t.join();
  // Statistics are those of the last completed step, which the reader of its token may run ahead of.
  for (int i = 0; i < 1000 && engine->stats().output_tokens < 4u * 8 * 60; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(engine->stats().output_tokens, 4u * 8 * 60);
}

// An embedding may have more rows than the tokenizer has tokens: the best of them is no answer.
TEST_F(EngineCoreTest, IdsThatPadTheEmbeddingAreNotSampled) {
  const std::vector<int32_t> prompt = prompt_of(1, 5);
  const int32_t best = expected(prompt, 1)[0];
  ASSERT_GT(best, 0);
  for (const int64_t ids : {int64_t{best}, int64_t{best} + 1}) {
    auto sink = std::make_shared<CollectingSink>();
    const auto engine = core(64, 256, {}, ids);
    engine->submit(greedy(prompt, 1), sink);
    sink->done.get_future().wait();
    ASSERT_EQ(sink->tokens.size(), 1u) << sink->error;
    EXPECT_EQ(sink->tokens[0] == best, ids > best);
    EXPECT_LT(sink->tokens[0], ids);
  }
}

TEST_F(EngineCoreTest, CancelEndsOnceAndFreesBlocks) {
  auto engine = core(64, 2000);
  auto sink = std::make_shared<CollectingSink>();
  const SequenceId id = engine->submit(greedy(prompt_of(1, 5), 1900), sink);
  engine->cancel(id);
  sink->done.get_future().wait();
  engine->cancel(id);  // again: nothing happens
  auto after = std::make_shared<CollectingSink>();
  engine->submit(greedy(prompt_of(2, 5), 3), after);
  after->done.get_future().wait();
  EXPECT_EQ(sink->reason, FinishReason::kCancelled);
  EXPECT_EQ(sink->ends.load(), 1);
  EXPECT_EQ(after->tokens, expected(prompt_of(2, 5), 3));
}

TEST_F(EngineCoreTest, DestructionCancelsWhatRuns) {
  auto sink = std::make_shared<CollectingSink>();
  {
    auto engine = core(64, 2000);
    engine->submit(greedy(prompt_of(1, 5), 1900), sink);
  }
  EXPECT_EQ(sink->ends.load(), 1);
}

TEST_F(EngineCoreTest, EosStopsUnlessIgnored) {
  const std::vector<int32_t> prompt = prompt_of(3, 4), all = expected(prompt, 12);
  auto engine = core(64, 256, {all[5]});
  auto stopped = std::make_shared<CollectingSink>(), ignored = std::make_shared<CollectingSink>();
  engine->submit(greedy(prompt, 12), stopped);
  EngineRequest ignore = greedy(prompt, 12);
  ignore.sampling.ignore_eos = true;
  engine->submit(std::move(ignore), ignored);
  stopped->done.get_future().wait();
  ignored->done.get_future().wait();
  const auto first = static_cast<size_t>(std::find(all.begin(), all.end(), all[5]) - all.begin());
  EXPECT_EQ(stopped->tokens, std::vector<int32_t>(all.begin(), all.begin() + static_cast<ptrdiff_t>(first)));
  EXPECT_EQ(stopped->reason, FinishReason::kStop);
  EXPECT_EQ(ignored->tokens, all);
}

TEST_F(EngineCoreTest, AStepThatFailsTakesOnlyItsOwnSequences) {
  auto engine = core();
  auto bad = std::make_shared<CollectingSink>(), good = std::make_shared<CollectingSink>();
  engine->submit(greedy({1, kPoison, 2}, 5), bad);
  bad->done.get_future().wait();
  engine->submit(greedy(prompt_of(4, 4), 5), good);
  good->done.get_future().wait();
  EXPECT_EQ(bad->reason, FinishReason::kError);
  EXPECT_NE(bad->error.find("poisoned"), std::string::npos);
  EXPECT_EQ(good->tokens, expected(prompt_of(4, 4), 5));
}

TEST_F(EngineCoreTest, RefusesWhatCanNeverRun) {
  auto engine = core(64, 100);
  auto sink = std::make_shared<CollectingSink>();
  EXPECT_THROW(engine->submit(greedy({}, 5), sink), Error);
  EXPECT_THROW(engine->submit(greedy({kVocab}, 5), sink), Error);
  EXPECT_THROW(engine->submit(greedy({-1}, 5), sink), Error);
  EXPECT_THROW(engine->submit(greedy(prompt_of(1, 100), 5), sink), Error);
  EngineRequest r = greedy({1}, 5);
  r.sampling.top_p = 2;
  EXPECT_THROW(engine->submit(std::move(r), sink), Error);
}

TEST_F(EngineCoreTest, EveryPromptPositionOnce) {
  auto engine = core();
  const std::vector<int32_t> prompt = prompt_of(5, 75);  // several chunks of at most max_logit_rows rows
  for (int round = 0; round < 2; ++round) {               // the second time, the prefix is cached: still every row
    auto sink = std::make_shared<CollectingSink>();
    EngineRequest r = greedy(prompt, 4);
    r.all_logits = true;
    r.sampling.prompt_logprobs = true;
    engine->submit(std::move(r), sink);
    sink->done.get_future().wait();
    ASSERT_EQ(sink->positions.size(), prompt.size()) << sink->error;
    for (size_t i = 0; i < prompt.size(); ++i) EXPECT_EQ(sink->positions[i], static_cast<int64_t>(i));
    EXPECT_EQ(sink->prompt.size(), prompt.size() - 1);
    EXPECT_EQ(sink->tokens, expected(prompt, 4));
  }
}

TEST_F(EngineCoreTest, ASecondTurnReusesItsPrefix) {
  auto engine = core();
  std::vector<int32_t> conversation = prompt_of(6, 70);
  for (int turn = 0; turn < 2; ++turn) {
    auto sink = std::make_shared<CollectingSink>();
    engine->submit(greedy(conversation, 10), sink);
    sink->done.get_future().wait();
    EXPECT_EQ(sink->tokens, expected(conversation, 10));
    if (turn == 1) EXPECT_GE(sink->usage.cached_tokens, 64);
    conversation.insert(conversation.end(), sink->tokens.begin(), sink->tokens.end());
  }
}

}  // namespace
}  // namespace mainspring
