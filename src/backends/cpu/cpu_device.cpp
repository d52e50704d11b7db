// CPU device: dispatch by table, memory by mmap, weights packed in parallel.
#include "backends/cpu/cpu_device.h"

#include <sys/mman.h>

#include <cstring>
#include <exception>
#include <mutex>
#include <vector>

#include "backends/cpu/cpu_info.h"
#include "backends/cpu/kv_layout.h"
#include "backends/cpu/layout_probe.h"
#include "base/str.h"

namespace mainspring {

namespace cpu {

const char* CpuLinearWeight::kernel_name() const noexcept { return packed.kernel->name; }
std::span<const std::byte> CpuLinearWeight::packed_bytes() const noexcept { return {packed.data, bytes}; }
uint64_t CpuLinearWeight::layout() const { return layout_number(*packed.kernel, packed.format); }

namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kPage = 4096;

// What mmap has to be asked for; small pieces too come from mmap: the device allocates a few dozen times per model.
size_t mapped_size(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

struct OwnedLinear final : CpuLinearWeight {
  Device::Buffer memory;
};

// In a mapped file.
struct BorrowedLinear final : CpuLinearWeight {
  std::shared_ptr<const void> owner;
};

void run_tasks(void* team, int64_t n_tasks, FunctionRef<void(int64_t, int)> fn) {
  static_cast<ThreadTeam*>(team)->parallel_for_member(n_tasks, fn);
}

const LinearKernel& choose_kernel(const IsaTable& isa, const WeightFormat& format, ComputeType compute, int64_t out,
                                  int64_t in, const std::string& where) {
  const LinearKernel* best = nullptr;
  int best_score = 0;
  for (int i = 0; i < isa.n_linear; ++i) {
    const int score = isa.linear[i]->score(format, compute, out, in);
    if (score > best_score) best = isa.linear[i], best_score = score;
  }
  if (!best)
    fail(Code::kUnsupported, where, ": cpu has no linear kernel for ", format_name(format), " [", out, ", ", in,
         "] in ", compute_type_name(compute));
  return *best;
}

}  // namespace
}  // namespace cpu

CpuDevice::CpuDevice(const CpuOptions& options)
    : isa_(&cpu::select_isa(options.isa)),
      team_(options.n_threads > 0 ? options.n_threads : cpu::default_threads(), options.pin) {}

CpuDevice::~CpuDevice() = default;

std::string CpuDevice::name() const {
  return cat("cpu (", isa_->name, ", ", team_.size(), team_.size() == 1 ? " thread)" : " threads)");
}

bool CpuDevice::supports(OpId id) const noexcept { return isa_->kernels[static_cast<int>(id)] != nullptr; }

void CpuDevice::dispatch(OpId id, const void* op) {
  const cpu::KernelContext ctx{team_.size(), scratch_.get(), &team_, &cpu::run_tasks};
  isa_->kernels[static_cast<int>(id)](op, ctx);
}

size_t CpuDevice::scratch_bytes(OpId id, const void* op) const {
  const cpu::ScratchSize size = isa_->scratch[static_cast<int>(id)];
  return size ? size(op, team_.size()) : 0;
}

void CpuDevice::reserve_scratch(size_t bytes) {
  if (bytes <= scratch_size_) return;
  scratch_.reset();
  scratch_size_ = 0;
  scratch_ = alloc(bytes);
  scratch_size_ = bytes;
}

void CpuDevice::copy_to_device(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}
void CpuDevice::copy_to_host(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

size_t CpuDevice::kv_block_bytes(const StateSpec& spec, KvFormat format) const {
  return cpu::kv_block_bytes(spec, format);
}

std::byte* CpuDevice::alloc_bytes(size_t bytes) {
  if (bytes == 0) bytes = 1;
  if (bytes > SIZE_MAX - cpu::kHugePage) fail(Code::kOutOfMemory, "cpu: cannot allocate ", human_bytes(bytes));
  const size_t size = cpu::mapped_size(bytes);
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) fail(Code::kOutOfMemory, "cpu: cannot allocate ", human_bytes(bytes));
  if (size >= cpu::kHugePage) madvise(p, size, MADV_HUGEPAGE);  // a hint: fewer page faults and TLB misses
  return static_cast<std::byte*>(p);
}

void CpuDevice::free_bytes(std::byte* p, size_t bytes) noexcept {
  munmap(p, cpu::mapped_size(bytes == 0 ? 1 : bytes));
}

std::unique_ptr<LinearWeight> CpuDevice::bind_linear(const LinearSource& source, ComputeType compute) {
  const int64_t out = source.out_features(), in = source.in_features();
  const cpu::LinearKernel& kernel = cpu::choose_kernel(*isa_, source.format(), compute, out, in, source.where());
  auto weight = std::make_unique<cpu::OwnedLinear>();
  weight->out_features = out, weight->in_features = in;
  weight->format = source.format();
  weight->bytes = kernel.packed_bytes(source.format(), out, in);
  weight->memory = alloc(weight->bytes);
  weight->packed = {&kernel, source.format(), compute, out, in, weight->memory.get()};

  const size_t scratch = (kernel.pack_scratch(source.format(), in) + 63) / 64 * 64;
  Buffer buffers = alloc(scratch * static_cast<size_t>(team_.size()));
  const int64_t panels = (out + kernel.panel_rows - 1) / kernel.panel_rows;
  std::mutex mutex;
  std::exception_ptr error;  // the first one; threads of the team must not throw
  team_.parallel_for_member(panels, [&](int64_t panel, int member) {
    try {
      const int64_t row = panel * kernel.panel_rows;
      kernel.pack(source, panel, weight->memory.get(), buffers.get() + scratch * static_cast<size_t>(member));
      source.drop_pages(row, std::min<int64_t>(kernel.panel_rows, out - row));
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
  return weight;
}

uint64_t CpuDevice::layout_of(const cpu::LinearKernel& kernel, const WeightFormat& format) {
  for (const Layout& l : layouts_)
    if (l.kernel == &kernel && l.format == format) return l.number;
  layouts_.push_back({&kernel, format, cpu::layout_number(kernel, format)});
  return layouts_.back().number;
}

std::unique_ptr<LinearWeight> CpuDevice::bind_packed(const PackedMatrix& m) {
  const cpu::LinearKernel& kernel =
      cpu::choose_kernel(*isa_, m.format, m.compute, m.out_features, m.in_features, m.where);
  if (layout_of(kernel, m.format) != m.layout)
    fail(Code::kUnsupported, m.where, ": ", format_name(m.format), " matrices are packed in another layout than ",
         name(), " uses");
  const size_t bytes = kernel.packed_bytes(m.format, m.out_features, m.in_features);
  if (m.data.size() != bytes)
    fail(Code::kInvalidInput, m.where, ": a ", format_name(m.format), " matrix [", m.out_features, ", ", m.in_features,
         "] takes ", bytes, " bytes, found ", m.data.size());
  auto weight = std::make_unique<cpu::BorrowedLinear>();
  weight->out_features = m.out_features, weight->in_features = m.in_features;
  weight->format = m.format;
  weight->bytes = bytes;
  weight->packed = {&kernel, m.format, m.compute, m.out_features, m.in_features, m.data.data()};
  weight->owner = m.owner;
  return weight;
}

}  // namespace mainspring
