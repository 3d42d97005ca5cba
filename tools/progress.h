// A progress bar with the time left, on standard error and only when that is a terminal.
#pragma once

#include <cstddef>
#include <string>

namespace kedge::tools {

class Progress {
 public:
  // `label` stands before the bar: "loading", "reading the prompt".
  explicit Progress(std::string label);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(size_t done, size_t total);
  void finish();  // takes the bar off the screen; later updates show nothing

 private:
  std::string label_;
  double start_;
  double last_drawn_ = 0;
  bool enabled_;
  bool drawn_ = false;
};

}  // namespace kedge::tools
