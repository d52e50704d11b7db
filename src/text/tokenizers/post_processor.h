// Post-processors of tokenizer.json: they put special tokens around the ids of a text.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/json.h"

namespace mainspring::tok {

using IdLists = std::vector<std::vector<int32_t>>;  // as the library: a processor may turn one list into several

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  virtual void apply(IdLists& lists, bool add_special_tokens) const = 0;
};
using PostProcessorPtr = std::unique_ptr<PostProcessor>;

// `spec` is the "post_processor" member; null gives nullptr.
PostProcessorPtr make_post_processor(const Json& spec);
// `before`, the text, `after`.
PostProcessorPtr make_surrounding_processor(std::vector<int32_t> before, std::vector<int32_t> after);

}  // namespace mainspring::tok
