// llama.cpp's kernels, loaded at run time from the folder of its libraries: products and decode attention, set up as
// llama.cpp itself does. Nothing of it is needed to build, and programs run without it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mainspring::bench {

struct GgmlApi;  // the functions

class Ggml {
 public:
  // nullptr when the folder has no such libraries; `why` says so.
  static std::unique_ptr<Ggml> load(const std::string& folder, int threads, std::string& why);
  ~Ggml();

  const GgmlApi& api() const { return *api_; }
  void* backend() const { return backend_; }
  std::string version() const;
  // Buffer types in the order in which llama.cpp tries them for weights: AMX, repacked, plain.
  std::vector<void*> weight_buffers() const;
  void* plain_buffer() const;
  void* device() const;

 private:
  Ggml() = default;
  std::unique_ptr<GgmlApi> api_;
  void* backend_ = nullptr;
};

// Some tensors that live and are freed together.
class GgmlTensors {
 public:
  GgmlTensors(const Ggml& g, size_t tensors, size_t graph_nodes = 0);
  ~GgmlTensors();
  GgmlTensors(const GgmlTensors&) = delete;
  void* context() const { return context_; }
  bool allocate(void* buffer_type);  // false: too large, or not a type this buffer takes

 private:
  const Ggml& ggml_;
  void *context_ = nullptr, *buffer_ = nullptr;
};

// A graph of several equal operations on consecutive copies, so that the data comes from memory.
class GgmlGraphs {
 public:
  virtual ~GgmlGraphs() = default;
  // Runs the next graph; the number of operations in it.
  int run();
  std::vector<float> first_output(size_t n) const;

 protected:
  explicit GgmlGraphs(const Ggml& g) : ggml_(g) {}
  struct Graph {
    std::unique_ptr<GgmlTensors> tensors;
    void *graph = nullptr, *first = nullptr;
    int operations = 0;
  };
  // Allocates the tensors of `graph` and makes `outputs` its ends.
  void finish(Graph graph, const std::vector<void*>& outputs);

  const Ggml& ggml_;
  std::vector<Graph> graphs_;
  size_t next_ = 0;
};

// x * W^T with `copies` copies of one matrix of GGUF type `type`, [out, in], in the buffer that llama.cpp would choose.
class GgmlLinear final : public GgmlGraphs {
 public:
  GgmlLinear(const Ggml& g, int type, int64_t out, int64_t in, const std::byte* matrix, size_t bytes, int copies);
  const std::string& buffer() const { return buffer_; }
  // Graphs of `operations` products of x [rows, in].
  void set_input(const std::vector<float>& x, int64_t rows, int operations);

 private:
  std::unique_ptr<GgmlTensors> weights_;
  std::vector<void*> matrices_;
  int64_t out_, in_;
  std::string buffer_;
};

struct AttentionShape {
  int64_t heads, kv_heads, head_dim, tokens;
};

// One query per head against `copies` copies of a cache of keys and values [tokens, kv_heads, head_dim], kept as GGUF
// type `type`: one flash_attn_ext, or (f16 only) two products and a softmax with the values transposed.
class GgmlAttention final : public GgmlGraphs {
 public:
  GgmlAttention(const Ggml& g, int type, bool flash, const AttentionShape& s, const std::vector<float>& q,
                const std::vector<float>& k, const std::vector<float>& v, float scale, int copies, int operations);

 private:
  void* product(void* context, void* q, void* k, void* v, void* mask, float scale) const;

  std::unique_ptr<GgmlTensors> cache_;
  AttentionShape shape_;
  int type_;
  bool flash_;
};

}  // namespace mainspring::bench
