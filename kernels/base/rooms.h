// Every room has a namespace of its own and sees the rooms below it without their names, as docs/design.md's table has
// it. `kedge` itself is the public C++ interface's (include/kedge/kedge.hpp): nothing of a room lives there. That one
// has an Error, a Result and a Status too, so each room says which it means.
#pragma once

namespace kedge::base {

struct Error;
template <class T>
class Result;
class Status;

}  // namespace kedge::base

// NOLINTBEGIN(google-build-using-namespace): the table of rooms is what these are
namespace kedge {

namespace kernels {
using namespace base;
using base::Error, base::Result, base::Status;
}  // namespace kernels

namespace weights {
using namespace kernels;
using base::Error, base::Result, base::Status;
}  // namespace weights

namespace tokenizer {
using namespace base;
using base::Error, base::Result, base::Status;
}  // namespace tokenizer

namespace memory {
using namespace kernels;
using base::Error, base::Result, base::Status;
}  // namespace memory

namespace engine {
using namespace weights;
using namespace tokenizer;
using namespace memory;
using base::Error, base::Result, base::Status;
}  // namespace engine

namespace router {
using namespace engine;
using base::Error, base::Result, base::Status;
}  // namespace router

namespace tools {  // what the commands on files may use
using namespace weights;
using base::Error, base::Result, base::Status;
}  // namespace tools

namespace bench {
using namespace engine;
using base::Error, base::Result, base::Status;
}  // namespace bench

}  // namespace kedge
// NOLINTEND(google-build-using-namespace)
