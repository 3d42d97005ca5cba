// What operator new handed out on this thread while a meter lives: the most at any one time.
#pragma once

#include <cstddef>

namespace kedge::weights {

class AllocationMeter {
 public:
  AllocationMeter();
  AllocationMeter(const AllocationMeter&) = delete;
  AllocationMeter& operator=(const AllocationMeter&) = delete;
  ~AllocationMeter();
  size_t peak_bytes() const;
};

// The allocation after `n` more throws bad_alloc (once); negative: never.
void fail_allocation_after(long n);

}  // namespace kedge::weights
