// PCRE2 wrapper.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/tokenizers/regex.h"

#include <pcre2.h>

#include <cstdint>
#include <string>

#include "base/str.h"
#include "text/tokenizers/unicode.h"
#include "text/tokenizers/unicode_data.h"

namespace mainspring::tok {
namespace {

constexpr uint32_t kMatchLimit = 20'000'000;  // backtracking steps per match: hostile expressions end here
constexpr size_t kJitStackMax = size_t{8} << 20;

std::string pcre_message(int code) {
  PCRE2_UCHAR buffer[160] = {};
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

// Blocks of 256 code points that hold stand-ins: the table is asked only there.
struct StandInBlocks {
  bool set[0x1100] = {};
  StandInBlocks() {
    for (const ValueRange& row : kStandIns) {
      for (uint32_t block = row.first >> 8; block <= row.last >> 8; ++block) set[block] = true;
    }
  }
};

}  // namespace

struct RegexScratch::Impl {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = nullptr;
  std::string shown;  // the text with stand-ins

  Impl() {
    if (data == nullptr || context == nullptr) fail(Code::kOutOfMemory, "no memory for a regular expression match");
    pcre2_set_match_limit(context, kMatchLimit);
  }
  ~Impl() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    if (stack != nullptr) pcre2_jit_stack_free(stack);
  }
};

RegexScratch::RegexScratch() : impl_(std::make_unique<Impl>()) {}
RegexScratch::~RegexScratch() = default;

struct Regex::Impl {
  pcre2_code* code = nullptr;
  bool jit = false;
  bool is_literal = false;
  std::string text;  // the literal, or the expression for messages

  ~Impl() { pcre2_code_free(code); }

  int match(std::string_view subject, size_t at, uint32_t options, RegexScratch::Impl& scratch) const {
    const auto* bytes = reinterpret_cast<PCRE2_SPTR>(subject.data());
    if (!jit) {
      return pcre2_match(code, bytes, subject.size(), at, options | PCRE2_NO_UTF_CHECK, scratch.data, scratch.context);
    }
    int rc = pcre2_jit_match(code, bytes, subject.size(), at, options | PCRE2_NO_UTF_CHECK, scratch.data,
                             scratch.context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && scratch.stack == nullptr) {
      scratch.stack = pcre2_jit_stack_create(64 << 10, kJitStackMax, nullptr);
      if (scratch.stack == nullptr) fail(Code::kOutOfMemory, "no memory for a regular expression match");
      pcre2_jit_stack_assign(scratch.context, nullptr, scratch.stack);
      rc = pcre2_jit_match(code, bytes, subject.size(), at, options | PCRE2_NO_UTF_CHECK, scratch.data,
                           scratch.context);
    }
    return rc;
  }

  void find_literal(std::string_view subject, std::vector<Match>& out) const {
    if (text.empty()) return;
    for (size_t at = subject.find(text); at != std::string_view::npos; at = subject.find(text, at + text.size())) {
      out.push_back({at, at + text.size()});
    }
  }
};

Regex::Regex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Regex Regex::literal(std::string_view text) {
  auto impl = std::make_unique<Impl>();
  impl->is_literal = true;
  impl->text = text;
  return Regex(std::move(impl));
}

Regex::Regex(std::string_view pattern, RegexSyntax syntax) : impl_(std::make_unique<Impl>()) {
  if (pattern.size() > 100'000) fail(Code::kInvalidInput, "regular expression of ", pattern.size(), " bytes: too long");
  impl_->text = pattern;
  const std::string source = translate_regex(pattern, syntax);
  uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
  if (syntax == RegexSyntax::kOniguruma) options |= PCRE2_MULTILINE;  // ^ and $ are line anchors in Ruby
  int error = 0;
  PCRE2_SIZE where = 0;
  impl_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(), options, &error, &where,
                              nullptr);
  if (impl_->code == nullptr) {
    fail(Code::kInvalidInput, "regular expression ", printable(pattern), ": ", pcre_message(error), " at offset ",
         where, " of ", printable(source));
  }
  impl_->jit = pcre2_jit_compile(impl_->code, PCRE2_JIT_COMPLETE) == 0;
}

// Gives PCRE2 the text it should see: `text` itself, or a copy of equal length in `scratch`.
static std::string_view shown_text(std::string_view text, std::string& copy) {
  static const StandInBlocks blocks;
  bool changed = false;
  for (size_t i = 0; i < text.size();) {
    const auto b = static_cast<unsigned char>(text[i]);
    if (b < 0x80) {
      ++i;
      continue;
    }
    const size_t n = utf8_length(text[i]);
    const auto byte = [&](size_t k) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i + k]) & 0x3F); };
    const uint32_t c = n == 2   ? (uint32_t{b} & 0x1F) << 6 | byte(1)
                       : n == 3 ? (uint32_t{b} & 0x0F) << 12 | byte(1) << 6 | byte(2)
                                : (uint32_t{b} & 0x07) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3);
    if (blocks.set[c >> 8]) {
      const uint32_t to = regex_stand_in(c);
      if (to != c) {
        if (!changed) copy.assign(text);
        changed = true;
        const std::string bytes = to_utf8(to);
        copy.replace(i, n, bytes);
      }
    }
    i += n;
  }
  return changed ? std::string_view(copy) : text;
}

void Regex::find_all(std::string_view text, RegexScratch& scratch, std::vector<Match>& out) const {
  out.clear();
  if (impl_->is_literal) return impl_->find_literal(text, out);
  RegexScratch::Impl& memory = *scratch.impl_;
  const std::string_view subject = shown_text(text, memory.shown);
  const PCRE2_SIZE* pair = pcre2_get_ovector_pointer(memory.data);
  size_t at = 0;
  size_t last_end = SIZE_MAX;
  while (at <= subject.size()) {
    const int rc = impl_->match(subject, at, 0, memory);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) {
      fail(Code::kInvalidInput, "regular expression ", printable(impl_->text), " cannot be matched: ",
           pcre_message(rc));
    }
    const size_t begin = pair[0], end = pair[1];
    if (begin == end) {
      if (end != last_end) {
        out.push_back({begin, end});
        last_end = end;
      }
      if (end >= subject.size()) break;
      at = end + utf8_length(subject[end]);
      continue;
    }
    out.push_back({begin, end});
    last_end = at = end;
  }
}

}  // namespace mainspring::tok
