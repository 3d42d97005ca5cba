// The replaced operator new behind AllocationMeter, and that it counts.
#include "tests/weights/allocation_meter.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace {

thread_local bool metering = false;
thread_local size_t live = 0;
thread_local size_t peak = 0;
thread_local long until_failure = -1;

void* allocate(size_t n) {
  if (until_failure >= 0 && until_failure-- == 0) throw std::bad_alloc();
  void* p = std::malloc(n == 0 ? 1 : n);
  if (p == nullptr) throw std::bad_alloc();
  if (metering) {
    live += ::malloc_usable_size(p);
    peak = live > peak ? live : peak;
  }
  return p;
}

void release(void* p) noexcept {
  if (metering && p != nullptr) {
    const size_t n = ::malloc_usable_size(p);
    live = live > n ? live - n : 0;  // memory from before the meter may go while it lives
  }
  std::free(p);
}

}  // namespace

void* operator new(size_t n) { return allocate(n); }
void* operator new[](size_t n) { return allocate(n); }
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, size_t) noexcept { release(p); }
void operator delete[](void* p, size_t) noexcept { release(p); }

namespace kedge::weights {

AllocationMeter::AllocationMeter() {
  live = peak = 0;
  metering = true;
}
AllocationMeter::~AllocationMeter() { metering = false; }
size_t AllocationMeter::peak_bytes() const { return peak; }
void fail_allocation_after(long n) { until_failure = n; }

TEST(AllocationMeter, SeesTheLargestMoment) {
  const AllocationMeter meter;
  { const std::vector<char> big(100000); }
  const std::vector<char> small(1000);
  EXPECT_GE(meter.peak_bytes(), 100000u);
  EXPECT_LT(meter.peak_bytes(), 130000u);
}

TEST(AllocationMeter, FailsWhenTold) {
  fail_allocation_after(1);
  const auto first = std::make_unique<std::vector<int>>();
  EXPECT_THROW(std::vector<int>(100), std::bad_alloc);
  EXPECT_NO_THROW(std::vector<int>(100));
}

}  // namespace kedge::weights
