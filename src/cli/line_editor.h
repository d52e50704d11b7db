// A small line editor: keys in, edited line and screen updates out. Knows nothing of file descriptors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mainspring::cli {

enum class EditEvent {
  kNone,        // nothing visible changed
  kRedraw,
  kLine,        // Enter: take_line()
  kInterrupt,   // Ctrl-C
  kEof,         // Ctrl-D on an empty line
  kClear,       // Ctrl-L: clear the screen, then redraw
};

// Keys: arrows, Home, End, Delete, Ctrl-A B E F D H K U W T Y L P N, Alt-B F D, Ctrl-arrows, Alt-Enter (new line),
// Tab (completes a word of `completions` at the start of the line), bracketed paste. Ctrl-R searches the history while one
// types: again for an older line, Backspace for a shorter search, Ctrl-G to give up, any other key to go on with what was
// found. Text is UTF-8 of any width.
class LineEditor {
 public:
  explicit LineEditor(std::vector<std::string> completions = {}) : completions_(std::move(completions)) {}

  // One byte of keyboard input.
  EditEvent feed(unsigned char byte);
  // Starts a new line; `history` is the oldest first.
  void begin(std::string prompt, const std::vector<std::string>& history);
  std::string text() const;                 // newlines are '\n'
  size_t cursor() const noexcept { return cursor_; }   // in code points

  // Terminal bytes that bring the screen from the last drawing to the current state.
  std::string draw(int columns);
  // The same after the line was taken: the cursor goes below everything.
  std::string finish_drawing(int columns);
  void forget_drawing() noexcept { drawn_cursor_row_ = 0; }

 private:
  enum class Keys { kPlain, kEscape, kControlSequence, kSingleShift };
  struct Position {
    int row = 0, column = 0;
  };

  EditEvent plain(unsigned char byte);
  EditEvent control(unsigned char byte);
  EditEvent alt(unsigned char byte);
  EditEvent sequence(char final);
  EditEvent insert(uint32_t code);
  EditEvent move_to(size_t position);
  EditEvent erase(size_t from, size_t to, bool keep);
  EditEvent recall(int step);
  EditEvent complete();
  EditEvent search_key(unsigned char byte);
  void begin_search();
  void end_search(bool keep);
  EditEvent find(size_t from);
  size_t left_of(size_t position) const;
  size_t right_of(size_t position) const;
  size_t word_left() const;
  size_t word_right() const;
  void set_text(std::string_view utf8);
  Position locate(size_t index, int columns) const;

  std::vector<std::string> completions_;
  std::string prompt_;
  std::vector<uint32_t> text_;
  size_t cursor_ = 0;
  std::vector<uint32_t> killed_;
  std::vector<std::string> history_;   // the last entry is the line being typed
  size_t recalled_ = 0;
  Keys keys_ = Keys::kPlain;
  // While searching_: what is looked for, the prompt and the line to come back to. recalled_ is the line that was found.
  bool searching_ = false;
  std::string sought_, plain_prompt_;
  size_t search_began_ = 0, search_cursor_ = 0;
  std::string pending_;                // bytes of an unfinished character or sequence
  bool pasting_ = false;
  int drawn_cursor_row_ = 0;
};

}  // namespace mainspring::cli
