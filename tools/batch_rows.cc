#include "tools/batch_rows.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace kedge::tools {

namespace {

// A row that cannot be answered; the others can.
struct Problem {
  std::string what;
};

std::set<std::string> sampler_settings() {
  std::set<std::string> names;
  const Json schema = Json::parse(need(kedge::settings_schema()));
  for (const Json& setting : schema.at("settings")) {
    names.insert(setting.at("name").get<std::string>());
  }
  return names;
}

std::string text_of(const Json& value, const std::string& name) {
  if (!value.is_string()) throw Problem{"'" + name + "' is not a text"};
  return value.get<std::string>();
}

int number_of(const Json& value, const std::string& name, int low, int high) {
  const bool fits = value.is_number_integer() && value >= low && value <= high;
  if (!fits) throw Problem{format("'%s' is not a whole number from %d to %d", name.c_str(), low, high)};
  return value.get<int>();
}

bool flag_of(const Json& value, const std::string& name) {
  if (!value.is_boolean()) throw Problem{"'" + name + "' is neither true nor false"};
  return value.get<bool>();
}

std::vector<std::string> stops_of(const Json& value) {
  std::vector<std::string> stops;
  for (const Json& stop : value.is_array() ? value : Json(Json::Array{value})) {
    stops.push_back(text_of(stop, "stop"));
    if (stops.back().empty()) throw Problem{"'stop' has an empty text"};
  }
  return stops;
}

class Reader {
 public:
  void member(BatchRow& row, const std::string& name, const Json& value) const {
    constexpr int kMost = std::numeric_limits<int>::max();
    if (name == "prompt") {
      row.prompt = text_of(value, name);
    } else if (name == "messages") {
      if (!value.is_array()) throw Problem{"'messages' is not a list"};
      row.messages = value;
    } else if (name == "tools" || name == "enable_thinking") {
      row.chat[name] = value;
    } else if (name == "max_tokens") {
      row.max_tokens = number_of(value, name, -1, kMost);
    } else if (name == "logprobs") {
      row.logprobs = number_of(value, name, 0, 100);
    } else if (name == "ignore_eos") {
      row.ignore_eos = flag_of(value, name);
    } else if (name == "stop") {
      row.stop = stops_of(value);
    } else if (name == "seed") {
      if (!value.is_number_unsigned()) throw Problem{"'seed' is not a whole number from 0 to 18446744073709551615"};
      row.seed = value.get<uint64_t>();
    } else if (settings_.count(name) > 0) {
      if (!value.is_number()) throw Problem{"'" + name + "' is not a number"};
      row.settings.emplace_back(name, value.get<double>());
    } else if (name != "id") {
      throw Problem{"there is no member '" + name + "'"};
    }
  }

 private:
  std::set<std::string> settings_ = sampler_settings();
};

void read_row(const Reader& reader, const Json& json, BatchRow& row) {
  try {
    for (const auto& [name, value] : json.items()) reader.member(row, name, value);
    if (json.contains("prompt") == json.contains("messages")) {
      throw Problem{json.contains("prompt") ? "'prompt' and 'messages' are both given"
                                            : "neither 'prompt' nor 'messages' is given"};
    }
    if (!row.chat.empty() && row.messages.is_null()) {
      throw Problem{"'" + row.chat.begin().key() + "' is for 'messages'"};
    }
  } catch (const Problem& p) {
    row.problem = p.what;
  }
}

Json id_of(const Json& json, size_t line, const std::string& where) {
  const Json id = json.value("id", Json());
  if (id.is_null() && !json.contains("id")) return line;
  if (!id.is_string() && !id.is_number_integer()) throw Failure(where + "'id' is neither a text nor a whole number");
  return id;
}

}  // namespace

std::vector<BatchRow> read_batch_rows(std::string_view text, const std::string& name) {
  const Reader reader;
  std::vector<BatchRow> rows;
  std::map<std::string, size_t> lines;  // by id
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = format("%s:%zu: ", name.c_str(), number);
    const auto parsed = parse_json(line, "the row");
    if (!parsed.ok()) throw Failure(where + parsed.error().message);
    const Json& json = *parsed;
    if (!json.is_object()) throw Failure(where + "not a JSON object");
    BatchRow row;
    row.line = number;
    row.id = id_of(json, number, where);
    const auto [known, fresh] = lines.emplace(row.id.dump(), number);
    if (!fresh) throw Failure(where + "the id " + row.id.dump() + format(" is that of line %zu", known->second));
    read_row(reader, json, row);
    rows.push_back(std::move(row));
  }
  if (rows.empty()) throw Failure(name + ": has no rows");
  return rows;
}

}  // namespace kedge::tools
