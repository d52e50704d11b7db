// WordPiece and WordLevel.
#include "base/str.h"
#include "text/tokenizers/model.h"
#include "text/tokenizers/unicode.h"

namespace mainspring::tok {
namespace {

int32_t require_unk(const Vocab& vocab, const std::string& unk) {
  const int32_t id = vocab.find(unk);
  if (id < 0) fail(Code::kInvalidInput, "the unknown token ", printable(unk), " is not in the vocabulary");
  return id;
}

class WordPiece final : public Model {
 public:
  WordPiece(Vocab vocab, std::string unk, std::string prefix, size_t max_chars)
      : vocab_(std::move(vocab)), unk_(std::move(unk)), prefix_(std::move(prefix)), max_chars_(max_chars) {
    for (size_t id = 0; id < vocab_.id_limit(); ++id) {
      longest_ = std::max(longest_, vocab_.text(static_cast<int32_t>(id)).size());
    }
  }

  void tokenize(std::string_view piece, std::vector<int32_t>& out, ModelScratch&) const override {
    size_t chars = 0;
    for_each_code(piece, [&](uint32_t, size_t, size_t) { ++chars; });
    const size_t before = out.size();
    if (chars > max_chars_ || !split(piece, out)) {
      out.resize(before);
      out.push_back(require_unk(vocab_, unk_));
    }
  }

  const Vocab& vocab() const noexcept override { return vocab_; }
  std::string name() const override { return "WordPiece"; }

 private:
  // Longest match first; false when some rest has no token.
  bool split(std::string_view piece, std::vector<int32_t>& out) const {
    std::string part;
    for (size_t begin = 0; begin < piece.size();) {
      size_t end = std::min(piece.size(), begin + longest_);
      while (end < piece.size() && end > begin && (piece[end] & 0xC0) == 0x80) --end;
      int32_t id = -1;
      while (end > begin) {
        part.assign(begin > 0 ? prefix_ : std::string());
        part.append(piece.substr(begin, end - begin));
        id = vocab_.find(part);
        if (id >= 0) break;
        do {
          --end;
        } while (end > begin && (piece[end] & 0xC0) == 0x80);
      }
      if (id < 0) return false;
      out.push_back(id);
      begin = end;
    }
    return true;
  }

  Vocab vocab_;
  std::string unk_, prefix_;
  size_t max_chars_, longest_ = 0;
};

class WordLevel final : public Model {
 public:
  WordLevel(Vocab vocab, std::string unk) : vocab_(std::move(vocab)), unk_(std::move(unk)) {}
  void tokenize(std::string_view piece, std::vector<int32_t>& out, ModelScratch&) const override {
    const int32_t id = vocab_.find(piece);
    out.push_back(id >= 0 ? id : require_unk(vocab_, unk_));
  }
  const Vocab& vocab() const noexcept override { return vocab_; }
  std::string name() const override { return "WordLevel"; }

 private:
  Vocab vocab_;
  std::string unk_;
};

}  // namespace

ModelPtr make_word_piece(Vocab vocab, std::string unk, std::string prefix, size_t max_chars) {
  return std::make_unique<WordPiece>(std::move(vocab), std::move(unk), std::move(prefix), max_chars);
}
ModelPtr make_word_level(Vocab vocab, std::string unk) {
  return std::make_unique<WordLevel>(std::move(vocab), std::move(unk));
}

}  // namespace mainspring::tok
