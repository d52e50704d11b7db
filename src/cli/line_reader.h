// Lines from a person or a pipe: the editor on a terminal, plain lines elsewhere; and the history file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/signals.h"
#include "cli/line_editor.h"

namespace mainspring::cli {

enum class ReadResult { kLine, kEof, kInterrupt, kTerminated };

class LineReader {
 public:
  // `edit`: use the line editor on stdin, drawing to `out_fd`; else plain lines of stdin.
  LineReader(SignalWatcher& signals, bool edit, int out_fd, std::vector<std::string> completions);

  // kInterrupt and kTerminated (SIGTERM, SIGHUP) come from the editor only; plain reading ends the program as any
  // other. The line is without its newline.
  ReadResult read(const std::string& prompt, std::string& line);
  int signal() const noexcept { return signal_; }   // of kTerminated

  std::vector<std::string>& history() noexcept { return history_; }
  // Appends unless empty or the same as the last.
  void remember(const std::string& line);

 private:
  ReadResult edit_line(const std::string& prompt, std::string& line);
  ReadResult plain_line(std::string& line);
  std::optional<unsigned char> next_byte(int wake_fd);

  SignalWatcher& signals_;
  bool edit_;
  int out_fd_;
  LineEditor editor_;
  std::vector<std::string> history_;
  std::string buffer_;      // bytes read and not used
  size_t used_ = 0;
  bool eof_ = false;
  int signal_ = 0;
};

// One entry a line; line breaks inside an entry are written as \n and backslashes as \\.
std::vector<std::string> parse_history(std::string_view text);
std::string format_history(const std::vector<std::string>& entries, size_t max_entries);
// A missing file is an empty history. Other trouble is reported by the returned text of save (empty: good), since a
// chat must not end because its history cannot be written. The file is readable by its owner only.
std::vector<std::string> load_history(const std::string& file);
std::string save_history(const std::string& file, const std::vector<std::string>& entries);

}  // namespace mainspring::cli
