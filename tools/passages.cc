#include "tools/passages.h"

namespace kedge::tools {

Json parse_json_text(std::string_view text, const std::string& what) { return need(parse_json(text, what.c_str())); }

std::string text_or_stdin(const std::string& given) {
  if (given != "-") return given;
  std::string text = read_text("-");
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return text;
}

Json read_passages(const std::string& path) {
  const std::string text = read_text(path);
  Json passages = Json::array();
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = path + ", line " + std::to_string(number);
    passages.push_back(parse_json_text(line, where));
    if (!passages.back().is_object()) throw Failure(where + ": not a JSON object with id and text");
  }
  return passages;
}

}  // namespace kedge::tools
