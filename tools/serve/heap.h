// How the process of a server keeps its memory small for days.
#pragma once

namespace kedge::tools::serve {

// Before the first thread. glibc gives every thread an arena of its own, none of which uses what is free in the others:
// with the workers of a server that was half of its heap, and it went on growing.
void keep_heap_small();

}  // namespace kedge::tools::serve
