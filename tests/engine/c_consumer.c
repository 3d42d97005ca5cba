/* A C11 program over the public header and nothing else; c_api_test.cc compiles, links and runs it with a model file. */
#include <kedge/kedge.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                    \
  do {                                                                                      \
    if (!(condition)) {                                                                     \
      fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #condition, kedge_last_error());      \
      exit(1);                                                                              \
    }                                                                                       \
  } while (0)

static int on_text(void* user, const char* text, size_t text_size) {
  (void)text;
  *(size_t*)user += text_size;
  return 0;
}

static kedge_session* open_session(const char* path) {
  kedge_model* model = NULL;
  CHECK(kedge_model_open(path, strlen(path), NULL, &model) == KEDGE_OK);
  kedge_model_info info = {.struct_size = sizeof info};
  CHECK(kedge_model_get_info(model, &info) == KEDGE_OK);
  CHECK(info.n_vocab > 0 && info.n_ctx_train > 0 && info.weight_bytes > 0);

  kedge_session_options options;
  kedge_session_options_init(&options, sizeof options);
  options.n_ctx = 64;
  options.n_threads = 1;
  options.kv_type = KEDGE_KV_F32;
  kedge_session* session = NULL;
  CHECK(kedge_session_create(model, &options, &session) == KEDGE_OK);
  kedge_model_close(model); /* the session keeps it alive */
  return session;
}

static void generate(kedge_session* session) {
  const int32_t prompt[] = {1, 20, 30, 40};
  const kedge_setting settings[] = {{{"temperature", 11}, 0.0}};
  size_t text_bytes = 0;
  kedge_generate_options options;
  kedge_generate_options_init(&options, sizeof options);
  options.max_tokens = 5;
  options.ignore_eos = 1;
  options.logprobs = 2;
  options.settings = settings;
  options.n_settings = 1;
  options.on_text = on_text;
  options.user = &text_bytes;
  kedge_generation* generation = NULL;
  CHECK(kedge_generate(session, prompt, 4, &options, &generation) == KEDGE_OK);
  kedge_generation_result result = {.struct_size = sizeof result};
  CHECK(kedge_generation_get(generation, &result) == KEDGE_OK);
  CHECK(result.finish_reason == KEDGE_FINISH_LENGTH);
  CHECK(result.n_tokens == 5 && result.n_prompt == 4);
  CHECK(result.text.size == text_bytes);
  CHECK(result.logprobs_per_token == 3);
  CHECK(result.logprobs[0].token == result.tokens[0] && result.logprobs[0].logprob <= 0.0);
  kedge_generation_free(generation);
}

int main(int argc, char** argv) {
  CHECK(argc == 2);
  CHECK(kedge_abi_version() == KEDGE_ABI_VERSION);
  CHECK(strlen(kedge_version()) > 0);
  CHECK(strcmp(kedge_last_error(), "") == 0);
  CHECK(strcmp(kedge_status_name(KEDGE_CAPACITY), "capacity") == 0);

  kedge_model* none = NULL;
  CHECK(kedge_model_open("/nonexistent.gguf", 17, NULL, &none) == KEDGE_NOT_FOUND);
  CHECK(none == NULL && strstr(kedge_last_error(), "nonexistent") != NULL);

  kedge_session* session = open_session(argv[1]);
  generate(session);
  CHECK(kedge_session_truncate(session, 4) == KEDGE_OK);
  kedge_session_info info = {.struct_size = sizeof info};
  CHECK(kedge_session_get_info(session, &info) == KEDGE_OK);
  CHECK(info.n_past == 4 && info.n_ctx == 64 && info.n_threads == 1);
  kedge_session_free(session);

  char* json = NULL;
  size_t size = 0;
  CHECK(kedge_settings_schema(&json, &size) == KEDGE_OK);
  CHECK(size == strlen(json));
  kedge_free(json);
  printf("ok\n");
  return 0;
}
