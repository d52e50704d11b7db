// termios, window size and character widths.
#include "base/terminal.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "base/str.h"
#include "base/utf8.h"

namespace mainspring {

bool is_terminal(int fd) noexcept { return isatty(fd) == 1; }

int terminal_columns(int fd) noexcept {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

bool colors_wanted(int fd, const EnvGetter& env) {
  if (!is_terminal(fd) || env("NO_COLOR")) return false;
  const auto term = env("TERM");
  return term && *term != "dumb";
}

namespace {

struct Range {
  uint32_t first, last;
};

// The blocks people meet in a chat, from Unicode's EastAsianWidth.txt (W, F) and the combining and format characters
// of UnicodeData.txt; a rare character that is missing only shifts the cursor by a cell.
constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
                           {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},
                           {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},
                           {0x1F1E6, 0x1F1FF}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF},
                           {0x1FA70, 0x1FAFF}, {0x20000, 0x2FFFD}, {0x30000, 0x3FFFD}};
constexpr Range kZero[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A}, {0x064B, 0x065F},
                           {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F},
                           {0x202A, 0x202E}, {0x2060, 0x2064}, {0x20D0, 0x20FF}, {0x302A, 0x302F}, {0xFE00, 0xFE0F},
                           {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF}};

template <size_t N>
bool within(const Range (&ranges)[N], uint32_t code) {
  const Range* r = std::upper_bound(std::begin(ranges), std::end(ranges), code,
                                    [](uint32_t c, const Range& range) { return c < range.first; });
  return r != std::begin(ranges) && code <= std::prev(r)->last;
}

}  // namespace

int display_width(uint32_t code) noexcept {
  if (code < 0x300) return 1;
  if (within(kZero, code)) return 0;
  return within(kWide, code) ? 2 : 1;
}

int display_width(std::string_view utf8) noexcept {
  int cells = 0;
  for (size_t i = 0; i < utf8.size();) {
    const Utf8Char c = decode_utf8(utf8.substr(i));
    cells += display_width(c.code);
    i += c.length;
  }
  return cells;
}

std::string terminal_safe(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text.substr(i));
    const bool control = (c.code < 0x20 && c.code != '\n' && c.code != '\t') || (c.code >= 0x7f && c.code < 0xa0);
    if (c.valid && !control) {
      out.append(text.substr(i, c.length));
    } else {
      out += "\xEF\xBF\xBD";
    }
    i += c.length;
  }
  return out;
}

struct RawMode::Saved {
  termios settings{};
};

RawMode::RawMode(int fd) : fd_(fd), saved_(std::make_unique<Saved>()) {
  if (tcgetattr(fd, &saved_->settings) != 0)
    fail(Code::kIo, "cannot read the terminal's settings: ", std::strerror(errno));
  termios raw = saved_->settings;
  raw.c_iflag &= ~static_cast<tcflag_t>(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
  raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN | ISIG);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  // TCSADRAIN and not TCSAFLUSH: keys typed while an answer was printed are kept.
  if (tcsetattr(fd, TCSADRAIN, &raw) != 0)
    fail(Code::kIo, "cannot change the terminal's settings: ", std::strerror(errno));
}

RawMode::~RawMode() { tcsetattr(fd_, TCSADRAIN, &saved_->settings); }

}  // namespace mainspring
