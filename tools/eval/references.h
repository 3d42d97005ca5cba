// How well the memory's detector finds the pointers of real text, against pages labelled by hand.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

struct PointerLabel {
  size_t begin = 0;  // bytes of the page
  size_t end = 0;
  std::string kind;       // "optional": neither missed nor wrong
  std::string reference;  // the label's line, for reports
};

// NAME.txt with its labels in NAME.refs, a line each: begin, end, kind, and the text for the reader. NAME is the kind
// of text and a number; pages with the highest number are held out.
struct LabelledPage {
  std::string name;
  std::string kind;
  std::string text;
  std::vector<PointerLabel> labels;
};

// All pages of a folder, by name. A label that is no range of its page is a Failure that names file and line.
std::vector<LabelledPage> read_labelled_pages(const std::string& folder);

struct PointerScore {
  size_t labels = 0;    // pointers of the pages
  size_t found = 0;     // of them, those that a detected reference overlaps
  size_t exact = 0;     // and those it has to the byte
  size_t strong = 0;    // found by one that is pinned by itself
  size_t detected = 0;  // references, without those that only overlap optional labels
  size_t right = 0;     // of them, those that overlap a pointer

  void operator+=(const PointerScore& other);
  Json json() const;
};

// Appends a line for every miss and every wrong detection to `report` unless it is null.
PointerScore score_page(const LabelledPage& page, std::string* report);

// `kedge eval references`.
void add_eval_references(CLI::App& eval);

}  // namespace kedge::tools
