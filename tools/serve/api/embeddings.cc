// Vectors of texts: OpenAI's /v1/embeddings and Ollama's /api/embed.
#include <openssl/evp.h>

#include <bit>
#include <cmath>

#include "kernels/base/at_once.h"
#include "tools/serve/api/parts.h"
#include "tools/serve/prompt_tokens.h"
#include "tools/serve/wire/fields.h"
#include "tools/serve/wire/members.h"
#include "tools/serve/wire/ollama.h"

namespace kedge::tools::serve {

namespace {

constexpr size_t kMostInputs = 2048;

struct Wanted {
  std::string model;
  std::vector<Prompt> inputs;
  int dimensions = 0;  // 0: all
  bool base64 = false;
};

struct Vectors {
  std::string model;
  std::vector<std::vector<float>> rows;
  size_t n_tokens = 0;
};

// A text, texts, tokens, or arrays of them.
void read_inputs(Members& in, const char* key, Wanted& wanted) {
  const Json* given = in.any(key);
  if (given == nullptr) return in.wrong(key, "is missing");
  const auto one = [&](const Json& json, const std::string& path) {
    Prompt prompt;
    if (json.is_string()) {
      prompt.text = json.get<std::string>();
      if (prompt.text.empty()) in.fail(bad_request("'" + path + "' is empty", path));
    } else if (json.is_array() && !json.empty()) {
      for (const Json& id : json) {
        if (!id.is_number_integer() || id < 0 || id > 0x7fffffff) {
          return in.fail(bad_request("'" + path + "' has " + id.dump() + ", which is no token id", path));
        }
        prompt.tokens.push_back(id.get<int32_t>());
      }
    } else {
      return in.fail(bad_request("'" + path + "' must be a string or an array of token ids", path));
    }
    wanted.inputs.push_back(std::move(prompt));
  };
  const bool many = given->is_array() && !given->empty() && !(*given)[size_t{0}].is_number();
  if (!many) return one(*given, key);
  if (given->size() > kMostInputs) {
    return in.wrong(key, "has " + std::to_string(given->size()) + " entries, at most " + std::to_string(kMostInputs) +
                             " are taken");
  }
  for (size_t i = 0; i < given->size() && in.ok(); ++i)
    one((*given)[i], std::string(key) + "[" + std::to_string(i) + "]");
}

// Fewer dimensions are the first ones, made a vector of length 1 again.
void shorten(std::vector<float>& row, size_t n) {
  row.resize(n);
  double sum = 0;
  for (const float x : row) sum += static_cast<double>(x) * static_cast<double>(x);
  const double scale = sum > 0 ? 1 / std::sqrt(sum) : 0;
  for (float& x : row) x = static_cast<float>(x * scale);
}

Answer<Vectors> embed(Parts& parts, const Wanted& wanted, const Call& call) {
  auto alias = parts.catalog.resolve(wanted.model);
  if (!alias.ok()) return alias.error();
  const auto model = parts.catalog.open(*alias == "auto" ? "fast" : *alias);
  if (!model.ok()) return model.error();
  const int width = (*model)->model().info().d_model;
  if (wanted.dimensions > width) {
    return bad_request(
        "'dimensions' is " + std::to_string(wanted.dimensions) + ", the model has " + std::to_string(width),
        "dimensions");
  }
  Vectors made{.model = (*model)->name(), .rows = std::vector<std::vector<float>>(wanted.inputs.size())};
  std::vector<std::vector<int32_t>> tokens;
  for (const Prompt& input : wanted.inputs) {
    auto read = prompt_tokens(input, (*model)->model());
    if (!read.ok()) return read.error();
    if (read->ids.size() > static_cast<size_t>((*model)->n_ctx())) {
      return context_exceeded(read->ids.size(), (*model)->n_ctx());
    }
    made.n_tokens += read->ids.size();
    tokens.push_back(std::move(read->ids));
  }
  auto end = kedge::Cancel::create();
  if (!end.ok()) return library_error(end.error());
  Cancel gone;
  const Cancel::Hears hears(gone, [&end] { end->set(); });
  std::mutex mutex;
  std::optional<ApiError> error;
  constexpr size_t kAtOnce = 8;
  base::at_once(std::min(kAtOnce, tokens.size()), tokens.size(), [&](size_t i) {
    if (call.reply->gone()) gone.now(Cancel::kGone);
    kedge::EmbedOptions options;
    options.key = call.who.name;
    options.cancel = &*end;
    auto row = (*model)->engine().embed(tokens[i], options);
    const std::lock_guard lock(mutex);
    if (!row.ok()) {
      if (!error) error = library_error(row.error());
      return;
    }
    made.rows[i] = *std::move(row);
    if (wanted.dimensions > 0) shorten(made.rows[i], static_cast<size_t>(wanted.dimensions));
  });
  if (error) return *error;
  return made;
}

std::string to_base64(std::span<const float> row) {
  static_assert(std::endian::native == std::endian::little, "clients read little-endian floats");
  std::string text((row.size_bytes() + 2) / 3 * 4 + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                reinterpret_cast<const unsigned char*>(row.data()), static_cast<int>(row.size_bytes()));
  text.resize(static_cast<size_t>(n));
  return text;
}

void openai(Parts& parts, const Call& call) {
  const auto body = json_body(call.request);
  if (!body.ok()) return call.send_error(body.error());
  Members in(*body, "");
  Wanted wanted;
  std::string format = "float";
  std::string user;
  in.text("model", wanted.model);
  read_inputs(in, "input", wanted);
  in.integer("dimensions", wanted.dimensions, 1, 1 << 20);
  if (in.text("encoding_format", format) && format != "float" && format != "base64") {
    in.wrong("encoding_format", "must be 'float' or 'base64', not '" + format + "'");
  }
  in.text("user", user);
  if (in.error()) return call.send_error(*in.error());
  const auto made = embed(parts, wanted, call);
  if (!made.ok()) return call.send_error(made.error());
  Json data = Json::array();
  for (size_t i = 0; i < made->rows.size(); ++i) {
    const Json vector = format == "base64" ? Json(to_base64(made->rows[i])) : Json(made->rows[i]);
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", vector}});
  }
  call.send_json({{"object", "list"},
                  {"data", std::move(data)},
                  {"model", made->model},
                  {"usage", {{"prompt_tokens", made->n_tokens}, {"total_tokens", made->n_tokens}}},
                  {"kedge", {{"ignored", in.unknown()}}}});
}

void ollama(Parts& parts, const Call& call) {
  const auto body = json_body(call.request);
  if (!body.ok()) return call.send_error(body.error());
  Members in(*body, "");
  Wanted wanted;
  in.text("model", wanted.model);
  wanted.model = without_tag(std::move(wanted.model));
  read_inputs(in, "input", wanted);
  in.integer("dimensions", wanted.dimensions, 1, 1 << 20);
  if (in.error()) return call.send_error(*in.error());
  const auto made = embed(parts, wanted, call);
  if (!made.ok()) return call.send_error(made.error());
  call.send_json({{"model", made->model}, {"embeddings", made->rows}, {"prompt_eval_count", made->n_tokens}});
}

}  // namespace

void add_embeddings(Routes& routes, Parts& parts) {
  routes.add(
      "POST", "/v1/embeddings", Role::kUse, [&parts](const Call& call) { openai(parts, call); }, Where::kWorker);
  routes.add(
      "POST", "/api/embed", Role::kUse, [&parts](const Call& call) { ollama(parts, call); }, Where::kWorker);
}

}  // namespace kedge::tools::serve
