// Chat templates: the Jinja subset that Hugging Face checkpoints use, rendered as Jinja2 renders it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"

namespace mainspring {

struct TemplateLimits {
  size_t max_steps = 1'000'000;        // statements and expressions evaluated
  size_t max_output = size_t{8} << 20; // bytes
  size_t max_depth = 64;               // nesting of calls, macros and expressions
};

// A parsed template. Thread-safe, no host access, bounded by TemplateLimits.
class ChatTemplate {
 public:
  // kInvalidInput with line number and reason when the source does not parse.
  explicit ChatTemplate(std::string_view source, const TemplateLimits& limits = {});
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // `variables` is an object: messages, tools, add_generation_prompt, bos_token, eos_token, enable_thinking, ...
  // `now` (seconds since the epoch, local time zone ignored: UTC) feeds strftime_now.
  // raise_exception(...) in the template becomes Error{kInvalidInput} with the template's message.
  std::string render(const Json& variables, int64_t now) const;
  const std::string& source() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mainspring
