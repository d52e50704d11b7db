// Turns a growing list of token ids into text that can be shown at once: incomplete UTF-8 and possible beginnings of
// stop strings are held back.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace mainspring {

struct StopMatch {
  size_t index = 0;  // which stop string
};

class Detokenizer {
 public:
  // `stops` may be of any length; the earliest match in the text wins, then the first in the list.
  Detokenizer(const Tokenizer& tokenizer, std::vector<std::string> stops = {}, bool skip_special_tokens = true,
              bool include_stop = false);

  // Text that became final with this token (may be empty). After a stop has matched, nothing more comes out.
  std::string push(TokenId id);
  // What was still held back, at the end of the generation (incomplete UTF-8 becomes U+FFFD).
  std::string finish();
  const std::optional<StopMatch>& stopped() const noexcept { return stopped_; }
  // All text given out so far.
  const std::string& text() const noexcept { return emitted_; }

 private:
  void settle();
  std::string release(bool final);
  // Where before `limit` the pending text, read to its end, is the beginning of a stop; `limit` when nowhere.
  size_t first_beginning(size_t limit) const;
  bool earlier_beginning(size_t limit) const;

  const Tokenizer& tokenizer_;
  std::vector<std::string> stops_;
  bool skip_special_, include_stop_;
  std::vector<TokenId> ids_;
  size_t prefix_ = 0;  // ids before this one are settled and only needed as left context
  size_t read_ = 0;
  std::string tail_;      // bytes of an unfinished UTF-8 character at the end
  std::string pending_;   // decoded, not yet given out
  std::string emitted_;
  std::optional<StopMatch> stopped_;
};

}  // namespace mainspring
