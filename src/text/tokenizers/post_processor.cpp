// Post-processors of tokenizer.json. ByteLevel only moves offsets, so it does nothing to ids.
#include "text/tokenizers/post_processor.h"

#include <algorithm>

#include "base/str.h"
#include "text/tokenizers/json_fields.h"

namespace mainspring::tok {
namespace {

// One step of a template: special ids, or (sequence >= 0) the text.
struct TemplatePart {
  int sequence = -1;
  std::vector<int32_t> ids;
};

class TemplateProcessor final : public PostProcessor {
 public:
  TemplateProcessor(std::vector<TemplatePart> single, std::vector<TemplatePart> pair)
      : single_(std::move(single)), pair_(std::move(pair)) {}

  void apply(IdLists& lists, bool add_special_tokens) const override {
    if (lists.empty() || lists.size() > 2) {
      fail(Code::kInvalidInput, "post_processor: a template after a processor that made ", lists.size(), " sequences");
    }
    IdLists out;
    for (const TemplatePart& part : lists.size() == 2 ? pair_ : single_) {
      if (part.sequence >= 0) {
        out.push_back(lists[std::min<size_t>(static_cast<size_t>(part.sequence), lists.size() - 1)]);
      } else if (add_special_tokens) {
        out.push_back(part.ids);
      }
    }
    lists = std::move(out);
  }

 private:
  std::vector<TemplatePart> single_, pair_;
};

// BertProcessing and RobertaProcessing: cls text sep (sep? text sep)*.
class ClsSepProcessor final : public PostProcessor {
 public:
  ClsSepProcessor(int32_t cls, int32_t sep, bool double_sep) : cls_(cls), sep_(sep), double_sep_(double_sep) {}
  void apply(IdLists& lists, bool add_special_tokens) const override {
    if (!add_special_tokens) return;
    for (size_t i = 0; i < lists.size(); ++i) {
      if (i == 0) {
        lists[i].insert(lists[i].begin(), cls_);
      } else if (double_sep_) {
        lists[i].insert(lists[i].begin(), sep_);
      }
      lists[i].push_back(sep_);
    }
  }

 private:
  int32_t cls_, sep_;
  bool double_sep_;
};

class SequenceProcessor final : public PostProcessor {
 public:
  explicit SequenceProcessor(std::vector<PostProcessorPtr> parts) : parts_(std::move(parts)) {}
  void apply(IdLists& lists, bool add_special_tokens) const override {
    for (const PostProcessorPtr& part : parts_) part->apply(lists, add_special_tokens);
  }

 private:
  std::vector<PostProcessorPtr> parts_;
};

std::vector<TemplatePart> read_template(const Json& spec, std::string_view key) {
  std::vector<TemplatePart> parts;
  const Json* steps = spec.find(key);
  if (steps == nullptr || steps->is_null()) return parts;
  for (const Json& step : steps->as_array()) {
    TemplatePart part;
    if (const Json* sequence = step.find("Sequence")) {
      part.sequence = sequence->at("id").as_string() == "B" ? 1 : 0;
    } else {
      const std::string& name = step.at("SpecialToken").at("id").as_string();
      const Json* token = spec.at("special_tokens").find(name);
      if (token == nullptr) fail(Code::kInvalidInput, "post_processor: special token ", printable(name), " has no ids");
      for (const Json& id : token->at("ids").as_array()) part.ids.push_back(token_id_of(id, "post_processor"));
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

int32_t read_pair_id(const Json& spec, std::string_view key) {
  const Json::Array& pair = spec.at(key).as_array();
  if (pair.size() != 2) fail(Code::kInvalidInput, "post_processor: ", key, " is not [token, id]");
  return token_id_of(pair[1], key);
}

}  // namespace

PostProcessorPtr make_surrounding_processor(std::vector<int32_t> before, std::vector<int32_t> after) {
  if (before.empty() && after.empty()) return nullptr;
  std::vector<TemplatePart> parts;
  parts.push_back({-1, std::move(before)});
  parts.push_back({0, {}});
  parts.push_back({-1, std::move(after)});
  return std::make_unique<TemplateProcessor>(std::move(parts), std::vector<TemplatePart>{});
}

PostProcessorPtr make_post_processor(const Json& spec) {
  if (spec.is_null()) return nullptr;
  const std::string type = string_field(spec, "type", spec.contains("single") ? "TemplateProcessing" : "");
  if (type == "ByteLevel") return nullptr;
  if (type == "TemplateProcessing") {
    return std::make_unique<TemplateProcessor>(read_template(spec, "single"), read_template(spec, "pair"));
  }
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return std::make_unique<ClsSepProcessor>(read_pair_id(spec, "cls"), read_pair_id(spec, "sep"),
                                             type == "RobertaProcessing");
  }
  if (type == "Sequence") {
    std::vector<PostProcessorPtr> parts;
    for (const Json& part : spec.at("processors").as_array()) {
      if (PostProcessorPtr made = make_post_processor(part)) parts.push_back(std::move(made));
    }
    if (parts.empty()) return nullptr;
    return std::make_unique<SequenceProcessor>(std::move(parts));
  }
  fail(Code::kUnsupported, "unknown post-processor type ", printable(type));
}

}  // namespace mainspring::tok
