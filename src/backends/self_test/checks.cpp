// Checks of the operations without weights and cache.
#include "backends/self_test/checks.h"

#include "backends/self_test/checks_detail.h"
#include "backends/self_test/host.h"

namespace mainspring::self_test {

namespace {

struct MatrixShape {
  int64_t rows, width;
};
const MatrixShape kShapes[] = {{1, 1},    {1, 576},   {3, 7},     {2, 33},   {5, 64},
                               {1, 4096}, {129, 100}, {70, 1537}, {33, 2048}};

std::string norms_at(Device& ref, Device& device, MatrixShape shape, int64_t pad, float offset) {
  Random rng(static_cast<unsigned>(shape.rows * 31 + shape.width));
  const std::string what = cat("[", shape.rows, ", ", shape.width, "] pad ", pad);
  Values x = Values::normal(rng, shape.rows, 1, shape.width, pad, 3.0f);
  Values weight = Values::normal(rng, 1, 1, shape.width);
  const Values residual = Values::normal(rng, shape.rows, 1, shape.width);
  std::vector<float> results[2][2];
  int i = 0;
  for (Device* d : {&ref, &device}) {
    Values out(shape.rows, 1, shape.width), in = x;
    run(*d, ops::RmsNorm{out.matrix(), in.matrix(), weight.vector(), 1e-5f, offset});
    results[i][0] = out.data;
    run(*d, ops::RmsNorm{in.matrix(), in.matrix(), weight.vector(), 1e-5f, offset});  // in place
    for (int64_t r = 0; r < shape.rows; ++r)
      if (std::memcmp(in.matrix().row<float>(r), out.matrix().row<float>(r), static_cast<size_t>(shape.width) * 4) != 0)
        return "rms_norm " + what + ": in place differs";
    Values once = residual;
    run(*d, ops::RmsNormAdd{once.matrix(), x.matrix(), weight.vector(), 1e-5f, offset});
    results[i++][1] = once.data;
  }
  const char* names[] = {"rms_norm", "rms_norm_add"};
  for (int k = 0; k < 2; ++k)
    if (auto e = near(cat(names[k], " ", what), results[1][k], results[0][k], ops::kRmsNormTolerance); !e.empty())
      return e;
  return "";
}

std::string norms(Device& ref, Device& device) {
  for (const MatrixShape& s : kShapes)
    for (const int64_t pad : {0, 5})
      if (auto e = norms_at(ref, device, s, pad, pad ? 1.0f : 0.0f); !e.empty()) return e;
  return "";
}

std::string head_norms(Device& ref, Device& device) {
  Random rng(5);
  for (const int64_t d : {1, 64, 80, 128, 129}) {
    Values x = Values::normal(rng, 37, 6, d, 3 * d), weight = Values::normal(rng, 1, 1, d);
    std::vector<float> results[2];
    int i = 0;
    for (Device* dev : {&ref, &device}) {
      Values in = x;
      run(*dev, ops::RmsNorm{in.cube(), in.cube(), weight.vector(), 1e-6f, 0.0f});
      results[i++] = in.data;  // the padding, too, must be as before
    }
    if (auto e = near(cat("rms_norm of heads, d ", d), results[1], results[0], ops::kRmsNormTolerance); !e.empty())
      return e;
  }
  return "";
}

std::string gated_acts(Device& ref, Device& device) {
  for (const auto act : {ops::Activation::kSilu, ops::Activation::kGeluTanh, ops::Activation::kGeluErf})
    for (const MatrixShape& s : kShapes) {
      Random rng(static_cast<unsigned>(s.width));
      Values x = Values::normal(rng, s.rows, 2, s.width, 0, 3.0f), a(s.rows, 1, s.width), b = a;
      run(ref, ops::GatedAct{a.matrix(), x.matrix(), act});
      run(device, ops::GatedAct{b.matrix(), x.matrix(), act});
      const std::string what = cat("gated_act ", static_cast<int>(act), " [", s.rows, ", ", s.width, "]");
      if (auto e = near(what, b.data, a.data, 1e-7, ops::kGatedActTolerance); !e.empty()) return e;
    }
  return "";
}

// Over the whole range, value by value. silu(x) is x * exp(x) for very negative x: it shows the error of exp itself.
std::string activation_range(Device& ref, Device& device) {
  constexpr int64_t n = 40000;
  Values x(1, 2, n), a(1, 1, n), b = a;
  for (int64_t i = 0; i < n; ++i) {
    x.data[static_cast<size_t>(i)] = static_cast<float>(-100.0 + 200.0 * static_cast<double>(i) / (n - 1));
    x.data[static_cast<size_t>(n + i)] = 1.0f;
  }
  x.data[0] = -3e38f, x.data[1] = -1000.0f, x.data[2] = 3e38f, x.data[3] = 1000.0f, x.data[4] = NAN, x.data[5] = 1e-30f;
  for (const auto act : {ops::Activation::kSilu, ops::Activation::kGeluTanh, ops::Activation::kGeluErf}) {
    run(ref, ops::GatedAct{a.matrix(), x.matrix(), act});
    run(device, ops::GatedAct{b.matrix(), x.matrix(), act});
    if (std::isnan(b.data[4]) == false) return "gated_act hides a NaN";
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      // exp: 2 ulp and three roundings. The gelus cancel for negative x; there the absolute error counts.
      const double relative = act == ops::Activation::kSilu ? 5e-7 : 2e-6;
      const double floor = act == ops::Activation::kSilu ? 1e-36 : 3e-7;
      const double off = std::fabs(double{b.data[i]} - a.data[i]);
      if (i != 4 && !(off <= relative * std::fabs(a.data[i]) + floor))
        return cat("activation ", static_cast<int>(act), " of ", x.data[i], " is ", b.data[i], ", expected ",
                   a.data[i]);
    }
  }
  return "";
}

std::string rope_tables(Device& ref, Device& device) {
  for (const float dynamic : {0.0f, 4.0f})
    for (const int64_t half : {2, 16, 32, 48, 64}) {
      Ints positions, lengths;
      for (int i = 0; i < 41; ++i) positions.data.push_back(i < 3 ? i : i * 3271), lengths.data.push_back(i * 4000 + 1);
      const int64_t t = static_cast<int64_t>(positions.data.size());
      Values inv_freq(1, 1, half), a(t, half, 2), b = a;
      for (int64_t i = 0; i < half; ++i)
        inv_freq.data[static_cast<size_t>(i)] =
            static_cast<float>(std::pow(1e4, -static_cast<double>(i) / static_cast<double>(half)));
      ops::RopeTable op{a.cube(), positions.vector(), lengths.vector(), inv_freq.vector(), 1.19f, dynamic, 1e4f, 2048};
      run(ref, op);
      op.table = b.cube();
      run(device, op);
      if (auto e = near(cat("rope_table half ", half, " dynamic ", dynamic), b.data, a.data, ops::kRopeTolerance);
          !e.empty())
        return e;
    }
  return "";
}

std::string ropes(Device& ref, Device& device) {
  for (const auto style : {ops::RopeStyle::kHalf, ops::RopeStyle::kInterleaved})
    for (const auto& [d, half] :
         {std::pair<int64_t, int64_t>{64, 32}, {80, 40}, {128, 32}, {128, 48}, {6, 3}, {2, 1}, {5, 1}})
      for (const int64_t rows : {1, 3, 120}) {
        Random rng(static_cast<unsigned>(d * rows));
        const Values x = Values::normal(rng, rows, 9, d, 2 * d);
        Values table = Values::normal(rng, rows, half, 2), a = x, b = x;
        run(ref, ops::Rope{a.cube(), table.cube(), style});
        run(device, ops::Rope{b.cube(), table.cube(), style});
        if (auto e = near(cat("rope d ", d, " r ", 2 * half, " rows ", rows), b.data, a.data, ops::kRopeTolerance);
            !e.empty())
          return e;
      }
  return "";
}

std::string gathers(Device& ref, Device& device) {
  for (const MatrixShape& s : kShapes) {
    Random rng(9);
    Values x = Values::normal(rng, s.rows, 1, s.width, 4);
    Ints rows;
    for (int64_t i = 0; i < 2 * s.rows + 1; ++i)
      rows.data.push_back(static_cast<int32_t>(rng() % static_cast<unsigned>(s.rows)));
    Values a(2 * s.rows + 1, 1, s.width), b = a;
    run(ref, ops::GatherRows{a.matrix(), x.matrix(), rows.vector()});
    run(device, ops::GatherRows{b.matrix(), x.matrix(), rows.vector()});
    if (auto e = same_bits("gather_rows", b.data, a.data); !e.empty()) return e;
  }
  return "";
}

}  // namespace

const std::vector<Check>& reference_checks() {
  static const std::vector<Check> all = {
      {"norms", norms},
      {"head_norms", head_norms},
      {"gated_acts", gated_acts},
      {"activation_range", activation_range},
      {"rope_tables", rope_tables},
      {"ropes", ropes},
      {"gathers", gathers},
      {"attention_formats", attention_formats},
      {"attention_groups", attention_groups},
      {"attention_head_dims", attention_head_dims},
      {"attention_masks", attention_masks},
      {"attention_sharp", attention_sharp},
      {"attention_range", attention_range},
      {"attention_long", attention_long},
      {"attention_invariance", attention_invariance},
      {"attention_poison", attention_poison},
      {"linear_dense", linear_dense},
      {"linear_groups", linear_groups},
      {"linear_int8_activations", linear_int8_activations},
      {"linear_invariance", linear_invariance},
      {"embed", embed},
  };
  return all;
}

}  // namespace mainspring::self_test
