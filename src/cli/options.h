// The option table: one row describes an option for the command line, the environment, the settings file, --help, shell
// completion and --print-config.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mainspring::cli {

// One bit per sub-command.
enum CommandBit : uint32_t {
  kChat = 1u << 0,
  kGenerate = 1u << 1,
  kInspect = 1u << 2,
  kTokenize = 1u << 3,
  kPerplexity = 1u << 4,
  kLogits = 1u << 5,
  kBench = 1u << 6,
  kDoctor = 1u << 7,
  kPull = 1u << 8,
  kList = 1u << 9,
  kRm = 1u << 10,
  kVersion = 1u << 11,
  kCompletion = 1u << 12,
  kPack = 1u << 13,
  kEvery = (1u << 14) - 1,
};

enum class OptionKind {
  kFlag,     // --name, --no-name
  kInt,
  kReal,
  kBytes,    // 512M, 4GiB, 1000000
  kText,
  kPath,     // a file; "-" may mean stdin
  kModel,    // a model reference
  kChoice,
  kTexts,    // text, may be repeated
};

enum class Section { kCommand, kModel, kSampling, kCommon };   // headings of --help, in this order

struct OptionSpec {
  const char* name = nullptr;       // without dashes: "max-tokens"; MAINSPRING_MAX_TOKENS; max_tokens in files
  char letter = 0;                  // one-letter form, 0: none
  OptionKind kind = OptionKind::kText;
  const char* value = nullptr;      // placeholder in --help
  const char* fallback = nullptr;   // the default in text form; nullptr: unset
  double min = -std::numeric_limits<double>::infinity(), max = std::numeric_limits<double>::infinity();  // inclusive
  const char* choices = nullptr;    // "a|b|c"
  Section section = Section::kCommand;
  uint32_t commands = 0;
  bool shared = true;               // also from the environment and the settings file
  bool positional_only = false;     // no --name form
  const char* help = nullptr;
};

std::span<const OptionSpec> option_table();
// The row that `name` means for these commands, or nullptr.
const OptionSpec* find_option(uint32_t commands, std::string_view name);
const OptionSpec* find_letter(uint32_t commands, char letter);
std::string env_name(const OptionSpec& spec);    // MAINSPRING_MAX_TOKENS
std::string file_key(const OptionSpec& spec);    // max_tokens
std::vector<std::string> choices_of(const OptionSpec& spec);
bool takes_value(const OptionSpec& spec) noexcept;
const char* section_title(Section section) noexcept;

// A value after checking; which fields hold depends on the kind.
struct OptionValue {
  std::vector<std::string> texts;   // as given (lists: every item)
  int64_t integer = 0;              // kInt, kBytes
  double real = 0;                  // kInt, kReal
  bool flag = false;
};

// Checks the texts against the row. kInvalidInput: "WHERE: expected a number in 0..1, found '7'".
OptionValue check_value(const OptionSpec& spec, std::vector<std::string> texts, std::string_view where);

// The candidate nearest to `word` when it is near enough to be a slip of the keyboard, else "".
std::string nearest(std::string_view word, std::span<const std::string> candidates);
// ", did you mean 'x'?" or "".
std::string suggestion(std::string_view word, std::span<const std::string> candidates, std::string_view prefix = "");

}  // namespace mainspring::cli
