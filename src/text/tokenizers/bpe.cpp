// Byte-pair encoding: by a list of merges (GPT-2 style) or by the priority of the merged token (sentencepiece, tiktoken).
#include <algorithm>
#include <array>

#include "base/str.h"
#include "text/tokenizers/bpe_words.h"
#include "text/tokenizers/byte_alphabet.h"
#include "text/tokenizers/model.h"
#include "text/tokenizers/unicode.h"

namespace mainspring::tok {

void JoinFilter::add(std::string_view token) {
  if (pairs_.empty()) {
    pairs_.resize(kBits / 64);
    known_.resize(0x110000 / 64);
  }
  uint32_t before = 0;
  for_each_code(token, [&](uint32_t c, size_t at, size_t) {
    if (at != 0) pairs_[slot(before, c) >> 6] |= uint64_t{1} << (slot(before, c) & 63);
    before = c;
  });
}

void JoinFilter::add_character(uint32_t code) {
  if (!pairs_.empty()) known_[code >> 6] |= uint64_t{1} << (code & 63);
}

namespace {

constexpr size_t kLinearSymbols = 40;  // shorter words are merged by scanning, longer ones with a heap

struct Symbol {
  int32_t id;            // -1: not a token (yet)
  uint32_t begin, size;  // bytes of the piece
  int32_t previous, next;
};

struct Candidate {
  uint64_t value;  // rank << 32 | merged id
  uint32_t left;
  // std::*_heap keeps the largest on top: the best is the lowest rank, then the leftmost.
  bool operator<(const Candidate& o) const noexcept {
    const uint64_t a = value >> 32, b = o.value >> 32;
    return a != b ? a > b : left > o.left;
  }
};

struct BpeScratch final : ModelScratch {
  WordCache cache;
  std::vector<Symbol> symbols;
  std::vector<uint64_t> values;
  std::vector<Candidate> heap;
  std::string key;
  std::vector<std::pair<std::string_view, uint32_t>> taken_apart;  // unused tokens made on the way: text, left size
};

class Bpe : public Model {
 public:
  Bpe(Vocab vocab, BpeOptions options) : vocab_(std::move(vocab)), options_(std::move(options)) {
    if (options_.unk_token) unk_ = vocab_.find(*options_.unk_token);
    for (unsigned b = 0; b < 256; ++b) {
      static constexpr char kHex[] = "0123456789ABCDEF";
      const char code[] = {'<', '0', 'x', kHex[b >> 4], kHex[b & 15], '>'};
      fallback_[b] = vocab_.find(std::string_view(code, 6));
      std::string letter;
      const char byte = static_cast<char>(b);
      append_as_alphabet(letter, std::string_view(&byte, 1));
      letters_[b] = vocab_.find(letter);
    }
  }

  std::unique_ptr<ModelScratch> make_scratch() const override { return std::make_unique<BpeScratch>(); }
  const Vocab& vocab() const noexcept override { return vocab_; }
  std::string name() const override { return "BPE"; }

  void tokenize(std::string_view piece, std::vector<int32_t>& out, ModelScratch& scratch) const override {
    auto& memory = static_cast<BpeScratch&>(scratch);
    if (piece.size() > WordCache::kMaxBytes && !filter_.empty()) return tokenize_cut(piece, out, memory);
    word(piece, out, memory);
  }

 protected:
  // rank << 32 | merged id of two neighbours, PairTable::kNone when they stay apart.
  virtual uint64_t merge_value(std::string_view piece, const Symbol& left, const Symbol& right) const = 0;
  // Fills `symbols` with the characters of the piece.
  virtual void first_symbols(std::string_view piece, BpeScratch& memory) const = 0;
  virtual void emit(std::string_view piece, BpeScratch& memory, std::vector<int32_t>& out) const = 0;

  void push_symbol(BpeScratch& memory, int32_t id, size_t begin, size_t size) const {
    const auto index = static_cast<int32_t>(memory.symbols.size());
    if (index > 0) memory.symbols.back().next = index;
    memory.symbols.push_back({id, static_cast<uint32_t>(begin), static_cast<uint32_t>(size), index - 1, -1});
  }

  bool all_fallback(std::string_view s) const noexcept {
    return std::all_of(s.begin(), s.end(), [this](char c) { return fallback_[static_cast<unsigned char>(c)] >= 0; });
  }

  Vocab vocab_;
  BpeOptions options_;
  JoinFilter filter_;
  int32_t unk_ = -1;
  std::array<int32_t, 256> letters_{};   // id of each byte in the byte alphabet, -1 when missing
  std::array<int32_t, 256> fallback_{};  // id of "<0xXX>", -1 when missing

 private:
  bool append_whole(std::string_view piece, std::vector<int32_t>& out, BpeScratch& memory) const {
    std::string_view key = piece;
    if (options_.raw_bytes) {
      memory.key.clear();
      append_as_alphabet(memory.key, piece);
      key = memory.key;
    }
    const int32_t id = vocab_.find(key);
    if (id >= 0) out.push_back(id);
    return id >= 0;
  }

  // Cuts a long text where no merge can cross.
  void tokenize_cut(std::string_view piece, std::vector<int32_t>& out, BpeScratch& memory) const {
    size_t begin = 0;
    uint32_t before = 0;
    for_each_code(piece, [&](uint32_t c, size_t at, size_t) {
      if (at != 0 && filter_.may_cut(before, c)) {
        word(piece.substr(begin, at - begin), out, memory);
        begin = at;
      }
      before = c;
    });
    word(piece.substr(begin), out, memory);
  }

  void word(std::string_view piece, std::vector<int32_t>& out, BpeScratch& memory) const {
    const bool cached = piece.size() <= WordCache::kMaxBytes;
    const uint64_t hash = cached ? hash_bytes(piece) : 0;
    if (cached && memory.cache.find(piece, hash, out)) return;
    const size_t before = out.size();
    if (!options_.ignore_merges || !append_whole(piece, out, memory)) {
      memory.symbols.clear();
      first_symbols(piece, memory);
      if (memory.symbols.size() > kLinearSymbols) {
        merge_with_heap(piece, memory);
      } else {
        merge_by_scan(piece, memory);
      }
      emit(piece, memory, out);
    }
    if (cached) memory.cache.put(piece, hash, out.data() + before, out.size() - before);
  }

  void merge_by_scan(std::string_view piece, BpeScratch& memory) const {
    std::vector<Symbol>& s = memory.symbols;
    std::vector<uint64_t>& values = memory.values;
    if (s.size() < 2) return;
    values.assign(s.size(), PairTable::kNone);
    for (size_t i = 0; i + 1 < s.size(); ++i) values[i] = merge_value(piece, s[i], s[i + 1]);
    while (s.size() > 1) {
      size_t best = 0;
      for (size_t i = 1; i + 1 < s.size(); ++i) {
        if (values[i] >> 32 < values[best] >> 32) best = i;
      }
      if (values[best] == PairTable::kNone) break;
      s[best].id = static_cast<int32_t>(values[best]);
      note_unused(piece, s[best], s[best + 1], memory);
      s[best].size += s[best + 1].size;
      s.erase(s.begin() + static_cast<ptrdiff_t>(best) + 1);
      values.erase(values.begin() + static_cast<ptrdiff_t>(best) + 1);
      values[best] = best + 1 < s.size() ? merge_value(piece, s[best], s[best + 1]) : PairTable::kNone;
      if (best > 0) values[best - 1] = merge_value(piece, s[best - 1], s[best]);
    }
  }

  void offer(std::string_view piece, BpeScratch& memory, int32_t left, int32_t right) const {
    if (left < 0 || right < 0) return;
    const uint64_t value = merge_value(piece, memory.symbols[static_cast<size_t>(left)],
                                       memory.symbols[static_cast<size_t>(right)]);
    if (value == PairTable::kNone) return;
    memory.heap.push_back({value, static_cast<uint32_t>(left)});
    std::push_heap(memory.heap.begin(), memory.heap.end());
  }

  void merge_with_heap(std::string_view piece, BpeScratch& memory) const {
    std::vector<Symbol>& s = memory.symbols;
    memory.heap.clear();
    for (size_t i = 0; i + 1 < s.size(); ++i) {
      const uint64_t value = merge_value(piece, s[i], s[i + 1]);
      if (value != PairTable::kNone) memory.heap.push_back({value, static_cast<uint32_t>(i)});
    }
    std::make_heap(memory.heap.begin(), memory.heap.end());
    while (!memory.heap.empty()) {
      std::pop_heap(memory.heap.begin(), memory.heap.end());
      const Candidate top = memory.heap.back();
      memory.heap.pop_back();
      Symbol& left = s[top.left];
      if (left.size == 0 || left.next < 0) continue;
      Symbol& right = s[static_cast<size_t>(left.next)];
      if (merge_value(piece, left, right) != top.value) continue;  // one of the two has changed since
      note_unused(piece, left, right, memory);
      left.id = static_cast<int32_t>(top.value);
      left.size += right.size;
      left.next = right.next;
      right.size = 0;
      if (left.next >= 0) s[static_cast<size_t>(left.next)].previous = static_cast<int32_t>(top.left);
      offer(piece, memory, left.previous, static_cast<int32_t>(top.left));
      offer(piece, memory, static_cast<int32_t>(top.left), left.next);
    }
    std::erase_if(s, [](const Symbol& x) { return x.size == 0; });
  }

  virtual void note_unused(std::string_view, const Symbol&, const Symbol&, BpeScratch&) const {}
};

// Merges from a list.
class MergeBpe final : public Bpe {
 public:
  MergeBpe(Vocab vocab, const MergeList& merges, BpeOptions options) : Bpe(std::move(vocab), std::move(options)) {
    const size_t cut = options_.continuing_prefix.size();
    // ignore_merges looks whole pieces up first, so they must stay whole.
    const bool cuttable = !options_.raw_bytes && !options_.ignore_merges && cut == 0 && options_.end_suffix.empty();
    pairs_.reserve(merges.size());
    std::string joined;
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      const auto& [a, b] = merges[rank];
      const int32_t left = require(a), right = require(b);
      joined.assign(a);
      joined.append(b.substr(std::min(cut, b.size())));
      const int32_t merged = require(joined);
      pairs_.set(left, right, static_cast<uint32_t>(rank), merged);
      if (cuttable) filter_.add(joined);
    }
    if (cuttable) {
      for (size_t id = 0; id < vocab_.id_limit(); ++id) {
        const std::string_view text = vocab_.text(static_cast<int32_t>(id));
        if (!text.empty() && utf8_length(text[0]) == text.size()) filter_.add_character(decode_utf8(text).code);
      }
    }
  }

 private:
  int32_t require(std::string_view token) const {
    const int32_t id = vocab_.find(token);
    if (id < 0) fail(Code::kInvalidInput, "merges: ", printable(token), " is not in the vocabulary");
    return id;
  }

  uint64_t merge_value(std::string_view, const Symbol& left, const Symbol& right) const override {
    return pairs_.find(left.id, right.id);
  }

  void first_symbols(std::string_view piece, BpeScratch& memory) const override {
    size_t unknown = 0;  // bytes of the unknown symbol being collected
    if (options_.raw_bytes) {
      for (size_t i = 0; i < piece.size(); ++i) {
        place(memory, letters_[static_cast<unsigned char>(piece[i])], {}, i, 1, unknown);
      }
    } else {
      for_each_code(piece, [&](uint32_t, size_t at, size_t length) {
        std::string_view text = piece.substr(at, length);
        const bool prefixed = at > 0 && !options_.continuing_prefix.empty();
        const bool suffixed = at + length == piece.size() && !options_.end_suffix.empty();
        if (prefixed || suffixed) {
          memory.key = cat(prefixed ? options_.continuing_prefix : std::string(), text,
                           suffixed ? options_.end_suffix : std::string());
          text = memory.key;
        }
        place(memory, vocab_.find(text), text, at, length, unknown);
      });
    }
    if (unknown > 0) push_symbol(memory, unk_, piece.size() - unknown, unknown);
  }

  void place(BpeScratch& memory, int32_t id, std::string_view text, size_t at, size_t length, size_t& unknown) const {
    if (id >= 0) {
      if (unknown > 0) push_symbol(memory, unk_, at - unknown, unknown);
      unknown = 0;
      return push_symbol(memory, id, at, length);
    }
    // A pending unknown symbol is not flushed by fallback bytes: the library keeps it for later.
    if (options_.byte_fallback && all_fallback(text)) {
      for (const char c : text) push_symbol(memory, fallback_[static_cast<unsigned char>(c)], at, 1);
      return;
    }
    if (!options_.unk_token) return;
    if (unk_ < 0) {
      fail(Code::kInvalidInput, "the unknown token ", printable(*options_.unk_token), " is not in the vocabulary");
    }
    if (unknown > 0 && !options_.fuse_unk) {
      push_symbol(memory, unk_, at - unknown, unknown);
      unknown = 0;
    }
    unknown += length;
  }

  void emit(std::string_view, BpeScratch& memory, std::vector<int32_t>& out) const override {
    for (const Symbol& symbol : memory.symbols) out.push_back(symbol.id);
  }

  PairTable pairs_;
};

// Merges by looking the concatenation up.
class RankedBpe final : public Bpe {
 public:
  RankedBpe(Vocab vocab, RankedTokens ranks, BpeOptions options)
      : Bpe(std::move(vocab), std::move(options)), ranks_(std::move(ranks)) {
    for (size_t id = 0; id < vocab_.id_limit() && !options_.ignore_merges; ++id) {
      const auto token = static_cast<int32_t>(id);
      const std::string_view text = vocab_.text(token);
      if (text.empty() || excluded(token)) continue;
      filter_.add(text);
      if (utf8_length(text[0]) == text.size()) filter_.add_character(decode_utf8(text).code);
    }
  }

 private:
  bool excluded(int32_t id) const noexcept {
    return static_cast<size_t>(id) < ranks_.excluded.size() && ranks_.excluded[static_cast<size_t>(id)];
  }
  bool unused(int32_t id) const noexcept {
    return static_cast<size_t>(id) < ranks_.unused.size() && ranks_.unused[static_cast<size_t>(id)];
  }
  int32_t find(std::string_view text) const noexcept {
    const int32_t id = vocab_.find(text);
    return id >= 0 && excluded(id) ? -1 : id;
  }

  uint64_t merge_value(std::string_view piece, const Symbol& left, const Symbol& right) const override {
    const int32_t id = find(piece.substr(left.begin, size_t{left.size} + right.size));
    if (id < 0 || static_cast<size_t>(id) >= ranks_.priority.size()) return PairTable::kNone;
    return uint64_t{ranks_.priority[static_cast<size_t>(id)]} << 32 | static_cast<uint32_t>(id);
  }

  void first_symbols(std::string_view piece, BpeScratch& memory) const override {
    memory.taken_apart.clear();
    for_each_code(piece, [&](uint32_t, size_t at, size_t length) {
      push_symbol(memory, find(piece.substr(at, length)), at, length);
    });
  }

  void note_unused(std::string_view piece, const Symbol& left, const Symbol& right, BpeScratch& memory) const override {
    if (ranks_.unused.empty()) return;
    const std::string_view text = piece.substr(left.begin, size_t{left.size} + right.size);
    const int32_t id = find(text);
    if (id >= 0 && unused(id)) memory.taken_apart.emplace_back(text, left.size);
  }

  void emit(std::string_view piece, BpeScratch& memory, std::vector<int32_t>& out) const override {
    bool unknown_before = false;
    for (const Symbol& symbol : memory.symbols) {
      emit_text(piece.substr(symbol.begin, symbol.size), memory, out, unknown_before);
    }
  }

  void emit_text(std::string_view text, const BpeScratch& memory, std::vector<int32_t>& out,
                 bool& unknown_before) const {
    const int32_t id = find(text);
    if (id >= 0 && unused(id)) {
      for (const auto& [whole, left] : memory.taken_apart) {
        if (whole != text) continue;
        emit_text(text.substr(0, left), memory, out, unknown_before);
        return emit_text(text.substr(left), memory, out, unknown_before);
      }
    }
    if (id >= 0) {
      unknown_before = false;
      return out.push_back(id);
    }
    if (options_.byte_fallback && all_fallback(text)) {
      for (const char c : text) out.push_back(fallback_[static_cast<unsigned char>(c)]);
      unknown_before = false;
      return;
    }
    if (unk_ >= 0 && !(options_.fuse_unk && unknown_before)) out.push_back(unk_);
    unknown_before = true;
  }

  RankedTokens ranks_;
};

}  // namespace

ModelPtr make_bpe(Vocab vocab, const MergeList& merges, BpeOptions options) {
  return std::make_unique<MergeBpe>(std::move(vocab), merges, std::move(options));
}

ModelPtr make_ranked_bpe(Vocab vocab, RankedTokens ranks, BpeOptions options) {
  return std::make_unique<RankedBpe>(std::move(vocab), std::move(ranks), std::move(options));
}

}  // namespace mainspring::tok
