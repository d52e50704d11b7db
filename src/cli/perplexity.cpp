// `mainspring perplexity`: exp of the mean negative log likelihood of a text, over windows of the text.
#include <algorithm>
#include <cmath>

#include "base/progress.h"
#include "base/str.h"
#include "cli/model_args.h"
#include "cli/output.h"

namespace mainspring::cli {
namespace {

struct Likelihood {
  double sum = 0, sum_of_squares = 0;
  int64_t count = 0, windows = 0;

  void add(double nll) {
    sum += nll;
    sum_of_squares += nll * nll;
    ++count;
  }
  double mean() const { return sum / static_cast<double>(count); }
  // Standard error of the perplexity: that of the mean, through exp.
  double error() const {
    if (count < 2) return 0;
    const double n = static_cast<double>(count);
    const double variance = std::max(0.0, (sum_of_squares - sum * sum / n) / (n - 1));
    return std::sqrt(variance / n) * std::exp(mean());
  }
};

double negative_log_likelihood(std::span<const float> logits, int32_t target) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float x : logits) sum += std::exp(double{x} - top);
  return std::log(sum) + top - double{logits[static_cast<size_t>(target)]};
}

Likelihood measure(Engine& engine, const std::vector<int32_t>& tokens, int64_t window, int64_t stride) {
  const auto n = static_cast<int64_t>(tokens.size());
  Likelihood total;
  Progress progress("perplexity", ProgressUnit::kItems);
  int64_t counted = 1;   // targets below were counted; token 0 has nothing to predict it
  for (int64_t begin = 0; counted < n; begin += stride) {
    const int64_t end = std::min(begin + window, n);
    if (end - begin < 2) break;   // one token alone has nothing to predict it
    const std::span<const int32_t> part(tokens.data() + begin, static_cast<size_t>(end - begin));
    engine.score(part, true, [&](int64_t position, std::span<const float> logits) {
      const int64_t target = begin + position + 1;
      if (target >= counted && target < end)
        total.add(negative_log_likelihood(logits, tokens[static_cast<size_t>(target)]));
    });
    counted = end;
    ++total.windows;
    progress.update(static_cast<uint64_t>(counted), static_cast<uint64_t>(n));
  }
  return total;
}

}  // namespace

int run_perplexity(App& app) {
  const Settings& s = app.settings;
  const std::string text = read_input(s.text("file"));
  ModelOptions options = model_options(s);
  options.max_sequences = 1;
  if (options.context == 0 && s.chosen("window")) options.context = s.integer("window");
  const auto engine = load_engine(app, options);
  const std::vector<int32_t> tokens = engine->tokenize(text, s.flag("special"), true);
  if (tokens.size() < 2)
    fail(Code::kInvalidInput, s.text("file"), ": at least two tokens are needed, found ", tokens.size());
  const int64_t window = std::min(s.integer("window"), engine->info().context);
  const int64_t stride = s.integer("stride") > 0 ? s.integer("stride") : window;
  if (stride > window)   // it would leave out text
    fail(Code::kInvalidInput, s.get("stride").source, ": expected at most the window of ", window, " tokens, found ",
         stride);
  const Likelihood result = measure(*engine, tokens, window, stride);
  if (s.flag("json")) {
    const Json out = Json::object({{"perplexity", std::exp(result.mean())}, {"standard_error", result.error()},
                                   {"nll", result.mean()}, {"tokens", uint64_t{tokens.size()}},
                                   {"predicted", result.count}, {"window", window}, {"stride", stride},
                                   {"windows", result.windows}});
    app.out.write(out.dump() + "\n");
  } else {
    app.out.write(cat("perplexity ", fixed(std::exp(result.mean()), 4), " +/- ", fixed(result.error(), 4), " (",
                      result.count, " tokens predicted, window ", window, ", stride ", stride, ")\n"));
  }
  return 0;
}

}  // namespace mainspring::cli
