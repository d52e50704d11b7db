// Pre-tokenizers of tokenizer.json, each with the behaviour of the library's class of the same name.
#include "text/tokenizers/pre_tokenizer.h"

#include <algorithm>

#include "base/str.h"
#include "text/tokenizers/byte_alphabet.h"
#include "text/tokenizers/json_fields.h"
#include "text/tokenizers/unicode.h"

namespace mainspring::tok {

Piece PieceList::own(std::string text, std::vector<uint32_t> origins) {
  texts_.push_back(std::move(text));
  Piece piece{texts_.back(), -1, nullptr};
  if (tracked_) {
    origins_.push_back(std::move(origins));
    piece.origins = origins_.back().data();
  }
  return piece;
}

Piece PieceList::own(NormalizedText&& text) {
  std::vector<uint32_t> origins = std::move(text.origins());
  return own(text.take_text(), std::move(origins));
}

namespace {

enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

Behavior behavior_of(std::string_view name) {
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  fail(Code::kInvalidInput, "unknown split behavior ", printable(name));
}

struct Span {
  size_t begin, end;
  bool match;
};

// The whole text as matches and the gaps between them.
void cover(size_t size, const std::vector<Match>& matches, bool invert, std::vector<Span>& out) {
  out.clear();
  size_t done = 0;
  for (const Match& m : matches) {
    if (done != m.begin) out.push_back({done, m.begin, invert});
    out.push_back({m.begin, m.end, !invert});
    done = m.end;
  }
  if (done != size) out.push_back({done, size, invert});
}

// Joins a span to its neighbour where the behaviour says so. `previous` starts as false, as in the library.
void merge_forward(std::vector<Span>& spans, Behavior behavior) {
  std::vector<Span> out;
  bool previous = false;
  for (const Span& s : spans) {
    const bool join = behavior == Behavior::kContiguous ? s.match == previous : s.match && !previous;
    if (join && !out.empty()) {
      out.back().end = s.end;
    } else {
      out.push_back(s);
    }
    previous = s.match;
  }
  spans.swap(out);
}

void merge_backward(std::vector<Span>& spans) {
  std::vector<Span> out;
  bool previous = false;
  for (auto s = spans.rbegin(); s != spans.rend(); ++s) {
    if (s->match && !previous && !out.empty()) {
      out.back().begin = s->begin;
    } else {
      out.push_back(*s);
    }
    previous = s->match;
  }
  std::reverse(out.begin(), out.end());
  spans.swap(out);
}

void emit(const Piece& piece, std::vector<Span>& spans, Behavior behavior, std::vector<Piece>& out) {
  if (behavior == Behavior::kMergedWithNext) merge_backward(spans);
  if (behavior == Behavior::kContiguous || behavior == Behavior::kMergedWithPrevious) merge_forward(spans, behavior);
  for (const Span& s : spans) {
    if (s.begin == s.end || (behavior == Behavior::kRemoved && s.match)) continue;
    out.push_back(PieceList::sub(piece, s.begin, s.end));
  }
}

// Splits at the code points for which `pick` holds.
template <class Pick>
void split_codes(PieceList& list, Behavior behavior, Pick&& pick) {
  std::vector<Match> matches;
  std::vector<Span> spans;
  list.cut([&](const Piece& piece, std::vector<Piece>& out) {
    matches.clear();
    for_each_code(piece.text, [&](uint32_t c, size_t at, size_t length) {
      if (pick(c)) matches.push_back({at, at + length});
    });
    cover(piece.text.size(), matches, false, spans);
    emit(piece, spans, behavior, out);
  });
}

class SplitPreTokenizer final : public PreTokenizer {
 public:
  SplitPreTokenizer(Regex pattern, Behavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void apply(PieceList& list) const override {
    std::vector<Match> matches;
    std::vector<Span> spans;
    list.cut([&](const Piece& piece, std::vector<Piece>& out) {
      pattern_.find_all(piece.text, list.scratch, matches);
      if (behavior_ == Behavior::kIsolated) return isolate(piece, matches, out);
      cover(piece.text.size(), matches, invert_, spans);
      emit(piece, spans, behavior_, out);
    });
  }

 private:
  static void isolate(const Piece& piece, const std::vector<Match>& matches, std::vector<Piece>& out) {
    size_t done = 0;
    for (const Match& m : matches) {
      if (done != m.begin) out.push_back(PieceList::sub(piece, done, m.begin));
      if (m.begin != m.end) out.push_back(PieceList::sub(piece, m.begin, m.end));
      done = m.end;
    }
    if (done != piece.text.size()) out.push_back(PieceList::sub(piece, done, piece.text.size()));
  }

  Regex pattern_;
  Behavior behavior_;
  bool invert_;
};

// A copy of the piece with `prefix` in front and every byte sequence mapped by `map(out, byte index)`.
template <class Map>
Piece rewritten(PieceList& list, const Piece& piece, std::string_view prefix, Map&& map) {
  std::string text(prefix);
  std::vector<uint32_t> origins;
  text.reserve(piece.text.size() + prefix.size());
  if (list.tracked() && !piece.text.empty()) origins.assign(prefix.size(), piece.origins[0]);
  for (size_t i = 0; i < piece.text.size(); ++i) {
    map(text, i);
    if (list.tracked()) origins.resize(text.size(), piece.origins[i]);
  }
  return list.own(std::move(text), std::move(origins));
}

class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex) : add_prefix_space_(add_prefix_space) {
    if (use_regex) split_ = std::make_unique<SplitPreTokenizer>(Regex(kGpt2Pattern, RegexSyntax::kOniguruma),
                                                                Behavior::kIsolated, false);
  }

  void apply(PieceList& list) const override {
    if (add_prefix_space_) {
      list.cut([&](const Piece& piece, std::vector<Piece>& out) {
        if (piece.text.starts_with(' ')) return out.push_back(piece);
        out.push_back(rewritten(list, piece, " ", [&](std::string& s, size_t i) { s.push_back(piece.text[i]); }));
      });
    }
    if (split_) split_->apply(list);
    if (raw_) return;
    list.cut([&](const Piece& piece, std::vector<Piece>& out) {
      out.push_back(rewritten(list, piece, "", [&](std::string& s, size_t i) {
        append_as_alphabet(s, piece.text.substr(i, 1));
      }));
    });
  }

  bool skip_final_byte_alphabet() override { return raw_ = true; }

 private:
  bool add_prefix_space_;
  bool raw_ = false;
  std::unique_ptr<SplitPreTokenizer> split_;
};

class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  enum class Prepend { kAlways, kFirst, kNever };
  MetaspacePreTokenizer(std::string replacement, Prepend prepend, bool split)
      : mark_(std::move(replacement)), prepend_(prepend), split_(split) {}

  bool needs_origins() const override { return prepend_ == Prepend::kFirst; }

  void apply(PieceList& list) const override {
    list.cut([&](const Piece& piece, std::vector<Piece>& out) {
      const bool marked = piece.text.starts_with(' ') || piece.text.starts_with(mark_);
      const bool wanted = prepend_ == Prepend::kAlways || (prepend_ == Prepend::kFirst && piece.origins[0] == 0);
      Piece whole = piece;
      if ((wanted && !marked) || piece.text.find(' ') != std::string_view::npos) {
        whole = rewritten(list, piece, wanted && !marked ? mark_ : "", [&](std::string& s, size_t i) {
          if (piece.text[i] == ' ') {
            s += mark_;
          } else {
            s.push_back(piece.text[i]);
          }
        });
      }
      if (!split_) return out.push_back(whole);
      size_t begin = 0;
      for (size_t at = whole.text.find(mark_, 1); at != std::string_view::npos; at = whole.text.find(mark_, at + 1)) {
        out.push_back(PieceList::sub(whole, begin, at));
        begin = at;
      }
      if (begin < whole.text.size()) out.push_back(PieceList::sub(whole, begin, whole.text.size()));
    });
  }

 private:
  std::string mark_;
  Prepend prepend_;
  bool split_;
};

// Pre-tokenizers that only test code points.
class CodePreTokenizer final : public PreTokenizer {
 public:
  using Test = bool (*)(uint32_t) noexcept;
  CodePreTokenizer(Test test, Behavior behavior) : test_(test), behavior_(behavior) {}
  void apply(PieceList& list) const override { split_codes(list, behavior_, test_); }

 private:
  Test test_;
  Behavior behavior_;
};

class DelimiterPreTokenizer final : public PreTokenizer {
 public:
  explicit DelimiterPreTokenizer(uint32_t code) : code_(code) {}
  void apply(PieceList& list) const override {
    split_codes(list, Behavior::kRemoved, [this](uint32_t c) { return c == code_; });
  }

 private:
  uint32_t code_;
};

// \w+|[^\w\s]+ : runs of word characters and runs of the rest, white space dropped.
class WhitespacePreTokenizer final : public PreTokenizer {
 public:
  void apply(PieceList& list) const override {
    list.cut([](const Piece& piece, std::vector<Piece>& out) {
      int kind = 0;
      size_t begin = 0;
      const auto close = [&](size_t end) {
        if (kind != 0) out.push_back(PieceList::sub(piece, begin, end));
      };
      for_each_code(piece.text, [&](uint32_t c, size_t at, size_t) {
        const int now = is_word(c) ? 1 : is_white_space(c) ? 0 : 2;
        if (now == kind) return;
        close(at);
        kind = now;
        begin = at;
      });
      close(piece.text.size());
    });
  }
};

class ScriptsPreTokenizer final : public PreTokenizer {
 public:
  void apply(PieceList& list) const override {
    list.cut([](const Piece& piece, std::vector<Piece>& out) {
      uint32_t last = 0;
      size_t begin = SIZE_MAX;  // what stands before the first character with a script is dropped, as in the library
      for_each_code(piece.text, [&](uint32_t c, size_t at, size_t) {
        const uint32_t script = script_class(c);
        if (script == 0 || script == last) return;
        if (begin != SIZE_MAX) out.push_back(PieceList::sub(piece, begin, at));
        begin = at;
        last = script;
      });
      if (begin != SIZE_MAX) out.push_back(PieceList::sub(piece, begin, piece.text.size()));
    });
  }
};

class FixedLengthPreTokenizer final : public PreTokenizer {
 public:
  explicit FixedLengthPreTokenizer(size_t length) : length_(length) {}
  void apply(PieceList& list) const override {
    list.cut([this](const Piece& piece, std::vector<Piece>& out) {
      size_t count = 0, begin = 0;
      for_each_code(piece.text, [&](uint32_t, size_t at, size_t) {
        if (count++ % length_ != 0 || at == 0) return;
        out.push_back(PieceList::sub(piece, begin, at));
        begin = at;
      });
      if (begin < piece.text.size()) out.push_back(PieceList::sub(piece, begin, piece.text.size()));
    });
  }

 private:
  size_t length_;
};

class SequencePreTokenizer final : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<PreTokenizerPtr> parts) : parts_(std::move(parts)) {}
  void apply(PieceList& list) const override {
    for (const PreTokenizerPtr& part : parts_) part->apply(list);
  }
  bool needs_origins() const override {
    return std::any_of(parts_.begin(), parts_.end(), [](const PreTokenizerPtr& p) { return p->needs_origins(); });
  }
  bool skip_final_byte_alphabet() override {
    for (size_t i = 0; i + 1 < parts_.size(); ++i) {
      if (dynamic_cast<const ByteLevelPreTokenizer*>(parts_[i].get()) != nullptr ||
          dynamic_cast<const SequencePreTokenizer*>(parts_[i].get()) != nullptr) {
        return false;
      }
    }
    return !parts_.empty() && parts_.back()->skip_final_byte_alphabet();
  }

 private:
  std::vector<PreTokenizerPtr> parts_;
};

PreTokenizerPtr make_metaspace(const Json& spec) {
  using Prepend = MetaspacePreTokenizer::Prepend;
  const std::string scheme = string_field(spec, "prepend_scheme", "always");
  Prepend prepend = Prepend::kAlways;
  if (scheme == "first") {
    prepend = Prepend::kFirst;
  } else if (scheme == "never") {
    prepend = Prepend::kNever;
  } else if (scheme != "always") {
    fail(Code::kInvalidInput, "Metaspace: unknown prepend_scheme ", printable(scheme));
  }
  // add_prefix_space is the older way to say "never".
  if (!bool_field(spec, "add_prefix_space", true)) prepend = Prepend::kNever;
  return std::make_unique<MetaspacePreTokenizer>(character_field(spec, "replacement"), prepend,
                                                 bool_field(spec, "split", true));
}

std::string type_of(const Json& spec) {
  if (const Json* type = spec.find("type")) return type->as_string();
  if (spec.contains("pretokenizers")) return "Sequence";
  if (spec.contains("replacement")) return "Metaspace";
  if (spec.contains("add_prefix_space")) return "ByteLevel";
  if (spec.contains("individual_digits")) return "Digits";
  if (spec.contains("delimiter")) return "CharDelimiterSplit";
  fail(Code::kInvalidInput, "a pre-tokenizer without \"type\"");
}

}  // namespace

PreTokenizerPtr make_sequence_pre_tokenizer(std::vector<PreTokenizerPtr> parts) {
  return std::make_unique<SequencePreTokenizer>(std::move(parts));
}
PreTokenizerPtr make_isolated_split(Regex pattern) {
  return std::make_unique<SplitPreTokenizer>(std::move(pattern), Behavior::kIsolated, false);
}
PreTokenizerPtr make_byte_level_pre_tokenizer(bool add_prefix_space, bool use_regex) {
  return std::make_unique<ByteLevelPreTokenizer>(add_prefix_space, use_regex);
}
PreTokenizerPtr make_bert_pre_tokenizer() {
  std::vector<PreTokenizerPtr> parts;
  parts.push_back(std::make_unique<CodePreTokenizer>(is_white_space, Behavior::kRemoved));
  parts.push_back(std::make_unique<CodePreTokenizer>(is_punctuation, Behavior::kIsolated));
  return make_sequence_pre_tokenizer(std::move(parts));
}
PreTokenizerPtr make_metaspace_pre_tokenizer(bool prepend) {
  using Prepend = MetaspacePreTokenizer::Prepend;
  return std::make_unique<MetaspacePreTokenizer>(std::string(kMetaspace), prepend ? Prepend::kAlways : Prepend::kNever,
                                                 true);
}

PreTokenizerPtr make_pre_tokenizer(const Json& spec) {
  if (spec.is_null()) return nullptr;
  const std::string type = type_of(spec);
  if (type == "Sequence") {
    std::vector<PreTokenizerPtr> parts;
    for (const Json& part : spec.at("pretokenizers").as_array()) parts.push_back(make_pre_tokenizer(part));
    std::erase_if(parts, [](const PreTokenizerPtr& p) { return p == nullptr; });
    return make_sequence_pre_tokenizer(std::move(parts));
  }
  if (type == "ByteLevel") {
    return make_byte_level_pre_tokenizer(bool_field(spec, "add_prefix_space", true), bool_field(spec, "use_regex", true));
  }
  if (type == "Split") {
    return std::make_unique<SplitPreTokenizer>(pattern_field(spec), behavior_of(spec.at("behavior").as_string()),
                                               bool_field(spec, "invert", false));
  }
  if (type == "Metaspace") return make_metaspace(spec);
  if (type == "Whitespace") return std::make_unique<WhitespacePreTokenizer>();
  if (type == "WhitespaceSplit") return std::make_unique<CodePreTokenizer>(is_white_space, Behavior::kRemoved);
  if (type == "Punctuation") {
    return std::make_unique<CodePreTokenizer>(is_punctuation, behavior_of(string_field(spec, "behavior", "Isolated")));
  }
  if (type == "Digits") {
    return std::make_unique<CodePreTokenizer>(
        is_numeric, bool_field(spec, "individual_digits", false) ? Behavior::kIsolated : Behavior::kContiguous);
  }
  if (type == "BertPreTokenizer") return make_bert_pre_tokenizer();
  if (type == "CharDelimiterSplit" || type == "Delimiter") {
    return std::make_unique<DelimiterPreTokenizer>(decode_utf8(character_field(spec, "delimiter")).code);
  }
  if (type == "UnicodeScripts") return std::make_unique<ScriptsPreTokenizer>();
  if (type == "FixedLength") {
    const size_t length = size_field(spec, "length", 5);
    if (length == 0) fail(Code::kInvalidInput, "FixedLength: length is 0");
    return std::make_unique<FixedLengthPreTokenizer>(length);
  }
  fail(Code::kUnsupported, "unknown pre-tokenizer type ", printable(type));
}

}  // namespace mainspring::tok
