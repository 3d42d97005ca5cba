// From the paths a user gives to the passages in the files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "router/retrieval/document.h"

namespace kedge::router::retrieval {

struct InputFile {
  std::string path;
  Format format = Format::kText;
};

struct Problem {
  std::string path;
  Error error;
};

struct Inputs {
  std::vector<InputFile> files;  // each once, in the order given; those of a folder by path
  std::vector<Problem> problems;
  int64_t n_hidden = 0;  // entries of folders that begin with a dot, which are not looked at
};

// Files stand for themselves, folders for all files below them. `except` (the index itself) is left out of folders.
// What cannot be used is a problem: no such file, an unknown extension, a link to a folder.
Inputs collect_inputs(const std::vector<std::string>& paths, const std::string& except);

// A passage before it has its place in an index.
struct Piece {
  std::string id;    // given by a JSONL row; empty: to be made from the stem
  std::string stem;  // what made ids begin with; pieces of one stem follow one another
  std::string title;
  std::string text;
  std::string metadata;  // JSON object of a JSONL row's other members; may be empty
  int64_t line = 0;      // of a JSONL row, from 1; otherwise 0
  int64_t begin = 0;     // bytes of the extracted document, of a JSONL row its text
  int64_t end = 0;
};

// `bytes` is the content of the file. Errors name the file and, where there is one, the line: those of document.h;
// kInvalidArgument for a file without text and for JSONL that is not as docs/retrieval.md says.
Result<std::vector<Piece>> read_pieces(const InputFile& file, std::string_view bytes, size_t passage_words,
                                       const GoOn& go_on);

}  // namespace kedge::router::retrieval
