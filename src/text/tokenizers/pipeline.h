// The tokenizer made of replaceable steps: added tokens, normalizer, pre-tokenizer, model, post-processor, decoder.
#pragma once

#include <memory>
#include <string>

#include "text/tokenizer.h"
#include "text/tokenizers/added_vocabulary.h"
#include "text/tokenizers/decoder.h"
#include "text/tokenizers/model.h"
#include "text/tokenizers/normalizer.h"
#include "text/tokenizers/post_processor.h"
#include "text/tokenizers/pre_tokenizer.h"

namespace mainspring::tok {

struct PipelineParts {
  NormalizerPtr normalizer;
  PreTokenizerPtr pre_tokenizer;
  ModelPtr model;
  PostProcessorPtr post_processor;
  DecoderPtr decoder;
  AddedVocabulary added;
  SpecialTokens special;

  // Gives `token` the id of its content (in the added or the model's vocabulary), or `next_id` and counts that up.
  // Needs the model and the normalizer.
  int32_t add_token(AddedToken token, int32_t& next_id);
  // With the id that `token` brings along.
  void add_token_as_is(AddedToken token);
  // The id a new added token would get.
  int32_t next_added_id() const;
  std::optional<TokenId> find(std::string_view content) const;
};

std::unique_ptr<Tokenizer> make_pipeline_tokenizer(PipelineParts parts);

}  // namespace mainspring::tok
