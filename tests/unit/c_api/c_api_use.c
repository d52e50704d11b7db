/* A user of the C API, in C11: everything a program would do with it. */
#include "c_api_use.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mainspring/mainspring.h"

static int failures;
#define CHECK(condition)                                                                                  \
  do {                                                                                                    \
    if (!(condition)) {                                                                                   \
      ++failures;                                                                                         \
      printf("%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #condition, ms_last_error_message());    \
    }                                                                                                     \
  } while (0)

static ms_engine* load(const char* model, const char* speculate) {
  const ms_option options[] = {{"dtype", "f32"}, {"threads", "1"}, {"context", "200"}, {"max_sequences", "2"},
                               {"speculate", speculate}};
  ms_engine* engine = NULL;
  CHECK(ms_engine_load(model, options, sizeof options / sizeof *options, &engine) == MS_OK);
  return engine;
}

int use_text(const char* model) {
  failures = 0;
  CHECK(ms_api_version() == MS_API_VERSION);
  CHECK(strlen(ms_version()) > 0);
  CHECK(strcmp(ms_status_name(MS_OK), "ok") == 0 && strcmp(ms_status_name(MS_NOT_FOUND), "not_found") == 0);
  ms_engine* engine = load(model, "ngram");

  ms_text* info = NULL;
  CHECK(ms_engine_info(engine, &info) == MS_OK);
  CHECK(strstr(ms_text_data(info), "\"vocab_size\": 128") != NULL);
  CHECK(strlen(ms_text_data(info)) == ms_text_size(info));
  ms_text_free(info);
  CHECK(ms_engine_stats(engine, &info) == MS_OK && strstr(ms_text_data(info), "\"steps\": ") != NULL);
  ms_text_free(info);

  ms_tokens* tokens = NULL;
  CHECK(ms_tokenize(engine, "Hello, C!", 9, MS_NO_SPECIAL, &tokens) == MS_OK);
  CHECK(ms_tokens_size(tokens) == 9);
  ms_text* text = NULL;
  CHECK(ms_detokenize(engine, ms_tokens_data(tokens), ms_tokens_size(tokens), 0, &text) == MS_OK);
  CHECK(strcmp(ms_text_data(text), "Hello, C!") == 0);
  ms_text_free(text);
  ms_tokens_free(tokens);
  CHECK(ms_tokenize(engine, NULL, 0, MS_NO_SPECIAL, &tokens) == MS_OK && ms_tokens_size(tokens) == 0);
  ms_tokens_free(tokens);
  /* The spelling of a special token is the token, or text. */
  CHECK(ms_tokenize(engine, "</s>", 4, MS_NO_SPECIAL, &tokens) == MS_OK && ms_tokens_size(tokens) == 1);
  ms_tokens_free(tokens);
  CHECK(ms_tokenize(engine, "</s>", 4, MS_NO_SPECIAL | MS_PLAIN_SPECIAL, &tokens) == MS_OK && ms_tokens_size(tokens) == 4);
  ms_tokens_free(tokens);

  CHECK(ms_apply_chat_template(engine, "[{\"role\": \"user\", \"content\": \"hi\"}]", 1, NULL, NULL, &text) == MS_OK);
  CHECK(strcmp(ms_text_data(text), "[user]hi[assistant]") == 0);
  ms_text_free(text);
  CHECK(ms_apply_chat_template(engine, "[{\"role\": \"user\", \"content\": \"hi\"}]", 0, NULL, "{\"suffix\": \"!\"}", &text) ==
        MS_OK);
  CHECK(strcmp(ms_text_data(text), "[user]hi!") == 0);
  ms_text_free(text);
  ms_engine_free(engine);
  return failures;
}

int use_errors(const char* model) {
  failures = 0;
  ms_engine* engine = (ms_engine*)1;
  CHECK(ms_engine_load("/no/such/model", NULL, 0, &engine) == MS_NOT_FOUND);
  CHECK(engine == NULL && ms_last_error() == MS_NOT_FOUND);
  CHECK(strstr(ms_last_error_message(), "/no/such/model") != NULL);
  CHECK(ms_engine_load(NULL, NULL, 0, &engine) == MS_INVALID_INPUT);
  CHECK(ms_engine_load(model, NULL, 0, NULL) == MS_INVALID_INPUT);
  CHECK(ms_engine_load(model, NULL, 1, &engine) == MS_INVALID_INPUT);
  const ms_option unknown = {"speed", "high"}, odd = {"threads", "2x"}, flag = {"prefix_cache", "yes"}, none = {"isa", NULL},
                  guess = {"speculate", "magic"}, far = {"speculate_tokens", "8"};
  const ms_option* bad[] = {&unknown, &odd, &flag, &none, &guess, &far};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    CHECK(ms_engine_load(model, bad[i], 1, &engine) == MS_INVALID_INPUT);
    CHECK(engine == NULL && strlen(ms_last_error_message()) > 0);
  }

  engine = load(model, "off");
  CHECK(ms_last_error() == MS_OK && strcmp(ms_last_error_message(), "") == 0);
  ms_tokens* tokens = NULL;
  ms_text* text = NULL;
  CHECK(ms_tokenize(NULL, "a", 1, 0, &tokens) == MS_INVALID_INPUT);
  CHECK(ms_tokenize(engine, NULL, 1, 0, &tokens) == MS_INVALID_INPUT);
  CHECK(ms_tokenize(engine, "a", 1, 64, &tokens) == MS_INVALID_INPUT && tokens == NULL);
  CHECK(ms_apply_chat_template(engine, "[{", 1, NULL, NULL, &text) == MS_INVALID_INPUT && text == NULL);
  CHECK(ms_apply_chat_template(engine, "[]", 1, NULL, "[1]", &text) != MS_OK);

  ms_params* params = NULL;
  CHECK(ms_params_new(NULL, &params) == MS_OK);
  const char* wrong[][2] = {{"temperature", "warm"}, {"temperature", ""}, {"top_k", "1.5"},     {"seed", "-1"},
                            {"ignore_eos", "1"},     {"heat", "1"},       {"logit_bias", "3"},  {"logit_bias", "3:x"},
                            {"stop_id", "x"},        {"bad_word", "1 x"}, {"max_tokens", "1e3"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) CHECK(ms_params_set(params, wrong[i][0], wrong[i][1]) == MS_INVALID_INPUT);
  CHECK(ms_params_set(NULL, "seed", "1") == MS_INVALID_INPUT && ms_params_set(params, "seed", NULL) == MS_INVALID_INPUT);
  const int32_t prompt[] = {40, 41}, outside[] = {4000};
  ms_generation* g = NULL;
  CHECK(ms_generation_start(engine, prompt, 0, params, &g) == MS_INVALID_INPUT && g == NULL);
  CHECK(ms_generation_start(engine, outside, 1, params, &g) == MS_INVALID_INPUT);
  CHECK(ms_params_set(params, "top_p", "3") == MS_OK); /* ranges are seen at the start */
  CHECK(ms_generation_start(engine, prompt, 2, params, &g) == MS_INVALID_INPUT);
  CHECK(strstr(ms_last_error_message(), "top_p") != NULL);
  ms_params_free(params);

  /* NULL handles are harmless. */
  ms_chunk chunk;
  CHECK(ms_generation_next(NULL, &chunk) == MS_INVALID_INPUT && chunk.end == 1);
  CHECK(ms_generation_run(NULL, NULL, NULL) == MS_INVALID_INPUT);
  ms_generation_cancel(NULL);
  CHECK(ms_generation_finish_reason(NULL) == MS_FINISH_NONE && ms_generation_matched_stop(NULL) == -1);
  CHECK(ms_generation_usage(NULL).output_tokens == 0);
  CHECK(ms_text_size(NULL) == 0 && ms_tokens_size(NULL) == 0 && ms_tokens_data(NULL) == NULL);
  ms_generation_free(NULL);
  ms_params_free(NULL);
  ms_text_free(NULL);
  ms_tokens_free(NULL);
  ms_engine_free(NULL);
  ms_engine_free(engine);
  return failures;
}

/* What a generation gave, gathered. */
typedef struct answer {
  char text[4096];
  size_t text_size;
  int32_t tokens[512];
  float logprobs[512];
  size_t n, chunks, stop_after;
} answer;

static int gather(const ms_chunk* chunk, void* user) {
  answer* a = user;
  memcpy(a->text + a->text_size, chunk->text, chunk->text_size);
  a->text_size += chunk->text_size;
  a->text[a->text_size] = 0;
  for (size_t i = 0; i < chunk->n_tokens; ++i) {
    a->tokens[a->n] = chunk->tokens[i];
    if (chunk->logprobs != NULL) {
      CHECK(chunk->logprobs[i].id == chunk->tokens[i]);
      a->logprobs[a->n] = chunk->logprobs[i].logprob;
    }
    ++a->n;
  }
  ++a->chunks;
  return a->stop_after > 0 && a->n >= a->stop_after;
}

static ms_params* params_of(const char* const* pairs) {
  ms_params* p = NULL;
  CHECK(ms_params_new(NULL, &p) == MS_OK);
  for (; *pairs != NULL; pairs += 2) CHECK(ms_params_set(p, pairs[0], pairs[1]) == MS_OK);
  return p;
}

int use_generation(const char* model, const int32_t* prompt, size_t n_prompt, const int32_t* expected, size_t n_expected) {
  failures = 0;
  ms_engine* engine = load(model, "ngram");
  char max_tokens[24];
  snprintf(max_tokens, sizeof max_tokens, "%zu", n_expected);
  const char* const greedy[] = {"temperature", "0", "max_tokens", max_tokens, "ignore_eos", "true", "top_logprobs", "0",
                                "skip_special_tokens", "false", NULL};
  ms_params* params = params_of(greedy);
  ms_generation* g = NULL;
  answer a = {.n = 0};
  CHECK(ms_generation_start(engine, prompt, n_prompt, params, &g) == MS_OK);
  CHECK(ms_generation_run(g, gather, &a) == MS_OK);
  CHECK(a.n == n_expected && memcmp(a.tokens, expected, n_expected * sizeof *expected) == 0);
  CHECK(a.logprobs[0] < 0);
  CHECK(ms_generation_finish_reason(g) == MS_FINISH_LENGTH && ms_generation_matched_stop(g) == -1);
  const ms_usage usage = ms_generation_usage(g);
  CHECK(usage.prompt_tokens == (int64_t)n_prompt && usage.output_tokens == (int64_t)n_expected && usage.ttft_s > 0);
  ms_chunk chunk;
  CHECK(ms_generation_next(g, &chunk) == MS_OK && chunk.end == 1); /* as often as one likes */
  ms_text* text = NULL;
  CHECK(ms_detokenize(engine, expected, n_expected, 0, &text) == MS_OK && strcmp(ms_text_data(text), a.text) == 0);
  ms_generation_free(g);

  /* The same by chunks, ended by a stop text: the second half's first two characters. */
  const char stop[3] = {a.text[a.text_size / 2], a.text[a.text_size / 2 + 1], 0};
  CHECK(ms_params_set(params, "stop", "never") == MS_OK && ms_params_set(params, "stop", stop) == MS_OK);
  CHECK(ms_generation_start(engine, prompt, n_prompt, params, &g) == MS_OK);
  ms_params_free(params); /* it was copied */
  size_t size = 0;
  while (ms_generation_next(g, &chunk) == MS_OK && !chunk.end) {
    CHECK(memcmp(chunk.text, ms_text_data(text) + size, chunk.text_size) == 0 && chunk.text[chunk.text_size] == 0);
    size += chunk.text_size;
  }
  CHECK(ms_generation_finish_reason(g) == MS_FINISH_STOP && ms_generation_matched_stop(g) == 1);
  CHECK(size == (size_t)(strstr(ms_text_data(text), stop) - ms_text_data(text)));
  ms_generation_free(g);
  ms_text_free(text);

  /* A callback that has enough. The engine goes first: the generation keeps what it needs. */
  const char* const endless[] = {"max_tokens", "-1", "ignore_eos", "true", "seed", "1", NULL};
  params = params_of(endless);
  CHECK(ms_generation_start(engine, prompt, n_prompt, params, &g) == MS_OK);
  ms_params_free(params);
  ms_engine_free(engine);
  answer b = {.stop_after = 3};
  CHECK(ms_generation_run(g, gather, &b) == MS_OK);
  CHECK(b.n >= 3);
  CHECK(ms_generation_finish_reason(g) == MS_FINISH_CANCELLED || b.n == 200 - n_prompt);
  ms_generation_free(g);
  return failures;
}

int use_speculation(const char* model, int64_t* accepted) {
  failures = 0;
  *accepted = 0;
  ms_engine* plain = load(model, "off");
  ms_engine* guessing = load(model, "ngram");
  const char* const kinds[][16] = {
      {"temperature", "0", NULL},
      {"temperature", "0", "repetition_penalty", "1.3", "no_repeat_ngram", "5", NULL},
      {"temperature", "0.3", "top_p", "0.9", NULL},
      {"temperature", "1", "top_k", "5", "presence_penalty", "0.4", "min_tokens", "30", NULL},
      {"temperature", "0.7", "typical_p", "0.8", "stop_id", "57", NULL},
      {"temperature", "0", "stop", "##", "frequency_penalty", "0.05", NULL},
  };
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; ++kind)
    for (int seed = 1; seed <= 4; ++seed) {
      static answer a[2];
      memset(a, 0, sizeof a);
      ms_finish_reason ends[2];
      for (int on = 0; on <= 1; ++on) {
        ms_params* params = params_of(kinds[kind]);
        char number[24];
        snprintf(number, sizeof number, "%d", seed);
        CHECK(ms_params_set(params, "seed", number) == MS_OK && ms_params_set(params, "max_tokens", "120") == MS_OK);
        CHECK(ms_params_set(params, "top_logprobs", "2") == MS_OK);
        int32_t prompt[60];
        for (int i = 0; i < 60; ++i) prompt[i] = 20 + (i * seed) % 30; /* repeats itself */
        ms_generation* g = NULL;
        CHECK(ms_generation_start(on ? guessing : plain, prompt, 60, params, &g) == MS_OK);
        CHECK(ms_generation_run(g, gather, &a[on]) == MS_OK);
        ends[on] = ms_generation_finish_reason(g);
        const ms_usage usage = ms_generation_usage(g);
        CHECK(on || usage.drafted_tokens == 0);
        *accepted += usage.accepted_tokens;
        ms_generation_free(g);
        ms_params_free(params);
      }
      CHECK(a[0].n == a[1].n && ends[0] == ends[1] && strcmp(a[0].text, a[1].text) == 0);
      CHECK(memcmp(a[0].tokens, a[1].tokens, sizeof a[0].tokens) == 0);
      CHECK(memcmp(a[0].logprobs, a[1].logprobs, sizeof a[0].logprobs) == 0);
    }
  ms_engine_free(plain);
  ms_engine_free(guessing);
  return failures;
}
