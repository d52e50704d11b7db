// What every module gets on each call: passed down, never ambient.
#pragma once

#include <span>

#include "ops/batch.h"
#include "ops/device.h"
#include "ops/kv.h"
#include "tensor/workspace.h"

namespace mainspring {

struct Ctx {
  Device& dev;
  Workspace& ws;
  const Batch& batch;
  std::span<const KvLayer> kv;   // one per state() entry of the model
};

}  // namespace mainspring
