// Decoders of tokenizer.json, each with the behaviour of the library's class of the same name.
#include "text/tokenizers/decoder.h"

#include <algorithm>

#include "base/str.h"
#include "base/utf8.h"
#include "text/tokenizers/byte_alphabet.h"
#include "text/tokenizers/json_fields.h"
#include "text/tokenizers/pre_tokenizer.h"

namespace mainspring::tok {

int fallback_byte(std::string_view token) noexcept {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

namespace {

void replace_all(std::string& s, std::string_view from, std::string_view to) {
  if (from.empty()) return;
  for (size_t at = s.find(from); at != std::string::npos; at = s.find(from, at + to.size())) {
    s.replace(at, from.size(), to);
  }
}

// The clean-up of WordPiece and CTC: no space before punctuation and contractions.
void clean_up(std::string& s) {
  static constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},           {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"},   {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(s, from, to);
}

class ByteLevelDecoder final : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) {
      if (!append_from_alphabet(bytes, token)) bytes += token;
    }
    tokens.assign(1, replace_invalid_utf8(bytes));
  }
  bool byte_level() const override { return true; }
};

class ByteFallbackDecoder final : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (is_valid_utf8(bytes)) {
        out.push_back(bytes);
      } else {
        out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
      }
      bytes.clear();
    };
    for (std::string& token : tokens) {
      if (const int byte = fallback_byte(token); byte >= 0) {
        bytes.push_back(static_cast<char>(byte));
        continue;
      }
      flush();
      out.push_back(std::move(token));
    }
    flush();
    tokens = std::move(out);
  }
  bool byte_fallback() const override { return true; }
};

class FuseDecoder final : public Decoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::string all;
    for (const std::string& token : tokens) all += token;
    tokens.assign(1, std::move(all));
  }
};

class StripDecoder final : public Decoder {
 public:
  StripDecoder(std::string content, size_t start, size_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      std::string_view s = token;
      for (size_t i = 0; i < start_ && s.starts_with(content_); ++i) s.remove_prefix(content_.size());
      for (size_t i = 0; i < stop_ && s.ends_with(content_); ++i) s.remove_suffix(content_.size());
      if (s.size() != token.size()) token = std::string(s);
    }
  }

 private:
  std::string content_;
  size_t start_, stop_;
};

class ReplaceDecoder final : public Decoder {
 public:
  ReplaceDecoder(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(std::vector<std::string>& tokens) const override {
    RegexScratch scratch;
    std::vector<Match> matches;
    for (std::string& token : tokens) {
      pattern_.find_all(token, scratch, matches);
      if (matches.empty()) continue;
      std::string out;
      size_t done = 0;
      for (const Match& m : matches) {
        out.append(token, done, m.begin - done);
        out += content_;
        done = m.end;
      }
      out.append(token, done);
      token = std::move(out);
    }
  }

 private:
  Regex pattern_;
  std::string content_;
};

class MetaspaceDecoder final : public Decoder {
 public:
  MetaspaceDecoder(std::string mark, bool prepended) : mark_(std::move(mark)), prepended_(prepended) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) replace_all(tokens[i], mark_, i == 0 && prepended_ ? "" : " ");
  }

 private:
  std::string mark_;
  bool prepended_;
};

class WordPieceDecoder final : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (i != 0) {
        if (tokens[i].starts_with(prefix_)) {
          tokens[i].erase(0, prefix_.size());
        } else {
          tokens[i].insert(0, " ");
        }
      }
      if (cleanup_) clean_up(tokens[i]);
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

class BpeDecoder final : public Decoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) replace_all(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
  }

 private:
  std::string suffix_;
};

class CtcDecoder final : public Decoder {
 public:
  CtcDecoder(std::string pad, std::string delimiter, bool cleanup)
      : pad_(std::move(pad)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}
  void apply(std::vector<std::string>& tokens) const override {
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    std::vector<std::string> out;
    for (std::string& token : tokens) {
      replace_all(token, pad_, "");
      if (cleanup_) {
        clean_up(token);
        replace_all(token, delimiter_, " ");
      }
      if (!token.empty()) out.push_back(std::move(token));
    }
    tokens = std::move(out);
  }

 private:
  std::string pad_, delimiter_;
  bool cleanup_;
};

class SequenceDecoder final : public Decoder {
 public:
  explicit SequenceDecoder(std::vector<DecoderPtr> parts) : parts_(std::move(parts)) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (const DecoderPtr& part : parts_) part->apply(tokens);
  }
  bool byte_level() const override {
    return std::any_of(parts_.begin(), parts_.end(), [](const DecoderPtr& p) { return p->byte_level(); });
  }
  bool byte_fallback() const override {
    return std::any_of(parts_.begin(), parts_.end(), [](const DecoderPtr& p) { return p->byte_fallback(); });
  }

 private:
  std::vector<DecoderPtr> parts_;
};

DecoderPtr make_metaspace(const Json& spec) {
  const bool prepended = bool_field(spec, "add_prefix_space", true) &&
                         string_field(spec, "prepend_scheme", "always") != "never";
  return std::make_unique<MetaspaceDecoder>(character_field(spec, "replacement"), prepended);
}

std::string type_of(const Json& spec) {
  if (const Json* type = spec.find("type")) return type->as_string();
  if (spec.contains("decoders")) return "Sequence";
  if (spec.contains("suffix")) return "BPEDecoder";
  if (spec.contains("replacement")) return "Metaspace";
  if (spec.contains("prefix")) return "WordPiece";
  if (spec.contains("trim_offsets")) return "ByteLevel";
  fail(Code::kInvalidInput, "a decoder without \"type\"");
}

}  // namespace

DecoderPtr make_byte_level_decoder() { return std::make_unique<ByteLevelDecoder>(); }
DecoderPtr make_word_piece_decoder() { return std::make_unique<WordPieceDecoder>("##", true); }
DecoderPtr make_sentencepiece_decoder(bool strip_prefix) {
  std::vector<DecoderPtr> parts;
  parts.push_back(std::make_unique<ReplaceDecoder>(Regex::literal(kMetaspace), " "));
  parts.push_back(std::make_unique<ByteFallbackDecoder>());
  parts.push_back(std::make_unique<FuseDecoder>());
  if (strip_prefix) parts.push_back(std::make_unique<StripDecoder>(" ", 1, 0));
  return std::make_unique<SequenceDecoder>(std::move(parts));
}

DecoderPtr make_decoder(const Json& spec) {
  if (spec.is_null()) return nullptr;
  const std::string type = type_of(spec);
  if (type == "ByteLevel") return make_byte_level_decoder();
  if (type == "ByteFallback") return std::make_unique<ByteFallbackDecoder>();
  if (type == "Fuse") return std::make_unique<FuseDecoder>();
  if (type == "Strip") {
    return std::make_unique<StripDecoder>(character_field(spec, "content"), size_field(spec, "start", 0),
                                          size_field(spec, "stop", 0));
  }
  if (type == "Replace") return std::make_unique<ReplaceDecoder>(pattern_field(spec), spec.at("content").as_string());
  if (type == "Metaspace") return make_metaspace(spec);
  if (type == "WordPiece") {
    return std::make_unique<WordPieceDecoder>(string_field(spec, "prefix", "##"), bool_field(spec, "cleanup", true));
  }
  if (type == "BPEDecoder") return std::make_unique<BpeDecoder>(string_field(spec, "suffix", "</w>"));
  if (type == "CTC") {
    return std::make_unique<CtcDecoder>(string_field(spec, "pad_token", "<pad>"),
                                        string_field(spec, "word_delimiter_token", "|"),
                                        bool_field(spec, "cleanup", true));
  }
  if (type == "Sequence") {
    std::vector<DecoderPtr> parts;
    for (const Json& part : spec.at("decoders").as_array()) parts.push_back(make_decoder(part));
    std::erase_if(parts, [](const DecoderPtr& p) { return p == nullptr; });
    return std::make_unique<SequenceDecoder>(std::move(parts));
  }
  fail(Code::kUnsupported, "unknown decoder type ", printable(type));
}

}  // namespace mainspring::tok
