// The completion scripts: complete, and accepted by the shells that are installed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/errors.h"
#include "cli/command_line.h"

namespace mainspring::cli {
namespace {

using testing::HasSubstr;

class Completion : public testing::TestWithParam<const char*> {};

TEST_P(Completion, ShellAcceptsTheScript) {
  const std::string shell = GetParam();
  const std::string find = "command -v " + shell + " >/dev/null 2>&1";
  if (std::system(find.c_str()) != 0) GTEST_SKIP() << shell << " is not installed";
  const std::string file = testing::TempDir() + "/mainspring-completion." + shell;
  std::ofstream(file) << completion_script(shell);
  const std::string check = shell + " -n '" + file + "'";
  EXPECT_EQ(std::system(check.c_str()), 0) << check;
}

TEST_P(Completion, HasEveryCommandAndOption) {
  const std::string script = completion_script(GetParam());
  for (const Command& c : command_table()) EXPECT_THAT(script, HasSubstr(std::string(c.name)));
  for (const OptionSpec& s : option_table())
    if (!s.positional_only) {
      EXPECT_THAT(script, HasSubstr(std::string(s.name)));
    }
}

INSTANTIATE_TEST_SUITE_P(Shells, Completion, testing::Values("bash", "zsh", "fish"));

// What bash offers for a half-typed line.
std::string bash_offers(const std::vector<std::string>& words) {
  const std::string file = testing::TempDir() + "/mainspring-offers.bash";
  std::ofstream script(file);
  script << completion_script("bash") << "\nCOMP_WORDS=(";
  for (const std::string& w : words) script << " '" << w << "'";
  script << ")\nCOMP_CWORD=" << words.size() - 1 << "\n_mainspring\necho \"${COMPREPLY[*]}\" > '" << file << ".out'\n";
  script.close();
  EXPECT_EQ(std::system(("bash '" + file + "'").c_str()), 0);
  std::ifstream in(file + ".out");
  std::string line;
  std::getline(in, line);
  return line;
}

TEST(BashCompletion, Offers) {
  if (std::system("command -v bash >/dev/null 2>&1") != 0) GTEST_SKIP() << "bash is not installed";
  EXPECT_EQ(bash_offers({"mainspring", "ch"}), "chat");
  EXPECT_EQ(bash_offers({"mainspring", "generate", "--max-t"}), "--max-tokens");
  EXPECT_EQ(bash_offers({"mainspring", "generate", "--kv-dtype", "int"}), "int8 int4");
  EXPECT_EQ(bash_offers({"mainspring", "generate", "--no-pre"}), "--no-prefix-cache");
  EXPECT_EQ(bash_offers({"mainspring", "completion", "f"}), "fish");
}

TEST(CompletionScript, UnknownShell) { EXPECT_THROW(completion_script("csh"), Error); }

}  // namespace
}  // namespace mainspring::cli
