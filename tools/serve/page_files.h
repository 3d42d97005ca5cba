// The page at "/": what tools/serve/page builds, in the program itself, so that it works with no network and no folder.
#pragma once

#include <span>
#include <string_view>

#include "tools/serve/http/http.h"
#include "tools/serve/routes.h"

namespace kedge::tools::serve {

struct PageFile {
  std::string_view path;  // "/app.js"; the page is "/"
  std::string_view type;  // Content-Type
  std::string_view hash;  // of the plain bytes, hexadecimal
  std::string_view plain;
  std::string_view gzip;
};

std::span<const PageFile> page_files();

// Null: the page has no such file.
const PageFile* find_page_file(std::string_view path);

// Answers GET and HEAD (whose body the HTTP server leaves out); 304 when the client has it, 405 for other methods.
void send_page_file(const PageFile& file, const HttpRequest& request, HttpReply& reply);

// No key is needed: they hold nothing, and whoever has none yet has to be asked for one. There while models are loaded.
void add_page_files(Routes& routes);

}  // namespace kedge::tools::serve
