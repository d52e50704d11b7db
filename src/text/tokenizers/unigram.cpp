// Unigram: the most probable segmentation (Viterbi over byte offsets), as the library's optimised encoder does it.
#include <algorithm>
#include <limits>

#include "base/str.h"
#include "text/tokenizers/model.h"
#include "text/tokenizers/unicode.h"

namespace mainspring::tok {
namespace {

constexpr double kUnkPenalty = 10.0;

// Trie over bytes: one hash table of (node, byte) -> child.
class ByteTrie {
 public:
  explicit ByteTrie(size_t bytes) {
    size_t size = 64;
    while (size < bytes * 2) size *= 2;
    slots_.resize(size);
    ids_.push_back(-1);
  }
  void add(std::string_view key, int32_t id) {
    uint32_t node = 0;
    for (const char c : key) node = child_or_new(node, static_cast<unsigned char>(c));
    ids_[node] = id;
  }
  // The child of `node`, 0 when there is none.
  uint32_t child(uint32_t node, unsigned char c) const noexcept {
    const uint64_t key = (uint64_t{node} << 8 | c) + 1;
    for (size_t i = slot_of(key);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].key == key) return slots_[i].child;
      if (slots_[i].key == 0) return 0;
    }
  }
  int32_t id(uint32_t node) const noexcept { return ids_[node]; }

 private:
  struct Slot {
    uint64_t key = 0;
    uint32_t child = 0;
  };
  size_t slot_of(uint64_t key) const noexcept {
    const uint64_t h = key * 0x9E3779B97F4A7C15ULL;
    return (h ^ h >> 32) & (slots_.size() - 1);
  }
  uint32_t child_or_new(uint32_t node, unsigned char c) {
    const uint64_t key = (uint64_t{node} << 8 | c) + 1;
    size_t i = slot_of(key);
    while (slots_[i].key != 0 && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
    if (slots_[i].key == 0) {
      slots_[i] = {key, static_cast<uint32_t>(ids_.size())};
      ids_.push_back(-1);
    }
    return slots_[i].child;
  }

  std::vector<Slot> slots_;
  std::vector<int32_t> ids_;
};

struct Node {
  double score = 0;
  int32_t id = 0;
  uint32_t begin = UINT32_MAX;  // UINT32_MAX: not reached
};

struct UnigramScratch final : ModelScratch {
  std::vector<Node> best;
  std::vector<std::pair<uint32_t, uint32_t>> parts;  // reversed
};

class Unigram final : public Model {
 public:
  Unigram(Vocab vocab, std::vector<double> scores, UnigramOptions options)
      : vocab_(std::move(vocab)), scores_(std::move(scores)), options_(options), trie_(total_bytes(vocab_)) {
    double lowest = std::numeric_limits<double>::infinity();
    for (size_t id = 0; id < vocab_.id_limit(); ++id) {
      const auto token = static_cast<int32_t>(id);
      if (!vocab_.used(token)) continue;
      if (vocab_.find(vocab_.text(token)) == token) trie_.add(vocab_.text(token), token);
      lowest = std::min(lowest, scores_[id]);
    }
    unk_score_ = lowest - kUnkPenalty;
    for (unsigned b = 0; b < 256; ++b) {
      static constexpr char kHex[] = "0123456789ABCDEF";
      const char code[] = {'<', '0', 'x', kHex[b >> 4], kHex[b & 15], '>'};
      bytes_[b] = vocab_.find(std::string_view(code, 6));
    }
  }

  std::unique_ptr<ModelScratch> make_scratch() const override { return std::make_unique<UnigramScratch>(); }

  void tokenize(std::string_view piece, std::vector<int32_t>& out, ModelScratch& scratch) const override {
    auto& memory = static_cast<UnigramScratch&>(scratch);
    search(piece, memory.best);
    collect(piece, memory);
    for (auto part = memory.parts.rbegin(); part != memory.parts.rend(); ++part) {
      append(piece.substr(part->first, part->second - part->first), out);
    }
  }

  const Vocab& vocab() const noexcept override { return vocab_; }
  std::string name() const override { return "Unigram"; }

 private:
  static size_t total_bytes(const Vocab& vocab) {
    size_t n = 1;
    for (size_t id = 0; id < vocab.id_limit(); ++id) n += vocab.text(static_cast<int32_t>(id)).size();
    return n;
  }

  void search(std::string_view s, std::vector<Node>& best) const {
    best.assign(s.size() + 1, Node{});
    best[0].begin = 0;
    for (size_t at = 0; at < s.size();) {
      const double here = best[at].score;
      const size_t width = std::min(utf8_length(s[at]), s.size() - at);
      bool single = false;
      uint32_t node = 0;
      for (size_t end = at; end < s.size();) {
        node = trie_.child(node, static_cast<unsigned char>(s[end++]));
        if (node == 0) break;
        const int32_t id = trie_.id(node);
        if (id < 0) continue;
        offer(best[end], scores_[static_cast<size_t>(id)] + here, id, at);
        single |= end - at == width;
      }
      if (!single) {
        if (!options_.unk_id) fail(Code::kInvalidInput, "unigram: text outside the vocabulary and no unknown token");
        offer(best[at + width], unk_score_ + here, *options_.unk_id, at);
      }
      at += width;
    }
  }

  static void offer(Node& node, double score, int32_t id, size_t begin) noexcept {
    if (node.begin != UINT32_MAX && !(score > node.score)) return;
    node = {score, id, static_cast<uint32_t>(begin)};
  }

  // Walks back from the end; neighbouring unknown parts become one.
  void collect(std::string_view s, UnigramScratch& memory) const {
    memory.parts.clear();
    bool open_unknown = false;
    for (size_t end = s.size(); end > 0;) {
      const Node& node = memory.best[end];
      const bool unknown = options_.unk_id && node.id == *options_.unk_id;
      if (unknown && open_unknown) {
        memory.parts.back().first = node.begin;
      } else {
        memory.parts.emplace_back(node.begin, static_cast<uint32_t>(end));
      }
      open_unknown = unknown;
      end = node.begin;
    }
  }

  void append(std::string_view part, std::vector<int32_t>& out) const {
    if (const int32_t id = vocab_.find(part); id >= 0) return out.push_back(id);
    if (options_.byte_fallback) {
      const bool all = std::all_of(part.begin(), part.end(),
                                   [this](char c) { return bytes_[static_cast<unsigned char>(c)] >= 0; });
      if (all) {
        for (const char c : part) out.push_back(bytes_[static_cast<unsigned char>(c)]);
        return;
      }
    }
    if (!options_.unk_id) fail(Code::kInvalidInput, "unigram: text outside the vocabulary and no unknown token");
    out.push_back(*options_.unk_id);
  }

  Vocab vocab_;
  std::vector<double> scores_;
  UnigramOptions options_;
  ByteTrie trie_;
  double unk_score_ = 0;
  int32_t bytes_[256];
};

}  // namespace

ModelPtr make_unigram(Vocab vocab, std::vector<double> scores, UnigramOptions options) {
  scores.resize(vocab.id_limit(), 0.0);
  if (options.unk_id && !vocab.used(*options.unk_id)) {
    fail(Code::kInvalidInput, "unigram: unk_id ", *options.unk_id, " is not in the vocabulary of ", vocab.id_limit());
  }
  return std::make_unique<Unigram>(std::move(vocab), std::move(scores), options);
}

}  // namespace mainspring::tok
