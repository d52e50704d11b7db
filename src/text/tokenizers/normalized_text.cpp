// Byte bookkeeping of a text under normalisation.
#include "text/tokenizers/normalized_text.h"

#include <algorithm>

namespace mainspring::tok {

NormalizedText::NormalizedText(std::string_view text, size_t origin, bool tracked) : text_(text), tracked_(tracked) {
  if (!tracked) return;
  origins_.resize(text.size());
  for (size_t i = 0; i < text.size(); ++i) origins_[i] = static_cast<uint32_t>(origin + i);
}

void NormalizedText::Rewrite::keep(size_t begin, size_t end) {
  if (begin >= end) return;
  out_.append(target_.text_, begin, end - begin);
  if (target_.tracked_) {
    const auto from = target_.origins_.begin();
    origins_.insert(origins_.end(), from + static_cast<ptrdiff_t>(begin), from + static_cast<ptrdiff_t>(end));
  }
}

void NormalizedText::Rewrite::put(std::string_view bytes, size_t at) {
  out_.append(bytes);
  if (!target_.tracked_) return;
  uint32_t origin = 0;
  if (!target_.origins_.empty()) origin = target_.origins_[std::min(at, target_.origins_.size() - 1)];
  origins_.insert(origins_.end(), bytes.size(), origin);
}

void NormalizedText::Rewrite::commit() {
  target_.text_ = std::move(out_);
  target_.origins_ = std::move(origins_);
}

}  // namespace mainspring::tok
