// Trace device.
#include "backends/wrap/trace_device.h"

#include "base/str.h"

namespace mainspring {

std::string TraceDevice::name() const { return cat("trace of ", inner_.name()); }

void TraceDevice::dispatch(OpId id, const void* op) {
  if (!inner_.supports(id)) fail(Code::kUnsupported, inner_.name(), " has no operation ", op_name(id));
  ++counts_[static_cast<size_t>(id)];
  const size_t bytes = inner_.scratch_bytes(id, op);
  if (bytes > max_scratch_) max_scratch_ = bytes;
}

int64_t TraceDevice::total() const noexcept {
  int64_t n = 0;
  for (int64_t c : counts_) n += c;
  return n;
}

void TraceDevice::reset() noexcept {
  for (int64_t& c : counts_) c = 0;
  max_scratch_ = 0;
}

}  // namespace mainspring
