// Added and special tokens as tokenizer_config.json states them.
#pragma once

#include "base/json.h"
#include "text/tokenizers/pipeline.h"

namespace mainspring::tok {

// {"content": ..., "lstrip": ..., "special": ...}
AddedToken read_added_token(const Json& spec);
// Adds what the configuration names and the tokenizer does not know yet: added_tokens_decoder, then the named tokens.
void add_config_tokens(PipelineParts& parts, const Json& config);
// bos, eos, pad and unk by name.
void read_special_tokens(PipelineParts& parts, const Json& config);

}  // namespace mainspring::tok
