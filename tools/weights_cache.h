// Packed weights kept for the next command: which folder, and writing them beside whatever the command does.
#pragma once

#include <string>

#include "kedge/kedge.hpp"

namespace kedge::tools {

// The folder that `wanted` means: "off" is none, "auto" is the variable KEDGE_WEIGHTS_CACHE (with the same words, a
// folder say), without it $XDG_CACHE_HOME/kedge/packed, else ~/.cache/kedge/packed; anything else is a folder.
std::string weights_cache_folder(const std::string& wanted);

// Begins to write the model's packed weights where they are not kept yet, on a thread that only has what time the
// others leave. The model may go meanwhile. `said`: somebody named the folder, so that a failure is told on a pipe too.
void keep_weights(const kedge::Model& model, bool said);

// Waits until they are written, a few seconds at most, with a progress bar; Ctrl-C ends that. What did not work is said
// on standard error: no command fails for it. Before measurements, and when a command ends.
void finish_keeping_weights();

}  // namespace kedge::tools
