// The engine thread.
#include "engine/engine_core.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "base/str.h"
#include "engine/draft_finder.h"

namespace mainspring {

namespace {

using Clock = std::chrono::steady_clock;
double seconds(Clock::time_point from, Clock::time_point to) { return std::chrono::duration<double>(to - from).count(); }

// A request in the engine thread's hands.
struct Active {
  EngineRequest request;
  std::shared_ptr<RequestSink> sink;
  SequenceSampler sampler;
  std::optional<DraftFinder> drafts;
  Clock::time_point submitted;
  Clock::time_point first, last;  // token times
  int64_t produced = 0;
  int64_t prompt_rows_seen = 0;   // prompt logits delivered so far
  int64_t max_output = 0;         // tokens, as the scheduler bounds them
  int64_t drafted = 0, accepted = 0;
};

Usage usage_of(const Active& a) {
  Usage usage{.prompt_tokens = static_cast<int64_t>(a.request.prompt.size()), .output_tokens = a.produced,
              .drafted_tokens = a.drafted, .accepted_tokens = a.accepted};
  if (a.produced > 0) usage.ttft_s = seconds(a.submitted, a.first), usage.decode_s = seconds(a.first, a.last);
  return usage;
}

struct Command {
  SequenceId id = 0;
  std::unique_ptr<Active> start;  // null: cancel `id`
};

}  // namespace

struct EngineCore::Impl {
  Config config;
  std::unique_ptr<ModelRunner> runner;
  Scheduler scheduler;
  std::unordered_map<SequenceId, std::unique_ptr<Active>> active;  // engine thread only

  mutable std::mutex mutex;              // guards what follows
  std::condition_variable wake;
  std::deque<Command> inbox;
  bool stop = false;
  SequenceId next_id = 1;
  EngineStats published;

  // Engine thread only.
  uint64_t steps = 0, prompt_tokens = 0, output_tokens = 0, drafted_tokens = 0, accepted_tokens = 0;
  std::vector<int32_t> sampled_tokens;                  // of one step, in the order of the plan
  std::vector<std::span<const int32_t>> sampled;        // per planned sequence
  std::vector<Scheduler::Draft> drafts;
  StepCosts costs;
  std::vector<SequenceId> done;
  std::thread thread;

  Impl(std::unique_ptr<ModelRunner> r, Config c) : config(std::move(c)), runner(std::move(r)), scheduler(scheduler_config()) {
    const RunnerConfig& limits = runner->config();
    // Spans point into it: it must never grow.
    sampled_tokens.reserve(static_cast<size_t>(limits.max_sequences) + SchedulerConfig().max_draft_step);
    sampled.reserve(static_cast<size_t>(limits.max_sequences));
    publish();
    thread = std::thread([this] { loop(); });
  }

  SchedulerConfig scheduler_config() const {
    const RunnerConfig& r = runner->config();
    SchedulerConfig s;
    s.n_blocks = r.n_blocks;
    s.max_sequences = r.max_sequences;
    s.max_step_tokens = r.max_step_tokens;
    s.max_logit_rows = r.max_logit_rows;
    s.max_context = r.max_context;
    s.prefix_cache = config.prefix_cache;
    return s;
  }

  void loop();
  void take_commands();
  void start(Command& command);
  void run_step();
  void make_drafts();
  void note_cost(const BatchPlan& plan, double seconds);
  void deliver(const BatchPlan& plan, const ModelRunner::Logits& logits);
  void deliver_prompt_rows(Active& a, const PlannedSequence& seq, const ModelRunner::Logits& logits, int32_t first_row);
  void deliver_tokens(Active& a, const PlannedSequence& seq, const ModelRunner::Logits& logits, int32_t row);
  int64_t sampled_ids() const {
    return config.sampled_ids > 0 ? std::min(config.sampled_ids, runner->vocab_size()) : runner->vocab_size();
  }
  bool deliver_token(SequenceId id, Active& a, std::span<float> row, int32_t& out);
  void finish(SequenceId id, FinishReason reason, const Error* error = nullptr);
  void publish();
  bool ends(const Active& a, int32_t token) const;
};

void EngineCore::Impl::loop() {
  for (;;) {
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] { return stop || !inbox.empty() || !active.empty(); });
      if (stop) break;
    }
    take_commands();
    if (!active.empty()) run_step();
    publish();
  }
  while (!active.empty()) finish(active.begin()->first, FinishReason::kCancelled);
  take_commands();  // requests that never started still get their finished() call
  while (!active.empty()) finish(active.begin()->first, FinishReason::kCancelled);
}

void EngineCore::Impl::take_commands() {
  std::deque<Command> commands;
  {
    std::lock_guard lock(mutex);
    commands.swap(inbox);
  }
  for (Command& c : commands) {
    if (c.start) start(c);
    else if (active.contains(c.id)) finish(c.id, FinishReason::kCancelled);
  }
}

void EngineCore::Impl::start(Command& command) {
  std::unique_ptr<Active> a = std::move(command.start);
  const EngineRequest& r = a->request;
  const int64_t length = static_cast<int64_t>(r.prompt.size());
  const int64_t dynamic_from = runner->model().length_dependent_from();
  const int64_t room = runner->config().max_context - length;
  Scheduler::Request s;
  s.id = command.id;
  s.prompt = r.prompt;
  s.max_tokens = r.sample ? (r.sampling.max_tokens < 0 ? room : std::min(room, r.sampling.max_tokens)) : 0;
  s.priority = r.priority;
  s.cache_salt = r.cache_salt;
  // Keys rotated for a longer sequence must not be reused by a shorter one.
  s.share_prefix = dynamic_from == 0 || length + s.max_tokens <= dynamic_from;
  s.prompt_logits = r.all_logits || r.sampling.prompt_logprobs;
  Active& ref = *a;
  active.emplace(command.id, std::move(a));
  try {
    scheduler.add(std::move(s));
    ref.max_output = scheduler.info(command.id).max_output_tokens;
    ref.sampler.prompt(ref.request.prompt);
    if (ref.drafts) ref.drafts->prompt(ref.request.prompt);
    prompt_tokens += static_cast<uint64_t>(length);
  } catch (const Error& e) {
    finish(command.id, FinishReason::kError, &e);
  }
}

void EngineCore::Impl::run_step() {
  make_drafts();
  const BatchPlan plan = scheduler.plan(drafts);
  if (plan.empty()) {
    // The scheduler has nothing left to run, so these would wait for ever.
    const Error lost(Code::kInternal, "the scheduler lost this request");
    while (!active.empty()) finish(active.begin()->first, FinishReason::kError, &lost);
    return;
  }
  sampled.assign(plan.sequences.size(), {});
  sampled_tokens.clear();
  done.clear();
  try {
    const Clock::time_point before = Clock::now();
    const ModelRunner::Logits logits = runner->step(plan);
    note_cost(plan, seconds(before, Clock::now()));
    ++steps;
    deliver(plan, logits);
    scheduler.commit(plan, sampled);
  } catch (const Error& e) {
    for (const PlannedSequence& seq : plan.sequences)
      if (active.contains(seq.id)) finish(seq.id, FinishReason::kError, &e);
    return;
  }
  for (SequenceId id : done) finish(id, FinishReason::kNone);
}

// Guesses for the sequences that decode, as long as a step with few tokens is expected: there, more tokens cost little.
void EngineCore::Impl::make_drafts() {
  drafts.clear();
  const int32_t most = SchedulerConfig().max_draft_step;
  if (config.max_draft <= 0 || static_cast<int32_t>(active.size()) >= most) return;
  int32_t tokens = static_cast<int32_t>(active.size());
  for (auto& [id, a] : active) {
    if (!a->drafts || a->produced == 0) continue;
    const std::span<const int32_t> draft = a->drafts->draft(std::min(config.max_draft, most - tokens), tokens, costs);
    if (draft.empty()) continue;
    drafts.push_back({id, draft});
    tokens += static_cast<int32_t>(draft.size());
  }
}

void EngineCore::Impl::note_cost(const BatchPlan& plan, double seconds) {
  size_t tokens = 0;
  for (const PlannedSequence& s : plan.sequences) {
    if (s.tokens.size() != 1 + static_cast<size_t>(s.drafted)) return;  // a prefill
    tokens += s.tokens.size();
  }
  if (tokens <= StepCosts::kMaxTokens) costs.measured(static_cast<int>(tokens), seconds);
}

void EngineCore::Impl::deliver(const BatchPlan& plan, const ModelRunner::Logits& logits) {
  for (size_t i = 0; i < plan.sequences.size(); ++i) {
    const PlannedSequence& seq = plan.sequences[i];
    const int32_t row = logits.row_of[i];
    if (row < 0) continue;
    Active& a = *active.at(seq.id);
    try {
      if (seq.all_logits) deliver_prompt_rows(a, seq, logits, row);
      if (!seq.sample) continue;
      const size_t first = sampled_tokens.size();
      deliver_tokens(a, seq, logits, seq.all_logits ? row + static_cast<int32_t>(seq.tokens.size()) - 1 : row);
      sampled[i] = std::span<const int32_t>(sampled_tokens).subspan(first);
    } catch (const Error& e) {
      finish(seq.id, FinishReason::kError, &e);
    }
  }
}

void EngineCore::Impl::deliver_prompt_rows(Active& a, const PlannedSequence& seq, const ModelRunner::Logits& logits,
                                           int32_t first_row) {
  const std::vector<int32_t>& prompt = a.request.prompt;
  for (size_t i = 0; i < seq.tokens.size(); ++i) {
    const int64_t position = seq.start + static_cast<int64_t>(i);
    if (position < a.prompt_rows_seen || position >= static_cast<int64_t>(prompt.size())) continue;  // recomputation
    a.prompt_rows_seen = position + 1;
    const std::span<const float> row = logits.row(first_row + static_cast<int64_t>(i));
    if (a.request.all_logits) a.sink->logits(position, row);
    if (a.request.sampling.prompt_logprobs && position + 1 < static_cast<int64_t>(prompt.size()))
      a.sink->prompt_logprobs(logprobs_of(row, prompt[position + 1], std::max(a.request.sampling.top_logprobs, 0)));
  }
}

bool EngineCore::Impl::ends(const Active& a, int32_t token) const {
  const SamplingParams& s = a.request.sampling;
  const auto in = [&](const std::vector<int32_t>& ids) { return std::find(ids.begin(), ids.end(), token) != ids.end(); };
  if (a.produced < s.min_tokens) return false;
  return (!s.ignore_eos && in(config.eos_ids)) || in(s.stop_ids);
}

// Samples position after position, as if each were a step of its own, until a draft turns out to be wrong: what comes after
// a wrong token is not the logits of this sequence.
void EngineCore::Impl::deliver_tokens(Active& a, const PlannedSequence& seq, const ModelRunner::Logits& logits, int32_t row) {
  const size_t first_draft = seq.tokens.size() - static_cast<size_t>(seq.drafted);
  if (a.request.last_logits && a.produced == 0)
    a.sink->logits(seq.start + static_cast<int64_t>(first_draft) - 1, logits.row(row));
  if (!a.request.sample) {
    done.push_back(seq.id);
    a.sink->finished(FinishReason::kLength, nullptr, {});
    a.sink.reset();
    sampled_tokens.push_back(0);
    return;
  }
  a.drafted += seq.drafted;
  drafted_tokens += static_cast<uint64_t>(seq.drafted);
  for (int32_t i = 0;; ++i) {
    int32_t token = 0;
    const bool goes_on = deliver_token(seq.id, a, logits.row(row + i), token);
    sampled_tokens.push_back(token);
    const bool right = i < seq.drafted && token == seq.tokens[first_draft + static_cast<size_t>(i)];
    a.accepted += right;
    accepted_tokens += right;
    if (!goes_on || !right) return;
  }
}

// Whether the sequence goes on after the token.
bool EngineCore::Impl::deliver_token(SequenceId id, Active& a, std::span<float> row, int32_t& out) {
  TokenLogprobs logprobs;
  const bool wants = a.request.sampling.top_logprobs >= 0;
  out = a.sampler.sample(row.first(static_cast<size_t>(sampled_ids())), wants ? &logprobs : nullptr);
  const bool end = ends(a, out);
  a.sampler.accept(out);
  if (a.drafts) a.drafts->add(out);
  ++a.produced;
  ++output_tokens;
  a.last = Clock::now();
  if (a.produced == 1) a.first = a.last;
  if (!end) a.sink->token(out, wants ? &logprobs : nullptr);
  if (!end && a.produced < a.max_output) return true;
  // The scheduler is told after the commit of this step; the reader already now.
  done.push_back(id);
  Usage usage = usage_of(a);
  usage.cached_tokens = scheduler.info(id).cached_tokens;
  a.sink->finished(end ? FinishReason::kStop : FinishReason::kLength, nullptr, usage);
  a.sink.reset();
  return false;
}

void EngineCore::Impl::finish(SequenceId id, FinishReason reason, const Error* error) {
  const auto it = active.find(id);
  if (it == active.end()) return;
  Active& a = *it->second;
  if (a.sink) {
    a.sink->finished(reason, error, usage_of(a));
  }
  active.erase(it);
  scheduler.finish(id);
}

void EngineCore::Impl::publish() {
  const Scheduler::Stats s = scheduler.stats();
  std::lock_guard lock(mutex);
  published = {.waiting = s.waiting, .running = s.running, .kv_blocks_used = s.blocks_in_use,
               .kv_blocks_cached = s.blocks_cached, .kv_blocks = s.n_blocks, .steps = steps,
               .prompt_tokens = prompt_tokens, .output_tokens = output_tokens, .preemptions = s.preemptions,
               .prefix_hit_tokens = s.prefix_hit_tokens, .prefix_asked_tokens = s.prefix_asked_tokens,
               .drafted_tokens = drafted_tokens, .accepted_tokens = accepted_tokens};
}

EngineCore::EngineCore(std::unique_ptr<ModelRunner> runner, Config config)
    : impl_(std::make_unique<Impl>(std::move(runner), std::move(config))) {}

EngineCore::~EngineCore() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

SequenceId EngineCore::submit(EngineRequest request, std::shared_ptr<RequestSink> sink) {
  Impl& m = *impl_;
  const RunnerConfig& c = m.runner->config();
  validate(request.sampling, m.runner->vocab_size());
  if (request.prompt.empty()) fail(Code::kInvalidInput, "the prompt has no tokens");
  if (static_cast<int64_t>(request.prompt.size()) + request.sample > c.max_context)
    fail(Code::kInvalidInput, "the prompt of ", request.prompt.size(), " tokens does not fit the context of ", c.max_context,
         " tokens with room for an answer; shorten it or raise --context");
  for (int32_t t : request.prompt)
    if (t < 0 || t >= m.runner->vocab_size())
      fail(Code::kInvalidInput, "token id ", t, " is outside the vocabulary of ", m.runner->vocab_size());
  std::unique_lock lock(m.mutex);
  const SequenceId id = m.next_id++;
  SequenceSampler sampler(request.sampling, m.config.eos_ids, m.sampled_ids(), m.config.seed + id);
  auto active = std::make_unique<Active>(Active{.request = std::move(request), .sink = std::move(sink),
                                                .sampler = std::move(sampler), .drafts = {}, .submitted = Clock::now()});
  if (const EngineRequest& r = active->request; m.config.max_draft > 0 && r.sample) {
    const auto prompt = static_cast<int64_t>(r.prompt.size()), room = c.max_context - prompt;
    active->drafts.emplace(prompt + (r.sampling.max_tokens < 0 ? room : std::min(room, r.sampling.max_tokens)));
  }
  m.inbox.push_back({id, std::move(active)});
  lock.unlock();
  m.wake.notify_all();
  return id;
}

void EngineCore::cancel(SequenceId id) {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->inbox.push_back({id, nullptr});
  }
  impl_->wake.notify_all();
}

EngineStats EngineCore::stats() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->published;
}

const ModelRunner& EngineCore::runner() const noexcept { return *impl_->runner; }

}  // namespace mainspring
