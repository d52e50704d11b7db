// TextModel: a model's tokenizer without its weights.
#include "api/model_text.h"
#include "mainspring/engine.h"

namespace mainspring {

struct TextModel::Impl {
  std::unique_ptr<Checkpoint> checkpoint;   // only when the vocabulary lies in it
  ModelText text;
};

TextModel::TextModel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TextModel::~TextModel() = default;

std::unique_ptr<TextModel> TextModel::load(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  if (text_is_in_file(path)) impl->checkpoint = open_checkpoint(path);
  impl->text = load_model_text(path, impl->checkpoint.get(), false);
  return std::unique_ptr<TextModel>(new TextModel(std::move(impl)));
}

std::vector<int32_t> TextModel::tokenize(std::string_view text, bool add_special, bool parse_special) const {
  return impl_->text.tokenize(text, add_special, parse_special);
}
std::string TextModel::detokenize(std::span<const int32_t> tokens, bool skip_special) const {
  return impl_->text.detokenize(tokens, skip_special);
}
std::string TextModel::token_text(int32_t token) const { return impl_->text.token_text(token); }

}  // namespace mainspring
