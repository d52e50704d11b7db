// Reading from stdin, and the history file.
#include "cli/line_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/mapped_file.h"
#include "base/str.h"
#include "base/terminal.h"

namespace mainspring::cli {
namespace {

constexpr size_t kMaxHistory = 1000;

class WakeFd {
 public:
  WakeFd() : fd_(eventfd(0, EFD_CLOEXEC)) {
    if (fd_ < 0) fail(Code::kIo, "cannot create an event: ", std::strerror(errno));
  }
  ~WakeFd() { close(fd_); }
  WakeFd(const WakeFd&) = delete;
  WakeFd& operator=(const WakeFd&) = delete;
  int fd() const noexcept { return fd_; }
  void wake() const noexcept {
    const uint64_t one = 1;
    [[maybe_unused]] ssize_t n = ::write(fd_, &one, sizeof one);
  }

 private:
  int fd_;
};

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno != EINTR && errno != EAGAIN)
      fail(Code::kIo, "cannot write to the terminal: ", std::strerror(errno));
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

LineReader::LineReader(SignalWatcher& signals, bool edit, int out_fd, std::vector<std::string> completions)
    : signals_(signals), edit_(edit), out_fd_(out_fd), editor_(std::move(completions)) {}

void LineReader::remember(const std::string& line) {
  if (!trim(line).empty() && (history_.empty() || history_.back() != line)) history_.push_back(line);
}

ReadResult LineReader::read(const std::string& prompt, std::string& line) {
  if (edit_) return edit_line(prompt, line);
  if (is_terminal(STDIN_FILENO)) write_all(out_fd_, prompt);   // a terminal too simple for the editor
  return plain_line(line);
}

// nullopt: end of input, or (wake_fd readable) a signal.
std::optional<unsigned char> LineReader::next_byte(int wake_fd) {
  while (used_ >= buffer_.size()) {
    if (eof_) return std::nullopt;
    if (wake_fd >= 0) {
      pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {wake_fd, POLLIN, 0}};
      if (poll(fds, 2, -1) < 0 && errno != EINTR) return std::nullopt;
      if (fds[1].revents) return std::nullopt;
      if (!fds[0].revents) continue;
    }
    char bytes[4096];
    const ssize_t n = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) {
      eof_ = true;
      return std::nullopt;
    }
    buffer_.assign(bytes, static_cast<size_t>(n));
    used_ = 0;
  }
  return static_cast<unsigned char>(buffer_[used_++]);
}

ReadResult LineReader::plain_line(std::string& line) {
  constexpr size_t kMaxLine = size_t{64} << 20;
  line.clear();
  for (;;) {
    const auto byte = next_byte(-1);
    if (!byte) return line.empty() ? ReadResult::kEof : ReadResult::kLine;
    if (*byte == '\n') return ReadResult::kLine;
    if (line.size() >= kMaxLine) fail(Code::kInvalidInput, "stdin: a line is longer than 64 MiB");
    line += static_cast<char>(*byte);
  }
}

ReadResult LineReader::edit_line(const std::string& prompt, std::string& line) {
  constexpr std::string_view kPasteOn = "\x1b[?2004h", kPasteOff = "\x1b[?2004l";
  WakeFd wake;
  std::atomic<int> signal{0};
  SignalWatcher::Scope scope(signals_, [&](int s) { signal = s, wake.wake(); });
  RawMode raw(STDIN_FILENO);
  editor_.begin(prompt, history_);
  write_all(out_fd_, cat(kPasteOn, editor_.draw(terminal_columns(out_fd_))));
  ReadResult result = ReadResult::kEof;
  EditEvent event = EditEvent::kNone;
  bool dirty = false;
  for (bool open = true; open;) {
    const auto byte = next_byte(wake.fd());
    if (!byte) {
      result = signal == SIGINT ? ReadResult::kInterrupt : signal ? ReadResult::kTerminated : ReadResult::kEof;
      signal_ = signal;
      break;
    }
    event = editor_.feed(*byte);
    dirty = dirty || event == EditEvent::kRedraw;
    switch (event) {
      case EditEvent::kLine: result = ReadResult::kLine, open = false; break;
      case EditEvent::kInterrupt: result = ReadResult::kInterrupt, open = false; break;
      case EditEvent::kEof: result = ReadResult::kEof, open = false; break;
      case EditEvent::kClear:
        editor_.forget_drawing();
        write_all(out_fd_, "\x1b[H\x1b[2J");
        dirty = true;
        break;
      default: break;
    }
    // A pasted page is drawn once and not once a character.
    if (open && dirty && used_ >= buffer_.size()) {
      write_all(out_fd_, editor_.draw(terminal_columns(out_fd_)));
      dirty = false;
    }
  }
  line = editor_.text();
  write_all(out_fd_, cat(editor_.finish_drawing(terminal_columns(out_fd_)), kPasteOff));
  return result;
}

std::vector<std::string> parse_history(std::string_view text) {
  std::vector<std::string> entries;
  for (std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    std::string entry;
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '\\' && i + 1 < line.size()) entry += line[++i] == 'n' ? '\n' : line[i];
      else entry += line[i];
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::string format_history(const std::vector<std::string>& entries, size_t max_entries) {
  std::string out;
  for (size_t i = entries.size() - std::min(entries.size(), max_entries); i < entries.size(); ++i) {
    for (char c : entries[i])
      out += c == '\n' ? std::string("\\n") : c == '\\' ? std::string("\\\\") : std::string(1, c);
    out += '\n';
  }
  return out;
}

std::vector<std::string> load_history(const std::string& file) {
  if (file.empty() || !file_exists(file)) return {};
  try {
    return parse_history(read_file(file, size_t{16} << 20));
  } catch (const Error&) {
    return {};   // an unreadable history is no reason not to chat; saving reports the trouble
  }
}

namespace {

bool make_parents(const std::string& file) {
  for (size_t slash = file.find('/', 1); slash != std::string::npos; slash = file.find('/', slash + 1))
    if (mkdir(file.substr(0, slash).c_str(), 0700) != 0 && errno != EEXIST) return false;
  return true;
}

}  // namespace

std::string save_history(const std::string& file, const std::vector<std::string>& entries) {
  if (file.empty()) return {};
  const std::string temporary = cat(file, ".", getpid());
  const auto trouble = [&] {
    const std::string text = cat("the history was not saved in ", printable(file, 200), ": ", std::strerror(errno));
    unlink(temporary.c_str());
    return text;
  };
  if (!make_parents(file)) return trouble();
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return trouble();
  try {
    write_all(fd, format_history(entries, kMaxHistory));
  } catch (const Error&) {
    close(fd);
    return trouble();
  }
  if (close(fd) != 0 || rename(temporary.c_str(), file.c_str()) != 0) return trouble();
  return {};
}

}  // namespace mainspring::cli
