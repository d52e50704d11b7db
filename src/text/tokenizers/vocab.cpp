// Token texts and ids.
#include "text/tokenizers/vocab.h"

#include "base/str.h"

namespace mainspring::tok {

void Vocab::reserve(size_t tokens, size_t bytes) {
  arena_.reserve(bytes);
  entries_.reserve(tokens);
  grow(tokens);
}

void Vocab::grow(size_t tokens) {
  size_t size = 64;
  while (size < tokens * 2) size *= 2;
  if (size <= slots_.size()) return;
  std::vector<Slot> old(size);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id < 0) continue;
    const uint64_t h = hash_bytes(text(slot.id));
    size_t i = h & (size - 1);
    while (slots_[i].id >= 0) i = (i + 1) & (size - 1);
    slots_[i] = slot;
  }
}

void Vocab::set(std::string_view token, int32_t id) {
  if (id < 0 || id > kMaxId) {
    fail(Code::kInvalidInput, "token ", printable(token), " has id ", id, "; expected 0 to ", kMaxId);
  }
  if (static_cast<size_t>(id) >= entries_.size()) entries_.resize(static_cast<size_t>(id) + 1);
  Entry& entry = entries_[static_cast<size_t>(id)];
  if (entry.used && text(id) == token) return;
  if ((count_ + 1) * 2 > slots_.size()) grow(count_ + 1 + count_ / 2);
  const uint64_t h = hash_bytes(token);
  const auto tag = static_cast<uint32_t>(h >> 32);
  size_t i = h & (slots_.size() - 1);
  while (slots_[i].id >= 0 && !(slots_[i].tag == tag && text(slots_[i].id) == token)) i = (i + 1) & (slots_.size() - 1);
  if (entry.used) {
    // Two tokens share an id: the id reads as the later one. The earlier token's slot would lose its text, so it is
    // refused rather than kept half alive.
    fail(Code::kInvalidInput, "tokens ", printable(text(id)), " and ", printable(token), " have the same id ", id);
  }
  if (slots_[i].id < 0) ++count_;
  slots_[i] = {tag, id};
  entry = {arena_.size(), static_cast<uint32_t>(token.size()), true};
  arena_.append(token);
}

int32_t Vocab::find(std::string_view token) const noexcept {
  if (slots_.empty()) return -1;
  const uint64_t h = hash_bytes(token);
  const auto tag = static_cast<uint32_t>(h >> 32);
  for (size_t i = h & (slots_.size() - 1); slots_[i].id >= 0; i = (i + 1) & (slots_.size() - 1)) {
    if (slots_[i].tag == tag && text(slots_[i].id) == token) return slots_[i].id;
  }
  return -1;
}

std::string_view Vocab::text(int32_t id) const noexcept {
  if (id < 0 || static_cast<size_t>(id) >= entries_.size()) return {};
  const Entry& e = entries_[static_cast<size_t>(id)];
  return std::string_view(arena_).substr(e.at, e.size);
}

bool Vocab::used(int32_t id) const noexcept {
  return id >= 0 && static_cast<size_t>(id) < entries_.size() && entries_[static_cast<size_t>(id)].used;
}

}  // namespace mainspring::tok
