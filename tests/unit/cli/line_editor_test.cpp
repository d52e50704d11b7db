// The line editor: keys in, text and screen out. The screen is checked with a small terminal model.
#include "cli/line_editor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>

#include "base/terminal.h"
#include "base/utf8.h"

namespace mainspring::cli {
namespace {

EditEvent type(LineEditor& e, std::string_view keys) {
  EditEvent last = EditEvent::kNone;
  for (char c : keys) last = e.feed(static_cast<unsigned char>(c));
  return last;
}

LineEditor started(const std::vector<std::string>& history = {}) {
  LineEditor e({"/help", "/reset", "/exit"});
  e.begin("> ", history);
  return e;
}

TEST(LineEditor, TypesAndMoves) {
  LineEditor e = started();
  type(e, "helo");
  type(e, "\x1b[Dl");                       // left, insert
  EXPECT_EQ(e.text(), "hello");
  type(e, "\x01" "X\x05" "Y");              // Home, End
  EXPECT_EQ(e.text(), "XhelloY");
  type(e, "\x7f\x1b[H\x1b[3~");             // Backspace, Home, Delete
  EXPECT_EQ(e.text(), "hello");
  EXPECT_EQ(type(e, "\r"), EditEvent::kLine);
}

TEST(LineEditor, WordsAndKilling) {
  LineEditor e = started();
  type(e, "one two  three\x17");            // Ctrl-W
  EXPECT_EQ(e.text(), "one two  ");
  type(e, "\x19");                          // Ctrl-Y
  EXPECT_EQ(e.text(), "one two  three");
  type(e, "\x1b" "b\x1b[1;5D\x0b");         // Alt-B, Ctrl-Left, Ctrl-K
  EXPECT_EQ(e.text(), "one ");
  type(e, "\x15");
  EXPECT_EQ(e.text(), "");
  type(e, "ab\x14");
  EXPECT_EQ(e.text(), "ba");
}

TEST(LineEditor, CtrlRSearchesTheHistory) {
  const std::vector<std::string> history{"make test", "git log", "make chat", "git log", "über make"};
  LineEditor e = started(history);
  type(e, "draft");
  EXPECT_EQ(type(e, "\x12"), EditEvent::kRedraw);
  EXPECT_EQ(e.text(), "draft");                 // nothing is sought yet
  EXPECT_NE(e.draw(80).find("(search) draft"), std::string::npos);
  type(e, "ma");
  EXPECT_EQ(e.text(), "über make");
  EXPECT_EQ(e.cursor(), 5u);                    // in code points, at what was found
  EXPECT_NE(e.draw(80).find("(search) ma: "), std::string::npos);
  type(e, "\x12");
  EXPECT_EQ(e.text(), "make chat");
  type(e, "\x12");
  EXPECT_EQ(e.text(), "make test");
  type(e, "\x12");                              // no older one
  EXPECT_EQ(e.text(), "make test");
  type(e, "\x07");                              // Ctrl-G
  EXPECT_EQ(e.text(), "draft");
  EXPECT_EQ(e.cursor(), 5u);
  EXPECT_NE(e.draw(80).find("> draft"), std::string::npos);

  type(e, "\x12git");
  EXPECT_EQ(e.text(), "git log");
  type(e, "\x12");                              // the other one is the same text
  EXPECT_EQ(e.text(), "git log");
  type(e, "x");
  EXPECT_NE(e.draw(80).find("(no match) gitx: "), std::string::npos);
  type(e, "\x7f\x7f\x7f\x7f" "\xC3\xBC");      // Backspace to nothing, then a letter of two bytes
  EXPECT_EQ(e.text(), "über make");
  type(e, "\x05!");                             // any other key edits what was found
  EXPECT_EQ(e.text(), "über make!");
  type(e, "\x1b[A");                            // and the history goes on from there
  EXPECT_EQ(e.text(), "git log");
  type(e, "\x12" "chat\x1b[D");
  EXPECT_EQ(e.text(), "make chat");
  EXPECT_EQ(type(e, "\x12log\r"), EditEvent::kLine);
  EXPECT_EQ(e.text(), "git log");

  LineEditor empty = started();
  type(empty, "\x12" "a\x12\x7f\x7f\x12");
  EXPECT_EQ(empty.text(), "");
  EXPECT_EQ(type(empty, "\x03"), EditEvent::kInterrupt);
}

TEST(LineEditor, Utf8AndCombiningMarks) {
  LineEditor e = started();
  type(e, "日本e\xCC\x81!");                // e + combining acute
  EXPECT_EQ(e.text(), "日本e\xCC\x81!");
  type(e, "\x1b[D\x7f");                    // left over !, backspace takes e with its mark
  EXPECT_EQ(e.text(), "日本!");
  type(e, "\xFFz");                         // ill-formed byte
  EXPECT_EQ(e.text(), "日本\xEF\xBF\xBDz!");
}

TEST(LineEditor, ControlEvents) {
  LineEditor e = started();
  EXPECT_EQ(type(e, "\x04"), EditEvent::kEof);
  type(e, "a");
  EXPECT_EQ(type(e, "\x04"), EditEvent::kNone);   // at the end of text: nothing
  EXPECT_EQ(type(e, "\x03"), EditEvent::kInterrupt);
  EXPECT_EQ(type(e, "\x0c"), EditEvent::kClear);
}

TEST(LineEditor, History) {
  LineEditor e = started({"first", "second"});
  type(e, "draft\x1b[A");
  EXPECT_EQ(e.text(), "second");
  type(e, "!\x1b[A\x1b[A");                 // edits stay; no further than the oldest
  EXPECT_EQ(e.text(), "first");
  type(e, "\x1b[B");
  EXPECT_EQ(e.text(), "second!");
  type(e, "\x1bOB");                        // the other form of Down
  EXPECT_EQ(e.text(), "draft");
  EXPECT_EQ(type(e, "\x0e"), EditEvent::kNone);
}

TEST(LineEditor, PasteKeepsNewlines) {
  LineEditor e = started();
  type(e, "\x1b[200~a\rb\tc\x03" "d\x1b[201~");
  EXPECT_EQ(e.text(), "a\nb\tcd");
  type(e, "\x1b\r");                        // Alt-Enter
  EXPECT_EQ(e.text(), "a\nb\tcd\n");
  EXPECT_EQ(type(e, "\r"), EditEvent::kLine);
}

TEST(LineEditor, CompletesCommands) {
  LineEditor e = started();
  type(e, "/re\t");
  EXPECT_EQ(e.text(), "/reset ");
  e.begin("> ", {});
  EXPECT_EQ(type(e, "/\t"), EditEvent::kRedraw);
  EXPECT_EQ(e.text(), "/");
  e.begin("> ", {});
  EXPECT_EQ(type(e, "x\t"), EditEvent::kNone);
}

TEST(LineEditor, UnknownSequencesAreEaten) {
  LineEditor e = started();
  type(e, "a\x1b[99;99Zb\x1b[?25hc\x1bZd");
  EXPECT_EQ(e.text(), "abcd");
}

// Just enough of a terminal: wrapping with a pending last column, CR, LF, cursor up and right, erase below.
class Screen {
 public:
  explicit Screen(int columns) : columns_(columns) { line(0); }

  void show(std::string_view bytes) {
    for (size_t i = 0; i < bytes.size();) {
      if (bytes[i] == '\r') column_ = 0, ++i;
      else if (bytes[i] == '\n') ++row_, ++i;
      else if (bytes[i] == '\x1b') i = escape(bytes, i + 2);
      else {
        const Utf8Char c = decode_utf8(bytes.substr(i));
        put(std::string(bytes.substr(i, c.length)), display_width(c.code));
        i += c.length;
      }
    }
  }
  std::string row(size_t r) {
    std::string out;
    for (const std::string& cell : line(r)) out += cell;
    out.resize(out.find_last_not_of(' ') + 1);
    return out;
  }
  int cursor_row() const { return row_; }
  int cursor_column() const { return std::min(column_, columns_ - 1); }

 private:
  std::vector<std::string>& line(size_t r) {
    while (lines_.size() <= r) lines_.emplace_back(static_cast<size_t>(columns_), " ");
    return lines_[r];
  }
  void put(const std::string& text, int width) {
    if (column_ + width > columns_) ++row_, column_ = 0;
    line(static_cast<size_t>(row_))[static_cast<size_t>(column_)] = text;
    if (width == 2) line(static_cast<size_t>(row_))[static_cast<size_t>(column_) + 1] = "";
    column_ += width;
  }
  size_t escape(std::string_view bytes, size_t i) {
    int n = 1;
    const auto r = std::from_chars(bytes.data() + i, bytes.data() + bytes.size(), n);
    const char final = *r.ptr;
    if (final == 'A') row_ -= n;
    if (final == 'C') column_ = std::min(column_, columns_ - 1) + n;
    if (final == 'J') {
      for (size_t c = static_cast<size_t>(column_); c < static_cast<size_t>(columns_); ++c)
        line(static_cast<size_t>(row_))[c] = " ";
      lines_.resize(static_cast<size_t>(row_) + 1);
    }
    EXPECT_GE(row_, 0);
    row_ = std::max(row_, 0);
    return static_cast<size_t>(r.ptr - bytes.data()) + 1;
  }

  int columns_, row_ = 0, column_ = 0;
  std::vector<std::vector<std::string>> lines_;
};

TEST(LineEditorScreen, WrapsAndComesBack) {
  LineEditor e = started();
  Screen screen(10);
  screen.show(e.draw(10));
  for (char c : std::string("abcdefghijklmnop")) {
    type(e, std::string(1, c));
    screen.show(e.draw(10));
  }
  EXPECT_EQ(screen.row(0), "> abcdefgh");
  EXPECT_EQ(screen.row(1), "ijklmnop");
  EXPECT_EQ(screen.cursor_row(), 1);
  EXPECT_EQ(screen.cursor_column(), 8);
  type(e, "\x01");
  screen.show(e.draw(10));
  EXPECT_EQ(screen.cursor_row(), 0);
  EXPECT_EQ(screen.cursor_column(), 2);
  type(e, "\x0b" "short");
  screen.show(e.draw(10));
  EXPECT_EQ(screen.row(0), "> short");
  EXPECT_EQ(screen.row(1), "");
  screen.show(e.finish_drawing(10));
  EXPECT_EQ(screen.cursor_row(), 1);
  EXPECT_EQ(screen.cursor_column(), 0);
}

TEST(LineEditorScreen, ExactlyFullRow) {
  LineEditor e = started();
  Screen screen(10);
  type(e, "abcdefgh");                      // fills the row
  screen.show(e.draw(10));
  EXPECT_EQ(screen.cursor_row(), 1);
  EXPECT_EQ(screen.cursor_column(), 0);
  type(e, "\x7f");
  screen.show(e.draw(10));
  EXPECT_EQ(screen.row(0), "> abcdefg");
  EXPECT_EQ(screen.cursor_row(), 0);
  EXPECT_EQ(screen.cursor_column(), 9);
}

TEST(LineEditorScreen, WideCharactersDoNotSplit) {
  LineEditor e = started();
  Screen screen(10);
  type(e, "1234567日x");                    // 日 needs two cells, one is left
  screen.show(e.draw(10));
  EXPECT_EQ(screen.row(0), "> 1234567");
  EXPECT_EQ(screen.row(1), "日x");
  EXPECT_EQ(screen.cursor_column(), 3);
  type(e, "\x1b[D\x1b[D");
  screen.show(e.draw(10));
  EXPECT_EQ(screen.cursor_row(), 0);
  EXPECT_EQ(screen.cursor_column(), 9);
}

TEST(LineEditorScreen, HidesControlCharacters) {
  LineEditor e = started();
  type(e, "\x1b[200~a\nb\x1b[201~");
  EXPECT_EQ(e.text(), "a\nb");
  const std::string drawn = e.draw(40);
  EXPECT_EQ(drawn.find('\n'), std::string::npos);
  EXPECT_NE(drawn.find("a⏎b"), std::string::npos);
}

}  // namespace
}  // namespace mainspring::cli
