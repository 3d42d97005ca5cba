// Which kernel tables this machine can run, and which one is used.
#pragma once

#include <span>
#include <string>

#include "kernels/base/result.h"
#include "kernels/kernel_table.h"

namespace kedge::kernels {

// Tables compiled into this build that this machine supports, best first; the last is always "reference".
std::span<const KernelTable* const> usable_kernels();

// The table called `name`, or an error that lists the usable ones.
Result<const KernelTable*> find_kernels(const std::string& name);

// The table every model uses: the best usable one, or the one named by the environment variable KEDGE_ISA, which is an
// error when unknown or unsupported here. Read once, at the first call.
Result<const KernelTable*> active_kernels();

}  // namespace kedge::kernels
