// What a file holds once its format is gone: text, and which part of it stands under which heading.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::router::retrieval {

struct Section {
  std::string title;  // headings from the outermost in, joined by " > "; may be empty
  size_t begin = 0;   // bytes of Document::text
  size_t end = 0;
};

struct Document {
  std::string text;               // as clean_text() makes it
  std::vector<Section> sections;  // ascending, apart; what is between them is headings and white space
};

enum class Format { kText, kMarkdown, kHtml, kPdf, kJsonl };
const char* format_name(Format format);  // "text", "markdown", "html", "pdf", "jsonl"

// Asked now and then during long work; false cancels.
using GoOn = std::function<bool()>;

// `name` is how errors call the file. Errors: kInvalidArgument for what is not UTF-8.
// Hyphens at the ends of lines are taken out as hyphens.h says.
Result<Document> read_plain_text(std::string_view bytes, const std::string& name);
// Front matter (YAML between "---", TOML between "+++") is left out; ATX and setext headings outside of code fences
// become titles. Other markup stays as it is. Source of the format: CommonMark 0.31.
Result<Document> read_markdown(std::string_view bytes, const std::string& name);
// What a reader sees: no scripts, styles, templates or hidden elements; blocks are paragraphs, h1 to h6 titles. A mark
// stands between a number and its exponent ("10^6"), notes are in brackets. The charset has to be UTF-8. Source of the
// format: the HTML standard, by way of gumbo. Errors: those of run_worker (worker.h); kInvalidArgument for what is not
// UTF-8; kCapacity for elements nested more than 512 deep.
Result<Document> read_html(std::string_view bytes, const std::string& name, const GoOn& go_on);
// Through pdftotext (poppler-utils). Errors: those of run_worker; kUnsupported when it is not installed, kCapacity for
// more than 256 MiB of text.
Result<Document> read_pdf(std::string_view bytes, const std::string& name, const GoOn& go_on);

// Collects sections while a document is read from top to bottom.
class Outline {
 public:
  explicit Outline(Document& document) : document_(&document) {}
  // A heading of that level (1 to 6) whose own bytes are [begin, end) of the text.
  void heading(int level, std::string title, size_t begin, size_t end);
  void finish();

 private:
  void close(size_t end, int next_level);

  Document* document_;
  std::vector<std::pair<int, std::string>> path_;
  size_t heading_begin_ = 0;
  size_t section_begin_ = 0;
};

}  // namespace kedge::router::retrieval
