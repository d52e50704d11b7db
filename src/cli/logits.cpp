// `mainspring logits`: the largest next-token logits, for comparing with other implementations.
#include <algorithm>
#include <fstream>
#include <numeric>

#include "base/str.h"
#include "cli/model_args.h"
#include "cli/output.h"

namespace mainspring::cli {
namespace {

// Ids of the k largest, equal values in the order of their ids.
std::vector<int32_t> largest(std::span<const float> logits, size_t k) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  k = std::min(k, ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(k), ids.end(), [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  ids.resize(k);
  return ids;
}

Json top_json(const Engine& engine, std::span<const float> logits, const std::vector<int32_t>& ids) {
  Json top = Json::array();
  for (int32_t id : ids)
    top.push_back(Json::object({{"id", int64_t{id}}, {"logit", double{logits[static_cast<size_t>(id)]}},
                                {"text", engine.detokenize(std::span(&id, 1))}}));
  return top;
}

}  // namespace

int run_logits(App& app) {
  const Settings& s = app.settings;
  const std::string text = read_prompt(app);
  ModelOptions options = model_options(s);
  options.max_sequences = 1;
  const auto engine = load_engine(app, options);
  const std::vector<int32_t> tokens = engine->tokenize(text, s.flag("special"), s.flag("parse-special"));
  if (tokens.empty()) fail(Code::kInvalidInput, "the text has no tokens");
  const bool json = s.flag("json"), all = s.flag("all");
  const std::string path = s.text("output");
  std::ofstream file;
  if (!path.empty()) file.open(path, std::ios::binary | std::ios::trunc);
  if (file.fail()) fail(Code::kIo, path, ": cannot be written");
  Json positions = Json::array();
  engine->score(tokens, all, [&](int64_t position, std::span<const float> logits) {
    const auto bytes = std::as_bytes(logits);
    if (file.is_open())   // a failed write is noticed after the run
      file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    const std::vector<int32_t> ids = largest(logits, static_cast<size_t>(s.integer("top")));
    if (json) {
      positions.push_back(Json::object({{"position", position}, {"top", top_json(*engine, logits, ids)}}));
      return;
    }
    std::string out;
    for (int32_t id : ids)
      out += cat(position, "\t", id, "\t", fixed(double{logits[static_cast<size_t>(id)]}, 4), "\t",
                 printable(engine->detokenize(std::span(&id, 1))), "\n");
    app.out.write(out);
  });
  if (file.is_open()) file.close();
  if (file.fail()) fail(Code::kIo, path, ": writing the logits failed");
  if (!json) return 0;
  Json ids = Json::array();
  for (int32_t t : tokens) ids.push_back(int64_t{t});
  Json out = Json::object({{"tokens", std::move(ids)}});
  if (all) {
    out.set("positions", std::move(positions));
  } else {
    for (const auto& [key, value] : positions.as_array().at(0).as_object()) out.set(key, value);
  }
  app.out.write(out.dump() + "\n");
  return 0;
}

}  // namespace mainspring::cli
