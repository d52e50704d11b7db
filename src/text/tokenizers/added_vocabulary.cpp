// Added tokens: matching and the bookkeeping of their ids.
#include "text/tokenizers/added_vocabulary.h"

#include <algorithm>

#include "text/tokenizers/unicode.h"

namespace mainspring::tok {

void StringMatcher::add(std::string_view key, int32_t value) {
  if (key.empty()) return;
  first_[static_cast<unsigned char>(key[0])] = true;
  uint32_t node = 0;
  for (const char c : key) {
    const auto b = static_cast<unsigned char>(c);
    auto& children = nodes_[node].children;
    auto it = std::lower_bound(children.begin(), children.end(), b,
                               [](const auto& child, unsigned char v) { return child.first < v; });
    if (it != children.end() && it->first == b) {
      node = it->second;
      continue;
    }
    const auto made = static_cast<uint32_t>(nodes_.size());
    children.insert(it, {b, made});
    nodes_.emplace_back();
    node = made;
  }
  nodes_[node].value = value;
}

bool StringMatcher::next(std::string_view text, size_t from, Hit& hit) const noexcept {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!first_[static_cast<unsigned char>(text[begin])]) continue;
    uint32_t node = 0;
    bool found = false;
    for (size_t at = begin; at < text.size(); ++at) {
      const auto b = static_cast<unsigned char>(text[at]);
      const auto& children = nodes_[node].children;
      const auto it = std::lower_bound(children.begin(), children.end(), b,
                                       [](const auto& child, unsigned char v) { return child.first < v; });
      if (it == children.end() || it->first != b) break;
      node = it->second;
      if (nodes_[node].value >= 0) {
        hit = {begin, at + 1, nodes_[node].value};
        found = true;
      }
    }
    if (found) return true;
  }
  return false;
}

void AddedVocabulary::add(AddedToken token, std::string normalized_content) {
  const int32_t id = token.id;
  highest_ = std::max(highest_, id);
  ids_[token.content] = id;
  if (token.special) special_texts_[token.content] = true;
  (token.normalized ? after_ : before_).add(normalized_content, id);
  decoded_[id] = std::move(normalized_content);
  by_id_[id] = std::move(token);
}

const AddedToken* AddedVocabulary::by_id(int32_t id) const noexcept {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &it->second;
}

int32_t AddedVocabulary::find(std::string_view content) const noexcept {
  const auto it = ids_.find(std::string(content));
  return it == ids_.end() ? -1 : it->second;
}

bool AddedVocabulary::is_special_text(std::string_view text) const noexcept {
  return special_texts_.contains(std::string(text));
}

namespace {

bool word_before(std::string_view text, size_t at) {
  if (at == 0) return false;
  size_t begin = at - 1;
  while (begin > 0 && (text[begin] & 0xC0) == 0x80) --begin;
  return is_word(decode_utf8(text.substr(begin)).code);
}

bool word_after(std::string_view text, size_t at) {
  return at < text.size() && is_word(decode_utf8(text.substr(at)).code);
}

size_t skip_space_back(std::string_view text, size_t at) {
  while (at > 0) {
    size_t begin = at - 1;
    while (begin > 0 && (text[begin] & 0xC0) == 0x80) --begin;
    if (!is_white_space(decode_utf8(text.substr(begin)).code)) break;
    at = begin;
  }
  return at;
}

size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size()) {
    const Utf8Char c = decode_utf8(text.substr(at));
    if (!is_white_space(c.code)) break;
    at += c.length;
  }
  return at;
}

}  // namespace

void AddedVocabulary::split(std::string_view text, bool normalized, bool skip_special, std::vector<Part>& out) const {
  out.clear();
  size_t done = 0;
  StringMatcher::Hit hit{};
  const StringMatcher& matcher = normalized ? after_ : before_;
  for (size_t from = 0; matcher.next(text, from, hit);) {
    from = hit.end;
    const AddedToken& token = by_id_.at(hit.value);
    if (skip_special && token.special) continue;
    if (token.single_word && (word_before(text, hit.begin) || word_after(text, hit.end))) continue;
    size_t begin = hit.begin, end = hit.end;
    if (token.lstrip) begin = std::max(skip_space_back(text, begin), done);
    if (token.rstrip) end = skip_space(text, end);
    if (done < begin) out.push_back({done, begin, -1});
    out.push_back({begin, end, hit.value});
    done = end;
  }
  if (done != text.size()) out.push_back({done, text.size(), -1});
}

}  // namespace mainspring::tok
