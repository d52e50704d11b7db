// Filters that lay text out over lines: indent, wordwrap, pprint, tojson.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"
#include "text/jinja/registry.h"

namespace mainspring::jinja {

namespace {

Value f_indent(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("indent", args, {"width", "first", "blank"}, 0);
  if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
  const std::string text = need_string(v, "the value to indent") + "\n";
  std::string indent;
  if (a[0].is_string()) {
    indent = a[0].text();
  } else {
    const int64_t width = a[0].is_missing() ? 4 : need_int(a[0], "width");
    in.require_memory(width > 0 ? static_cast<size_t>(width) : 0);
    indent.assign(width > 0 ? static_cast<size_t>(width) : 0, ' ');
  }
  const auto flag = [&](size_t i) { return !a[i].is_missing() && truth(in, a[i]); };
  const auto lines = split_lines(text, false);
  in.work(text.size());
  in.step(lines.size());
  const bool blank = flag(2);
  std::string out = flag(1) ? indent : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      out += '\n';
      if (blank || !lines[i].empty()) out += indent;
    }
    out += lines[i];
    in.require_memory(out.size());
  }
  return in.str(std::move(out), v.is_markup());
}

// Python's textwrap on one line, in code points.
class Wrapper {
 public:
  Wrapper(Interp& in, int64_t width, bool break_words, bool break_hyphens)
      : in_(in), width_(width), break_words_(break_words), break_hyphens_(break_hyphens) {}

  std::vector<std::string> run(std::string_view line) {
    text_.clear();
    for (size_t i = 0; i < line.size();) {
      const Utf8Char c = decode_utf8(line.substr(i));
      text_.push_back(c.code);
      i += c.length;
    }
    split();
    in_.step(text_.size() / 4 + chunks_.size() * 4);
    wrap();
    return std::move(lines_);
  }

 private:
  using Chunk = std::u32string;

  static bool blank(uint32_t c) { return c == ' ' || (c >= 9 && c <= 13); }
  static bool punctuated(uint32_t c) {
    return is_word(c) || c == '!' || c == '"' || c == '\'' || c == '&' || c == '.' || c == ',' || c == '?';
  }
  static bool letter(uint32_t c) { return is_word(c) && !is_decimal(c); }
  uint32_t at(size_t i) const { return i < text_.size() ? text_[i] : 0; }
  bool letter_at(size_t i) const { return i < text_.size() && letter(text_[i]); }

  // "--" and more, then a word character.
  bool dashes_then_word(size_t i) const {
    size_t j = i;
    while (at(j) == '-') ++j;
    return j - i >= 2 && j < text_.size() && is_word(text_[j]);
  }

  bool hyphen_break(size_t j) const {
    if (at(j) != '-') return false;
    const bool behind = (j >= 2 && letter(text_[j - 1]) && letter(text_[j - 2])) ||
                        (j >= 3 && letter(text_[j - 3]) && text_[j - 2] == '-' && punctuated(text_[j - 1]));
    if (!behind) return false;
    return letter_at(j + 1) && (letter_at(j + 2) || (at(j + 2) == '-' && letter_at(j + 3)));
  }

  size_t chunk_end(size_t i) const {
    size_t j = i;
    if (blank(text_[i])) {
      while (j < text_.size() && blank(text_[j])) ++j;
      return j;
    }
    if (!break_hyphens_) {
      while (j < text_.size() && !blank(text_[j])) ++j;
      return j;
    }
    if (i > 0 && punctuated(text_[i - 1]) && dashes_then_word(i)) {
      while (at(j) == '-') ++j;
      return j;
    }
    for (j = i + 1;; ++j) {
      if (hyphen_break(j)) return j + 1;
      if (j >= text_.size() || blank(text_[j])) return j;
      if (punctuated(text_[j - 1]) && dashes_then_word(j)) return j;
    }
  }

  void split() {
    chunks_.clear();
    for (size_t i = 0; i < text_.size();) {
      const size_t end = chunk_end(i);
      chunks_.emplace_back(text_.begin() + static_cast<ptrdiff_t>(i), text_.begin() + static_cast<ptrdiff_t>(end));
      i = end;
    }
    std::reverse(chunks_.begin(), chunks_.end());
  }

  static bool all_blank(const Chunk& c) {
    return std::all_of(c.begin(), c.end(), [](char32_t x) { return is_space(x); });
  }

  void long_word(std::vector<Chunk>& line, size_t used) {
    const size_t room = static_cast<size_t>(width_) - used;
    Chunk& chunk = chunks_.back();
    if (break_words_) {
      size_t end = room;
      if (break_hyphens_ && chunk.size() > room) {
        const size_t hyphen = room == 0 ? Chunk::npos : chunk.rfind(U'-', room - 1);
        if (hyphen != Chunk::npos && hyphen > 0 && chunk.find_first_not_of(U'-') < hyphen) end = hyphen + 1;
      }
      line.push_back(chunk.substr(0, end));
      chunk = chunk.substr(std::min(end, chunk.size()));
    } else if (line.empty()) {
      line.push_back(std::move(chunk));
      chunks_.pop_back();
    }
  }

  void wrap() {
    lines_.clear();
    const size_t width = static_cast<size_t>(width_);
    while (!chunks_.empty()) {
      in_.step();
      std::vector<Chunk> line;
      size_t used = 0;
      if (all_blank(chunks_.back()) && !lines_.empty()) chunks_.pop_back();
      while (!chunks_.empty() && used + chunks_.back().size() <= width) {
        used += chunks_.back().size();
        line.push_back(std::move(chunks_.back()));
        chunks_.pop_back();
      }
      if (!chunks_.empty() && chunks_.back().size() > width) long_word(line, used);
      if (!line.empty() && all_blank(line.back())) line.pop_back();
      if (line.empty()) continue;
      std::string out;
      for (const Chunk& c : line) {
        for (char32_t x : c) append_utf8(out, x);
      }
      lines_.push_back(std::move(out));
    }
  }

  Interp& in_;
  int64_t width_;
  bool break_words_, break_hyphens_;
  std::vector<uint32_t> text_;
  std::vector<Chunk> chunks_;
  std::vector<std::string> lines_;
};

Value f_wordwrap(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("wordwrap", args, {"width", "break_long_words", "wrapstring", "break_on_hyphens"}, 0);
  const int64_t width = a[0].is_missing() ? 79 : need_int(a[0], "width");
  const auto flag = [&](size_t i) { return a[i].is_missing() || truth(in, a[i]); };
  const std::string glue = a[2].is_missing() || a[2].is_none() ? "\n" : need_string(a[2], "the wrap string");
  const std::string& s = need_string(v, "the value to wrap");
  if (width <= 0 && !split_lines(s, false).empty()) fault("invalid width ", width, " (must be > 0)");
  Wrapper wrapper(in, width, flag(1), flag(3));
  std::string out;
  bool first = true;
  for (std::string_view line : split_lines(s, false)) {
    if (!std::exchange(first, false)) out += glue;
    bool first_part = true;
    for (const std::string& part : wrapper.run(line)) {
      if (!std::exchange(first_part, false)) out += glue;
      out += part;
      in.require_memory(out.size());
    }
  }
  return in.str(std::move(out));
}

Value f_pprint(Interp& in, const Value& v, Args& args) {
  bind_args("pprint", args, {}, 0);
  return in.str(pretty(in, v));
}

// As Hugging Face defines it: json.dumps(x, ensure_ascii=False, indent, separators, sort_keys), nothing escaped.
Value f_tojson(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"}, 0);
  JsonStyle style;
  style.ensure_ascii = !a[0].is_missing() && truth(in, a[0]);
  style.sort_keys = !a[3].is_missing() && truth(in, a[3]);
  if (a[1].is_string()) {
    style.indent = a[1].text();
  } else if (!a[1].is_missing() && !a[1].is_none()) {
    const int64_t n = need_int(a[1], "indent");
    in.require_memory(n > 0 ? static_cast<size_t>(n) : 0);
    style.indent = std::string(n > 0 ? static_cast<size_t>(n) : 0, ' ');
  }
  if (style.indent) style.item_separator = ",";
  if (!a[2].is_missing() && !a[2].is_none()) {
    const std::vector<Value> pair = to_vector(in, a[2]);
    if (pair.size() != 2) fault("separators must be a pair of strings");
    style.item_separator = need_string(pair[0], "the item separator");
    style.key_separator = need_string(pair[1], "the key separator");
  }
  return in.str(dump_json(in, v, style));
}

constexpr FilterEntry kFilters[] = {
    {"indent", f_indent}, {"wordwrap", f_wordwrap}, {"pprint", f_pprint}, {"tojson", f_tojson}};

}  // namespace

std::span<const FilterEntry> layout_filters() noexcept { return kFilters; }

}  // namespace mainspring::jinja
