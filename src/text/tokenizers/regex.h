// Split expressions of tokenizer files: Oniguruma (Ruby) or Perl-like syntax, matched by PCRE2 with JIT.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mainspring::tok {

enum class RegexSyntax {
  kOniguruma,  // tokenizer.json: what the `tokenizers` library hands to Oniguruma
  kPerl,       // tiktoken: fancy-regex and Python's `regex`
};

// `pattern` rewritten for PCRE2 (UTF, UCP): class intersections, script names, \h, \w, interval + '+', ...
std::string translate_regex(std::string_view pattern, RegexSyntax syntax);

// Match memory of one encode call; not shared between threads.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;

 private:
  friend class Regex;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct Match {
  size_t begin, end;
};

class Regex {
 public:
  // Throws kInvalidInput when the expression is wrong or not understood.
  Regex(std::string_view pattern, RegexSyntax syntax);
  static Regex literal(std::string_view text);  // matches this text; an empty text matches nothing
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // All matches, left to right, not overlapping; an empty match right after a match is skipped (as find_iter does).
  // `text` must be valid UTF-8. Throws kInvalidInput when the expression needs too many steps.
  void find_all(std::string_view text, RegexScratch& scratch, std::vector<Match>& out) const;

 private:
  struct Impl;
  explicit Regex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mainspring::tok
