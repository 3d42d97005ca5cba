// A file whose text goes along with a message.
#pragma once

#include <string>

namespace kedge::tools {

// UTF-8 text, of a .pdf by poppler's pdftotext. A Failure names the file and what is wrong with it.
std::string attachment_text(const std::string& path);

}  // namespace kedge::tools
