// The scheduler: admission, chunked prefill, preemption by recompute, prefix hits.
#include "engine/scheduler.h"

#include <algorithm>
#include <limits>
#include <map>
#include <unordered_map>

#include "base/errors.h"
#include "base/str.h"
#include "ops/kv.h"

namespace mainspring {

namespace {

int32_t blocks_for(int64_t tokens) { return static_cast<int32_t>((tokens + kBlockTokens - 1) / kBlockTokens); }

// Waiting sequences that wait for another's prefix are passed over; at most so many per step are looked at.
constexpr int kMaxDeferred = 32;

struct Sequence {
  Scheduler::Request request;
  uint64_t arrival = 0;
  SequenceState state = SequenceState::kWaiting;
  std::vector<int32_t> tokens;   // prompt, then output
  std::vector<BlockId> blocks;
  int32_t computed = 0;          // tokens whose K and V are in `blocks`
  int32_t published = 0;         // full blocks already offered to the prefix index
  int32_t max_output = 0;
  int32_t prompt_logits_done = 0;
  int32_t cached = -1;           // prefix hit of the first admission; -1 before it
  int32_t preemptions = 0;
  int32_t planned = 0;           // tokens of the step in flight

  int32_t known() const { return static_cast<int32_t>(tokens.size()); }
  int32_t prompt() const { return static_cast<int32_t>(request.prompt.size()); }
  int32_t output() const { return known() - prompt(); }
  int32_t remaining() const { return known() - computed; }
  bool decoding() const { return remaining() == 1; }
  bool prompt_logits_pending() const { return request.prompt_logits && prompt_logits_done < prompt(); }
};

// What is left of a step.
struct Budget {
  int32_t tokens;
  int32_t logit_rows;
};

int32_t logit_rows_of(const PlannedSequence& p) {
  return p.all_logits ? static_cast<int32_t>(p.tokens.size()) : p.sample ? 1 + p.drafted : 0;
}

// Position in the order of service.
struct Order {
  int32_t minus_priority;
  uint64_t arrival;
  auto operator<=>(const Order&) const = default;
};
Order order_of(const Sequence& s) { return {-s.request.priority, s.arrival}; }

}  // namespace

struct Scheduler::Impl {
  explicit Impl(const SchedulerConfig& c) : config(c), pool(c.n_blocks) {}

  SchedulerConfig config;
  BlockPool pool;
  std::unordered_map<SequenceId, std::unique_ptr<Sequence>> all;
  std::map<Order, Sequence*> waiting, running;
  uint64_t arrivals = 0, preemptions = 0;
  uint64_t prefix_queries = 0, prefix_hit_tokens = 0, prefix_asked_tokens = 0;

  bool shares(const Sequence& s) const { return config.prefix_cache && s.request.share_prefix; }
  Sequence& get(SequenceId id) const;
  void release_blocks(Sequence& s);
  void preempt(Sequence& s, BatchPlan& plan, Budget& budget);
  bool grow(Sequence& s, int32_t tokens, BatchPlan& plan, Budget& budget);
  int32_t chunk_of(const Sequence& s, const Budget& budget) const;
  void add_to_plan(Sequence& s, int32_t n, BatchPlan& plan, Budget& budget);
  void plan_running(BatchPlan& plan, Budget& budget, bool decodes);
  int32_t blocks_spoken_for() const;
  bool waits_for_prefix(const Sequence& s, int64_t hit) const;
  enum class Admission { kDone, kDeferred, kBlocked };
  Admission admit(Sequence& s);
  void plan_waiting(BatchPlan& plan, Budget& budget);
  void add_drafts(std::span<const Draft> drafts, BatchPlan& plan, Budget& budget);
  void publish_full_blocks(Sequence& s);
  void commit_one(const PlannedSequence& p, std::span<const int32_t> sampled);
  void check() const;
};

Sequence& Scheduler::Impl::get(SequenceId id) const {
  const auto it = all.find(id);
  if (it == all.end()) fail(Code::kNotFound, "scheduler: there is no sequence ", id);
  return *it->second;
}

// Last block first: among equally old blocks the deepest is evicted first.
void Scheduler::Impl::release_blocks(Sequence& s) {
  for (auto b = s.blocks.rbegin(); b != s.blocks.rend(); ++b) pool.unref(*b);
  s.blocks.clear();
  s.computed = s.published = s.planned = 0;
}

void Scheduler::Impl::preempt(Sequence& s, BatchPlan& plan, Budget& budget) {
  // A decode that is already planned can fall to an earlier sequence in prefill.
  if (s.planned > 0) {
    const auto p = std::find_if(plan.sequences.begin(), plan.sequences.end(),
                                [&s](const PlannedSequence& q) { return q.id == s.request.id; });
    budget.tokens += s.planned;
    budget.logit_rows += logit_rows_of(*p);
    plan.sequences.erase(p);
  }
  running.erase(order_of(s));
  release_blocks(s);
  s.state = SequenceState::kPreempted;
  ++s.preemptions;
  ++preemptions;
  waiting.emplace(order_of(s), &s);
}

// Makes the block table cover computed + tokens, preempting sequences behind this one when the pool is exhausted.
bool Scheduler::Impl::grow(Sequence& s, int32_t tokens, BatchPlan& plan, Budget& budget) {
  const int32_t missing = blocks_for(s.computed + tokens) - static_cast<int32_t>(s.blocks.size());
  if (missing <= 0) return true;
  while (pool.available() < missing) {
    Sequence& last = *running.rbegin()->second;
    if (&last == &s) return false;
    preempt(last, plan, budget);
  }
  const std::vector<BlockId> fresh = pool.alloc(missing);
  s.blocks.insert(s.blocks.end(), fresh.begin(), fresh.end());
  return true;
}

// Tokens to compute next. Where only a part of the prompt still owes its logits, a chunk ends at the border, so that every
// prompt token's logits are asked for exactly once.
int32_t Scheduler::Impl::chunk_of(const Sequence& s, const Budget& budget) const {
  int32_t n = std::min(s.remaining(), budget.tokens);
  if (s.prompt_logits_pending() && s.computed < s.prompt_logits_done) return std::min(n, s.prompt_logits_done - s.computed);
  if (s.prompt_logits_pending()) return std::min(n, budget.logit_rows);
  if (n == s.remaining() && budget.logit_rows <= 0) --n;  // the last token would ask for its logits
  return n;
}

void Scheduler::Impl::add_to_plan(Sequence& s, int32_t n, BatchPlan& plan, Budget& budget) {
  PlannedSequence p;
  p.id = s.request.id;
  p.tokens.assign(s.tokens.begin() + s.computed, s.tokens.begin() + s.computed + n);
  p.start = s.computed;
  p.prompt_length = s.prompt();
  p.blocks.assign(s.blocks.begin(), s.blocks.begin() + blocks_for(s.computed + n));
  p.sample = n == s.remaining();
  p.all_logits = s.prompt_logits_pending() && s.computed >= s.prompt_logits_done;
  s.planned = n;
  budget.tokens -= n;
  budget.logit_rows -= logit_rows_of(p);
  plan.sequences.push_back(std::move(p));
}

// Sequences that run already: either those that decode, or those in prefill, in order.
void Scheduler::Impl::plan_running(BatchPlan& plan, Budget& budget, bool decodes) {
  // Preemption removes sequences from the end of `running`, never the current one or one before it.
  for (auto it = running.begin(); it != running.end() && budget.tokens > 0; ++it) {
    Sequence& s = *it->second;
    if (s.decoding() != decodes) continue;
    int32_t n = chunk_of(s, budget);
    if (!decodes) {
      // A shorter chunk is better than taking another's blocks, unless there is no room for one token.
      const int64_t room = static_cast<int64_t>(s.blocks.size() + pool.available()) * kBlockTokens - s.computed;
      n = static_cast<int32_t>(std::min<int64_t>(n, std::max<int64_t>(room, 1)));
    }
    if (n <= 0 || !grow(s, n, plan, budget)) continue;
    add_to_plan(s, n, plan, budget);
  }
}

// Blocks that running sequences will need to get through what is known of them, and one more for each.
int32_t Scheduler::Impl::blocks_spoken_for() const {
  int64_t n = 0;
  for (const auto& [order, s] : running)
    n += std::max<int64_t>(0, blocks_for(s->known()) - static_cast<int64_t>(s->blocks.size())) + 1;
  return static_cast<int32_t>(std::min<int64_t>(n, std::numeric_limits<int32_t>::max()));
}

// True when a running prefill is about to publish blocks that this sequence could use: computing them once is enough.
bool Scheduler::Impl::waits_for_prefix(const Sequence& s, int64_t hit) const {
  if (!shares(s) || s.prompt_logits_pending()) return false;
  for (const auto& [order, r] : running) {
    if (!shares(*r) || r->request.cache_salt != s.request.cache_salt || r->decoding()) continue;
    const auto limit = std::min<size_t>(s.tokens.size() - 1, r->tokens.size());
    const auto [end, unused] = std::mismatch(s.tokens.begin(), s.tokens.begin() + limit, r->tokens.begin());
    const int64_t common = (end - s.tokens.begin()) / kBlockTokens * kBlockTokens;
    if (common > hit && common > r->computed) return true;
  }
  return false;
}

Scheduler::Impl::Admission Scheduler::Impl::admit(Sequence& s) {
  // The last known token is always computed, because its logits are needed; so are prompt tokens that owe logits.
  int64_t reusable = shares(s) ? s.known() - 1 : 0;
  if (s.prompt_logits_pending()) reusable = std::min<int64_t>(reusable, s.prompt_logits_done);
  std::vector<BlockId> hit;
  if (reusable >= kBlockTokens) hit = pool.match_prefix(s.tokens, s.request.cache_salt, reusable);
  const auto hit_tokens = static_cast<int32_t>(hit.size()) * kBlockTokens;

  Admission result = Admission::kDone;
  const int32_t need = blocks_for(s.known()) - static_cast<int32_t>(hit.size());
  if (waits_for_prefix(s, hit_tokens)) result = Admission::kDeferred;
  else if (!running.empty() && int64_t{need} + blocks_spoken_for() > pool.available()) result = Admission::kBlocked;
  if (result != Admission::kDone) {
    for (auto b = hit.rbegin(); b != hit.rend(); ++b) pool.unref(*b);
    return result;
  }

  if (shares(s)) {
    ++prefix_queries;
    prefix_hit_tokens += static_cast<uint64_t>(hit_tokens);
    prefix_asked_tokens += static_cast<uint64_t>(s.known());
  }
  if (s.cached < 0) s.cached = hit_tokens;
  s.published = static_cast<int32_t>(hit.size());
  s.blocks = std::move(hit);
  s.computed = hit_tokens;
  s.state = SequenceState::kRunning;
  waiting.erase(order_of(s));
  running.emplace(order_of(s), &s);
  return result;
}

void Scheduler::Impl::plan_waiting(BatchPlan& plan, Budget& budget) {
  int deferred = 0;
  for (auto it = waiting.begin(); it != waiting.end();) {
    if (budget.tokens <= 0 || budget.logit_rows <= 0 || running.size() >= static_cast<size_t>(config.max_sequences)) return;
    Sequence& s = *(it++)->second;
    switch (admit(s)) {
      case Admission::kBlocked: return;  // nobody overtakes it, or it could wait for ever
      case Admission::kDeferred:
        if (++deferred >= kMaxDeferred) return;
        continue;
      case Admission::kDone: break;
    }
    const int64_t room = static_cast<int64_t>(s.blocks.size() + pool.available()) * kBlockTokens - s.computed;
    const auto n = static_cast<int32_t>(std::min<int64_t>(chunk_of(s, budget), room));
    if (n <= 0 || !grow(s, n, plan, budget))
      fail(Code::kInternal, "scheduler: sequence ", s.request.id, " was admitted without room");
    add_to_plan(s, n, plan, budget);
  }
}

void Scheduler::Impl::add_drafts(std::span<const Draft> drafts, BatchPlan& plan, Budget& budget) {
  int32_t room = std::min(budget.tokens, config.max_draft_step - (config.max_step_tokens - budget.tokens));
  for (const Draft& draft : drafts) {
    if (room <= 0 || budget.logit_rows <= 0) return;
    const auto p = std::find_if(plan.sequences.begin(), plan.sequences.end(),
                                [&draft](const PlannedSequence& q) { return q.id == draft.id; });
    if (p == plan.sequences.end() || !p->sample || p->all_logits || p->tokens.size() != 1) continue;
    Sequence& s = get(draft.id);
    // The last output token is never computed, so it cannot be a draft either.
    int32_t n = std::min({static_cast<int32_t>(draft.tokens.size()), room, budget.logit_rows, s.max_output - s.output() - 1});
    const auto blocks = static_cast<int32_t>(s.blocks.size());
    const int32_t spare = waiting.empty() ? std::max(0, pool.available() - blocks_spoken_for()) : 0;
    n = static_cast<int32_t>(std::min<int64_t>(n, int64_t{blocks + spare} * kBlockTokens - s.computed - 1));
    if (n <= 0) continue;
    if (const int32_t missing = blocks_for(s.computed + 1 + n) - blocks; missing > 0) {
      const std::vector<BlockId> fresh = pool.alloc(missing);
      s.blocks.insert(s.blocks.end(), fresh.begin(), fresh.end());
    }
    p->blocks.assign(s.blocks.begin(), s.blocks.begin() + blocks_for(s.computed + 1 + n));
    p->tokens.insert(p->tokens.end(), draft.tokens.begin(), draft.tokens.begin() + n);
    p->drafted = n;
    s.planned += n;
    room -= n;
    budget.logit_rows -= n;
  }
}

void Scheduler::Impl::publish_full_blocks(Sequence& s) {
  if (!shares(s)) return;
  for (; (s.published + 1) * kBlockTokens <= s.computed; ++s.published)
    pool.publish(s.tokens, s.request.cache_salt, s.blocks, s.published);
}

void Scheduler::Impl::commit_one(const PlannedSequence& p, std::span<const int32_t> sampled) {
  const auto it = all.find(p.id);
  if (it == all.end()) return;
  Sequence& s = *it->second;
  const auto n = static_cast<int32_t>(p.tokens.size());
  // Gone and come back under the same id, or cancelled: this step was not its.
  if (s.state != SequenceState::kRunning || s.planned == 0) return;
  if (s.planned != n || s.computed != p.start)
    fail(Code::kInternal, "scheduler: commit of ", n, " tokens at ", p.start, " for sequence ", p.id, ", planned were ",
         s.planned, " at ", s.computed);
  const auto accepted = static_cast<int32_t>(p.sample ? sampled.size() : 1) - 1;
  if (accepted < 0 || accepted > p.drafted || !std::equal(sampled.begin(), sampled.begin() + accepted, p.tokens.end() - p.drafted))
    fail(Code::kInternal, "scheduler: commit of ", accepted + 1, " tokens for sequence ", p.id, ", which do not begin with its ",
         p.drafted, " drafted ones");
  s.planned = 0;
  if (p.sample)
    for (const int32_t token : sampled)
      if (s.output() < s.max_output) s.tokens.push_back(token);
  s.computed += n - p.drafted + accepted;
  if (p.all_logits) s.prompt_logits_done = std::min(s.computed, s.prompt());
  publish_full_blocks(s);
  if (s.output() >= s.max_output && s.computed >= std::max(s.prompt(), s.known() - 1)) {
    running.erase(order_of(s));
    const int32_t computed = s.computed;
    release_blocks(s);
    s.computed = computed;
    s.state = SequenceState::kFinished;
  }
}

Scheduler::Scheduler(const SchedulerConfig& config) : impl_(std::make_unique<Impl>(config)) {
  if (config.n_blocks < 1 || config.max_sequences < 1 || config.max_step_tokens < 1 || config.max_context < 1 ||
      config.max_logit_rows < 1)
    fail(Code::kInvalidInput, "scheduler: blocks ", config.n_blocks, ", sequences ", config.max_sequences, ", step tokens ",
         config.max_step_tokens, ", logit rows ", config.max_logit_rows, ", context ", config.max_context, "; each must be at least 1");
}

Scheduler::~Scheduler() = default;

void Scheduler::add(Request request) {
  const int64_t n = static_cast<int64_t>(request.prompt.size());
  const int64_t room = int64_t{impl_->config.n_blocks} * kBlockTokens;
  if (n == 0) fail(Code::kInvalidInput, "the prompt has no tokens; at least 1 is needed");
  if (n > impl_->config.max_context)
    fail(Code::kInvalidInput, "the prompt has ", n, " tokens, the context holds ", impl_->config.max_context,
         "; shorten the prompt");
  if (n > room)
    fail(Code::kInvalidInput, "the prompt has ", n, " tokens, the KV cache holds ", room,
         "; shorten the prompt or give the KV cache more memory");
  if (request.max_tokens < 0) fail(Code::kInvalidInput, "max_tokens is ", request.max_tokens, ", at least 0 expected");
  if (impl_->all.contains(request.id)) fail(Code::kInvalidInput, "scheduler: sequence ", request.id, " exists already");
  auto s = std::make_unique<Sequence>();
  // The last output token is never computed, hence the + 1 for the pool.
  s->max_output = static_cast<int32_t>(
      std::min({request.max_tokens, impl_->config.max_context - n, room - n + 1}));
  s->tokens = request.prompt;
  s->arrival = impl_->arrivals++;
  s->request = std::move(request);
  Sequence& r = *s;
  impl_->all.emplace(r.request.id, std::move(s));
  impl_->waiting.emplace(order_of(r), &r);
}

bool Scheduler::idle() const noexcept { return impl_->waiting.empty() && impl_->running.empty(); }

BatchPlan Scheduler::plan(std::span<const Draft> drafts) {
  BatchPlan plan;
  Budget budget{impl_->config.max_step_tokens, impl_->config.max_logit_rows};
  for (auto& [order, s] : impl_->running) s->planned = 0;
  impl_->plan_running(plan, budget, /*decodes=*/true);
  impl_->plan_running(plan, budget, /*decodes=*/false);
  impl_->plan_waiting(plan, budget);
  impl_->add_drafts(drafts, plan, budget);
  return plan;
}

void Scheduler::commit(const BatchPlan& plan, std::span<const std::span<const int32_t>> sampled) {
  if (sampled.size() != plan.sequences.size())
    fail(Code::kInternal, "scheduler: ", sampled.size(), " lists of sampled tokens for ", plan.sequences.size(), " sequences");
  for (size_t i = 0; i < sampled.size(); ++i) impl_->commit_one(plan.sequences[i], sampled[i]);
}

void Scheduler::finish(SequenceId id) {
  const auto it = impl_->all.find(id);
  if (it == impl_->all.end()) return;
  Sequence& s = *it->second;
  impl_->running.erase(order_of(s));
  impl_->waiting.erase(order_of(s));
  impl_->release_blocks(s);
  impl_->all.erase(it);
}

Scheduler::Info Scheduler::info(SequenceId id) const {
  const Sequence& s = impl_->get(id);
  Info i;
  i.state = s.state;
  i.prompt_tokens = s.prompt();
  i.output_tokens = s.output();
  i.preemptions = s.preemptions;
  i.cached_tokens = std::max(s.cached, 0);
  i.computed_tokens = s.computed;
  i.max_output_tokens = s.max_output;
  return i;
}

Scheduler::Stats Scheduler::stats() const {
  Stats r;
  r.waiting = static_cast<int32_t>(impl_->waiting.size());
  r.running = static_cast<int32_t>(impl_->running.size());
  r.blocks_in_use = impl_->pool.in_use();
  r.blocks_cached = impl_->pool.cached();
  r.n_blocks = impl_->pool.size();
  r.preemptions = impl_->preemptions;
  r.prefix_queries = impl_->prefix_queries;
  r.prefix_hit_tokens = impl_->prefix_hit_tokens;
  r.prefix_asked_tokens = impl_->prefix_asked_tokens;
  return r;
}

void Scheduler::drop_prefix_cache() { impl_->pool.drop_cache(); }

void Scheduler::check() const { impl_->check(); }

void Scheduler::Impl::check() const {
  pool.check();
  std::vector<int32_t> holders(static_cast<size_t>(pool.size()), 0);
  if (running.size() > static_cast<size_t>(config.max_sequences)) fail(Code::kInternal, "scheduler: too many run");
  size_t ended = 0;
  for (const auto& [id, s] : all) {
    const auto bad = [id = id](const char* what) { fail(Code::kInternal, "scheduler: sequence ", id, " ", what); };
    const bool runs = running.contains(order_of(*s)), waits = waiting.contains(order_of(*s));
    if (runs != (s->state == SequenceState::kRunning)) bad("is running without the state, or the reverse");
    if (waits != (s->state == SequenceState::kWaiting || s->state == SequenceState::kPreempted))
      bad("is waiting without the state, or the reverse");
    if (!runs && !s->blocks.empty()) bad("holds blocks but does not run");
    if (s->output() > s->max_output) bad("has more output than its bound");
    if (runs && s->computed >= s->known()) bad("runs but has nothing to compute");
    ended += s->state == SequenceState::kFinished;
    for (size_t i = 0; i < s->blocks.size(); ++i) {
      ++holders[static_cast<size_t>(s->blocks[i])];
      // A block that will still be written belongs to this sequence alone and is in no index.
      if (static_cast<int64_t>(i + 1) * kBlockTokens > s->computed &&
          (pool.ref_count(s->blocks[i]) != 1 || pool.published(s->blocks[i])))
        bad("would write into a shared block");
    }
    if (runs && static_cast<int64_t>(s->blocks.size()) * kBlockTokens < s->computed) bad("has too few blocks");
  }
  if (running.size() + waiting.size() + ended != all.size()) fail(Code::kInternal, "scheduler: a sequence is lost");
  for (BlockId b = 0; b < pool.size(); ++b)
    if (holders[static_cast<size_t>(b)] != pool.ref_count(b))
      fail(Code::kInternal, "scheduler: block ", b, " is held by ", holders[static_cast<size_t>(b)],
           " sequences, its count is ", pool.ref_count(b));
}

}  // namespace mainspring
