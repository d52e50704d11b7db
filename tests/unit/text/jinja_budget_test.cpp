// Hostile templates end with an error, soon and within bounded memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <ctime>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"

// Sanitizers and debug builds are slower and keep freed memory: there only the error counts.
#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer) || HAS_FEATURE(undefined_behavior_sanitizer)
#define EXACT_BUDGETS 0
#else
#define EXACT_BUDGETS 1
#endif

namespace mainspring {
namespace {

using ::testing::HasSubstr;

long peak_memory_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// The error of parsing or rendering; empty when there is none.
std::string error_of(const std::string& source, const Json& variables = Json::object(),
                     const TemplateLimits& limits = {}) {
  try {
    ChatTemplate(source, limits).render(variables, 0);
    return "";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kInvalidInput);
    EXPECT_EQ(e.message().find('\n'), std::string::npos) << e.message();
    return e.message();
  }
}

std::string repeated(const std::string& s, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += s;
  return out;
}

const std::vector<std::string>& bombs() {
  static const std::vector<std::string> kBombs = {
      "{% for i in range(1000) %}{% for j in range(1000) %}{% for k in range(1000) %}{% endfor %}{% endfor %}{% endfor "
      "%}",
      "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
      "{% macro f() %}{% if true %}{% for x in [1] %}{{ ((((f())))) }}{% endfor %}{% endif %}{% endmacro %}{{ f() }}",
      "{{ 'x' * 1073741824 }}",
      "{{ ['x' * 1000000] * 1000000 }}",
      "{% set a = 'x' * 1000000 %}{% for i in range(100000) %}{% set a = a + a %}{{ a }}{% endfor %}",
      "{% set ns = namespace(a='xx') %}{% for i in range(100) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
      "{% set ns = namespace(a=[1]) %}{% for i in range(100) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
      "{% set ns = namespace(a=[1]) %}{% for i in range(100) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}",
      "{% set ns = namespace(a=[1]) %}{% for i in range(100) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a | "
      "tojson }}",
      "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, "
      "ns.b] %}"
      "{% endfor %}{{ ns.a == ns.b }}",
      "{% set ns = namespace() %}{% set ns.self = ns %}{{ ns }}",
      "{{ '%1000000000d' % 1 }}",
      "{{ '{:1000000000}'.format(1) }}",
      "{{ 'x'.center(1000000000) }}",
      "{{ 'x'.ljust(1000000000, 'é') }}",
      "{{ ('a' * 1000000).replace('', 'b' * 1000) }}",
      "{{ ('a' * 1000000) | replace('a', 'b' * 1000000) }}",
      "{{ 'x' | indent(1000000000, true) }}",
      "{{ range(100001) }}",
      "{{ range(99999) | list | join('x' * 10000) }}",
      "{{ (range(99999) | list) * 1000 }}",
      "{{ 10 ** 1000000000 }}",
      "{{ '\t' * 100 | string | replace('\t', 'x' * 1000000) }}{{ '\t'.expandtabs(1000000000) }}",
      "{{ [1, 2] | batch(1000000000, 0) | list }}",
      "{{ [1] | slice(1000000000) | list }}",
      "{{ ('a b ' * 100000) | wordwrap(1) | wordwrap(2) | wordwrap(1) | wordwrap(2) | pprint | pprint | pprint | "
      "length }}"
      "{% for i in range(1000) %}{{ ('a b ' * 100000) | wordwrap(1) | length }}{% endfor %}",
      "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
      "{% call(x) [].x() %}{% endcall %}",
  };
  return kBombs;
}

TEST(JinjaBudget, BombsFailInTime) {
  double slowest = 0;
  const long before = peak_memory_kib();  // other tests of this program may have used more
  for (const std::string& bomb : bombs()) {
    const std::clock_t start = std::clock();  // processor time: other programs do not count
    EXPECT_NE(error_of(bomb), "") << bomb;
    const double ms = static_cast<double>(std::clock() - start) * 1000 / CLOCKS_PER_SEC;
    slowest = std::max(slowest, ms);
    if (EXACT_BUDGETS) {
      EXPECT_LE(ms, 200) << bomb;
    }
  }
  std::printf("%zu bombs, slowest %.0f ms\n", bombs().size(), slowest);
  if (EXACT_BUDGETS) {
    EXPECT_LE(peak_memory_kib() - before, 300 * 1024);
  }
}

TEST(JinjaBudget, DeepSyntaxIsRefused) {
  EXPECT_THAT(error_of("{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}"), HasSubstr("nested"));
  EXPECT_THAT(error_of("{{ " + repeated("[", 5000) + repeated("]", 5000) + " }}"), HasSubstr("nested"));
  EXPECT_THAT(error_of("{{ " + repeated("not ", 5000) + "1 }}"), HasSubstr("nested"));
  EXPECT_THAT(error_of("{{ " + repeated("-", 5000) + "1 }}"), HasSubstr("nested"));
  EXPECT_THAT(error_of(repeated("{% if 1 %}", 5000)), HasSubstr("nested"));
  EXPECT_THAT(error_of("{{ " + repeated("1 if 1 else ", 5000) + "1 }}"), HasSubstr("nested"));
  EXPECT_THAT(error_of("{{ a" + repeated(".b", 5000) + " }}"), HasSubstr("chain"));
}

TEST(JinjaBudget, LongChainsAreNotDeep) {
  EXPECT_EQ(error_of("{{ ''" + repeated(" + 'x'", 5000) + " }}"), "");
  EXPECT_EQ(error_of("{{ 1" + repeated(" and 1", 5000) + " }}"), "");
  EXPECT_EQ(error_of("{% if 0 %}" + repeated("{% elif 0 %}", 5000) + "{% endif %}"), "");
}

TEST(JinjaBudget, LimitsAreTheCallers) {
  TemplateLimits limits;
  limits.max_output = 10;
  EXPECT_EQ(error_of("{{ '0123456789' }}", Json::object(), limits), "");
  EXPECT_THAT(error_of("{{ '0123456789' }}x", Json::object(), limits), HasSubstr("output"));
  limits = {};
  limits.max_steps = 100;
  EXPECT_THAT(error_of("{% for i in range(1000) %}{% endfor %}", Json::object(), limits), HasSubstr("100 steps"));
  limits = {};
  limits.max_depth = 5;
  const std::string count = "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(N) }}";
  const auto depth = [&](const std::string& n) {
    std::string s = count;
    return error_of(s.replace(s.find('N'), 1, n), Json::object(), limits);
  };
  EXPECT_EQ(depth("4"), "");
  EXPECT_THAT(depth("5"), HasSubstr("nests"));
}

TEST(JinjaErrors, NameTheLine) {
  EXPECT_THAT(error_of("a\nb\n{{ }}"), HasSubstr("line 3"));
  EXPECT_THAT(error_of("a\n{% if x %}\n{% endfor %}"), HasSubstr("line 3"));
  EXPECT_THAT(error_of("\n\n{{ 1 + }}"), HasSubstr("line 3"));
  EXPECT_THAT(error_of("x\n{{ missing.attribute }}"), HasSubstr("line 2"));
  EXPECT_THAT(error_of("x\n{{ missing.attribute }}"), HasSubstr("'missing' is undefined"));
  EXPECT_THAT(error_of("\n{% include 'x' %}"), HasSubstr("line 2: 'include' is refused"));
  EXPECT_THAT(error_of("{% import 'x' as y %}"), HasSubstr("refused"));
  EXPECT_THAT(error_of("{% from 'x' import y %}"), HasSubstr("refused"));
  EXPECT_THAT(error_of("{% extends 'x' %}"), HasSubstr("refused"));
  EXPECT_THAT(error_of("{{ lipsum() }}"), HasSubstr("refused"));
  EXPECT_THAT(error_of("{{ [1] | random }}"), HasSubstr("refused"));
  EXPECT_EQ(error_of("\n{{ raise_exception('Roles must alternate!') }}"), "Roles must alternate!");
}

TEST(JinjaErrors, TheSandboxIsImmutable) {
  const Json v = Json::object({{"d", Json::object({{"a", 1}})}, {"l", Json::array({1})}});
  for (const char* s :
       {"{{ l.append(2) }}", "{{ d.update({}) }}", "{{ d.pop('a') }}", "{{ l.sort() }}", "{{ d.clear() }}"}) {
    EXPECT_THAT(error_of(s, v), HasSubstr("unsafe")) << s;
  }
  EXPECT_THAT(error_of("{{ ''.__class__.__mro__ }}", v), HasSubstr("unsafe"));
  EXPECT_THAT(error_of("{% set d.a = 2 %}", v), HasSubstr("non-namespace"));
}

TEST(ChatTemplate, RendersConcurrentlyFromOneObject) {
  const ChatTemplate t(
      "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + m | length %}{% endfor %}{{ ns.n }}");
  const Json v = Json::object({{"messages", Json::array({"é", "ab"})}});
  EXPECT_EQ(t.render(v, 0), "3");
  EXPECT_EQ(t.render(v, 0), "3");
  EXPECT_EQ(t.source().substr(0, 6), "{% set");
}

}  // namespace
}  // namespace mainspring
