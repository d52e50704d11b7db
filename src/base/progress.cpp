// Drawing the progress line.
#include "base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/str.h"
#include "base/terminal.h"
#include "base/utf8.h"

namespace mainspring {
namespace {

std::string amount(ProgressUnit unit, double v) {
  if (unit == ProgressUnit::kBytes) return human_bytes(static_cast<uint64_t>(v));
  char buf[32];
  std::snprintf(buf, sizeof buf, v < 10 && v != std::floor(v) ? "%.1f" : "%.0f", v);
  return buf;
}

std::string clock_text(double seconds) {
  const auto s = static_cast<uint64_t>(std::min(seconds + 0.5, 359999.0));
  char buf[32];
  if (s >= 3600)
    std::snprintf(buf, sizeof buf, "%u:%02u:%02u", unsigned(s / 3600), unsigned(s / 60 % 60), unsigned(s % 60));
  else
    std::snprintf(buf, sizeof buf, "%u:%02u", unsigned(s / 60), unsigned(s % 60));
  return buf;
}

// The longest prefix of `line` that fits into `columns` cells.
std::string cut_to(std::string line, int columns) {
  int cells = 0;
  for (size_t i = 0; i < line.size();) {
    const Utf8Char c = decode_utf8(std::string_view(line).substr(i));
    cells += display_width(c.code);
    if (cells > columns) return line.substr(0, i);
    i += c.length;
  }
  return line;
}

}  // namespace

std::string progress_line(std::string_view label, ProgressUnit unit, uint64_t done, uint64_t total, double rate,
                          int columns) {
  std::string line = cat(printable(label, 60), " ");
  if (total > 0) {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    char percent[16];
    std::snprintf(percent, sizeof percent, " %3.0f%%", std::floor(share * 100));
    line += cat(percent, "  ", amount(unit, static_cast<double>(done)), " / ",
                amount(unit, static_cast<double>(total)));
  } else {
    line += cat("  ", amount(unit, static_cast<double>(done)));
  }
  if (rate > 0) {
    line += cat("  ", amount(unit, rate), "/s");
    if (total > done) line += cat("  ", clock_text(static_cast<double>(total - done) / rate), " left");
  }
  return cut_to(std::move(line), std::max(columns - 1, 1));
}

Progress::Progress(std::string label, ProgressUnit unit, int fd)
    : label_(std::move(label)), unit_(unit), fd_(fd), enabled_(is_terminal(fd)), start_(Clock::now()),
      last_draw_(start_) {}

Progress::~Progress() { clear(); }

void Progress::update(uint64_t done, uint64_t total) {
  if (!enabled_) return;
  std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (!started_) {
    started_ = true;
    start_ = last_draw_ = now;
    first_done_ = done;
  }
  const std::chrono::duration<double> elapsed = now - start_;
  if (elapsed.count() < 0.3 || now - last_draw_ < std::chrono::milliseconds(100)) return;
  last_draw_ = now;
  const double rate = static_cast<double>(done - std::min(first_done_, done)) / elapsed.count();
  const std::string line = progress_line(label_, unit_, done, total, rate, terminal_columns(fd_));
  const std::string bytes = cat("\r", line, "\x1b[K");
  drawn_ = write(fd_, bytes.data(), bytes.size()) > 0 || drawn_;
}

void Progress::set_label(std::string label) {
  std::lock_guard lock(mutex_);
  label_ = std::move(label);
  started_ = false;
}

void Progress::clear() {
  std::lock_guard lock(mutex_);
  if (!drawn_) return;
  drawn_ = false;
  constexpr std::string_view kErase = "\r\x1b[K";
  [[maybe_unused]] ssize_t n = write(fd_, kErase.data(), kErase.size());
}

}  // namespace mainspring
