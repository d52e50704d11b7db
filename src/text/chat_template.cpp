// Chat templates: the public face of the template language.
#include "text/chat_template.h"

#include "base/str.h"
#include "text/jinja/ast.h"
#include "text/jinja/interp.h"

namespace mainspring {

struct ChatTemplate::Impl {
  std::string source;
  TemplateLimits limits;
  jinja::Program program;
};

namespace {

// Templates in use have up to 20 KB; the bound keeps hostile files from costing memory before the first check.
constexpr size_t kMaxSource = size_t{4} << 20;

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, const TemplateLimits& limits) : impl_(std::make_unique<Impl>()) {
  if (source.size() > kMaxSource) {
    fail(Code::kInvalidInput, "chat template: ", human_bytes(source.size()), " long, at most ", human_bytes(kMaxSource),
         " are read");
  }
  impl_->source = source;
  impl_->limits = limits;
  try {
    impl_->program = jinja::parse_template(source);
  } catch (const jinja::Fault& f) {
    fail(Code::kInvalidInput, "chat template: ", f.message);
  }
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const Json& variables, int64_t now) const {
  try {
    jinja::Interp interp(impl_->program, impl_->limits, now);
    return interp.run(variables);
  } catch (const jinja::Fault& f) {
    if (f.from_template) throw Error(Code::kInvalidInput, f.message);
    fail(Code::kInvalidInput, "chat template: ", f.message);
  }
}

const std::string& ChatTemplate::source() const noexcept { return impl_->source; }

}  // namespace mainspring
