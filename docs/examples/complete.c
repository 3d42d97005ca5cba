/* complete MODEL.gguf TEXT: goes on from a text, at temperature 0.
 *   cc -std=c11 complete.c $(pkg-config --cflags --libs kedge) -o complete */
#include <kedge/kedge.h>
#include <stdio.h>
#include <string.h>

static int on_text(void* user, const char* text, size_t text_size) {
  return fwrite(text, 1, text_size, (FILE*)user) == text_size ? 0 : 1; /* anything but 0 stops the generation */
}

static int complete(kedge_session* session, const int32_t* prompt, size_t n_prompt) {
  const kedge_setting temperature = {{"temperature", strlen("temperature")}, 0.0};
  kedge_generate_options options;
  kedge_generate_options_init(&options, sizeof options);
  options.max_tokens = 16;
  options.settings = &temperature;
  options.n_settings = 1;
  options.on_text = on_text;
  options.user = stdout;
  kedge_generation* generation = NULL;
  if (kedge_generate(session, prompt, n_prompt, &options, &generation) != KEDGE_OK) return 1;
  printf("\n");
  kedge_generation_free(generation);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: complete MODEL.gguf TEXT\n");
    return 2;
  }
  kedge_model* model = NULL;
  kedge_session* session = NULL;
  int32_t* prompt = NULL;
  size_t n_prompt = 0;
  const int failed =
      kedge_model_open(argv[1], strlen(argv[1]), NULL, &model) != KEDGE_OK ||
      kedge_tokenize(model, argv[2], strlen(argv[2]), KEDGE_TOKENIZE_ADD_BOS, &prompt, &n_prompt) != KEDGE_OK ||
      kedge_session_create(model, NULL, &session) != KEDGE_OK || complete(session, prompt, n_prompt) != 0;
  if (failed) fprintf(stderr, "complete: %s\n", kedge_last_error());
  kedge_free(prompt); /* all of these allow null */
  kedge_session_free(session);
  kedge_model_close(model);
  return failed;
}
