// json.dumps of template values, and pprint.
#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"
#include "text/jinja/stable_sort.h"

namespace mainspring::jinja {

namespace {

class JsonWriter {
 public:
  JsonWriter(Interp& in, const JsonStyle& style) : in_(in), style_(style) {}

  std::string run(const Value& v) {
    write(v);
    return std::move(out_);
  }

 private:
  void write(const Value& v) {
    in_.step();
    in_.require_memory(out_.size());
    Interp::Nested nested(in_, 1);
    switch (v.kind()) {
      case Kind::kNone: out_ += "null"; return;
      case Kind::kBool: out_ += v.as_bool() ? "true" : "false"; return;
      case Kind::kInt: out_ += cat(v.as_int()); return;
      case Kind::kFloat: out_ += real(v.as_real()); return;
      case Kind::kString: return write_string(v.text());
      case Kind::kList:
      case Kind::kTuple: return write_list(v.items());
      case Kind::kDict: return write_dict(v.as<DictObj>());
      default: fault("Object of type ", type_name(v), " is not JSON serializable");
    }
  }

  static std::string real(double d) {
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d > 0 ? "Infinity" : "-Infinity";
    return real_text(d);
  }

  void line_break() {
    if (!style_.indent) return;
    out_ += '\n';
    for (int i = 0; i < level_; ++i) out_ += *style_.indent;
  }

  void write_list(const std::vector<Value>& items) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      line_break();
      write(items[i]);
    }
    --level_;
    line_break();
    out_ += ']';
  }

  static std::string key_text(const Value& key) {
    switch (key.kind()) {
      case Kind::kNone: return "null";
      case Kind::kBool: return key.as_bool() ? "true" : "false";
      case Kind::kInt: return cat(key.as_int());
      case Kind::kFloat: return real(key.as_real());
      default: fault("keys must be str, int, float, bool or None, not ", type_name(key));
    }
  }

  void write_dict(const DictObj& d) {
    if (d.items.empty()) {
      out_ += "{}";
      return;
    }
    std::vector<const DictObj::Item*> items;
    items.reserve(d.items.size());
    for (const auto& item : d.items) items.push_back(&item);
    if (style_.sort_keys) {
      stable_sort(items,
                       [&](const auto* a, const auto* b) { return compare(in_, a->first, b->first, Order::kLess); });
    }
    out_ += '{';
    ++level_;
    bool first = true;
    for (const auto* item : items) {
      if (!std::exchange(first, false)) out_ += style_.item_separator;
      line_break();
      write_string(item->first.is_string() ? item->first.text() : key_text(item->first));
      out_ += style_.key_separator;
      write(item->second);
    }
    --level_;
    line_break();
    out_ += '}';
  }

  void unicode_escape(uint32_t unit) {
    constexpr char kHex[] = "0123456789abcdef";
    out_ += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out_ += kHex[(unit >> shift) & 15];
  }

  void write_string(std::string_view s) {
    in_.scan(s.size());
    in_.require_memory(out_.size() + s.size());
    out_ += '"';
    for (size_t i = 0; i < s.size();) {
      if (s[i] >= ' ' && s[i] < 0x7F && s[i] != '"' && s[i] != '\\') {  // the common case
        out_ += s[i++];
        continue;
      }
      const Utf8Char c = decode_utf8(s.substr(i));
      const uint32_t u = c.code;
      if (u == '"' || u == '\\') {
        out_ += '\\';
        out_ += static_cast<char>(u);
      } else if (u < 0x20) {
        constexpr std::string_view kPlain = "\n\r\t\b\f", kNames = "nrtbf";
        const size_t k = kPlain.find(static_cast<char>(u));
        if (k != std::string_view::npos) {
          out_ += '\\';
          out_ += kNames[k];
        } else {
          unicode_escape(u);
        }
      } else if (u < 0x7F || !style_.ensure_ascii) {
        append_utf8(out_, u);
      } else if (u >= 0x10000) {
        unicode_escape(0xD800 + ((u - 0x10000) >> 10));
        unicode_escape(0xDC00 + ((u - 0x10000) & 0x3FF));
      } else {
        unicode_escape(u);
      }
      i += c.length;
    }
    out_ += '"';
  }

  Interp& in_;
  const JsonStyle& style_;
  std::string out_;
  int level_ = 0;
};

// pprint.PrettyPrinter with its defaults: width 80, indent 1, dicts sorted.
class PrettyWriter {
 public:
  explicit PrettyWriter(Interp& in) : in_(in) {}

  std::string run(const Value& v) {
    format(v, 0, 0, 1);
    return std::move(out_);
  }

 private:
  static constexpr int kWidth = 80;
  using Items = std::vector<const DictObj::Item*>;

  Items sorted(const DictObj& d) {
    Items items;
    for (const auto& item : d.items) items.push_back(&item);
    stable_sort(items, [&](const auto* a, const auto* b) {
      const Value& x = a->first;
      const Value& y = b->first;
      if ((x.is_number() && y.is_number()) || (x.is_string() && y.is_string())) return compare(in_, x, y, Order::kLess);
      return std::string_view(type_name(x)) < type_name(y);
    });
    return items;
  }

  // Lists and tuples; groupby's pairs have a repr of their own, which pprint leaves alone.
  static bool wraps(const Value& v) { return v.is_sequence() && !v.as<SeqObj>().group; }

  // repr with sorted dicts
  void repr(std::string& out, const Value& v) {
    Interp::Nested nested(in_, 1);
    if (v.is(Kind::kDict)) {
      out += '{';
      bool first = true;
      for (const auto* item : sorted(v.as<DictObj>())) {
        if (!std::exchange(first, false)) out += ", ";
        repr(out, item->first);
        out += ": ";
        repr(out, item->second);
      }
      out += '}';
    } else if (wraps(v)) {
      const bool list = v.is(Kind::kList);
      out += list ? '[' : '(';
      bool first = true;
      for (const Value& item : v.items()) {
        if (!std::exchange(first, false)) out += ", ";
        repr(out, item);
      }
      out += list ? "]" : v.items().size() == 1 ? ",)" : ")";
    } else {
      append_repr(in_, out, v);
    }
  }

  int width_of(const Value& v, std::string& text) {
    repr(text, v);
    return static_cast<int>(code_points(text));
  }

  void format(const Value& v, int indent, int allowance, int level) {
    Interp::Nested nested(in_, 1);
    std::string text;
    if (width_of(v, text) <= kWidth - indent - allowance) {
      out_ += text;
    } else if (v.is(Kind::kDict)) {
      format_dict(v.as<DictObj>(), indent, allowance + 1, level);
    } else if (wraps(v)) {
      const bool list = v.is(Kind::kList);
      const std::string_view end = list ? "]" : v.items().size() == 1 ? ",)" : ")";
      out_ += list ? '[' : '(';
      format_items(v.items(), indent + 1, allowance + static_cast<int>(end.size()), level);
      out_ += end;
    } else if (v.is_string() && !v.is_markup()) {
      format_string(v.text(), indent, allowance, level);
    } else {
      out_ += text;
    }
  }

  void next_line(int indent) { out_ += cat("\n", std::string(static_cast<size_t>(indent), ' ')); }

  void format_items(const std::vector<Value>& items, int indent, int allowance, int level) {
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) {
        out_ += ',';
        next_line(indent);
      }
      format(items[i], indent, i + 1 == items.size() ? allowance : 1, level + 1);
    }
  }

  void format_dict(const DictObj& d, int indent, int allowance, int level) {
    out_ += '{';
    ++indent;
    const Items items = sorted(d);
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) {
        out_ += ',';
        next_line(indent);
      }
      std::string key;
      const int width = width_of(items[i]->first, key);
      out_ += key + ": ";
      format(items[i]->second, indent + width + 2, i + 1 == items.size() ? allowance : 1, level + 1);
    }
    out_ += '}';
  }

  // Splits at white space, keeping it at the end of each part.
  static std::vector<std::string_view> words(std::string_view line) {
    std::vector<std::string_view> parts;
    size_t start = 0;
    bool space = false;
    for (size_t i = 0; i < line.size();) {
      const Utf8Char c = decode_utf8(line.substr(i));
      const bool is = is_space(c.code);
      if (space && !is) {
        parts.push_back(line.substr(start, i - start));
        start = i;
      }
      space = is;
      i += c.length;
    }
    if (start < line.size()) parts.push_back(line.substr(start));
    return parts;
  }

  static int quoted_width(std::string_view s) { return static_cast<int>(code_points(quoted(s))); }

  void format_string(std::string_view s, int indent, int allowance, int level) {
    if (level == 1) {
      ++indent;
      ++allowance;
    }
    std::vector<std::string> chunks;
    const auto lines = split_lines(s, true);
    for (size_t i = 0; i < lines.size(); ++i) {
      const bool last_line = i + 1 == lines.size();
      const int width = kWidth - indent;
      in_.scan(lines[i].size());
      if (quoted_width(lines[i]) <= width - (last_line ? allowance : 0)) {
        chunks.push_back(quoted(lines[i]));
        continue;
      }
      const auto parts = words(lines[i]);
      std::string current;
      for (size_t j = 0; j < parts.size(); ++j) {
        const std::string candidate = cat(current, parts[j]);
        in_.step();
        in_.scan(candidate.size());
        const bool last = last_line && j + 1 == parts.size();
        if (quoted_width(candidate) > width - (last ? allowance : 0)) {
          if (!current.empty()) chunks.push_back(quoted(current));
          current = parts[j];
        } else {
          current = candidate;
        }
      }
      if (!current.empty()) chunks.push_back(quoted(current));
    }
    if (chunks.size() == 1) {
      out_ += quoted(lines.back());
      return;
    }
    if (level == 1) out_ += '(';
    for (size_t i = 0; i < chunks.size(); ++i) {
      if (i > 0) next_line(indent);
      out_ += chunks[i];
    }
    if (level == 1) out_ += ')';
  }

  Interp& in_;
  std::string out_;
};

}  // namespace

std::string dump_json(Interp& in, const Value& v, const JsonStyle& style) { return JsonWriter(in, style).run(v); }

std::string pretty(Interp& in, const Value& v) { return PrettyWriter(in).run(v); }

}  // namespace mainspring::jinja
