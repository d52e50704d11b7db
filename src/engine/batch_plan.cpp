// The wire form of a batch plan: what rank 0 sends to the other ranks.
//
// Little-endian 32-bit words: magic, number of sequences; per sequence id (2 words), start, prompt length, flags (1 sample,
// 2 all_logits), drafted tokens, number of tokens, tokens, number of blocks, blocks.
#include "engine/batch_plan.h"

#include "base/errors.h"
#include "base/str.h"

namespace mainspring {

namespace {

constexpr uint32_t kMagic = 0x324E4C50;  // "PLN2"
constexpr uint32_t kSample = 1, kAllLogits = 2;
constexpr size_t kMinSequenceWords = 8;

class Writer {
 public:
  void word(uint32_t v) {
    for (int shift = 0; shift < 32; shift += 8) bytes_.push_back(static_cast<std::byte>(v >> shift));
  }
  void list(const std::vector<int32_t>& items) {
    word(static_cast<uint32_t>(items.size()));
    for (const int32_t v : items) word(static_cast<uint32_t>(v));
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

class Reader {
 public:
  explicit Reader(const std::vector<std::byte>& bytes) : bytes_(bytes) {}
  size_t words_left() const { return (bytes_.size() - at_) / 4; }
  bool at_end() const { return at_ == bytes_.size(); }
  uint32_t word() {
    if (words_left() == 0) fail(Code::kInvalidInput, "batch plan: ends early, at byte ", at_, " of ", bytes_.size());
    uint32_t v = 0;
    for (int shift = 0; shift < 32; shift += 8) v |= static_cast<uint32_t>(bytes_[at_++]) << shift;
    return v;
  }
  // A count is believed only when that many items of `words_each` words can follow.
  size_t count(size_t words_each, const char* what) {
    const uint32_t n = word();
    if (n > words_left() / words_each)
      fail(Code::kInvalidInput, "batch plan: ", n, " ", what, " announced at byte ", at_ - 4, ", only ", words_left(),
           " words follow");
    return n;
  }
  int32_t natural(const char* what) {
    const auto v = static_cast<int32_t>(word());
    if (v < 0) fail(Code::kInvalidInput, "batch plan: ", what, " is ", v, ", at least 0 expected");
    return v;
  }
  std::vector<int32_t> list(const char* what) {
    std::vector<int32_t> out(count(1, what));
    for (int32_t& v : out) v = static_cast<int32_t>(word());
    return out;
  }

 private:
  const std::vector<std::byte>& bytes_;
  size_t at_ = 0;
};

}  // namespace

std::vector<std::byte> serialize(const BatchPlan& plan) {
  Writer w;
  w.word(kMagic);
  w.word(static_cast<uint32_t>(plan.sequences.size()));
  for (const PlannedSequence& s : plan.sequences) {
    w.word(static_cast<uint32_t>(s.id));
    w.word(static_cast<uint32_t>(s.id >> 32));
    w.word(static_cast<uint32_t>(s.start));
    w.word(static_cast<uint32_t>(s.prompt_length));
    w.word((s.sample ? kSample : 0) | (s.all_logits ? kAllLogits : 0));
    w.word(static_cast<uint32_t>(s.drafted));
    w.list(s.tokens);
    w.list(s.blocks);
  }
  return w.take();
}

BatchPlan deserialize_plan(const std::vector<std::byte>& bytes) {
  Reader r(bytes);
  if (r.word() != kMagic) fail(Code::kInvalidInput, "batch plan: does not begin with the mark PLN2");
  BatchPlan plan;
  plan.sequences.resize(r.count(kMinSequenceWords, "sequences"));
  for (PlannedSequence& s : plan.sequences) {
    s.id = r.word();
    s.id |= uint64_t{r.word()} << 32;
    s.start = r.natural("start");
    s.prompt_length = r.natural("prompt length");
    const uint32_t flags = r.word();
    if (flags > (kSample | kAllLogits)) fail(Code::kInvalidInput, "batch plan: unknown flags ", flags);
    s.sample = (flags & kSample) != 0;
    s.all_logits = (flags & kAllLogits) != 0;
    s.drafted = r.natural("drafted tokens");
    s.tokens = r.list("tokens");
    s.blocks = r.list("blocks");
  }
  if (!r.at_end()) fail(Code::kInvalidInput, "batch plan: bytes follow its end");
  return plan;
}

}  // namespace mainspring
