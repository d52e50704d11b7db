// The scheduler on random traces, with a model that is a hash of all tokens and a KV cache that remembers what was written.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "base/errors.h"
#include "base/hash.h"
#include "ops/kv.h"

namespace mainspring {
namespace {

constexpr int kB = kBlockTokens;

SchedulerConfig config_of(int32_t blocks, int32_t sequences, int32_t step_tokens, int32_t context, bool cache) {
  SchedulerConfig c;
  c.n_blocks = blocks;
  c.max_sequences = sequences;
  c.max_step_tokens = step_tokens;
  c.max_context = context;
  c.prefix_cache = cache;
  return c;
}

// Next token = hash(all tokens before it). The hash runs through the simulated KV cache: a cell keeps its token and the hash
// up to it, so that a stale, shared or missing cell changes the output or is seen at once.
class FakeModel {
 public:
  FakeModel(int32_t n_blocks, int32_t vocab) : cells_(static_cast<size_t>(n_blocks) * kB), vocab_(vocab) {}

  int32_t token_of(uint64_t hash) const { return static_cast<int32_t>(hash % static_cast<uint64_t>(vocab_)); }
  static uint64_t start(uint64_t salt) { return hash_combine(0xABCD, salt); }

  // All known tokens of the sequence are given to verify what the block table leads to. Returns the tokens sampled after
  // the last known one and after each drafted one, up to the first that differs from the draft.
  std::vector<int32_t> run(const PlannedSequence& p, const std::vector<int32_t>& known, uint64_t salt) {
    const auto end = static_cast<size_t>(p.start) + p.tokens.size(), drafts_from = end - static_cast<size_t>(p.drafted);
    EXPECT_EQ(p.blocks.size(), (end + kB - 1) / kB);
    EXPECT_LE(drafts_from, known.size());
    uint64_t h = start(salt);
    std::vector<int32_t> sampled;
    bool right = true;
    for (size_t i = 0; i < end; ++i) {
      Cell& c = cells_.at(static_cast<size_t>(p.blocks[i / kB]) * kB + i % kB);
      const bool computed_now = i >= static_cast<size_t>(p.start);
      const int32_t token = computed_now ? p.tokens[i - static_cast<size_t>(p.start)] : known[i];
      if (i >= drafts_from) right = right && token == sampled.back();
      else EXPECT_EQ(token, known[i]);
      h = hash_combine(h, static_cast<uint64_t>(token));
      if (computed_now)
        c = Cell{token, h};
      else if (c.token != token || c.hash != h)
        ADD_FAILURE() << "sequence " << p.id << " reads a wrong cell at position " << i << " of " << p.start;
      if (i + 1 >= drafts_from && right) sampled.push_back(token_of(h));
    }
    return sampled;
  }

 private:
  struct Cell { int32_t token = -1; uint64_t hash = 0; };
  std::vector<Cell> cells_;
  int32_t vocab_;
};

std::vector<int32_t> expected_output(const FakeModel& model, const std::vector<int32_t>& prompt, uint64_t salt, size_t n) {
  uint64_t h = FakeModel::start(salt);
  for (const int32_t t : prompt) h = hash_combine(h, static_cast<uint64_t>(t));
  std::vector<int32_t> out;
  while (out.size() < n) {
    out.push_back(model.token_of(h));
    h = hash_combine(h, static_cast<uint64_t>(out.back()));
  }
  return out;
}

struct Client {
  Scheduler::Request request;
  std::vector<int32_t> tokens;         // prompt and output
  std::set<int32_t> logits_seen;       // prompt positions whose logits came
  int computed_since_admission = -1;   // end of what was computed; -1: nothing yet
  int32_t blocks = 0;
  int32_t max_output = 0;
  bool ended = false, cancelled = false;
};

// Runs a scheduler step by step and checks what must hold in every step.
class Driver {
 public:
  Driver(const SchedulerConfig& config, int32_t vocab) : config(config), scheduler(config), model(config.n_blocks, vocab) {}

  SequenceId add(Scheduler::Request r) {
    r.id = next_id_++;
    Client c;
    c.request = r;
    c.tokens = r.prompt;
    scheduler.add(r);
    c.max_output = scheduler.info(r.id).max_output_tokens;
    clients.emplace(r.id, std::move(c));
    return r.id;
  }
  void cancel(SequenceId id) {
    clients.at(id).ended = clients.at(id).cancelled = true;
    scheduler.finish(id);
  }

  BatchPlan plan(std::span<const Scheduler::Draft> drafts = {}) {
    BatchPlan p = scheduler.plan(drafts);
    int32_t draft_blocks = 0;
    EXPECT_EQ(p.empty(), scheduler.idle());
    EXPECT_LE(p.sequences.size(), static_cast<size_t>(config.max_sequences));
    size_t total = 0, rows = 0;
    bool prefill_seen = false;
    std::set<SequenceId> ids;
    std::map<int32_t, SequenceId> writers;
    for (const PlannedSequence& s : p.sequences) {
      EXPECT_TRUE(ids.insert(s.id).second);
      EXPECT_FALSE(s.tokens.empty());
      total += s.tokens.size();
      rows += s.all_logits ? s.tokens.size() : s.sample ? 1 + static_cast<size_t>(s.drafted) : 0;
      Client& c = clients.at(s.id);
      if (s.drafted > 0) {
        drafted_tokens += static_cast<uint64_t>(s.drafted);
        EXPECT_TRUE(s.sample && !s.all_logits);
        EXPECT_EQ(static_cast<int32_t>(s.tokens.size()), s.drafted + 1);
        const auto draft = std::find_if(drafts.begin(), drafts.end(), [&s](const auto& d) { return d.id == s.id; });
        EXPECT_TRUE(draft != drafts.end() && std::equal(s.tokens.begin() + 1, s.tokens.end(), draft->tokens.begin()));
        // Even if all are right, the output keeps its bound.
        EXPECT_LE(c.tokens.size() + static_cast<size_t>(s.drafted) + 1,
                  c.request.prompt.size() + static_cast<size_t>(c.max_output));
      }
      // Blocks that the sequence holds, among them those that wrong drafts have left it.
      if (s.start != c.computed_since_admission) c.blocks = 0;
      const int32_t without = std::max(c.blocks, (s.start + static_cast<int32_t>(s.tokens.size()) - s.drafted + kB - 1) / kB);
      c.blocks = std::max(without, static_cast<int32_t>(s.blocks.size()));
      draft_blocks += c.blocks - without;
      EXPECT_FALSE(c.ended);
      EXPECT_EQ(s.prompt_length, static_cast<int32_t>(c.request.prompt.size()));
      const bool decode = s.tokens.size() == 1 + static_cast<size_t>(s.drafted) && static_cast<size_t>(s.start) + 1 == c.tokens.size() &&
                          c.computed_since_admission == s.start && c.computed_since_admission > 0;
      EXPECT_FALSE(decode && prefill_seen) << "a decode after a prefill chunk";
      prefill_seen |= !decode;
      for (size_t b = static_cast<size_t>(s.start) / kB; b < s.blocks.size(); ++b)
        EXPECT_TRUE(writers.emplace(s.blocks[b], s.id).second) << "two sequences write block " << s.blocks[b];
    }
    for (const PlannedSequence& s : p.sequences)  // nobody reads a block that another one writes in this step
      for (size_t b = 0; b < static_cast<size_t>(s.start) / kB; ++b) EXPECT_FALSE(writers.contains(s.blocks[b]));
    EXPECT_LE(total, static_cast<size_t>(config.max_step_tokens));
    bool any_draft = false;
    for (const PlannedSequence& s : p.sequences) any_draft |= s.drafted > 0;
    if (any_draft) EXPECT_LE(total, static_cast<size_t>(config.max_draft_step));
    // Blocks for drafts only: never while somebody waits for blocks, and one remains for everybody who runs.
    const auto now = scheduler.stats();
    if (draft_blocks > 0) {
      EXPECT_EQ(now.waiting, 0);
      EXPECT_GE(now.n_blocks - now.blocks_in_use, now.running);
    }
    EXPECT_LE(rows, static_cast<size_t>(config.max_logit_rows));
    return p;
  }

  // Runs a plan; sequences in `cancelled_meanwhile` end between plan and commit.
  void commit(const BatchPlan& p, const std::vector<SequenceId>& cancelled_meanwhile = {}) {
    std::vector<std::vector<int32_t>> sampled;
    for (const PlannedSequence& s : p.sequences) sampled.push_back(run(s));
    for (const SequenceId id : cancelled_meanwhile) cancel(id);
    const std::vector<std::span<const int32_t>> spans(sampled.begin(), sampled.end());
    scheduler.commit(p, spans);
    ++steps;
    for (size_t i = 0; i < sampled.size(); ++i) {
      Client& c = clients.at(p.sequences[i].id);
      if (c.ended || !p.sequences[i].sample) continue;
      accepted_tokens += sampled[i].size() - 1;
      for (const int32_t token : sampled[i])
        if (c.tokens.size() < c.request.prompt.size() + static_cast<size_t>(c.max_output)) c.tokens.push_back(token);
      c.computed_since_admission += static_cast<int32_t>(sampled[i].size()) - 1;
    }
    for (const PlannedSequence& s : p.sequences) end_if_finished(s.id);
    scheduler.check();
  }
  void step() { commit(plan()); }

  void run_to_end(int max_steps) {
    while (!scheduler.idle()) {
      ASSERT_LT(steps, max_steps) << "starved";
      step();
      if (testing::Test::HasFailure()) return;
    }
  }

  SchedulerConfig config;
  Scheduler scheduler;
  FakeModel model;
  std::map<SequenceId, Client> clients;
  int steps = 0;
  uint64_t computed_tokens = 0, drafted_tokens = 0, accepted_tokens = 0;

 private:
  std::vector<int32_t> run(const PlannedSequence& s) {
    Client& c = clients.at(s.id);
    const auto info = scheduler.info(s.id);
    // Contiguous: a chunk starts where the last one ended, or at a block border after a (new) admission.
    if (s.start != c.computed_since_admission) {
      EXPECT_EQ(s.start % kB, 0);
      EXPECT_EQ(info.computed_tokens, s.start);
      EXPECT_TRUE(c.computed_since_admission < 0 || info.preemptions > 0);
      EXPECT_TRUE(s.start == 0 || (config.prefix_cache && c.request.share_prefix));
    }
    c.computed_since_admission = s.start + static_cast<int32_t>(s.tokens.size()) - s.drafted;
    computed_tokens += s.tokens.size();
    EXPECT_EQ(s.sample, static_cast<size_t>(c.computed_since_admission) == c.tokens.size());
    if (s.all_logits) {
      EXPECT_TRUE(c.request.prompt_logits);
      for (int32_t i = s.start; i < c.computed_since_admission; ++i) EXPECT_TRUE(c.logits_seen.insert(i).second);
    }
    return model.run(s, c.tokens, c.request.cache_salt);
  }
  void end_if_finished(SequenceId id) {
    Client& c = clients.at(id);
    if (c.ended) return;
    const auto info = scheduler.info(id);
    EXPECT_EQ(info.output_tokens, static_cast<int32_t>(c.tokens.size() - c.request.prompt.size()));
    if (info.state != SequenceState::kFinished) return;
    EXPECT_EQ(info.output_tokens, info.max_output_tokens);
    c.ended = true;
    scheduler.finish(id);
  }
  SequenceId next_id_ = 1;
};

std::vector<int32_t> random_prompt(std::mt19937& rng, int length, int vocab) {
  std::vector<int32_t> t(static_cast<size_t>(length));
  for (int32_t& v : t) v = static_cast<int32_t>(rng() % static_cast<uint32_t>(vocab));
  return t;
}

Scheduler::Request request(std::vector<int32_t> prompt, int64_t max_tokens) {
  Scheduler::Request r;
  r.prompt = std::move(prompt);
  r.max_tokens = max_tokens;
  return r;
}

void expect_right_outputs(const Driver& d) {
  for (const auto& [id, c] : d.clients) {
    const size_t n = c.tokens.size() - c.request.prompt.size();
    const std::vector<int32_t> out(c.tokens.end() - static_cast<std::ptrdiff_t>(n), c.tokens.end());
    EXPECT_EQ(out, expected_output(d.model, c.request.prompt, c.request.cache_salt, n));
    if (c.cancelled) continue;
    EXPECT_TRUE(c.ended);
    EXPECT_EQ(c.logits_seen.size(), c.request.prompt_logits ? c.request.prompt.size() : 0u);
  }
}

// What a trace came across, to see that it was worth running.
struct Seen {
  uint64_t preemptions = 0, hits = 0, cancels = 0, drafted = 0, accepted = 0;
};

// Drafts of every kind: right, right at first, wrong, too long, for sequences that do not decode, end, or exist.
std::vector<std::vector<int32_t>> random_drafts(const Driver& d, std::mt19937& rng, std::vector<Scheduler::Draft>& out) {
  std::vector<std::vector<int32_t>> tokens;
  for (const auto& [id, c] : d.clients) {
    if (rng() % 3 == 0) continue;
    const size_t n = rng() % 10, right = rng() % 10, known = c.tokens.size() - c.request.prompt.size();
    auto next = expected_output(d.model, c.request.prompt, c.request.cache_salt, known + n);
    next.erase(next.begin(), next.begin() + static_cast<std::ptrdiff_t>(known));
    if (right < n) next[right] ^= 1;
    tokens.push_back(std::move(next));
    out.push_back({id, tokens.back()});
  }
  if (!tokens.empty()) out.push_back({99999, tokens.back()});
  std::shuffle(out.begin(), out.end(), rng);
  return tokens;
}

// One random trace; everything depends on the seed.
void random_trace(uint32_t seed, Seen* seen) {
  std::mt19937 rng(seed);
  const auto pick = [&rng](int n) { return static_cast<int>(rng() % static_cast<uint32_t>(n)); };
  SchedulerConfig config;
  config.n_blocks = 2 + pick(14);
  config.max_sequences = 1 + pick(8);
  config.max_step_tokens = 1 + pick(pick(2) ? 20 : 150);
  config.max_logit_rows = 1 + pick(40);
  config.max_context = kB * (1 + pick(12));
  config.prefix_cache = pick(4) > 0;
  Driver d(config, 1000);
  const int longest = std::min(config.max_context, config.n_blocks * kB);
  std::vector<std::vector<int32_t>> stems;
  for (int i = 0; i < 3; ++i) stems.push_back(random_prompt(rng, longest, 1000));
  const bool cancels_happen = pick(2) == 0, speculates = pick(3) > 0;
  int to_add = 3 + pick(12);
  while (to_add > 0 || !d.scheduler.idle()) {
    while (to_add > 0 && (pick(3) == 0 || d.scheduler.idle())) {
      --to_add;
      const int length = 1 + pick(pick(3) ? std::min(longest, 70) : longest);
      auto prompt = stems[static_cast<size_t>(pick(3))];
      prompt.resize(static_cast<size_t>(length));
      if (pick(2)) prompt[static_cast<size_t>(pick(length))] ^= 1;
      auto r = request(std::move(prompt), pick(pick(2) ? 40 : 250));
      r.priority = pick(5) == 0 ? pick(3) - 1 : 0;
      r.cache_salt = static_cast<uint64_t>(pick(2));
      r.share_prefix = pick(5) > 0;
      r.prompt_logits = pick(6) == 0;
      d.add(std::move(r));
    }
    std::vector<Scheduler::Draft> drafts;
    std::vector<std::vector<int32_t>> draft_tokens;
    if (speculates) draft_tokens = random_drafts(d, rng, drafts);
    const BatchPlan p = d.plan(drafts);
    EXPECT_EQ(deserialize_plan(serialize(p)), p);
    std::vector<SequenceId> cancelled;
    if (cancels_happen && pick(50) == 0) {
      std::vector<SequenceId> alive;
      for (const auto& [id, c] : d.clients)
        if (!c.ended) alive.push_back(id);
      if (!alive.empty()) cancelled.push_back(alive[static_cast<size_t>(pick(static_cast<int>(alive.size())))]);
    }
    d.commit(p, cancelled);
    seen->cancels += cancelled.size();
    if (pick(300) == 0) d.scheduler.drop_prefix_cache();
    ASSERT_LT(d.steps, 20000) << "starved";
    if (testing::Test::HasFailure()) return;
  }
  expect_right_outputs(d);
  const auto stats = d.scheduler.stats();
  EXPECT_EQ(stats.blocks_in_use, 0);
  EXPECT_EQ(stats.running + stats.waiting, 0);
  seen->preemptions += stats.preemptions;
  seen->hits += stats.prefix_hit_tokens;
  seen->drafted += d.drafted_tokens;
  seen->accepted += d.accepted_tokens;
}

TEST(Scheduler, RandomTracesKeepEveryInvariant) {
  Seen seen;
  for (uint32_t seed = 0; seed < 8000; ++seed) {
    random_trace(seed, &seen);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  // The traces are worth something only if these happened often.
  EXPECT_GT(seen.preemptions, 2000u);
  EXPECT_GT(seen.hits, 50000u);
  EXPECT_GT(seen.cancels, 5000u);
  EXPECT_GT(seen.drafted, 200000u);
  EXPECT_GT(seen.accepted, 50000u);
  EXPECT_GT(seen.drafted - seen.accepted, 50000u);
  RecordProperty("preemptions", std::to_string(seen.preemptions));
}

// The same requests under very different schedules give the same text.
TEST(Scheduler, OutputsDoNotDependOnPoolChunksOrBatch) {
  std::mt19937 rng(5);
  std::vector<Scheduler::Request> requests;
  for (int i = 0; i < 12; ++i) requests.push_back(request(random_prompt(rng, 1 + static_cast<int>(rng() % 90), 50), 70));
  std::vector<std::vector<int32_t>> reference;
  struct Shape { int blocks, sequences, step; bool cache; };
  for (const Shape s : {Shape{200, 12, 4096, true}, Shape{6, 12, 64, true}, Shape{5, 3, 7, false}, Shape{40, 1, 33, true}}) {
    Driver d(config_of(s.blocks, s.sequences, s.step, 160, s.cache), 50);
    for (const auto& r : requests) d.add(r);
    d.run_to_end(100000);
    std::vector<std::vector<int32_t>> texts;
    for (const auto& [id, c] : d.clients) texts.push_back(c.tokens);
    if (reference.empty()) reference = texts;
    EXPECT_EQ(texts, reference);
    EXPECT_EQ(d.scheduler.stats().preemptions > 0, s.blocks < 10);
  }
}

TEST(Scheduler, RefusesWhatCanNeverRun) {
  Scheduler s(config_of(4, 2, 16, 100, true));
  EXPECT_THROW(s.add(request({}, 1)), Error);
  EXPECT_THROW(s.add(request(std::vector<int32_t>(101, 1), 1)), Error);
  EXPECT_THROW(s.add(request({1}, -1)), Error);
  auto r = request({1, 2}, 1);
  r.id = 9;
  s.add(r);
  EXPECT_THROW(s.add(r), Error);  // id twice
  EXPECT_THROW(s.info(10), Error);
  EXPECT_NO_THROW(s.finish(10));
  Scheduler small(config_of(2, 2, 16, 100, true));
  EXPECT_THROW(small.add(request(std::vector<int32_t>(65, 1), 1)), Error);
  EXPECT_NO_THROW(small.add(request(std::vector<int32_t>(64, 1), 1)));
  EXPECT_THROW(Scheduler(config_of(0, 1, 1, 1, true)), Error);
  EXPECT_THROW(Scheduler(config_of(1, 1, 0, 1, true)), Error);
}

TEST(Scheduler, OutputIsCutToContextAndPool) {
  Driver d(config_of(2, 2, 64, 100, true), 10);
  const auto a = d.add(request(std::vector<int32_t>(60, 1), 1000));  // the pool: 64 tokens, and the last needs no room
  EXPECT_EQ(d.scheduler.info(a).max_output_tokens, 5);
  const auto b = d.add(request(std::vector<int32_t>(64, 1), 0));
  EXPECT_EQ(d.scheduler.info(b).max_output_tokens, 0);
  d.run_to_end(100);
  EXPECT_EQ(d.clients.at(a).tokens.size(), 65u);
  EXPECT_EQ(d.clients.at(b).tokens.size(), 64u);
  Driver e(config_of(100, 2, 64, 100, true), 10);
  EXPECT_EQ(e.scheduler.info(e.add(request(std::vector<int32_t>(90, 1), 1000))).max_output_tokens, 10);
}

TEST(Scheduler, LongPromptIsChunkedWhileDecodesGoOn) {
  Driver d(config_of(100, 8, 50, 2000, true), 10);
  const auto a = d.add(request({1, 2, 3}, 100));
  d.step();
  d.add(request(std::vector<int32_t>(1000, 7), 5));
  for (int i = 0; i < 20; ++i) {
    const BatchPlan p = d.plan();
    ASSERT_EQ(p.sequences.size(), 2u);
    EXPECT_EQ(p.sequences[0].id, a);                   // the decode never waits
    EXPECT_EQ(p.sequences[1].tokens.size(), 49u);      // chunks need not end at block borders
    EXPECT_EQ(p.sequences[1].sample, false);
    d.commit(p);
  }
  d.run_to_end(1000);
}

TEST(Scheduler, OrderIsPriorityThenArrival) {
  Driver d(config_of(100, 1, 64, 1000, true), 10);
  const auto a = d.add(request({1}, 3));
  d.step();
  const auto b = d.add(request({2}, 1)), c = d.add(request({3}, 1));
  auto urgent = request({4}, 1);
  urgent.priority = 5;
  const auto u = d.add(urgent);
  std::vector<SequenceId> order;
  while (!d.scheduler.idle()) {
    const BatchPlan p = d.plan();
    if (order.empty() || order.back() != p.sequences[0].id) order.push_back(p.sequences[0].id);
    d.commit(p);
  }
  EXPECT_EQ(order, (std::vector<SequenceId>{a, u, b, c}));
}

TEST(Scheduler, PreemptsTheLastAndResumesIt) {
  Driver d(config_of(4, 2, 256, 200, false), 10);
  const auto a = d.add(request(std::vector<int32_t>(30, 1), 60)), b = d.add(request(std::vector<int32_t>(20, 2), 60));
  d.run_to_end(1000);
  // Together they need 6 blocks of 4: the later one steps back once.
  expect_right_outputs(d);
  EXPECT_EQ(d.scheduler.stats().preemptions, 1u);
  EXPECT_EQ(d.clients.at(a).tokens.size(), 90u);
  EXPECT_EQ(d.clients.at(b).tokens.size(), 80u);
}

TEST(Scheduler, PrefixHitLeavesTheLastTokenToCompute) {
  for (const int length : {64, 65, 95}) {
    Driver d(config_of(20, 2, 256, 200, true), 10);
    const std::vector<int32_t> prompt(static_cast<size_t>(length), 3);
    d.add(request(prompt, 4));
    d.run_to_end(100);
    const auto b = d.add(request(prompt, 4));
    const BatchPlan p = d.plan();
    ASSERT_EQ(p.sequences.size(), 1u);
    EXPECT_EQ(p.sequences[0].start, length == 64 ? 32 : 64);
    EXPECT_EQ(d.scheduler.info(b).cached_tokens, p.sequences[0].start);
    d.commit(p);
    d.run_to_end(100);
    expect_right_outputs(d);
  }
}

TEST(Scheduler, PrefixesAreSharedOnlyWithinASaltAndOnlyIfAsked) {
  Driver d(config_of(40, 2, 256, 200, true), 10);
  auto r = request(std::vector<int32_t>(100, 3), 2);
  r.cache_salt = 1;
  d.add(r);
  d.run_to_end(100);
  const auto cached = [&d](Scheduler::Request q) {
    const auto id = d.add(std::move(q));
    d.step();
    const int n = d.scheduler.info(id).cached_tokens;
    d.run_to_end(1000);
    return n;
  };
  EXPECT_EQ(cached(r), 96);
  r.prompt_logits = true;
  EXPECT_EQ(cached(r), 0);
  r.prompt_logits = false;
  r.share_prefix = false;
  EXPECT_EQ(cached(r), 0);
  r.share_prefix = true;
  r.cache_salt = 2;
  EXPECT_EQ(cached(r), 0);
  d.scheduler.drop_prefix_cache();
  EXPECT_EQ(cached(r), 0);
  EXPECT_EQ(cached(r), 96);
}

// Eight samples of one prompt: the prompt is computed once, and then the rest of its last block eight times.
TEST(Scheduler, EqualPromptsAreComputedOnce) {
  Driver d(config_of(100, 8, 2048, 2000, true), 1000);
  std::mt19937 rng(1);
  const auto prompt = random_prompt(rng, 330, 1000);
  for (int i = 0; i < 8; ++i) d.add(request(prompt, 1));
  d.run_to_end(100);
  EXPECT_EQ(d.computed_tokens, 330u + 7 * (330 - 320));
  EXPECT_EQ(d.steps, 2);
  expect_right_outputs(d);
}

TEST(Scheduler, CancelGivesBackBlocksAtOnce) {
  Driver d(config_of(4, 4, 256, 200, false), 10);
  const auto a = d.add(request(std::vector<int32_t>(60, 1), 50)), b = d.add(request(std::vector<int32_t>(50, 2), 50));
  const BatchPlan p = d.plan();
  d.commit(p, {a});
  EXPECT_EQ(d.scheduler.stats().blocks_in_use, p.sequences.size() == 2 ? 2 : 0);
  d.cancel(b);
  EXPECT_TRUE(d.scheduler.idle());
  EXPECT_EQ(d.scheduler.stats().blocks_in_use, 0);
}

TEST(Scheduler, CommitOfAnotherStepIsRefusedOrIgnored) {
  Driver d(config_of(10, 4, 256, 200, false), 10);
  d.add(request({1, 2}, 50));
  BatchPlan p = d.plan();
  EXPECT_THROW(d.scheduler.commit(p, {}), Error);
  p.sequences[0].start = 1;
  const std::vector<int32_t> one{1}, two{1, 1};
  const std::vector<std::span<const int32_t>> sampled{one}, none{{}}, more{two};
  EXPECT_THROW(d.scheduler.commit(p, sampled), Error);
  p.sequences[0].start = 0;
  EXPECT_THROW(d.scheduler.commit(p, none), Error);
  EXPECT_THROW(d.scheduler.commit(p, more), Error);  // nothing was drafted
  d.scheduler.commit(p, sampled);
  d.scheduler.commit(p, sampled);  // no step is in flight any more
  EXPECT_EQ(d.scheduler.info(1).output_tokens, 1);
}

// A draft is computed in the step of the token before it; what is right of it, and one token more, is known afterwards.
TEST(Scheduler, DraftsAreVerifiedInOneStep) {
  for (const int right : {0, 2, 7}) {
    Driver d(config_of(10, 4, 256, 200, true), 1000);
    const auto id = d.add(request({1, 2, 3}, 50));
    d.step();
    auto next = expected_output(d.model, {1, 2, 3}, 0, 9);
    next.erase(next.begin());
    if (right < 7) next[static_cast<size_t>(right)] ^= 1;
    const std::vector<Scheduler::Draft> drafts{{id, next}};
    const BatchPlan p = d.plan(drafts);
    ASSERT_EQ(p.sequences.size(), 1u);
    EXPECT_EQ(p.sequences[0].drafted, 7);  // the step's 8 tokens
    d.commit(p);
    EXPECT_EQ(d.scheduler.info(id).output_tokens, 1 + right + 1);
    EXPECT_EQ(d.scheduler.info(id).computed_tokens, 3 + 1 + right);
    d.run_to_end(100);
    expect_right_outputs(d);
  }
}

// Two sequences need the last free block soon; neither may have it for a draft.
TEST(Scheduler, DraftsLeaveBlocksToThoseWhoNeedThem) {
  Driver d(config_of(5, 2, 256, 160, false), 1000);
  const auto a = d.add(request(std::vector<int32_t>(60, 1), 60)), b = d.add(request(std::vector<int32_t>(30, 2), 60));
  d.step();
  const std::vector<int32_t> guess(7, 5);
  const std::vector<Scheduler::Draft> drafts{{a, guess}, {b, guess}};
  const BatchPlan p = d.plan(drafts);
  ASSERT_EQ(p.sequences.size(), 2u);
  EXPECT_EQ(p.sequences[0].drafted, 3);  // up to the end of its block: positions 61 .. 63
  EXPECT_EQ(p.sequences[1].drafted, 1);
  d.commit(p);
  d.run_to_end(1000);
  expect_right_outputs(d);
}

// Beside a long prefill there is no room: the prompt is not made to wait, nor the decode to be slowed down.
TEST(Scheduler, NoDraftsInALargeStep) {
  Driver d(config_of(100, 8, 50, 2000, true), 10);
  const auto a = d.add(request({1, 2, 3}, 100));
  d.step();
  d.add(request(std::vector<int32_t>(40, 7), 5));
  const std::vector<int32_t> guess(7, 5);
  const std::vector<Scheduler::Draft> drafts{{a, guess}};
  const BatchPlan p = d.plan(drafts);
  ASSERT_EQ(p.sequences.size(), 2u);
  EXPECT_EQ(p.sequences[0].drafted, 0);
  EXPECT_EQ(p.sequences[1].tokens.size(), 40u);
  d.commit(p);
  d.run_to_end(1000);
}

}  // namespace
}  // namespace mainspring
