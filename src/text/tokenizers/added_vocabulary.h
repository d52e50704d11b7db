// Added tokens: found in the text before the model sees it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mainspring::tok {

struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool single_word = false, lstrip = false, rstrip = false, normalized = false, special = false;
};

// Finds the longest of many strings at each position, leftmost first.
class StringMatcher {
 public:
  void add(std::string_view key, int32_t value);  // an empty key is ignored; the same key again takes the new value
  bool empty() const noexcept { return nodes_.size() <= 1; }
  struct Hit {
    size_t begin, end;
    int32_t value;
  };
  // The first match at or after `from`; false when there is none.
  bool next(std::string_view text, size_t from, Hit& hit) const noexcept;

 private:
  struct Node {
    int32_t value = -1;
    std::vector<std::pair<unsigned char, uint32_t>> children;
  };
  std::vector<Node> nodes_{Node{}};
  bool first_[256] = {};
};

class AddedVocabulary {
 public:
  struct Part {
    size_t begin, end;
    int32_t id;  // -1: ordinary text
  };

  // `normalized_content`: what the normalizer makes of the content; equal to it for tokens that are not normalized.
  void add(AddedToken token, std::string normalized_content);
  bool empty() const noexcept { return by_id_.empty(); }
  const AddedToken* by_id(int32_t id) const noexcept;
  int32_t find(std::string_view content) const noexcept;  // -1 when absent
  // The text of an added token for decoding: the normalized content.
  const std::string& decoded(int32_t id) const { return decoded_.at(id); }
  bool is_special_text(std::string_view text) const noexcept;
  int32_t highest_id() const noexcept { return highest_; }
  const std::unordered_map<int32_t, AddedToken>& tokens() const noexcept { return by_id_; }

  // Cuts `text` at the tokens that are matched before (normalized = false) or after normalisation.
  // `skip_special`: special tokens in the text stay text.
  void split(std::string_view text, bool normalized, bool skip_special, std::vector<Part>& out) const;
  bool matches(bool normalized) const noexcept { return !(normalized ? after_ : before_).empty(); }

 private:
  std::unordered_map<int32_t, AddedToken> by_id_;
  std::unordered_map<int32_t, std::string> decoded_;
  std::unordered_map<std::string, int32_t> ids_;
  std::unordered_map<std::string, bool> special_texts_;
  StringMatcher before_, after_;
  int32_t highest_ = -1;
};

}  // namespace mainspring::tok
