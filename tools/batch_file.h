// The answers of `kedge batch`: one line a row, in the order of the rows, and beside them what they were made with, so
// that a run that was stopped can go on.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tools/batch_rows.h"

namespace kedge::tools {

class BatchFile {
 public:
  // `path` "-": standard output, where nothing can go on. Otherwise PATH.state keeps `setup`, an object; a file that
  // was begun with another one is a Failure that names what differs, unless `restart` throws it away. A last line that
  // was cut short is dropped; the others must answer the first of the rows.
  BatchFile(const std::string& path, Json setup, const std::vector<BatchRow>& rows, bool restart);

  // Answers that are there already, and how many of them are errors.
  size_t n_done() const { return n_done_; }
  size_t n_failed() const { return n_failed_; }
  // What the file was begun with.
  const Json& setup() const { return setup_; }
  // The next row's. Written through at once; a Failure when that fails.
  void append(const Json& answer);

 private:
  struct Close {
    void operator()(FILE* f) const {
      if (f != stdout) std::fclose(f);
    }
  };
  void resume(const Json& wanted);
  void count_answers(const std::vector<BatchRow>& rows);

  std::string path_;
  Json setup_;
  size_t n_done_ = 0;
  size_t n_failed_ = 0;
  std::unique_ptr<FILE, Close> file_;
};

}  // namespace kedge::tools
