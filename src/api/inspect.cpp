// inspect_model: what a checkpoint is and needs, from its headers alone.
#include <algorithm>
#include <map>

#include "api/load_plan.h"
#include "api/model_text.h"
#include "base/memory_info.h"
#include "base/str.h"
#include "weights/gguf.h"
#include "weights/packed_checkpoint.h"

namespace mainspring {

namespace {

struct Group {
  uint64_t tensors = 0, bytes = 0, parameters = 0;
};

Json shape_json(const std::vector<int64_t>& shape) {
  Json a = Json::array();
  for (int64_t d : shape) a.push_back(d);
  return a;
}

Json tensors_json(const Checkpoint& c, bool list) {
  std::map<std::string, Group> by_encoding;
  Group total;
  for (const TensorInfo& t : c.tensors()) {
    for (Group* g : {&by_encoding[t.encoding], &total}) {
      ++g->tensors;
      g->bytes += t.bytes;
      g->parameters += t.elements();
    }
  }
  const auto group = [](const Group& g) {
    return Json::object({{"tensors", g.tensors}, {"parameters", g.parameters}, {"bytes", g.bytes}});
  };
  Json out = group(total);
  Json encodings = Json::object();
  for (const auto& [name, g] : by_encoding) encodings.set(name, group(g));
  out.set("encodings", std::move(encodings));
  if (!list) return out;
  Json all = Json::array();
  for (const TensorInfo& t : c.tensors())
    all.push_back(
        Json::object({{"name", t.name}, {"shape", shape_json(t.shape)}, {"encoding", t.encoding}, {"bytes", t.bytes}}));
  out.set("list", std::move(all));
  return out;
}

const char* rope_name(RopeType t) {
  switch (t) {
    case RopeType::kDefault: return "default";
    case RopeType::kLinear: return "linear";
    case RopeType::kDynamic: return "dynamic";
    case RopeType::kYarn: return "yarn";
    case RopeType::kLlama3: return "llama3";
    case RopeType::kLongrope: return "longrope";
  }
  return "?";
}

Json config_json(const Config& c) {
  Json j = Json::object({{"model_type", c.model_type},
                         {"vocab_size", c.vocab_size},
                         {"hidden_size", c.hidden_size},
                         {"intermediate_size", c.intermediate_size},
                         {"num_layers", c.num_layers},
                         {"num_heads", c.num_heads},
                         {"num_kv_heads", c.num_kv_heads},
                         {"head_dim", c.head_dim},
                         {"max_position", c.max_position},
                         {"rope_type", rope_name(c.rope.type)},
                         {"rope_theta", c.rope.theta},
                         {"tie_word_embeddings", c.tie_word_embeddings}});
  if (c.sliding_window) j.set("sliding_window", *c.sliding_window);
  Json eos = Json::array();
  for (int32_t id : c.eos_ids) eos.push_back(id);
  j.set("eos_token_ids", std::move(eos));
  return j;
}

// The tokenizer and template may be broken or missing while the weights are fine: say so and go on.
void add_text(Json& out, const std::string& path, const Checkpoint& checkpoint) {
  try {
    const ModelText text = load_model_text(path, &checkpoint, false);
    out.set("tokenizer", text.tokenizer->describe());
    out.set("chat_template_bytes", static_cast<uint64_t>(text.template_source.size()));
    if (!text.template_source.empty()) ChatTemplate check(text.template_source);
  } catch (const Error& e) {
    out.set("text_error", e.message());
  }
}

Json packed_json(const PackedInfo& p) {
  return Json::object({{"device", p.device},
                       {"isa", p.isa},
                       {"dtype", compute_type_name(p.compute)},
                       {"quantize", p.quantize.empty() ? "none" : p.quantize},
                       {"from", p.source},
                       {"by", p.program}});
}

Json memory_json(const Checkpoint& checkpoint, const Config& config, ComputeType compute,
                 const QuantizeOptions& quantize, KvFormat kv, const ModelOptions& o) {
  const int64_t context = o.context > 0 ? o.context : config.max_position;
  const int64_t sequences = std::max<int64_t>(o.max_sequences, 1);
  const uint64_t per_token = kv_token_bytes(config, kv);
  const uint64_t cache = per_token * static_cast<uint64_t>(context) * static_cast<uint64_t>(sequences);
  uint64_t weights = 0;
  for (const TensorInfo& t : checkpoint.tensors()) weights += loaded_bytes(t, config, compute, quantize);
  const std::string how = quantize_name(quantize);
  return Json::object({{"quantize", how.empty() ? "none" : how},
                       {"weights_bytes", weights},
                       {"kv_dtype", kv_format_name(kv)},
                       {"kv_bytes_per_token", per_token},
                       {"context", context},
                       {"sequences", sequences},
                       {"kv_bytes", cache},
                       {"total_bytes", weights + cache},
                       {"available_bytes", memory_info().available}});
}

}  // namespace

std::string inspect_model(const ModelOptions& o, const InspectOptions& what) {
  const QuantizeOptions quantize = parse_quantize(o.quantize, o.quantize_group, o.activations);
  const std::unique_ptr<Checkpoint> checkpoint = open_checkpoint(o.model);
  const Config config = read_config(checkpoint->config(), checkpoint->generation_config());
  const ComputeType compute = checkpoint->packed() ? checkpoint->packed()->info().compute : parse_compute_type(o.dtype);
  const KvFormat kv = parse_kv_format(o.kv_dtype, compute);
  Json out = Json::object(
      {{"path", o.model}, {"container", checkpoint->container()}, {"file_bytes", checkpoint->file_bytes()}});
  Json architectures = Json::array();
  for (const std::string& a : config.architectures) architectures.push_back(a);
  out.set("architectures", std::move(architectures));
  try {
    family_of(config);
    out.set("supported", true);
  } catch (const Error& e) {
    out.set("supported", false);
    out.set("why_not", e.message());
  }
  if (const PackedCheckpoint* packed = checkpoint->packed()) {
    if (what.verify) packed->verify();
    out.set("packed", packed_json(packed->info()));
  } else if (what.verify) {
    fail(Code::kUnsupported, printable(o.model, 200), ": --verify needs the hashes of a packed file, this is ",
         checkpoint->container());
  }
  out.set("config", config_json(config));
  out.set("tensors", tensors_json(*checkpoint, what.list_tensors));
  if (what.text) add_text(out, o.model, *checkpoint);
  out.set("memory", memory_json(*checkpoint, config, compute, quantize, kv, o));
  return out.dump(2);
}

}  // namespace mainspring
