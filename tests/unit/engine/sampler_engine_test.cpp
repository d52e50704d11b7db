// Seeded sampling through the whole engine: the text depends on prompt, parameters and seed, never on what runs beside it.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <future>
#include <random>
#include <set>
#include <thread>

#include "backends/ref/ref_device.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/str.h"
#include "engine/engine_core.h"

namespace mainspring {
namespace {

constexpr int32_t kVocab = 300;

// Logits are noise drawn from a hash of all tokens so far. The hash runs through the KV memory, where every token leaves its
// position and the hash up to it: a stale or foreign cell ends the step with an error, or changes what follows. A model that
// repeats itself prefers one successor of each token, out of a few.
class HashModel final : public CausalLM {
 public:
  explicit HashModel(bool repeats = false) : repeats_(repeats) {}

  Tensor forward(Ctx& ctx) const override {
    const Batch& b = ctx.batch;
    const Tensor logits = ctx.ws.alloc(DType::kF32, b.logit_rows.rows(), kVocab);
    if (ctx.ws.measuring()) return logits;
    std::vector<uint64_t> hashes(static_cast<size_t>(b.n_tokens()));
    const auto* tokens = b.tokens.as<int32_t>();
    const auto* positions = b.positions.as<int32_t>();
    for (int64_t s = 0; s < b.n_sequences(); ++s)
      for (int32_t t = b.query_start.as<int32_t>()[s]; t < b.query_start.as<int32_t>()[s + 1]; ++t) {
        const int32_t* table = b.block_table.row<int32_t>(s);
        uint64_t h = 1;
        if (positions[t] > 0) {
          const Cell before = read(ctx.kv[0], table, positions[t] - 1);
          if (before.position != positions[t] - 1) fail(Code::kInternal, "position ", positions[t], " follows ", before.position);
          h = before.hash;
        }
        hashes[static_cast<size_t>(t)] = hash_combine(h, static_cast<uint64_t>(tokens[t]));
        write(ctx.kv[0], table, {positions[t], hashes[static_cast<size_t>(t)]});
      }
    for (int64_t r = 0; r < b.logit_rows.rows(); ++r) {
      const int32_t t = b.logit_rows.as<int32_t>()[r];
      const uint64_t h = hashes[static_cast<size_t>(t)];
      for (int32_t v = 0; v < kVocab; ++v)
        logits.row<float>(r)[v] = (repeats_ ? 3.0f : 6.0f) * static_cast<float>(random_uniform(h, static_cast<uint64_t>(v)));
      if (repeats_) logits.row<float>(r)[3 + (tokens[t] * 7 + 1) % 40] += 8.0f;
    }
    return logits;
  }
  std::vector<StateSpec> state() const override { return {{.kv_heads = 1, .head_dim = 8}}; }

 private:
  bool repeats_;
  struct Cell {
    int64_t position;
    uint64_t hash;
  };
  static std::byte* at(const KvLayer& kv, const int32_t* table, int64_t position) {
    return kv.base + static_cast<size_t>(table[position / kBlockTokens]) * kv.block_stride +
           static_cast<size_t>(position % kBlockTokens) * sizeof(Cell);
  }
  static Cell read(const KvLayer& kv, const int32_t* table, int64_t position) {
    Cell c;
    std::memcpy(&c, at(kv, table, position), sizeof c);
    return c;
  }
  static void write(const KvLayer& kv, const int32_t* table, const Cell& c) {
    std::memcpy(at(kv, table, c.position), &c, sizeof c);
  }
};

struct Sink final : RequestSink {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  std::string error;
  FinishReason reason = FinishReason::kNone;
  Usage usage;
  std::promise<void> done;
  void token(int32_t id, const TokenLogprobs* l) override {
    tokens.push_back(id);
    if (!l) return;
    logprobs.push_back(l->chosen.logprob);
    logprobs.push_back(static_cast<float>(l->rank));
    for (const TokenLogprob& t : l->top) logprobs.push_back(t.logprob);
  }
  void finished(FinishReason r, const Error* e, const Usage& u) override {
    reason = r;
    usage = u;
    if (e) error = e->message();
    done.set_value();
  }
};

class SamplerEngineTest : public testing::Test {
 protected:
  std::unique_ptr<Device> device = make_ref_device();

  std::unique_ptr<EngineCore> core(int32_t n_blocks, int32_t sequences, int32_t step_tokens, bool repeats = false,
                                   int32_t max_draft = 0) {
    RunnerConfig r;
    r.kv_format = KvFormat::kF32;
    r.max_sequences = sequences;
    r.max_step_tokens = step_tokens;
    r.max_context = 160;
    r.n_blocks = n_blocks;
    return std::make_unique<EngineCore>(std::make_unique<ModelRunner>(*device, std::make_unique<HashModel>(repeats), kVocab, r),
                                        EngineCore::Config{.eos_ids = {2}, .max_draft = max_draft});
  }

  // Requests of many kinds; three stems, so that prefixes repeat.
  static std::vector<EngineRequest> requests(int n) {
    std::mt19937 rng(9);
    std::vector<EngineRequest> out(static_cast<size_t>(n));
    for (int i = 0; i < n; ++i) {
      EngineRequest& r = out[static_cast<size_t>(i)];
      for (int t = 0, length = 1 + static_cast<int>(rng() % 80); t < length; ++t) r.prompt.push_back((t * (1 + i % 3)) % kVocab);
      SamplingParams& p = r.sampling;
      p.seed = static_cast<uint64_t>(i);
      p.max_tokens = 20 + i % 60;
      p.top_logprobs = i % 2 ? -1 : 0;
      if (i % 5 == 1) p.temperature = 0;
      if (i % 5 == 2) p.top_k = 20, p.top_p = 0.8;
      if (i % 5 == 3) p.repetition_penalty = 1.2, p.no_repeat_ngram = 2, p.frequency_penalty = 0.1;
      if (i % 5 == 4) p.min_p = 0.1, p.min_tokens = 10, p.bad_words = {{5}, {7, 8}};
    }
    return out;
  }
};

TEST_F(SamplerEngineTest, TextDoesNotDependOnWhatRunsBeside) {
  constexpr int kRequests = 40;
  std::vector<std::vector<int32_t>> alone;
  std::vector<std::vector<float>> alone_logprobs;
  {
    auto engine = core(64, 1, 512);
    for (EngineRequest& r : requests(kRequests)) {
      auto sink = std::make_shared<Sink>();
      engine->submit(std::move(r), sink);
      sink->done.get_future().wait();
      ASSERT_EQ(sink->error, "");
      alone.push_back(sink->tokens);
      alone_logprobs.push_back(sink->logprobs);
    }
  }
  std::set<std::vector<int32_t>> distinct(alone.begin(), alone.end());
  EXPECT_GT(distinct.size(), 30u);
  struct Shape { int32_t blocks, sequences, step; };
  uint64_t preemptions = 0, hits = 0;
  for (const Shape shape : {Shape{5, 6, 16}, Shape{8, 8, 100}, Shape{200, 40, 33}}) {
    auto engine = core(shape.blocks, shape.sequences, shape.step);
    std::vector<std::shared_ptr<Sink>> sinks;
    for (EngineRequest& r : requests(kRequests)) {
      sinks.push_back(std::make_shared<Sink>());
      engine->submit(std::move(r), sinks.back());
    }
    for (size_t i = 0; i < sinks.size(); ++i) {
      sinks[i]->done.get_future().wait();
      EXPECT_EQ(sinks[i]->error, "");
      EXPECT_EQ(sinks[i]->tokens, alone[i]) << "request " << i << " with " << shape.blocks << " blocks";
      EXPECT_EQ(sinks[i]->logprobs, alone_logprobs[i]);
    }
    preemptions += engine->stats().preemptions;
    hits += engine->stats().prefix_hit_tokens;
  }
  EXPECT_GT(preemptions, 0u);
  EXPECT_GT(hits, 0u);
}

TEST_F(SamplerEngineTest, CancelsUnderLoadDisturbNobody) {
  constexpr int kRequests = 24;
  std::vector<std::vector<int32_t>> reference;
  for (int round = 0; round < 4; ++round) {
    auto engine = round == 0 ? core(64, 1, 512) : core(6, 5, 24);
    std::mt19937 rng(static_cast<uint32_t>(round));
    std::vector<std::shared_ptr<Sink>> sinks;
    std::vector<SequenceId> ids;
    for (EngineRequest& r : requests(kRequests)) {
      sinks.push_back(std::make_shared<Sink>());
      ids.push_back(engine->submit(std::move(r), sinks.back()));
    }
    if (round > 0)
      for (int i = 0; i < 8; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(rng() % 2000));
        engine->cancel(ids[rng() % ids.size()]);
      }
    for (size_t i = 0; i < sinks.size(); ++i) {
      sinks[i]->done.get_future().wait();
      EXPECT_EQ(sinks[i]->error, "");
      if (round == 0) {
        reference.push_back(sinks[i]->tokens);
        continue;
      }
      // A cancelled one has a beginning of its text, the others have all of it.
      const auto& tokens = sinks[i]->tokens;
      ASSERT_LE(tokens.size(), reference[i].size());
      EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), reference[i].begin()));
      if (sinks[i]->reason != FinishReason::kCancelled) {
        EXPECT_EQ(tokens.size(), reference[i].size());
      }
    }
  }
}

// Drafts change when tokens are computed and nothing else: tokens, log-probabilities, ends, for every kind of sampling.
TEST_F(SamplerEngineTest, SpeculationChangesNothing) {
  constexpr int kRequests = 40;
  struct Shape { int32_t blocks, sequences, step, max_draft; };
  for (const bool repeats : {false, true}) {
    const auto all = [] {
      std::vector<EngineRequest> out = requests(kRequests);
      for (size_t i = 0; i < out.size(); ++i) {
        if (i % 4 == 1) out[i].sampling.top_logprobs = 3;
        if (i % 7 == 3) out[i].sampling.stop_ids = {11, 12};
        if (i % 6 == 5) out[i].sampling.prompt_logprobs = true;
        out[i].sampling.ignore_eos = i % 3 == 0;
        if (i % 8 == 0) out[i].sampling.max_tokens = -1;
      }
      return out;
    };
    std::vector<std::shared_ptr<Sink>> plain;
    uint64_t accepted = 0, wrong = 0, preemptions = 0;
    for (const Shape shape : {Shape{64, 1, 512, 0}, Shape{64, 1, 512, 7}, Shape{64, 1, 512, 2}, Shape{200, 3, 512, 7},
                              Shape{6, 6, 20, 7}, Shape{64, 1, 3, 7}}) {
      auto engine = core(shape.blocks, shape.sequences, shape.step, repeats, shape.max_draft);
      std::vector<std::shared_ptr<Sink>> sinks;
      for (EngineRequest& r : all()) {
        sinks.push_back(std::make_shared<Sink>());
        engine->submit(std::move(r), sinks.back());
        if (shape.sequences < 6) sinks.back()->done.get_future().wait();
      }
      int64_t drafted = 0;
      for (size_t i = 0; i < sinks.size(); ++i) {
        if (shape.sequences >= 6) sinks[i]->done.get_future().wait();
        ASSERT_EQ(sinks[i]->error, "");
        drafted += sinks[i]->usage.drafted_tokens;
        if (shape.max_draft == 0) continue;
        EXPECT_EQ(sinks[i]->tokens, plain[i]->tokens) << "request " << i << " with " << shape.max_draft << " drafted";
        EXPECT_EQ(sinks[i]->logprobs, plain[i]->logprobs) << "request " << i;
        EXPECT_EQ(sinks[i]->reason, plain[i]->reason);
        EXPECT_EQ(sinks[i]->usage.output_tokens, plain[i]->usage.output_tokens);
        EXPECT_LE(sinks[i]->usage.accepted_tokens, sinks[i]->usage.drafted_tokens);
        accepted += static_cast<uint64_t>(sinks[i]->usage.accepted_tokens);
        wrong += static_cast<uint64_t>(sinks[i]->usage.drafted_tokens - sinks[i]->usage.accepted_tokens);
      }
      if (shape.max_draft == 0) {
        EXPECT_EQ(drafted, 0);
        plain = std::move(sinks);
      }
      preemptions += engine->stats().preemptions;
    }
    if (!repeats) continue;
    EXPECT_GT(accepted, 500u);
    EXPECT_GT(wrong, 100u);
    EXPECT_GT(preemptions, 0u);
  }
}

// The number of steps is what it is all for.
TEST_F(SamplerEngineTest, SpeculationSavesSteps) {
  uint64_t steps[2];
  for (const int32_t max_draft : {0, 7}) {
    auto engine = core(64, 1, 512, /*repeats=*/true, max_draft);
    auto sink = std::make_shared<Sink>();
    EngineRequest r;
    r.prompt = {5};
    r.sampling.temperature = 0;
    r.sampling.max_tokens = 150;
    r.sampling.ignore_eos = true;
    engine->submit(std::move(r), sink);
    sink->done.get_future().wait();
    for (int i = 0; i < 1000 && engine->stats().output_tokens < 150; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    steps[max_draft != 0] = engine->stats().steps;
    EXPECT_EQ(engine->stats().accepted_tokens, 150 - engine->stats().steps);
  }
  EXPECT_EQ(steps[0], 150u);
  EXPECT_LT(steps[1], 150u);
}

// Several answers to one prompt: it is computed once, and the answers differ by seed.
TEST_F(SamplerEngineTest, AnswersToOnePromptShareItAndDiffer) {
  auto engine = core(64, 8, 512);
  std::vector<std::shared_ptr<Sink>> sinks;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    EngineRequest r = requests(1)[0];
    r.prompt.resize(100, 17);
    r.sampling.seed = seed;
    r.sampling.max_tokens = 30;
    r.sampling.ignore_eos = true;
    sinks.push_back(std::make_shared<Sink>());
    engine->submit(std::move(r), sinks.back());
  }
  std::set<std::vector<int32_t>> texts;
  int64_t cached = 0;
  for (auto& s : sinks) {
    s->done.get_future().wait();
    EXPECT_EQ(s->error, "");
    EXPECT_EQ(s->tokens.size(), 30u);
    texts.insert(s->tokens);
    cached += s->usage.cached_tokens;
  }
  EXPECT_EQ(texts.size(), 4u);
  EXPECT_EQ(cached, 3 * 96);
}

}  // namespace
}  // namespace mainspring
