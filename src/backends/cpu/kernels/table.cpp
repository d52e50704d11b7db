// The table of one instruction set.
#include "backends/cpu/kernels/kernels.h"
#include "backends/cpu/linear/linear.h"

namespace mainspring::cpu::MAINSPRING_ISA {

#define MAINSPRING_TEXT_(x) #x
#define MAINSPRING_TEXT(x) MAINSPRING_TEXT_(x)

// Constant-initialised: start-up code in this file would run on processors that lack its instructions.
extern const IsaTable kTable;
constinit const IsaTable kTable = {
    MAINSPRING_TEXT(MAINSPRING_ISA),
    {
#define MAINSPRING_OP(Type, name) &name,
#include "ops/ops.def"
#undef MAINSPRING_OP
    },
    {
        nullptr,            // embed
        nullptr,            // rms_norm
        nullptr,            // add_rms_norm
        nullptr,            // rms_norm_add
        &linear_scratch,    // linear
        nullptr,            // rope_table
        nullptr,            // rope
        nullptr,            // kv_write
        &attention_scratch, // attention
        nullptr,            // gated_act
        nullptr,            // gather_rows
    },
    kLinearKernels,
    static_cast<int>(sizeof kLinearKernels / sizeof kLinearKernels[0]),
};
static_assert(static_cast<int>(OpId::kLinear) == 4 && static_cast<int>(OpId::kAttention) == 8 && kOpCount == 11,
              "the scratch list above follows ops.def");

}  // namespace mainspring::cpu::MAINSPRING_ISA
