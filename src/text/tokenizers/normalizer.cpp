// Normalizers of tokenizer.json, each with the behaviour of the library's class of the same name.
#include "text/tokenizers/normalizer.h"

#include <algorithm>

#include "base/str.h"
#include "text/tokenizers/base64.h"
#include "text/tokenizers/byte_alphabet.h"
#include "text/tokenizers/json_fields.h"
#include "text/tokenizers/unicode.h"

namespace mainspring::tok {
namespace {

// One code point in, some bytes out; `f(code, rewrite, at, length)` writes what replaces the code point.
template <class F>
void rewrite_codes(NormalizedText& text, F&& f) {
  NormalizedText::Rewrite rewrite(text);
  const std::string& s = text.text();
  for_each_code(s, [&](uint32_t c, size_t at, size_t length) { f(c, rewrite, at, length); });
  rewrite.commit();
}

template <class Drop>
void drop_codes(NormalizedText& text, Drop&& drop) {
  rewrite_codes(text, [&](uint32_t c, NormalizedText::Rewrite& out, size_t at, size_t length) {
    if (!drop(c)) out.keep(at, at + length);
  });
}

void lowercase(NormalizedText& text) {
  rewrite_codes(text, [](uint32_t c, NormalizedText::Rewrite& out, size_t at, size_t length) {
    uint32_t second = 0;
    const uint32_t lower = to_lower(c, second);
    if (lower == c) return out.keep(at, at + length);
    std::string bytes = to_utf8(lower);
    if (second != 0) append_utf8(bytes, second);
    out.put(bytes, at);
  });
}

void apply_form(NormalizedText& text, const NormalForms& forms) {
  const std::vector<NormalPart> parts = forms.changes(text.text());
  if (parts.empty()) return;
  NormalizedText::Rewrite rewrite(text);
  size_t done = 0;
  for (const NormalPart& part : parts) {
    rewrite.keep(done, part.begin);
    rewrite.put(part.text, part.begin);
    done = part.end;
  }
  rewrite.keep(done, text.text().size());
  rewrite.commit();
}

class FormNormalizer final : public Normalizer {
 public:
  explicit FormNormalizer(NormalForm form) : forms_(form) {}
  void apply(NormalizedText& text, RegexScratch&) const override { apply_form(text, forms_); }

 private:
  NormalForms forms_;
};

class LowercaseNormalizer final : public Normalizer {
 public:
  void apply(NormalizedText& text, RegexScratch&) const override { lowercase(text); }
};

class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void apply(NormalizedText& text, RegexScratch&) const override {
    const std::string& s = text.text();
    size_t first = s.size(), last = 0;
    for_each_code(s, [&](uint32_t c, size_t at, size_t length) {
      if (is_white_space(c)) return;
      first = std::min(first, at);
      last = at + length;
    });
    NormalizedText::Rewrite rewrite(text);
    rewrite.keep(left_ ? first : 0, right_ ? last : s.size());
    rewrite.commit();
  }

 private:
  bool left_, right_;
};

class StripAccentsNormalizer final : public Normalizer {
 public:
  void apply(NormalizedText& text, RegexScratch&) const override { drop_codes(text, is_mark); }
};

class NmtNormalizer final : public Normalizer {
 public:
  void apply(NormalizedText& text, RegexScratch&) const override {
    rewrite_codes(text, [](uint32_t c, NormalizedText::Rewrite& out, size_t at, size_t length) {
      if ((c >= 1 && c <= 8) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F) return;
      const bool blank = c == 9 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
      if (blank) {
        out.put(" ", at);
      } else {
        out.keep(at, at + length);
      }
    });
  }
};

class ReplaceNormalizer final : public Normalizer {
 public:
  ReplaceNormalizer(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(NormalizedText& text, RegexScratch& scratch) const override {
    std::vector<Match> matches;
    pattern_.find_all(text.text(), scratch, matches);
    if (matches.empty()) return;
    NormalizedText::Rewrite rewrite(text);
    size_t done = 0;
    for (const Match& m : matches) {
      rewrite.keep(done, m.begin);
      rewrite.put(content_, m.end == 0 ? 0 : m.end - 1);
      done = m.end;
    }
    rewrite.keep(done, text.text().size());
    rewrite.commit();
  }

 private:
  Regex pattern_;
  std::string content_;
};

class PrependNormalizer final : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}
  void apply(NormalizedText& text, RegexScratch&) const override {
    if (text.text().empty()) return;
    NormalizedText::Rewrite rewrite(text);
    rewrite.put(prefix_, 0);
    rewrite.keep(0, text.text().size());
    rewrite.commit();
  }

 private:
  std::string prefix_;
};

class AppendNormalizer final : public Normalizer {
 public:
  explicit AppendNormalizer(std::string suffix) : suffix_(std::move(suffix)) {}
  void apply(NormalizedText& text, RegexScratch&) const override {
    NormalizedText::Rewrite rewrite(text);
    const size_t n = text.text().size();
    rewrite.keep(0, n);
    rewrite.put(suffix_, n == 0 ? 0 : n - 1);
    rewrite.commit();
  }

 private:
  std::string suffix_;
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void apply(NormalizedText& text, RegexScratch&) const override {
    const std::string old = text.text();
    NormalizedText::Rewrite rewrite(text);
    std::string one;
    for (size_t i = 0; i < old.size(); ++i) {
      one.clear();
      append_as_alphabet(one, std::string_view(old).substr(i, 1));
      rewrite.put(one, i);
    }
    rewrite.commit();
  }
};

class BertNormalizer final : public Normalizer {
 public:
  BertNormalizer(bool clean, bool chinese, bool strip_accents, bool lower)
      : clean_(clean), chinese_(chinese), lower_(lower) {
    if (strip_accents) nfd_ = std::make_unique<NormalForms>(NormalForm::kNfd);
  }

  void apply(NormalizedText& text, RegexScratch&) const override {
    if (clean_) clean(text);
    if (chinese_) {
      rewrite_codes(text, [](uint32_t c, NormalizedText::Rewrite& out, size_t at, size_t length) {
        if (!is_cjk(c)) return out.keep(at, at + length);
        out.put(" ", at);
        out.keep(at, at + length);
        out.put(" ", at);
      });
    }
    if (nfd_) {
      apply_form(text, *nfd_);
      drop_codes(text, is_nonspacing_mark);
    }
    if (lower_) lowercase(text);
  }

 private:
  static void clean(NormalizedText& text) {
    rewrite_codes(text, [](uint32_t c, NormalizedText::Rewrite& out, size_t at, size_t length) {
      const bool layout = c == '\t' || c == '\n' || c == '\r';
      if (c == 0 || c == 0xFFFD || (!layout && is_control(c))) return;
      if (c != ' ' && is_white_space(c)) {
        out.put(" ", at);
      } else {
        out.keep(at, at + length);
      }
    });
  }

  bool clean_, chinese_, lower_;
  std::unique_ptr<NormalForms> nfd_;
};

class SequenceNormalizer final : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<NormalizerPtr> parts) : parts_(std::move(parts)) {}
  void apply(NormalizedText& text, RegexScratch& scratch) const override {
    for (const NormalizerPtr& part : parts_) part->apply(text, scratch);
  }

 private:
  std::vector<NormalizerPtr> parts_;
};

NormalizerPtr make_bert(const Json& spec) {
  const bool lower = bool_field(spec, "lowercase", true);
  const Json* strip = spec.find("strip_accents");
  const bool strip_accents = strip == nullptr || strip->is_null() ? lower : strip->as_bool();
  return std::make_unique<BertNormalizer>(bool_field(spec, "clean_text", true),
                                          bool_field(spec, "handle_chinese_chars", true), strip_accents, lower);
}

NormalizerPtr make_sequence(const Json& spec) {
  std::vector<NormalizerPtr> parts;
  for (const Json& part : spec.at("normalizers").as_array()) parts.push_back(make_normalizer(part));
  return make_sequence_normalizer(std::move(parts));
}

NormalizerPtr make_precompiled(const Json& spec) {
  std::optional<std::string> map = decode_base64(spec.at("precompiled_charsmap").as_string());
  if (!map) fail(Code::kInvalidInput, "precompiled_charsmap is not valid base64");
  return make_precompiled_normalizer(std::move(*map));
}

// Files older than the "type" tag: the members tell which normalizer is meant.
std::string type_of(const Json& spec) {
  if (const Json* type = spec.find("type")) return type->as_string();
  if (spec.contains("clean_text")) return "BertNormalizer";
  if (spec.contains("strip_left")) return "Strip";
  if (spec.contains("normalizers")) return "Sequence";
  if (spec.contains("precompiled_charsmap")) return "Precompiled";
  if (spec.contains("pattern")) return "Replace";
  if (spec.contains("prepend")) return "Prepend";
  fail(Code::kInvalidInput, "a normalizer without \"type\"");
}

}  // namespace

NormalizerPtr make_sequence_normalizer(std::vector<NormalizerPtr> parts) {
  std::erase_if(parts, [](const NormalizerPtr& p) { return p == nullptr; });
  if (parts.empty()) return nullptr;
  if (parts.size() == 1) return std::move(parts.front());
  return std::make_unique<SequenceNormalizer>(std::move(parts));
}
NormalizerPtr make_prepend_normalizer(std::string text) { return std::make_unique<PrependNormalizer>(std::move(text)); }
NormalizerPtr make_replace_normalizer(Regex pattern, std::string content) {
  return std::make_unique<ReplaceNormalizer>(std::move(pattern), std::move(content));
}
NormalizerPtr make_nfc_normalizer() { return std::make_unique<FormNormalizer>(NormalForm::kNfc); }
NormalizerPtr make_bert_normalizer(bool lower) { return std::make_unique<BertNormalizer>(true, true, lower, lower); }

NormalizerPtr make_normalizer(const Json& spec) {
  if (spec.is_null()) return nullptr;
  const std::string type = type_of(spec);
  if (type == "Sequence") return make_sequence(spec);
  if (type == "NFC") return make_nfc_normalizer();
  if (type == "NFD") return std::make_unique<FormNormalizer>(NormalForm::kNfd);
  if (type == "NFKC") return std::make_unique<FormNormalizer>(NormalForm::kNfkc);
  if (type == "NFKD") return std::make_unique<FormNormalizer>(NormalForm::kNfkd);
  if (type == "Lowercase") return std::make_unique<LowercaseNormalizer>();
  if (type == "Strip") {
    return std::make_unique<StripNormalizer>(bool_field(spec, "strip_left", true),
                                             bool_field(spec, "strip_right", true));
  }
  if (type == "StripAccents") return std::make_unique<StripAccentsNormalizer>();
  if (type == "Nmt") return std::make_unique<NmtNormalizer>();
  if (type == "Replace") return make_replace_normalizer(pattern_field(spec), spec.at("content").as_string());
  if (type == "Prepend") return make_prepend_normalizer(spec.at("prepend").as_string());
  if (type == "Append") return std::make_unique<AppendNormalizer>(spec.at("append").as_string());
  if (type == "ByteLevel") return std::make_unique<ByteLevelNormalizer>();
  if (type == "BertNormalizer" || type == "Bert") return make_bert(spec);
  if (type == "Precompiled") return make_precompiled(spec);
  fail(Code::kUnsupported, "unknown normalizer type ", printable(type));
}

}  // namespace mainspring::tok
