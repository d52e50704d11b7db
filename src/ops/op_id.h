// Numbers and names of the operations, generated from ops.def.
#pragma once

#include <cstddef>

namespace mainspring {

enum class OpId : int {
#define MAINSPRING_OP(Type, name) k##Type,
#include "ops/ops.def"
#undef MAINSPRING_OP
  kCount
};

constexpr size_t kOpCount = static_cast<size_t>(OpId::kCount);
const char* op_name(OpId id) noexcept;

namespace ops {
#define MAINSPRING_OP(Type, name) struct Type;
#include "ops/ops.def"
#undef MAINSPRING_OP
}  // namespace ops

template <class Op>
struct OpTraits;
#define MAINSPRING_OP(Type, name)               \
  template <>                                   \
  struct OpTraits<ops::Type> {                  \
    static constexpr OpId kId = OpId::k##Type;  \
  };
#include "ops/ops.def"
#undef MAINSPRING_OP

}  // namespace mainspring
