// Key decoding, editing and drawing.
#include "cli/line_editor.h"

#include <algorithm>

#include "base/str.h"
#include "base/terminal.h"
#include "base/utf8.h"

namespace mainspring::cli {
namespace {

constexpr uint32_t kNewlineSign = 0x23CE;   // shown for a line break inside the message
constexpr size_t kMaxCodePoints = 1 << 20;

bool is_space(uint32_t c) { return c == ' ' || c == '\t' || c == '\n'; }

uint32_t shown(uint32_t code) {
  if (code == '\n') return kNewlineSign;
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return 0xFFFD;
  return code;
}

}  // namespace

void LineEditor::begin(std::string prompt, const std::vector<std::string>& history) {
  prompt_ = std::move(prompt);
  history_ = history;
  history_.emplace_back();
  searching_ = false;
  recalled_ = history_.size() - 1;
  text_.clear();
  cursor_ = 0;
  drawn_cursor_row_ = 0;
}

std::string LineEditor::text() const {
  std::string out;
  for (uint32_t c : text_) append_utf8(out, c);
  return out;
}

void LineEditor::set_text(std::string_view utf8) {
  text_.clear();
  while (!utf8.empty()) {
    const Utf8Char c = decode_utf8(utf8);
    text_.push_back(c.code);
    utf8.remove_prefix(c.length);
  }
  cursor_ = text_.size();
}

EditEvent LineEditor::feed(unsigned char byte) {
  switch (keys_) {
    case Keys::kPlain: return plain(byte);
    case Keys::kEscape:
      keys_ = byte == '[' ? Keys::kControlSequence : byte == 'O' ? Keys::kSingleShift : Keys::kPlain;
      pending_.clear();
      return keys_ == Keys::kPlain ? alt(byte) : EditEvent::kNone;
    case Keys::kSingleShift:
      keys_ = Keys::kPlain;
      return sequence(static_cast<char>(byte));
    case Keys::kControlSequence:
      // ECMA-48: parameters 0x30-0x3f and intermediates 0x20-0x2f, then one final byte.
      if (byte >= 0x20 && byte < 0x40 && pending_.size() < 32) {
        pending_ += static_cast<char>(byte);
        return EditEvent::kNone;
      }
      keys_ = Keys::kPlain;
      const EditEvent event = sequence(static_cast<char>(byte));
      pending_.clear();
      return event;
  }
  return EditEvent::kNone;
}

EditEvent LineEditor::plain(unsigned char byte) {
  if (searching_) {
    const EditEvent event = search_key(byte);
    if (searching_ || event == EditEvent::kRedraw) return event;  // else the key is one for the line that was found
  }
  if (byte == 0x1b) {
    keys_ = Keys::kEscape;
    pending_.clear();
    return EditEvent::kNone;
  }
  if (pasting_ && (byte == '\r' || byte == '\n')) return insert('\n');
  if (pasting_ && byte == '\t') return insert('\t');
  if (byte < 0x20 || byte == 0x7f) {
    pending_.clear();
    return pasting_ ? EditEvent::kNone : control(byte);
  }
  pending_ += static_cast<char>(byte);
  const Utf8Char c = decode_utf8(pending_);
  if (c.incomplete) return EditEvent::kNone;
  pending_.clear();
  return insert(c.code);
}

EditEvent LineEditor::control(unsigned char byte) {
  switch (byte) {
    case '\r':
    case '\n': return EditEvent::kLine;
    case '\t': return complete();
    case 1: return move_to(0);                                          // Ctrl-A
    case 2: return move_to(left_of(cursor_));                           // Ctrl-B
    case 3: return EditEvent::kInterrupt;                               // Ctrl-C
    case 4: return text_.empty() ? EditEvent::kEof : erase(cursor_, right_of(cursor_), false);   // Ctrl-D
    case 5: return move_to(text_.size());                               // Ctrl-E
    case 6: return move_to(right_of(cursor_));                          // Ctrl-F
    case 8:
    case 0x7f: return erase(left_of(cursor_), cursor_, false);          // Backspace
    case 11: return erase(cursor_, text_.size(), true);                 // Ctrl-K
    case 12: return EditEvent::kClear;                                  // Ctrl-L
    case 14: return recall(1);                                          // Ctrl-N
    case 16: return recall(-1);                                         // Ctrl-P
    case 18:                                                            // Ctrl-R
      begin_search();
      return EditEvent::kRedraw;
    case 20:                                                            // Ctrl-T
      if (cursor_ == 0 || text_.size() < 2) return EditEvent::kNone;
      if (cursor_ == text_.size()) --cursor_;
      std::swap(text_[cursor_ - 1], text_[cursor_]);
      return move_to(cursor_ + 1);
    case 21: return erase(0, cursor_, true);                            // Ctrl-U
    case 23: return erase(word_left(), cursor_, true);                  // Ctrl-W
    case 25:                                                            // Ctrl-Y
      text_.insert(text_.begin() + static_cast<ptrdiff_t>(cursor_), killed_.begin(), killed_.end());
      return move_to(cursor_ + killed_.size());
    default: return EditEvent::kNone;
  }
}

EditEvent LineEditor::alt(unsigned char byte) {
  switch (byte) {
    case '\r':
    case '\n': return insert('\n');
    case 'b': return move_to(word_left());
    case 'f': return move_to(word_right());
    case 'd': return erase(cursor_, word_right(), true);
    case 0x7f: return erase(word_left(), cursor_, true);
    default: return EditEvent::kNone;
  }
}

EditEvent LineEditor::sequence(char final) {
  const bool by_word = pending_.find(";5") != std::string::npos || pending_.find(";3") != std::string::npos;
  switch (final) {
    case 'A': return recall(-1);
    case 'B': return recall(1);
    case 'C': return move_to(by_word ? word_right() : right_of(cursor_));
    case 'D': return move_to(by_word ? word_left() : left_of(cursor_));
    case 'H': return move_to(0);
    case 'F': return move_to(text_.size());
    case '~':
      if (pending_ == "200") pasting_ = true;
      if (pending_ == "201") pasting_ = false;
      if (pending_ == "1" || pending_ == "7") return move_to(0);
      if (pending_ == "4" || pending_ == "8") return move_to(text_.size());
      if (pending_ == "3") return erase(cursor_, right_of(cursor_), false);
      return EditEvent::kNone;
    default: return EditEvent::kNone;
  }
}

EditEvent LineEditor::insert(uint32_t code) {
  if (text_.size() >= kMaxCodePoints) return EditEvent::kNone;
  text_.insert(text_.begin() + static_cast<ptrdiff_t>(cursor_), code);
  ++cursor_;
  return EditEvent::kRedraw;
}

EditEvent LineEditor::move_to(size_t position) {
  cursor_ = position;
  return EditEvent::kRedraw;
}

EditEvent LineEditor::erase(size_t from, size_t to, bool keep) {
  if (from >= to) return EditEvent::kNone;
  const auto a = text_.begin() + static_cast<ptrdiff_t>(from), b = text_.begin() + static_cast<ptrdiff_t>(to);
  if (keep) killed_.assign(a, b);
  text_.erase(a, b);
  return move_to(from);
}

EditEvent LineEditor::recall(int step) {
  if ((step < 0 && recalled_ == 0) || (step > 0 && recalled_ + 1 >= history_.size())) return EditEvent::kNone;
  history_[recalled_] = text();   // edits of a recalled line last until Enter
  recalled_ = static_cast<size_t>(static_cast<ptrdiff_t>(recalled_) + step);
  set_text(history_[recalled_]);
  return EditEvent::kRedraw;
}

void LineEditor::begin_search() {
  history_[recalled_] = text();   // as recall() keeps it
  searching_ = true;
  sought_.clear();
  plain_prompt_ = prompt_;
  prompt_ = "(search) ";
  search_began_ = recalled_;
  search_cursor_ = cursor_;
  pending_.clear();
}

void LineEditor::end_search(bool keep) {
  searching_ = false;
  prompt_ = plain_prompt_;
  if (keep) return;
  recalled_ = search_began_;
  set_text(history_[recalled_]);
  cursor_ = std::min(search_cursor_, text_.size());
}

// The newest line at or before `from` that contains what is sought; the line being typed is none.
EditEvent LineEditor::find(size_t from) {
  std::string shown_sought;
  for (std::string_view rest = sought_; !rest.empty();) {
    const Utf8Char c = decode_utf8(rest);
    append_utf8(shown_sought, shown(c.code));
    rest.remove_prefix(c.length);
  }
  bool found = sought_.empty();
  for (size_t i = std::min(from + 1, history_.size() - 1); i-- > 0 && !found;) {
    const size_t at = history_[i].find(sought_);
    if (at == std::string::npos) continue;
    found = true;
    recalled_ = i;
    set_text(std::string_view(history_[i]).substr(0, at));
    const size_t before = text_.size();
    set_text(history_[i]);
    cursor_ = before;
  }
  prompt_ = cat(found ? "(search) " : "(no match) ", shown_sought, shown_sought.empty() ? "" : ": ");
  return EditEvent::kRedraw;
}

// A key of the search; one that ends it and is for the line gives kNone.
EditEvent LineEditor::search_key(unsigned char byte) {
  constexpr unsigned char kCtrlG = 7, kBackspace = 8, kCtrlR = 18, kDelete = 0x7f;
  constexpr size_t kMaxSought = 1000;
  if (byte == kCtrlG) {
    end_search(/*keep=*/false);
    return EditEvent::kRedraw;
  }
  if (byte == kCtrlR) {
    // Older, and another text: equal lines are one.
    size_t from = recalled_;
    const std::string current = text();
    while (from > 0 && (history_[from] == current || from == recalled_)) --from;
    return find(from);
  }
  if (byte == kBackspace || byte == kDelete) {
    while (!sought_.empty() && (static_cast<unsigned char>(sought_.back()) & 0xC0) == 0x80) sought_.pop_back();
    if (!sought_.empty()) sought_.pop_back();
    if (sought_.empty()) {
      end_search(/*keep=*/false);
      begin_search();
      return EditEvent::kRedraw;
    }
    return find(history_.size() - 1);
  }
  if (byte < 0x20) {
    end_search(/*keep=*/true);
    return EditEvent::kNone;
  }
  pending_ += static_cast<char>(byte);
  const Utf8Char c = decode_utf8(pending_);
  if (c.incomplete) return EditEvent::kNone;
  pending_.clear();
  if (sought_.size() < kMaxSought) append_utf8(sought_, c.code);
  return find(std::min(recalled_, history_.size() - 1));
}

EditEvent LineEditor::complete() {
  const std::string typed = text();
  if (typed.empty() || cursor_ != text_.size()) return EditEvent::kNone;
  std::string common;
  size_t matches = 0;
  for (const std::string& c : completions_) {
    if (!c.starts_with(typed)) continue;
    if (matches++ == 0) common = c;
    else common.resize(static_cast<size_t>(std::mismatch(common.begin(), common.end(), c.begin(), c.end()).first -
                                           common.begin()));
  }
  if (matches == 0) return EditEvent::kNone;
  set_text(matches == 1 ? common + " " : common);
  return EditEvent::kRedraw;
}

// A cursor step skips combining marks, which belong to the character before them.
size_t LineEditor::left_of(size_t position) const {
  if (position == 0) return 0;
  --position;
  while (position > 0 && display_width(shown(text_[position])) == 0) --position;
  return position;
}

size_t LineEditor::right_of(size_t position) const {
  if (position >= text_.size()) return text_.size();
  ++position;
  while (position < text_.size() && display_width(shown(text_[position])) == 0) ++position;
  return position;
}

size_t LineEditor::word_left() const {
  size_t p = cursor_;
  while (p > 0 && is_space(text_[p - 1])) --p;
  while (p > 0 && !is_space(text_[p - 1])) --p;
  return p;
}

size_t LineEditor::word_right() const {
  size_t p = cursor_;
  while (p < text_.size() && is_space(text_[p])) ++p;
  while (p < text_.size() && !is_space(text_[p])) ++p;
  return p;
}

// Where the terminal's cursor stands in front of code point `index`, with the terminal's own line wrapping.
LineEditor::Position LineEditor::locate(size_t index, int columns) const {
  Position p;
  const auto advance = [&](int cells) {
    if (p.column + cells > columns) ++p.row, p.column = 0;   // a wide character does not split
    p.column += cells;
  };
  for (size_t i = 0; i < prompt_.size();) {
    const Utf8Char c = decode_utf8(std::string_view(prompt_).substr(i));
    advance(display_width(c.code));
    i += c.length;
  }
  for (size_t i = 0; i < index; ++i) advance(display_width(shown(text_[i])));
  if (p.column >= columns) ++p.row, p.column = 0;
  return p;
}

std::string LineEditor::draw(int columns) {
  columns = std::max(columns, 4);
  std::string out;
  if (drawn_cursor_row_ > 0) out += cat("\x1b[", drawn_cursor_row_, "A");
  out += cat("\r\x1b[J", prompt_);
  for (uint32_t c : text_) append_utf8(out, shown(c));
  const Position end = locate(text_.size(), columns), at = locate(cursor_, columns);
  // After a full row the terminal waits in the last column; this takes it to the row where locate() says it is.
  if (end.column == 0 && end.row > 0) out += "\r\n";
  if (end.row > at.row) out += cat("\x1b[", end.row - at.row, "A");
  out += "\r";
  if (at.column > 0) out += cat("\x1b[", at.column, "C");
  drawn_cursor_row_ = at.row;
  return out;
}

std::string LineEditor::finish_drawing(int columns) {
  cursor_ = text_.size();
  return draw(columns) + "\r\n";
}

}  // namespace mainspring::cli
