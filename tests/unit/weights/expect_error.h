// EXPECT_ERROR(statement, code, "part of the message")
#pragma once

#include <gtest/gtest.h>

#include <string_view>

#include "base/errors.h"

namespace mainspring::testing {

template <class Fn>
void expect_error(Fn fn, Code code, std::string_view part, const char* file, int line) {
  try {
    fn();
    ADD_FAILURE_AT(file, line) << "no error, expected one with \"" << part << "\"";
  } catch (const Error& e) {
    EXPECT_STREQ(code_name(e.code()), code_name(code)) << file << ":" << line << ": " << e.what();
    EXPECT_NE(e.message().find(part), std::string::npos) << file << ":" << line << ": " << e.what();
    EXPECT_EQ(e.message().find('\n'), std::string::npos) << file << ":" << line << ": " << e.what();
  }
}

}  // namespace mainspring::testing

#define EXPECT_ERROR(statement, code, part) \
  ::mainspring::testing::expect_error([&] { statement; }, code, part, __FILE__, __LINE__)
