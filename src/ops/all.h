// Every operation, for devices and tests.
#pragma once

#include "ops/attention.h"
#include "ops/embed.h"
#include "ops/gated_act.h"
#include "ops/gather_rows.h"
#include "ops/linear.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"

namespace mainspring::ops {

// Shape, type and stride checks of one op; kInternal with the op's name and both shapes. The `check` device runs them
// on every op, tests too; the plain step path does not pay for them.
#define MAINSPRING_OP(Type, name) void check(const Type& op);
#include "ops/ops.def"
#undef MAINSPRING_OP

// check() by number.
void check_op(OpId id, const void* op);

}  // namespace mainspring::ops
