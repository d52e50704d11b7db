// Views and the workspace stack.
#include <gtest/gtest.h>

#include <vector>

#include "tensor/tensor.h"
#include "tensor/workspace.h"

namespace mainspring {
namespace {

TEST(Tensor, SlicesShareMemory) {
  std::vector<float> data(5 * 12);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i);
  const Tensor t(data.data(), DType::kF32, 5, 12);
  const Tensor cols = t.slice_cols(4, 6);
  EXPECT_EQ(cols.row<float>(2)[1], 2 * 12 + 5);
  EXPECT_FALSE(cols.contiguous());
  const Tensor heads = cols.split_heads(3, 2);
  EXPECT_EQ(heads.row<float>(4)[2 * 2 + 1], 4 * 12 + 4 + 5);
  EXPECT_EQ(heads.merge_heads().dims[1], 6);
  EXPECT_EQ(t.slice_rows(3, 5).row<float>(0)[0], 36);
  const ConstTensor c = t;
  EXPECT_EQ(c.elements(), 60);
  EXPECT_EQ(c.bytes(), 240u);
  EXPECT_FALSE(ConstTensor());
}

TEST(Workspace, ScopesGiveBackAndPeaksStay) {
  Workspace measure;
  {
    Workspace::Scope scope(measure);
    measure.alloc(DType::kF32, 10, 10);
    {
      Workspace::Scope inner(measure);
      measure.alloc(DType::kF32, 100);
    }
    measure.alloc(DType::kBf16, 3);
  }
  EXPECT_EQ(measure.used(), 0u);
  EXPECT_EQ(measure.peak(), 448u + 448u);  // 400 bytes each, rounded up to 64

  alignas(64) std::byte memory[128];
  Workspace ws(memory, sizeof memory);
  EXPECT_EQ(ws.alloc(DType::kF32, 16).data, memory);
  EXPECT_EQ(ws.alloc(DType::kF32, 1).data, memory + 64);
  EXPECT_THROW(ws.alloc(DType::kF32, 1), Error);
}

}  // namespace
}  // namespace mainspring
