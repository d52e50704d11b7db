// Split rules that tokenizer.ggml.pre names. The expressions are those of each family's own tokenizer.json.
#include "text/tokenizers/gguf_pre.h"

#include "base/str.h"
#include "text/tokenizers/pre_tokenizer.h"

namespace mainspring::tok {

#define MS_CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define MS_SPACES R"(\s*[\r\n]+|\s+(?!\S)|\s+)"
#define MS_CASED_WORD                                                                              \
  R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
#define MS_UPPER_WORD                                                                              \
  R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
#define MS_LETTERS_REST R"(|[^\r\n\p{L}\p{N}]?\p{L}+|)"

const std::string_view kLlama3Pattern =
    MS_CONTRACTIONS MS_LETTERS_REST R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)" MS_SPACES;
const std::string_view kQwen2Pattern =
    MS_CONTRACTIONS MS_LETTERS_REST R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)" MS_SPACES;
const std::string_view kGpt4oPattern = MS_CASED_WORD MS_CONTRACTIONS "?|" MS_UPPER_WORD MS_CONTRACTIONS
    R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" MS_SPACES;
const std::string_view kKimiPattern =
    R"([\p{Han}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)"
    MS_CONTRACTIONS "?|"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*)"
    MS_CONTRACTIONS R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)" MS_SPACES;

namespace {

constexpr std::string_view kDigits = R"(\p{N})";
constexpr std::string_view kDigits3 = R"(\p{N}{1,3})";
constexpr std::string_view kCjk = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
constexpr std::string_view kCjkHangul = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";
#define MS_DEEPSEEK3_WORDS                                                                         \
  R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
constexpr std::string_view kDeepseek3 = MS_DEEPSEEK3_WORDS R"( ?[\p{P}\p{S}]+[\r\n]*|)" MS_SPACES;
constexpr std::string_view kSpark = MS_DEEPSEEK3_WORDS R"( ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kBloom = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+";
constexpr std::string_view kQwen35 = MS_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)" MS_SPACES;
constexpr std::string_view kTekken = MS_CASED_WORD "|" MS_UPPER_WORD R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" MS_SPACES;
constexpr std::string_view kSeedCoder = MS_CONTRACTIONS MS_LETTERS_REST R"(\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|)" MS_SPACES;
constexpr std::string_view kBailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kJais2 = MS_CONTRACTIONS MS_LETTERS_REST
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|)"
    R"(\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})";
constexpr std::string_view kExaoneMoe = MS_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr std::string_view kMiniCpm = MS_CONTRACTIONS MS_LETTERS_REST
    R"(\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|)" MS_SPACES;
constexpr std::string_view kNoContractions =
    R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)" MS_SPACES;
constexpr std::string_view kYoutuScripts =
    "[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f"
    "\ufe30-\ufe4f]+|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
constexpr std::string_view kYoutuWords = MS_CASED_WORD MS_CONTRACTIONS "?|" MS_UPPER_WORD MS_CONTRACTIONS
    R"(?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" MS_SPACES;
// DeepSeek LLM's letters: cased scripts, spelled out.
constexpr std::string_view kDeepseekLetters = 
    "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
    "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481"
    "\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b"
    "\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b"
    "\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
    "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
    "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
    "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"
    "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df"
    "\U0001e900-\U0001e943]+";
constexpr std::string_view kDeepseekMarks = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+";

std::vector<GgufPre> make_table() {
  std::vector<GgufPre> t;
  t.push_back({"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", {kLlama3Pattern}, GgufPre::kIgnoreMerges | GgufPre::kAddBos});
  t.push_back({"dbrx smaug-bpe glm4 chatglm-bpe", {kLlama3Pattern}});
  t.push_back({"qwen2 deepseek-r1-qwen kormo f2llmv2 megrez", {kQwen2Pattern}, GgufPre::kNfc});
  t.push_back({"stablelm2 hunyuan solar-open grok-2", {kQwen2Pattern}});
  t.push_back({"qwen35", {kQwen35}, GgufPre::kNfc});
  t.push_back({"ufakzeka", {kNoContractions}});
  t.push_back({"deepseek-llm", {"[\r\n]", kDeepseekLetters, kDeepseekMarks, "\\s+$", kCjkHangul, R"(\p{N}+)"}});
  t.push_back({"deepseek-coder", {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kCjkHangul, kDigits}});
  t.push_back({"deepseek-v3 hunyuan-dense joyai-llm hy_v4", {kDigits3, kCjk, kDeepseek3}});
  t.push_back({"spark2.5", {kDigits3, kCjk, kSpark, kDigits}});
  t.push_back({"youtu", {kYoutuScripts, kYoutuWords}, GgufPre::kIgnoreMerges});
  t.push_back({"falcon", {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2Pattern, "[0-9][0-9][0-9]"}});
  t.push_back({"starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", {kDigits, kGpt2Pattern}});
  t.push_back({"gpt-2 gpt2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jina-v1-en "
               "jina-v2-code roberta-bpe mpt olmo jais trillion granite-docling exaone4", {kGpt2Pattern}});
  t.push_back({"poro-chat bloom gpt3-finnish", {kBloom}});
  t.push_back({"viking", {kBloom, kDigits}});
  t.push_back({"tekken", {kTekken}, GgufPre::kIgnoreMerges | GgufPre::kAddBos});
  t.push_back({"gpt-4o llama4 kanana2 talkie minimax-m2", {kGpt4oPattern}});
  t.push_back({"granite-embed-multi-97m", {kGpt4oPattern}, GgufPre::kIgnoreMerges});
  t.push_back({"tiny_aya cohere2moe", {R"(\d{1,3}(?=(?:\d{3})*\b))", kGpt4oPattern}});
  t.push_back({"kimi-k2", {kKimiPattern}});
  t.push_back({"superbpe", {R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"}});
  t.push_back({"bailingmoe bailingmoe2 llada-moe", {kBailing}});
  t.push_back({"seed-coder", {kSeedCoder}});
  t.push_back({"jais-2", {kJais2}});
  t.push_back({"exaone-moe", {kExaoneMoe}});
  t.push_back({"minicpm5", {kDigits3, kMiniCpm}});
  t.push_back({"laguna", {R"([^\n]+|[\n]+)", kQwen2Pattern}});
  t.push_back({"chameleon", {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", kDigits,
                             R"([\p{P}!-/:-@\[-`{-~])", kGpt2Pattern}, GgufPre::kAddBos});
  t.push_back({"gemma4 granite-embed-multi-311m sarvam-moe", {R"([^\n]+|[\n]+)"}, GgufPre::kRawText});
  // Before names existed (or "default"): what the first converters wrote.
  t.push_back({"default", {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}});
  return t;
}

#undef MS_CONTRACTIONS
#undef MS_SPACES
#undef MS_CASED_WORD
#undef MS_UPPER_WORD
#undef MS_LETTERS_REST
#undef MS_DEEPSEEK3_WORDS

}  // namespace

const GgufPre& find_gguf_pre(std::string_view name) {
  static const std::vector<GgufPre> table = make_table();
  const std::string_view wanted = name.empty() ? "default" : name;
  for (const GgufPre& row : table) {
    for (const std::string_view known : split(row.names, ' ')) {
      if (known == wanted) return row;
    }
  }
  fail(Code::kUnsupported, "tokenizer.ggml.pre: unknown pre-tokenizer ", printable(name),
       "; convert the model again or use its tokenizer.json");
}

}  // namespace mainspring::tok
