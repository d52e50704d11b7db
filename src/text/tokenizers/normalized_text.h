// A text under normalisation. When asked to, it remembers where in the original text each byte comes from: the
// Metaspace pre-tokenizer's "first" scheme prepends only to the piece that starts at original offset 0.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mainspring::tok {

class NormalizedText {
 public:
  // `origin`: offset of `text` in the whole input.
  NormalizedText(std::string_view text, size_t origin, bool tracked);

  const std::string& text() const noexcept { return text_; }
  std::string&& take_text() noexcept { return std::move(text_); }
  // Original offset of every byte; empty when not tracked.
  std::vector<uint32_t>& origins() noexcept { return origins_; }

  // Rebuilding: a pass appends the new text and then commits it.
  class Rewrite {
   public:
    explicit Rewrite(NormalizedText& target) : target_(target) { out_.reserve(target.text_.size()); }
    // Bytes [begin, end) of the old text, unchanged.
    void keep(size_t begin, size_t end);
    // New bytes that stand for the old ones around byte `at` (they share its origin).
    void put(std::string_view bytes, size_t at);
    void commit();

   private:
    NormalizedText& target_;
    std::string out_;
    std::vector<uint32_t> origins_;
  };

 private:
  std::string text_;
  std::vector<uint32_t> origins_;
  bool tracked_;
};

}  // namespace mainspring::tok
