// /v1/kedge/indexes: documents to answer from. The library parses them in a process of its own, with limits.
#include <openssl/evp.h>

#include <filesystem>

#include "tools/serve/api/parts.h"
#include "tools/serve/key_files.h"
#include "tools/serve/wire/api.h"
#include "tools/serve/wire/members.h"

namespace kedge::tools::serve {

namespace {

constexpr size_t kMostFiles = 1000;

Answer<std::string> from_base64(std::string_view text, const std::string& path) {
  std::string packed;
  for (const char c : text) {
    if (c != '\n' && c != '\r') packed += c;
  }
  std::string bytes(packed.size() / 4 * 3 + 3, '\0');
  const int n = packed.size() % 4 == 0 ? EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                                         reinterpret_cast<const unsigned char*>(packed.data()),
                                                         static_cast<int>(packed.size()))
                                       : -1;
  if (n < 0) return bad_request("'" + path + "' is no base64", path);
  const size_t padding = packed.ends_with("==") ? 2 : packed.ends_with('=') ? 1 : 0;
  bytes.resize(static_cast<size_t>(n) - padding);
  return bytes;
}

struct Upload {
  std::string name;
  std::string bytes;
};

Answer<std::vector<Upload>> read_files(Members& in) {
  std::vector<Upload> files;
  const Json* given = in.array("files");
  if (given == nullptr || given->empty()) in.wrong("files", given == nullptr ? "is missing" : "is empty");
  if (in.ok() && given->size() > kMostFiles) {
    in.wrong("files", "are more than " + std::to_string(kMostFiles));
  }
  for (size_t i = 0; in.ok() && i < given->size(); ++i) {
    const std::string here = "files[" + std::to_string(i) + "]";
    Members m((*given)[i], here);
    Upload file;
    std::string encoded;
    if (!m.text("name", file.name)) m.wrong("name", "is missing");
    const bool text = m.text("text", file.bytes);
    if (m.text("base64", encoded)) {
      auto bytes = from_base64(encoded, here + ".base64");
      if (!bytes.ok()) return bytes.error();
      file.bytes = *std::move(bytes);
    } else if (!text) {
      m.wrong("text", "is missing ('text' or 'base64')");
    }
    if (m.error()) return *m.error();
    files.push_back(std::move(file));
  }
  if (in.error()) return *in.error();
  return files;
}

// A folder of uploads, gone with this.
class Folder {
 public:
  explicit Folder(const StateDirectory& state) : state_(state), name_(new_id("upload-")) {}
  ~Folder() {
    for (const std::string& name : files_) (void)state_.remove(name_, name);
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::optional<ApiError> add(const Upload& file) {
    const auto written = state_.write(name_, file.name, file.bytes);
    if (!written.ok()) return written.error();
    files_.push_back(file.name);
    path_ = std::filesystem::path(*state_.path_of(name_, file.name)).parent_path().string();
    return std::nullopt;
  }
  const std::string& path() const { return path_; }

 private:
  const StateDirectory& state_;
  const std::string name_;
  std::string path_;
  std::vector<std::string> files_;
};

void list(Parts& parts, const Call& call) {
  auto all = index_files(parts.state, call.who.name).list();
  if (!all.ok()) return call.send_error(all.error());
  call.send_json({{"indexes", *std::move(all)}});
}

void put(Parts& parts, const Call& call) {
  const auto body = json_body(call.request);
  if (!body.ok()) return call.send_error(body.error());
  Members in(*body, "");
  const auto files = read_files(in);
  if (!files.ok()) return call.send_error(files.error());
  Json request = Json::object();
  int words = 0;
  bool skip_bad = false;
  if (in.integer("passage_words", words, 1, 10000)) request["passage_words"] = words;
  in.flag("skip_bad", skip_bad);
  if (in.error()) return call.send_error(*in.error());
  const auto unknown = in.unknown();
  if (!unknown.empty()) return call.send_error(bad_request("'" + unknown.front() + "' is not known", unknown.front()));

  const std::string name(call.capture("name"));
  const KeyFiles indexes = index_files(parts.state, call.who.name);
  const auto out = indexes.path(name);
  if (!out.ok()) return call.send_error(out.error());
  const auto models = parts.catalog.list();
  if (!models.ok()) return call.send_error(models.error());
  Folder folder(parts.state);
  for (const Upload& file : *files) {
    if (const auto error = folder.add(file)) return call.send_error(*error);
  }
  if (const auto made = indexes.make(); !made.ok()) return call.send_error(made.error());
  request["paths"] = Json::array({folder.path()});
  request["root"] = folder.path();
  request["out"] = *out;
  request["model"] = (*models)[size_t{0}]["path"];
  request["skip_bad"] = skip_bad;
  const auto built = kedge::index_build(request.dump(), [&](size_t, size_t) { return !call.reply->gone(); });
  if (!built.ok()) return call.send_error(library_error(built.error()));
  Json answer = Json::parse(*built);
  answer["index"] = name;
  call.send_json(answer);
}

void info(Parts& parts, const Call& call) {
  const auto path = index_files(parts.state, call.who.name).path(call.capture("name"));
  if (!path.ok()) return call.send_error(path.error());
  const auto about = kedge::call(kedge_index_info, Json{{"index", *path}}.dump());
  if (!about.ok()) return call.send_error(library_error(about.error()));
  Json answer = Json::parse(*about);
  answer["index"] = call.capture("name");
  call.send_json(answer);
}

void search(Parts& parts, const Call& call) {
  const auto path = index_files(parts.state, call.who.name).path(call.capture("name"));
  if (!path.ok()) return call.send_error(path.error());
  const auto query = call.request.parameter("q");
  if (query.empty()) return call.send_error(bad_request("'q' is missing", "q"));
  const auto found = kedge::call(kedge_index_search, Json{{"index", *path}, {"query", query}, {"by", "bm25"}}.dump());
  if (!found.ok()) return call.send_error(library_error(found.error()));
  Json answer = Json::parse(*found);
  answer["index"] = call.capture("name");
  call.send_json(answer);
}

void remove(Parts& parts, const Call& call) {
  const auto removed = index_files(parts.state, call.who.name).remove(call.capture("name"));
  if (!removed.ok()) return call.send_error(removed.error());
  call.send_json({{"index", call.capture("name")}, {"deleted", true}});
}

}  // namespace

void add_indexes(Routes& routes, Parts& parts) {
  const auto add = [&](const char* method, const char* path, auto f) {
    routes.add(
        method, path, Role::kUse, [&parts, f](const Call& call) { f(parts, call); }, Where::kWorker);
  };
  add("GET", "/v1/kedge/indexes", list);
  add("PUT", "/v1/kedge/indexes/{name}", put);
  add("GET", "/v1/kedge/indexes/{name}", info);
  add("GET", "/v1/kedge/indexes/{name}/search", search);
  add("DELETE", "/v1/kedge/indexes/{name}", remove);
}

}  // namespace kedge::tools::serve
