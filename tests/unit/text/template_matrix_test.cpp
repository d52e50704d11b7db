// Every template of tests/data/templates on the committed matrix of conversations gives what Jinja2 gave.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "base/json.h"
#include "text/chat_template.h"

namespace mainspring {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

const std::string kFolder = std::string(MAINSPRING_SOURCE_DIR) + "/tests/data/templates/";

TEST(TemplateMatrix, EqualsJinja2) {
  const Json data = parse_json(read_file(kFolder + "cases.json"), "cases.json");
  const int64_t now = data.at("now").as_int();
  std::map<std::string, std::unique_ptr<ChatTemplate>> templates;
  size_t texts = 0, messages = 0, errors = 0;
  for (const Json& c : data.at("cases").as_array()) {
    const std::string& name = c.at("template").as_string();
    auto& parsed = templates[name];
    if (!parsed) parsed = std::make_unique<ChatTemplate>(read_file(kFolder + name));
    Json variables = data.at("options").at(c.at("options").as_string());
    variables.set("messages", data.at("chats").at(c.at("chat").as_string()));
    const std::string where = name + " on " + c.at("chat").as_string() + " with " + c.at("options").as_string();
    std::string got, error;
    try {
      got = parsed->render(variables, now);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::kInvalidInput) << where;
      error = e.message();
    }
    if (const Json* text = c.find("text")) {
      EXPECT_EQ(error, "") << where;
      EXPECT_EQ(got, data.at("texts").as_array()[static_cast<size_t>(text->as_int())].as_string()) << where;
      ++texts;
    } else if (const Json* message = c.find("message")) {
      EXPECT_EQ(error, message->as_string()) << where;
      ++messages;
    } else {
      EXPECT_NE(error, "") << where << ": expected " << c.at("error").as_string() << ", got " << got;
      ++errors;
    }
  }
  std::printf("%zu templates: %zu texts, %zu messages of raise_exception, %zu errors\n", templates.size(), texts,
              messages, errors);
  EXPECT_GE(templates.size(), 16u);
  EXPECT_GE(texts, 1000u);
}

}  // namespace
}  // namespace mainspring
