// A long stream through a fixed budget: nothing grows.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/memory/kv_harness.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEDGE_SANITIZED 1
#else
#define KEDGE_SANITIZED 0
#endif

namespace kedge::memory {
namespace {

using namespace kv_harness;

struct Sizes {
  size_t anchors, segments, log, detached, cold, provisional;
};
Sizes sizes_of(const KvMemory& m) {
  return {m.index().anchors().size(), m.index().segments().size(), m.log().entries().size(),
          m.detached().size(),        m.cold()->bytes(),           m.index().provisional().size()};
}

// Mebibytes this process holds.
double resident() {
  std::ifstream in("/proc/self/statm");
  long total = 0;
  long pages = 0;
  in >> total >> pages;
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1048576.0;
}

// KEDGE_STREAM_TOKENS in the environment of this test makes it longer: ten million were run by hand.
TEST(Stream, MemoryStaysFlat) {
  const char* wanted = std::getenv("KEDGE_STREAM_TOKENS");
  const int total = wanted != nullptr ? std::atoi(wanted) : KEDGE_SANITIZED ? 60000 : 300000;
  const int warm = total / 3;
  KvOptions options;
  options.budget = 256;
  options.cold = KvOptions::Cold::kRam;
  options.cold_bytes = 1 << 16;
  const KvShape shape = tiny_shape(total, 1, 1);
  auto memory = KvMemory::create(shape, options, reference_kernels()).value();
  const ThreadTeam team;
  Prose prose(12, 3);
  std::vector<std::string> texts;
  std::vector<std::string_view> views;
  size_t most_before = 0;  // on the heap, in the second third of the stream
  size_t most_after = 0;   // in the last
  double first = 0;
  Sizes at_warm{};
  for (int done = 0; done < total;) {
    texts.clear();
    views.clear();
    for (int i = std::min(32, total - done); i > 0; --i) texts.push_back(prose.next());
    for (const std::string& t : texts) views.push_back(t);
    for (size_t at = 0; at < views.size();) {
      const auto part = std::span<const std::string_view>(views).subspan(at);
      auto step = KvStep::begin(*memory, part, static_cast<int>(part.size()), team);
      ASSERT_TRUE(step.ok()) << step.error().message;
      at += static_cast<size_t>(step->n());
      done += step->n();
      ASSERT_TRUE(step->commit(team).ok());
      if (done < warm) continue;
      if (most_before == 0) {
        first = resident();
        at_warm = sizes_of(*memory);
      }
      size_t& most = done < 2 * warm ? most_before : most_after;
      most = std::max(most, ::mallinfo2().uordblks);
    }
  }
  const Sizes end = sizes_of(*memory);
  EXPECT_EQ(total, memory->sequence().next_position());
  EXPECT_LE(end.anchors, (size_t{1} << 13) + 512);
  EXPECT_LE(end.provisional, 64u);
  EXPECT_EQ(0u, end.segments);
  EXPECT_EQ(at_warm.log, end.log);
  EXPECT_LE(end.detached, 256u);
  EXPECT_LE(end.cold, options.cold_bytes);
  EXPECT_GT(memory->counts().recalled, 0u);
  EXPECT_GT(memory->counts().detached, 0u);
  const double grown = static_cast<double>(most_after) - static_cast<double>(most_before);
  std::printf(
      "%d tokens: at most %zu bytes on the heap in the second third, %zu in the last; resident %.1f -> %.1f MiB, "
      "%zu anchors\n",
      total, most_before, most_after, first, resident(), end.anchors);
  if (!KEDGE_SANITIZED) {
    EXPECT_LT(grown, 1048576.0);
  }
}

}  // namespace
}  // namespace kedge::memory
