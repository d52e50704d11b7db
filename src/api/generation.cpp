// Generation: the reader's end of a request. Tokens arrive from the engine thread; text is made here, on the reader's.
#include "api/generation.h"

namespace mainspring {

const char* finish_reason_name(FinishReason r) noexcept {
  switch (r) {
    case FinishReason::kNone: return "none";
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled: return "cancelled";
    case FinishReason::kError: return "error";
  }
  return "none";
}

void TokenQueue::token(int32_t id, const TokenLogprobs* logprobs) {
  {
    std::lock_guard lock(mutex_);
    tokens_.push_back(id);
    if (logprobs) logprobs_.push_back(*logprobs);
  }
  ready_.notify_one();
}

void TokenQueue::prompt_logprobs(TokenLogprobs logprobs) {
  std::lock_guard lock(mutex_);
  prompt_logprobs_.push_back(std::move(logprobs));
}

void TokenQueue::finished(FinishReason reason, const Error* error, const Usage& usage) {
  {
    std::lock_guard lock(mutex_);
    reason_ = reason;
    usage_ = usage;
    if (error) error_ = *error;
    finished_ = true;
  }
  ready_.notify_one();
}

TokenQueue::Batch TokenQueue::wait() {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [&] { return finished_ || !tokens_.empty(); });
  Batch b;
  b.tokens.swap(tokens_);
  b.logprobs.swap(logprobs_);
  b.prompt_logprobs.swap(prompt_logprobs_);
  b.finished = finished_;
  b.reason = reason_;
  b.usage = usage_;
  b.error = error_;
  return b;
}

Generation::Generation(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&& other) noexcept {
  if (this != &other) {
    cancel();
    impl_ = std::move(other.impl_);
  }
  return *this;
}
Generation::~Generation() { cancel(); }

void Generation::cancel() {
  if (impl_ && !impl_->ended) impl_->core->cancel(impl_->id);
}

void Generation::Impl::end(FinishReason r, const Usage& u) {
  ended = true;
  reason = r;
  usage = u;
}

std::optional<Chunk> Generation::next() {
  Impl& m = *impl_;
  if (m.ended) return std::nullopt;
  TokenQueue::Batch batch = m.queue->wait();
  for (TokenLogprobs& l : batch.prompt_logprobs) m.prompt_logprobs.push_back(std::move(l));
  Chunk chunk;
  for (size_t i = 0; i < batch.tokens.size(); ++i) {
    chunk.tokens.push_back(batch.tokens[i]);
    if (i < batch.logprobs.size()) chunk.logprobs.push_back(std::move(batch.logprobs[i]));
    chunk.text += m.detokenizer.push(batch.tokens[i]);
    ++m.read;
    if (!m.detokenizer.stopped()) continue;
    // Tokens computed past the stop string are dropped; the engine is told to stop.
    m.matched_stop = m.detokenizer.stopped()->index;
    if (!batch.finished) m.core->cancel(m.id);
    Usage usage = batch.finished ? batch.usage : m.queue->wait_end();
    usage.output_tokens = m.read;
    m.end(FinishReason::kStop, usage);
    return chunk;
  }
  if (!batch.finished) return chunk;
  chunk.text += m.detokenizer.finish();
  if (m.detokenizer.stopped()) {
    m.matched_stop = m.detokenizer.stopped()->index;
    batch.reason = FinishReason::kStop;
  }
  m.end(batch.reason, batch.usage);
  if (batch.error) throw *batch.error;
  return chunk;
}

FinishReason Generation::finish_reason() const noexcept { return impl_->reason; }
std::optional<size_t> Generation::matched_stop() const noexcept { return impl_->matched_stop; }
const std::vector<TokenLogprobs>& Generation::prompt_logprobs() const noexcept { return impl_->prompt_logprobs; }
Usage Generation::usage() const noexcept { return impl_->usage; }

Usage TokenQueue::wait_end() {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [&] { return finished_; });
  return usage_;
}

}  // namespace mainspring
