/* ask POOL.toml QUESTION: a question through the router. Text comes as it is written, and Ctrl-C ends the call.
 *   cc -std=c99 ask.c $(pkg-config --cflags --libs kedge) -o ask
 * Events and the answer are JSON: a program reads them with the parser it has; this one shows them. */
#include <kedge/kedge_router.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kedge_cancel* cancel = NULL;

static void on_signal(int number) {
  (void)number;
  kedge_cancel_set(cancel, 1); /* allowed in a handler, and from any thread */
}

static int on_event(void* user, const char* json, size_t json_size) {
  (void)user;
  fprintf(stderr, "%.*s\n", (int)json_size, json);
  return 0; /* anything but 0 ends the call too */
}

/* {"question": ..., "stream": true}, quoted as JSON has it; null when there is no memory. */
static char* request_of(const char* question) {
  char* request = (char*)malloc(6 * strlen(question) + 64);
  char* out = request;
  if (request == NULL) return NULL;
  out += sprintf(out, "{\"stream\": true, \"question\": \"");
  for (; *question != '\0'; ++question) {
    const unsigned char c = (unsigned char)*question;
    if (c < 0x20 || c == '"' || c == '\\') {
      out += sprintf(out, "\\u%04x", c);
    } else {
      *out++ = (char)c;
    }
  }
  memcpy(out, "\"}", 3);
  return request;
}

int main(int argc, char** argv) {
  kedge_router* router = NULL;
  char* request = NULL;
  char* answer = NULL;
  size_t answer_size = 0;
  kedge_ask_options options;
  kedge_status status;
  if (argc != 3) {
    fprintf(stderr, "usage: ask POOL.toml QUESTION\n");
    return 2;
  }
  kedge_ask_options_init(&options, sizeof options);
  options.on_event = on_event;
  request = request_of(argv[2]);
  status = request == NULL ? KEDGE_CAPACITY : kedge_cancel_create(&cancel);
  if (status == KEDGE_OK) status = kedge_router_open(argv[1], strlen(argv[1]), NULL, 0, &router);
  if (status == KEDGE_OK) {
    options.cancel = cancel;
    signal(SIGINT, on_signal);
    status = kedge_router_ask_with(router, request, strlen(request), &options, &answer, &answer_size);
    signal(SIGINT, SIG_DFL);
  }
  if (status == KEDGE_OK) {
    printf("%s\n", answer);
  } else {
    fprintf(stderr, "ask: %s: %s\n", kedge_status_name(status), kedge_last_error());
  }
  kedge_free(answer); /* all of these allow null */
  kedge_router_free(router);
  kedge_cancel_free(cancel);
  free(request);
  return status == KEDGE_OK ? 0 : 1;
}
