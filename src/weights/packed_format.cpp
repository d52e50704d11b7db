// Formats and hashes in the directory of a packed file.
#include "weights/packed_format.h"

#include <charconv>

#include "base/str.h"

namespace mainspring {

namespace {

struct DenseName {
  const char* name;
  DType type;
};
constexpr DenseName kDense[] = {{"f32", DType::kF32}, {"bf16", DType::kBf16}, {"f16", DType::kF16}};

}  // namespace

std::string hash_text(uint64_t hash) {
  std::string text(16, '0');
  for (int i = 15; i >= 0; --i, hash >>= 4) text[static_cast<size_t>(i)] = "0123456789abcdef"[hash & 15];
  return text;
}

uint64_t parse_hash(const Json& text, std::string_view where) {
  const std::string& s = text.as_string();
  uint64_t hash = 0;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), hash, 16);
  if (s.size() != 16 || r.ec != std::errc() || r.ptr != s.data() + s.size())
    fail(Code::kInvalidInput, where, ": expected 16 hexadecimal digits, found \"", printable(s), "\"");
  return hash;
}

Json format_json(const WeightFormat& f) {
  if (f.scheme == Scheme::kDense) {
    for (const DenseName& d : kDense)
      if (d.type == f.dense) return Json::object({{"dense", d.name}});
    fail(Code::kInternal, "a dense format of ", dtype_name(f.dense));
  }
  return Json::object({{"bits", int{f.bits}},
                       {"signed", f.is_signed},
                       {"offset", f.has_offset},
                       {"group", int{f.group}},
                       {"act", f.act == ActType::k8 ? "int8" : "int16"}});
}

WeightFormat parse_format(const Json& j, std::string_view where) {
  if (const Json* dense = j.find("dense")) {
    for (const DenseName& d : kDense)
      if (dense->as_string() == d.name) return {.dense = d.type};
    fail(Code::kInvalidInput, where, ": unknown dense type \"", printable(dense->as_string()), "\"");
  }
  const int64_t bits = j.at("bits").as_int(), group = j.at("group").as_int();
  const std::string& act = j.at("act").as_string();
  if (bits < 1 || bits > 8 || group < 0 || group > 65535 || (act != "int8" && act != "int16"))
    fail(Code::kInvalidInput, where, ": unknown format with ", bits, " bits, groups of ", group, " and ",
         printable(act), " activations");
  return {.scheme = Scheme::kGroup,
          .bits = static_cast<uint8_t>(bits),
          .is_signed = j.at("signed").as_bool(),
          .has_offset = j.at("offset").as_bool(),
          .group = static_cast<uint16_t>(group),
          .act = act == "int8" ? ActType::k8 : ActType::k16};
}

}  // namespace mainspring
