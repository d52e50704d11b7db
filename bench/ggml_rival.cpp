// llama.cpp's kernels: functions found by name, and graphs built as llama.cpp builds them (src/llama-graph.cpp).
#include "ggml_rival.h"

#include <dlfcn.h>

#include <algorithm>

#include "base/errors.h"
#include "base/str.h"

namespace mainspring::bench {
namespace {

constexpr int kTypeF32 = 0, kTypeF16 = 1;
constexpr int kDeviceCpu = 0;
constexpr int kPrecisionF32 = 10;

}  // namespace

struct InitParams {  // ggml_init_params
  size_t mem_size;
  void* mem_buffer;
  bool no_alloc;
};

using LogCallback = void (*)(int level, const char* text, void* data);

// Every function used: result, name, arguments. Tensors, contexts, buffers and devices are opaque.
#define MS_GGML(X)                                                                                     \
  X(void*, ggml_init, (InitParams))                                                                    \
  X(void, ggml_free, (void*))                                                                          \
  X(const char*, ggml_version, ())                                                                     \
  X(const char*, ggml_commit, ())                                                                      \
  X(void, ggml_log_set, (LogCallback, void*))                                                          \
  X(size_t, ggml_tensor_overhead, ())                                                                  \
  X(size_t, ggml_graph_overhead_custom, (size_t, bool))                                                \
  X(size_t, ggml_row_size, (int, int64_t))                                                             \
  X(size_t, ggml_quantize_chunk, (int, const float*, void*, int64_t, int64_t, int64_t, const float*))  \
  X(void*, ggml_new_tensor_2d, (void*, int, int64_t, int64_t))                                         \
  X(void*, ggml_new_tensor_3d, (void*, int, int64_t, int64_t, int64_t))                                \
  X(void*, ggml_view_3d, (void*, void*, int64_t, int64_t, int64_t, size_t, size_t, size_t))            \
  X(void*, ggml_permute, (void*, void*, int, int, int, int))                                           \
  X(void*, ggml_cont_2d, (void*, void*, int64_t, int64_t))                                             \
  X(void*, ggml_mul_mat, (void*, void*, void*))                                                        \
  X(void*, ggml_soft_max_ext, (void*, void*, void*, float, float))                                     \
  X(void*, ggml_flash_attn_ext, (void*, void*, void*, void*, void*, float, float, float))              \
  X(bool, ggml_prec_set_acc, (void*, int))                                                             \
  X(void*, ggml_new_graph_custom, (void*, size_t, bool))                                               \
  X(void, ggml_build_forward_expand, (void*, void*))                                                   \
  X(void*, ggml_backend_cpu_init, ())                                                                  \
  X(void, ggml_backend_cpu_set_n_threads, (void*, int))                                                \
  X(void, ggml_backend_free, (void*))                                                                  \
  X(int, ggml_backend_graph_compute, (void*, void*))                                                   \
  X(void*, ggml_backend_alloc_ctx_tensors_from_buft, (void*, void*))                                   \
  X(void, ggml_backend_buffer_free, (void*))                                                           \
  X(const char*, ggml_backend_buft_name, (void*))                                                      \
  X(void, ggml_backend_tensor_set, (void*, const void*, size_t, size_t))                               \
  X(void, ggml_backend_tensor_get, (const void*, void*, size_t, size_t))                               \
  X(void*, ggml_backend_dev_by_type, (int))                                                            \
  X(void*, ggml_backend_dev_backend_reg, (void*))                                                      \
  X(void*, ggml_backend_reg_get_proc_address, (void*, const char*))                                    \
  X(bool, ggml_backend_dev_supports_op, (void*, const void*))                                          \
  X(void*, ggml_backend_dev_buffer_type, (void*))

struct GgmlApi {
#define MS_DECLARE(result, name, arguments) result(*name) arguments = nullptr;
  MS_GGML(MS_DECLARE)
#undef MS_DECLARE
};

std::unique_ptr<Ggml> Ggml::load(const std::string& folder, int threads, std::string& why) {
  std::vector<void*> libraries;
  for (const char* name : {"libggml-base.so", "libggml-cpu.so", "libggml.so"}) {
    void* library = dlopen(cat(folder, "/", name).c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
      why = dlerror();
      return nullptr;
    }
    libraries.push_back(library);
  }
  std::unique_ptr<Ggml> g(new Ggml);
  g->api_ = std::make_unique<GgmlApi>();
  const auto find = [&](const char* name) -> void* {
    for (void* library : libraries)
      if (void* symbol = dlsym(library, name)) return symbol;
    why = cat("these libraries have no ", name);
    return nullptr;
  };
#define MS_FIND(result, name, arguments)                                \
  g->api_->name = reinterpret_cast<result(*) arguments>(find(#name)); \
  if (!g->api_->name) return nullptr;
  MS_GGML(MS_FIND)
#undef MS_FIND
  g->api_->ggml_log_set([](int, const char*, void*) {}, nullptr);
  g->backend_ = g->api_->ggml_backend_cpu_init();
  if (!g->backend_) {
    why = "its CPU backend does not start";
    return nullptr;
  }
  g->api_->ggml_backend_cpu_set_n_threads(g->backend_, threads);
  return g;
}

Ggml::~Ggml() {
  if (backend_) api_->ggml_backend_free(backend_);
}

std::string Ggml::version() const { return cat("ggml ", api_->ggml_version(), " ", api_->ggml_commit()); }

void* Ggml::device() const { return api_->ggml_backend_dev_by_type(kDeviceCpu); }

void* Ggml::plain_buffer() const { return api_->ggml_backend_dev_buffer_type(device()); }

std::vector<void*> Ggml::weight_buffers() const {
  std::vector<void*> all;
  using Extra = void** (*)(void* device);
  const auto extra = reinterpret_cast<Extra>(api_->ggml_backend_reg_get_proc_address(
      api_->ggml_backend_dev_backend_reg(device()), "ggml_backend_dev_get_extra_bufts"));
  if (extra)
    for (void** p = extra(device()); p && *p; ++p) all.push_back(*p);
  all.push_back(plain_buffer());
  return all;
}

GgmlTensors::GgmlTensors(const Ggml& g, size_t tensors, size_t graph_nodes) : ggml_(g) {
  const GgmlApi& api = g.api();
  size_t bytes = api.ggml_tensor_overhead() * (tensors + 8);
  if (graph_nodes) bytes += api.ggml_graph_overhead_custom(graph_nodes, false);
  context_ = api.ggml_init({bytes, nullptr, true});
  if (!context_) fail(Code::kOutOfMemory, "ggml_init failed");
}

GgmlTensors::~GgmlTensors() {
  if (buffer_) ggml_.api().ggml_backend_buffer_free(buffer_);
  ggml_.api().ggml_free(context_);
}

bool GgmlTensors::allocate(void* buffer_type) {
  buffer_ = ggml_.api().ggml_backend_alloc_ctx_tensors_from_buft(context_, buffer_type);
  return buffer_ != nullptr;
}

void GgmlGraphs::finish(Graph g, const std::vector<void*>& outputs) {
  const GgmlApi& api = ggml_.api();
  g.first = outputs.front();
  g.operations = static_cast<int>(outputs.size());
  g.graph = api.ggml_new_graph_custom(g.tensors->context(), outputs.size() * 16, false);
  for (void* y : outputs) api.ggml_build_forward_expand(g.graph, y);
  graphs_.push_back(std::move(g));
}

int GgmlGraphs::run() {
  const Graph& g = graphs_[next_++ % graphs_.size()];
  if (ggml_.api().ggml_backend_graph_compute(ggml_.backend(), g.graph) != 0)
    fail(Code::kInternal, "ggml_backend_graph_compute failed");
  return g.operations;
}

std::vector<float> GgmlGraphs::first_output(size_t n) const {
  std::vector<float> values(n);
  ggml_.api().ggml_backend_tensor_get(graphs_.front().first, values.data(), 0, n * sizeof(float));
  return values;
}

GgmlLinear::GgmlLinear(const Ggml& g, int type, int64_t out, int64_t in, const std::byte* matrix, size_t bytes,
                       int copies)
    : GgmlGraphs(g), out_(out), in_(in) {
  const GgmlApi& api = g.api();
  for (void* buffer : g.weight_buffers()) {
    auto tensors = std::make_unique<GgmlTensors>(g, static_cast<size_t>(copies));
    std::vector<void*> matrices;
    for (int i = 0; i < copies; ++i) matrices.push_back(api.ggml_new_tensor_2d(tensors->context(), type, in, out));
    if (!tensors->allocate(buffer)) continue;
    GgmlTensors probe(g, 2);  // llama.cpp asks the same question, with 512 rows (weight_buft_supported)
    void* x = api.ggml_new_tensor_2d(probe.context(), kTypeF32, in, 512);
    if (!api.ggml_backend_dev_supports_op(g.device(), api.ggml_mul_mat(probe.context(), matrices[0], x))) continue;
    for (void* m : matrices) api.ggml_backend_tensor_set(m, matrix, 0, bytes);
    weights_ = std::move(tensors);
    matrices_ = std::move(matrices);
    buffer_ = api.ggml_backend_buft_name(buffer);
    return;
  }
  fail(Code::kUnsupported, "no buffer of llama.cpp takes weights of type ", type);
}

void GgmlLinear::set_input(const std::vector<float>& x, int64_t rows, int operations) {
  const GgmlApi& api = ggml_.api();
  graphs_.clear();
  next_ = 0;
  for (size_t at = 0; at < matrices_.size(); at += static_cast<size_t>(operations)) {
    const size_t end = std::min(at + static_cast<size_t>(operations), matrices_.size());
    Graph g{std::make_unique<GgmlTensors>(ggml_, end - at + 1, (end - at) * 16)};
    void* input = api.ggml_new_tensor_2d(g.tensors->context(), kTypeF32, in_, rows);
    std::vector<void*> outputs;
    for (size_t i = at; i < end; ++i) outputs.push_back(api.ggml_mul_mat(g.tensors->context(), matrices_[i], input));
    if (!g.tensors->allocate(ggml_.plain_buffer())) fail(Code::kOutOfMemory, "ggml cannot allocate its outputs");
    api.ggml_backend_tensor_set(input, x.data(), 0, x.size() * sizeof(float));
    finish(std::move(g), outputs);
  }
}

namespace {

// [tokens, width] to [width, tokens].
std::vector<float> transposed(const std::vector<float>& x, int64_t tokens, int64_t width) {
  std::vector<float> y(x.size());
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t i = 0; i < width; ++i) y[static_cast<size_t>(i * tokens + t)] = x[static_cast<size_t>(t * width + i)];
  return y;
}

}  // namespace

GgmlAttention::GgmlAttention(const Ggml& g, int type, bool flash, const AttentionShape& s, const std::vector<float>& q,
                             const std::vector<float>& k, const std::vector<float>& v, float scale, int copies,
                             int operations)
    : GgmlGraphs(g), shape_(s), type_(type), flash_(flash) {
  const GgmlApi& api = g.api();
  const int64_t width = s.kv_heads * s.head_dim;
  cache_ = std::make_unique<GgmlTensors>(g, static_cast<size_t>(copies) * 2);
  std::vector<void*> keys, values;
  for (int i = 0; i < copies; ++i) {
    keys.push_back(api.ggml_new_tensor_2d(cache_->context(), type, width, s.tokens));
    values.push_back(flash ? api.ggml_new_tensor_2d(cache_->context(), type, width, s.tokens)
                           : api.ggml_new_tensor_2d(cache_->context(), type, s.tokens, width));
  }
  if (!cache_->allocate(g.plain_buffer())) fail(Code::kOutOfMemory, "ggml cannot allocate its cache");
  const auto fill = [&](const std::vector<void*>& tensors, const std::vector<float>& x, int64_t row) {
    const int64_t rows = static_cast<int64_t>(x.size()) / row;
    std::vector<std::byte> bytes(api.ggml_row_size(type, row) * static_cast<size_t>(rows));
    api.ggml_quantize_chunk(type, x.data(), bytes.data(), 0, rows, row, nullptr);
    for (void* t : tensors) api.ggml_backend_tensor_set(t, bytes.data(), 0, bytes.size());
  };
  fill(keys, k, width);
  fill(values, flash ? v : transposed(v, s.tokens, width), flash ? width : s.tokens);
  for (size_t at = 0; at < keys.size(); at += static_cast<size_t>(operations)) {
    const size_t end = std::min(at + static_cast<size_t>(operations), keys.size());
    Graph graph{std::make_unique<GgmlTensors>(g, (end - at) * 12 + 2, (end - at) * 16)};
    void* context = graph.tensors->context();
    void* query = api.ggml_new_tensor_3d(context, kTypeF32, s.head_dim, s.heads, 1);
    void* mask = api.ggml_new_tensor_2d(context, kTypeF16, s.tokens, 1);
    std::vector<void*> outputs;
    for (size_t i = at; i < end; ++i) outputs.push_back(product(context, query, keys[i], values[i], mask, scale));
    if (!graph.tensors->allocate(g.plain_buffer())) fail(Code::kOutOfMemory, "ggml cannot allocate its outputs");
    api.ggml_backend_tensor_set(query, q.data(), 0, q.size() * sizeof(float));
    const std::vector<uint16_t> zeros(static_cast<size_t>(s.tokens));
    api.ggml_backend_tensor_set(mask, zeros.data(), 0, zeros.size() * sizeof(uint16_t));
    finish(std::move(graph), outputs);
  }
}

void* GgmlAttention::product(void* c, void* q, void* k, void* v, void* mask, float scale) const {
  const GgmlApi& api = ggml_.api();
  const AttentionShape& s = shape_;
  const size_t row = api.ggml_row_size(type_, s.kv_heads * s.head_dim), head = api.ggml_row_size(type_, s.head_dim);
  q = api.ggml_permute(c, q, 0, 2, 1, 3);
  k = api.ggml_permute(c, api.ggml_view_3d(c, k, s.head_dim, s.kv_heads, s.tokens, head, row, 0), 0, 2, 1, 3);
  if (flash_) {
    v = api.ggml_permute(c, api.ggml_view_3d(c, v, s.head_dim, s.kv_heads, s.tokens, head, row, 0), 0, 2, 1, 3);
    void* out = api.ggml_flash_attn_ext(c, q, k, v, mask, scale, 0.0f, 0.0f);
    api.ggml_prec_set_acc(out, kPrecisionF32);
    return out;
  }
  const size_t column = api.ggml_row_size(type_, s.tokens);
  v = api.ggml_view_3d(c, v, s.tokens, s.head_dim, s.kv_heads, column, column * static_cast<size_t>(s.head_dim), 0);
  void* scores = api.ggml_mul_mat(c, k, q);
  api.ggml_prec_set_acc(scores, kPrecisionF32);
  scores = api.ggml_soft_max_ext(c, scores, mask, scale, 0.0f);
  void* out = api.ggml_permute(c, api.ggml_mul_mat(c, v, scores), 0, 2, 1, 3);
  return api.ggml_cont_2d(c, out, s.head_dim * s.heads, 1);
}

}  // namespace mainspring::bench
