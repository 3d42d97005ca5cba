#include "router/retrieval/inputs.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>

#include "kernels/base/json.h"
#include "router/retrieval/passages.h"
#include "router/retrieval/text_clean.h"

namespace kedge::router::retrieval {

namespace {

namespace fs = std::filesystem;

constexpr const char* kKnown = ".txt, .md, .markdown, .html, .htm, .pdf, .jsonl";
constexpr size_t kMaxId = 256;

Error bad(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::optional<Format> format_of(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (extension == ".txt") return Format::kText;
  if (extension == ".md" || extension == ".markdown") return Format::kMarkdown;
  if (extension == ".html" || extension == ".htm") return Format::kHtml;
  if (extension == ".pdf") return Format::kPdf;
  if (extension == ".jsonl") return Format::kJsonl;
  return std::nullopt;
}

class Collector {
 public:
  explicit Collector(const std::string& except) : except_(real(except)) {}

  void add(const fs::path& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found) {
      problem(path, {ErrorCode::kNotFound, path.string() + ": no such file or folder"});
    } else if (status.type() == fs::file_type::none) {
      problem(path, {ErrorCode::kIo, path.string() + ": " + error.message()});
    } else if (fs::is_directory(status)) {
      add_folder(path);
    } else {
      add_file(path, status);
    }
  }
  Inputs take() { return std::move(inputs_); }

 private:
  static std::string real(const fs::path& path) {
    std::error_code error;
    const fs::path canonical = fs::weakly_canonical(path, error);
    return error ? path.string() : canonical.string();
  }

  void problem(const fs::path& path, Error error) { inputs_.problems.push_back({path.string(), std::move(error)}); }

  void add_folder(const fs::path& folder) {
    std::error_code error;
    std::vector<fs::path> entries;
    for (auto it = fs::directory_iterator(folder, error); !error && it != fs::directory_iterator();
         it.increment(error)) {
      entries.push_back(it->path());
    }
    if (error) return problem(folder, {ErrorCode::kIo, folder.string() + ": cannot be listed: " + error.message()});
    std::sort(entries.begin(), entries.end());
    for (const fs::path& entry : entries) {
      if (entry.filename().string().starts_with('.')) {
        ++inputs_.n_hidden;
      } else if (fs::is_symlink(entry, error) && fs::is_directory(entry, error)) {
        // Following it might never end.
        problem(entry, bad(entry.string() + ": a link to a folder is not followed; name the folder itself"));
      } else if (except_ != real(entry)) {
        add(entry);
      }
    }
  }

  void add_file(const fs::path& path, const fs::file_status& status) {
    const auto format = format_of(path);
    if (!fs::is_regular_file(status)) {
      problem(path, bad(path.string() + ": is not a regular file"));
    } else if (!format.has_value()) {
      problem(path, {ErrorCode::kUnsupported, path.string() + ": extension '" + path.extension().string() +
                                                  "' is not known; known are " + kKnown});
    } else if (seen_.insert(real(path)).second) {
      inputs_.files.push_back({path.string(), *format});
    }
  }

  std::string except_;
  std::set<std::string> seen_;
  Inputs inputs_;
};

// Ids are written into prompts and cited in brackets: plain ASCII and letters only.
std::string stem_of(const std::string& path) {
  std::string stem = fs::path(path).stem().string();
  for (char& c : stem) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                       c == '-' || c == '_' || static_cast<unsigned char>(c) >= 0x80;
    if (!plain) c = '_';
  }
  return stem;
}

Result<std::string> string_member(const Json& row, const char* key, const std::string& where) {
  if (!row.contains(key)) return std::string();
  const Json& value = row.at(key);
  if (!value.is_string()) return bad(where + ": member '" + key + "' is not a string but " + value.type_name());
  return value.get<std::string>();
}

Status check_id(const std::string& id, const std::string& where) {
  if (id.empty()) return bad(where + ": member 'id' is empty");
  if (id.size() > kMaxId) {
    return bad(where + ": member 'id' has " + std::to_string(id.size()) + " bytes, the limit is " +
               std::to_string(kMaxId));
  }
  for (const char c : id) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f')
      return bad(where + ": member 'id' has a control character");
  }
  return {};
}

Status add_row(std::string_view line, const std::string& path, int64_t number, size_t passage_words,
               std::vector<Piece>* pieces) {
  const std::string where = path + ":" + std::to_string(number);
  KEDGE_ASSIGN(row, parse_json(line, where.c_str()));
  if (!row.is_object()) return bad(where + ": is not a JSON object but " + row.type_name());
  if (!row.contains("text")) return bad(where + ": member 'text' is missing");
  KEDGE_ASSIGN(raw_text, string_member(row, "text", where));
  KEDGE_ASSIGN(raw_title, string_member(row, "title", where));
  KEDGE_ASSIGN(id, string_member(row, "id", where));
  if (row.contains("id")) KEDGE_TRY(check_id(id, where));
  KEDGE_ASSIGN(text, clean_text(raw_text, where));
  KEDGE_ASSIGN(title, clean_text(raw_title, where));
  Json rest = Json::object();
  for (const auto& [key, value] : row.items()) {
    if (key != "text" && key != "title" && key != "id") rest[key] = value;
  }
  const std::string metadata = rest.empty() ? "" : rest.dump();
  const std::vector<Range> ranges = cut_passages(text, 0, text.size(), passage_words);
  if (ranges.empty()) return bad(where + ": member 'text' is empty");
  const bool whole = ranges.size() == 1;
  for (const Range& r : ranges) {
    pieces->push_back({.id = whole ? id : "",
                       .stem = id.empty() ? stem_of(path) : id,
                       .title = title,
                       .text = text.substr(r.begin, r.end - r.begin),
                       .metadata = metadata,
                       .line = number,
                       .begin = static_cast<int64_t>(r.begin),
                       .end = static_cast<int64_t>(r.end)});
  }
  return {};
}

Result<std::vector<Piece>> read_jsonl(std::string_view bytes, const std::string& path, size_t passage_words,
                                      const GoOn& go_on) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  std::vector<Piece> pieces;
  int64_t number = 0;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    std::string_view line = bytes.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number;
    if (number % 1024 == 0 && go_on && !go_on()) return Error{ErrorCode::kCancelled, path + ": cancelled"};
    if (!trim(line).empty()) KEDGE_TRY(add_row(line, path, number, passage_words, &pieces));
    at = end + 1;
  }
  return pieces;
}

Result<Document> read_document(const InputFile& file, std::string_view bytes, const GoOn& go_on) {
  switch (file.format) {
    case Format::kMarkdown:
      return read_markdown(bytes, file.path);
    case Format::kHtml:
      return read_html(bytes, file.path, go_on);
    case Format::kPdf:
      return read_pdf(bytes, file.path, go_on);
    default:
      return read_plain_text(bytes, file.path);
  }
}

}  // namespace

Inputs collect_inputs(const std::vector<std::string>& paths, const std::string& except) {
  Collector collector(except);
  for (const std::string& path : paths) collector.add(path);
  return collector.take();
}

Result<std::vector<Piece>> read_pieces(const InputFile& file, std::string_view bytes, size_t passage_words,
                                       const GoOn& go_on) {
  std::vector<Piece> pieces;
  if (file.format == Format::kJsonl) {
    KEDGE_ASSIGN(rows, read_jsonl(bytes, file.path, passage_words, go_on));
    pieces = std::move(rows);
  } else {
    KEDGE_ASSIGN(document, read_document(file, bytes, go_on));
    for (const Section& section : document.sections) {
      for (const Range& r : cut_passages(document.text, section.begin, section.end, passage_words)) {
        pieces.push_back({.id = "",
                          .stem = stem_of(file.path),
                          .title = section.title,
                          .text = document.text.substr(r.begin, r.end - r.begin),
                          .metadata = "",
                          .line = 0,
                          .begin = static_cast<int64_t>(r.begin),
                          .end = static_cast<int64_t>(r.end)});
      }
    }
  }
  if (pieces.empty()) {
    const char* hint = file.format == Format::kPdf ? " (a scan without a text layer?)" : "";
    return bad(file.path + ": there is no text in it" + hint);
  }
  return pieces;
}

}  // namespace kedge::router::retrieval
