// `mainspring tokenize`: text to token ids and back, without the weights.
#include <algorithm>
#include <charconv>

#include "base/str.h"
#include "cli/model_args.h"
#include "cli/output.h"

namespace mainspring::cli {
namespace {

// "504 3575", "[504, 3575]" or one a line.
std::vector<int32_t> parse_ids(std::string_view text) {
  std::vector<int32_t> ids;
  const char* p = text.data();
  const char* end = p + text.size();
  const auto separator = [](char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == ',' || c == '[' || c == ']';
  };
  while (p < end) {
    if (separator(*p)) {
      ++p;
      continue;
    }
    int32_t id = 0;
    const auto r = std::from_chars(p, end, id);
    if (r.ec != std::errc() || id < 0 || (r.ptr < end && !separator(*r.ptr)))
      fail(Code::kInvalidInput, "--decode: expected token ids, found '",
           printable(std::string_view(p, static_cast<size_t>(std::min<ptrdiff_t>(end - p, 20)))), "'");
    ids.push_back(id);
    p = r.ptr;
  }
  return ids;
}

int decode(App& app, const TextModel& model, const std::string& input) {
  const std::vector<int32_t> ids = parse_ids(input);
  const std::string text = model.detokenize(ids);
  if (app.settings.flag("json")) app.out.write(Json::object({{"text", text}}).dump() + "\n");
  else app.out.write_text(text);
  if (app.out.terminal() && !app.out.at_line_start()) app.out.write("\n");
  return 0;
}

}  // namespace

int run_tokenize(App& app) {
  const Settings& s = app.settings;
  const auto model = TextModel::load(resolve_model_path(app));
  const std::string input = read_prompt(app);
  if (s.flag("decode")) return decode(app, *model, input);
  const std::vector<int32_t> ids = model->tokenize(input, s.flag("special"), s.flag("parse-special"));
  if (s.flag("json")) {
    Json tokens = Json::array(), pieces = Json::array();
    for (int32_t id : ids) {
      tokens.push_back(int64_t{id});
      pieces.push_back(model->token_text(id));
    }
    const Json out = Json::object({{"tokens", std::move(tokens)}, {"pieces", std::move(pieces)},
                                   {"count", uint64_t{ids.size()}}});
    app.out.write(out.dump() + "\n");
    return 0;
  }
  std::string out;
  for (int32_t id : ids) out += cat(id, "\t", printable(model->token_text(id), 200), "\n");
  app.out.write(out);
  return 0;
}

}  // namespace mainspring::cli
