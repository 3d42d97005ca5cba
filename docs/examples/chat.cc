// chat MODEL.gguf QUESTION: one question through the model's own chat template, at temperature 0.
//   c++ -std=c++20 chat.cc $(pkg-config --cflags --libs kedge) -o chat
#include <cstdio>
#include <kedge/kedge.hpp>
#include <kedge/kedge_router.hpp>
#include <string>

namespace {

// A string as JSON has it; the library takes UTF-8 only and says so.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

int fail(const kedge::Error& error) {
  std::fprintf(stderr, "chat: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: chat MODEL.gguf QUESTION\n");
    return 2;
  }
  const auto model = kedge::Model::open(argv[1]);
  if (!model) return fail(model.error());
  auto session = kedge::Session::create(*model, {.n_ctx = 512});
  if (!session) return fail(session.error());
  const auto prompt = model->chat_tokenize(R"([{"role": "user", "content": )" + quoted(argv[2]) + "}]");
  if (!prompt) return fail(prompt.error());
  const auto answer = session->generate(*prompt, {.max_tokens = 32, .settings = {{"temperature", 0.0}}});
  if (!answer) return fail(answer.error());
  std::printf("%s\n", std::string(answer->text()).c_str());

  // The router's functions are in the same library: is that answer one that the question bears out?
  const auto checked = kedge::call(
      kedge_check_answer, "{\"question\": " + quoted(argv[2]) + ", \"answer\": " + quoted(answer->text()) + "}");
  if (!checked) return fail(checked.error());
  std::printf("%s\n", checked->c_str());
  return 0;
}
