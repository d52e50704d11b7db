// The table of one instruction set.
#include "backends/cpu/kernels/kernels.h"
#include "backends/cpu/kernels/vec.h"
#include "backends/cpu/linear/linear.h"

namespace mainspring::cpu::MAINSPRING_ISA {

#define MAINSPRING_TEXT_(x) #x
#define MAINSPRING_TEXT(x) MAINSPRING_TEXT_(x)

// Constant-initialised: start-up code in this file would run on processors that lack its instructions.
extern const IsaTable kTable;
constinit const IsaTable kTable = {
    MAINSPRING_TEXT(MAINSPRING_ISA),
    kLanes,
    {
#define MAINSPRING_OP(Type, name) &name,
#include "ops/ops.def"
#undef MAINSPRING_OP
    },
    {
#define MAINSPRING_OP(Type, name) kScratch<OpId::k##Type>,
#include "ops/ops.def"
#undef MAINSPRING_OP
    },
    kLinearKernels,
    static_cast<int>(sizeof kLinearKernels / sizeof kLinearKernels[0]),
};

}  // namespace mainspring::cpu::MAINSPRING_ISA
