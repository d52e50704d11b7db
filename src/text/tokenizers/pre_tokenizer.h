// Pre-tokenizers of tokenizer.json: they cut a text into the pieces that the model sees one by one.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tokenizers/normalized_text.h"
#include "text/tokenizers/regex.h"

namespace mainspring::tok {

struct Piece {
  std::string_view text;
  int32_t id = -1;                    // set: an added token, nothing cuts it further
  const uint32_t* origins = nullptr;  // original offset of each byte of `text`, when tracked
};

// The pieces of one encode call and the memory behind rewritten ones.
class PieceList {
 public:
  explicit PieceList(bool tracked) : tracked_(tracked) {}
  std::vector<Piece> pieces;
  RegexScratch scratch;
  bool tracked() const noexcept { return tracked_; }

  // Takes over a text and its origins; the returned piece stays valid as long as the list.
  Piece own(std::string text, std::vector<uint32_t> origins);
  Piece own(NormalizedText&& text);
  static Piece sub(const Piece& piece, size_t begin, size_t end) {
    return {piece.text.substr(begin, end - begin), -1, piece.origins == nullptr ? nullptr : piece.origins + begin};
  }
  // Replaces every piece without an id by what `cut(piece, out)` appends to `out`; empty pieces vanish.
  template <class F>
  void cut(F&& f) {
    next_.clear();
    for (const Piece& piece : pieces) {
      if (piece.id >= 0) {
        next_.push_back(piece);
      } else {
        f(piece, next_);
      }
    }
    pieces.swap(next_);
  }

 private:
  bool tracked_;
  std::deque<std::string> texts_;
  std::deque<std::vector<uint32_t>> origins_;
  std::vector<Piece> next_;
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(PieceList& list) const = 0;
  virtual bool needs_origins() const { return false; }
  // True when the last step is the byte alphabet and may be left out; the model then works on raw bytes.
  virtual bool skip_final_byte_alphabet() { return false; }
};
using PreTokenizerPtr = std::unique_ptr<PreTokenizer>;

// `spec` is the "pre_tokenizer" member; null gives nullptr.
PreTokenizerPtr make_pre_tokenizer(const Json& spec);

// Pieces that other loaders build from.
PreTokenizerPtr make_sequence_pre_tokenizer(std::vector<PreTokenizerPtr> parts);
PreTokenizerPtr make_isolated_split(Regex pattern);
PreTokenizerPtr make_byte_level_pre_tokenizer(bool add_prefix_space, bool use_regex);
PreTokenizerPtr make_bert_pre_tokenizer();
PreTokenizerPtr make_metaspace_pre_tokenizer(bool prepend);

inline constexpr std::string_view kMetaspace = "\xE2\x96\x81";  // U+2581
// The split expression of GPT-2.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace mainspring::tok
