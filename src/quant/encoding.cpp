// Looking up encodings by the numbers and names that files use.
#include "quant/encoding.h"

namespace mainspring {

namespace {
template <class Test>
const Encoding* first(Test test) noexcept {
  for (const Encoding* e : all_encoding())
    if (test(*e)) return e;
  return nullptr;
}
}  // namespace

const Encoding* find_gguf_encoding(uint32_t type) noexcept {
  return first([&](const Encoding& e) { return e.gguf_type >= 0 && static_cast<uint32_t>(e.gguf_type) == type; });
}
const Encoding* find_safetensors_encoding(std::string_view dtype) noexcept {
  return dtype.empty() ? nullptr : first([&](const Encoding& e) { return e.safetensors == dtype; });
}
const Encoding* find_encoding(std::string_view name) noexcept {
  return first([&](const Encoding& e) { return e.name == name; });
}

}  // namespace mainspring
