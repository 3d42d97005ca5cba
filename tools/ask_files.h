// Documents given with a question: an index of them, kept in the cache so that the next question finds it made.
#pragma once

#include <string>
#include <vector>

namespace kedge::tools {

// The index of these files and folders with the embeddings of `model` (a GGUF file): $XDG_CACHE_HOME/kedge/indexes (or
// ~/.cache/...), named by what the files are called, their sizes and dates and the model. Made with a progress bar when
// it is not there. A Failure names the file that cannot be read.
std::string index_of_files(const std::vector<std::string>& paths, const std::string& model);

}  // namespace kedge::tools
