/* The C API: load a model, turn text into tokens, generate. Plain C11, opaque handles, no exceptions.
 *
 *   ms_engine* engine = NULL;
 *   if (ms_engine_load("model.gguf", NULL, 0, &engine) != MS_OK) { puts(ms_last_error_message()); return 1; }
 *   ms_tokens* prompt = NULL;
 *   ms_tokenize(engine, "The capital of France is", 24, 0, &prompt);
 *   ms_generation* g = NULL;
 *   ms_generation_start(engine, ms_tokens_data(prompt), ms_tokens_size(prompt), NULL, &g);
 *   ms_chunk chunk;
 *   while (ms_generation_next(g, &chunk) == MS_OK && !chunk.end) fwrite(chunk.text, 1, chunk.text_size, stdout);
 *   ms_generation_free(g); ms_tokens_free(prompt); ms_engine_free(engine);
 *
 * Rules for all functions:
 * - Text is UTF-8. Strings passed as `const char*` alone end with a zero; others come with their size in bytes.
 * - A function that returns ms_status returns MS_OK or says what went wrong in the calling thread's last error. Outputs are
 *   set (handles to NULL) also when it fails.
 * - Handles come from one function and go back to the matching ms_..._free, which accepts NULL. They may be freed in any
 *   order: a generation keeps its engine alive.
 * - An engine may be used from any number of threads at once. Other handles belong to one thread at a time, except that
 *   ms_generation_cancel may be called while another thread waits in ms_generation_next or ms_generation_run.
 */
#ifndef MAINSPRING_MAINSPRING_H
#define MAINSPRING_MAINSPRING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a function changes or goes; additions do not raise it. */
#define MS_API_VERSION 1

typedef enum ms_status {
  MS_OK = 0,
  MS_INVALID_INPUT = 1, /* an argument, option, file or prompt is wrong */
  MS_NOT_FOUND = 2,     /* a path or model does not exist */
  MS_OUT_OF_MEMORY = 3,
  MS_UNSUPPORTED = 4, /* well-formed, but this build, device or model cannot do it */
  MS_IO = 5,
  MS_UNAVAILABLE = 6,
  MS_CANCELLED = 7,
  MS_INTERNAL = 8 /* a bug of ours */
} ms_status;

typedef enum ms_finish_reason {
  MS_FINISH_NONE = 0, /* still running */
  MS_FINISH_STOP = 1, /* end of text, a stop id or a stop string */
  MS_FINISH_LENGTH = 2,
  MS_FINISH_CANCELLED = 3,
  MS_FINISH_ERROR = 4
} ms_finish_reason;

typedef struct ms_engine ms_engine;         /* a loaded model */
typedef struct ms_params ms_params;         /* sampling parameters */
typedef struct ms_generation ms_generation; /* one running request */
typedef struct ms_text ms_text;             /* bytes */
typedef struct ms_tokens ms_tokens;         /* token ids */

/* The library's version, like "0.1.0"; never freed. */
const char* ms_version(void);
/* MS_API_VERSION of the library, to compare with that of the header. */
int ms_api_version(void);
/* "ok", "invalid_input", ...; never freed. */
const char* ms_status_name(ms_status status);

/* Of the last function that returned ms_status on this thread; MS_OK and "" after a success. The message is one line and
 * stays valid until the thread's next call. */
ms_status ms_last_error(void);
const char* ms_last_error_message(void);

/* -- buffers ------------------------------------------------------------------------------------------------------------ */

/* The bytes, followed by a zero; "" and 0 for NULL. */
const char* ms_text_data(const ms_text* text);
size_t ms_text_size(const ms_text* text);
void ms_text_free(ms_text* text);

/* NULL and 0 for NULL. */
const int32_t* ms_tokens_data(const ms_tokens* tokens);
size_t ms_tokens_size(const ms_tokens* tokens);
void ms_tokens_free(ms_tokens* tokens);

/* -- engine ------------------------------------------------------------------------------------------------------------- */

typedef struct ms_option {
  const char* key;
  const char* value;
} ms_option;

/* Loads `path`: a folder in Hugging Face layout or a .gguf file. Options, all texts: dtype (bf16, f16, f32), kv_dtype,
 * quantize, quantize_group, activations, threads, context, max_sequences, max_step_tokens, kv_bytes, prefix_cache
 * (true, false), speculate (ngram, off), speculate_tokens, device (cpu, ref), isa. What is not given has the default of
 * the command line program. An unknown key is MS_INVALID_INPUT. */
ms_status ms_engine_load(const char* path, const ms_option* options, size_t n_options, ms_engine** out);
/* Running generations keep the model loaded until they are freed too. */
void ms_engine_free(ms_engine* engine);
/* A JSON object: architecture, vocab_size, context, kv_bytes, has_chat_template, eos_ids, ... */
ms_status ms_engine_info(const ms_engine* engine, ms_text** out);
/* A JSON object: steps, prompt_tokens, output_tokens, drafted_tokens, ... since the engine was loaded. */
ms_status ms_engine_stats(const ms_engine* engine, ms_text** out);

/* -- text --------------------------------------------------------------------------------------------------------------- */

enum {
  MS_NO_SPECIAL = 1,   /* do not add the tokens that the tokenizer adds (begin of sequence, ...) */
  MS_PLAIN_SPECIAL = 2 /* spellings of special tokens in the text are plain text: for text that is not trusted */
};
/* `flags`: 0 or a sum of the above. */
ms_status ms_tokenize(const ms_engine* engine, const char* text, size_t size, int flags, ms_tokens** out);
/* `skip_special`: leave special tokens out. */
ms_status ms_detokenize(const ms_engine* engine, const int32_t* tokens, size_t n, int skip_special, ms_text** out);
/* Renders the model's chat template. `messages_json`: an array of {"role", "content"}; `tools_json` (an array) and
 * `extra_json` (an object of further template variables) may be NULL. MS_UNSUPPORTED when the model has no template. */
ms_status ms_apply_chat_template(const ms_engine* engine, const char* messages_json, int add_generation_prompt,
                                 const char* tools_json, const char* extra_json, ms_text** out);

/* -- generation --------------------------------------------------------------------------------------------------------- */

/* Parameters that start from the model's own defaults, or from none (plain sampling at temperature 1) when `engine` is
 * NULL. */
ms_status ms_params_new(const ms_engine* engine, ms_params** out);
void ms_params_free(ms_params* params);
/* Numbers: temperature, top_k, top_p, min_p, typical_p, repetition_penalty, presence_penalty, frequency_penalty,
 * no_repeat_ngram, min_tokens, max_tokens (-1: until the context is full), seed, top_logprobs (-1: none), priority,
 * cache_salt. true or false: ignore_eos, include_stop, skip_special_tokens. Each call adds one: stop (a text), stop_id,
 * logit_bias ("id:bias"), bad_word ("id id ..."). Ranges are checked when a generation starts. */
ms_status ms_params_set(ms_params* params, const char* key, const char* value);

/* Enqueues a request; it runs beside others. `params` NULL: those of ms_params_new(engine). Copies what it is given. */
ms_status ms_generation_start(const ms_engine* engine, const int32_t* prompt, size_t n_prompt, const ms_params* params,
                              ms_generation** out);
/* Cancels what still runs. */
void ms_generation_free(ms_generation* generation);

typedef struct ms_token_logprob {
  int32_t id;
  float logprob;
} ms_token_logprob;

/* What became known since the last chunk. Pointers stay valid until the generation's next call. */
typedef struct ms_chunk {
  const char* text; /* may be empty: bytes are held back until characters and stop strings are certain */
  size_t text_size;
  const int32_t* tokens;
  size_t n_tokens;
  const ms_token_logprob* logprobs; /* one per token, NULL without top_logprobs >= 0 */
  int end;                          /* 1: there is no more; the other fields are empty then */
} ms_chunk;

/* Waits for more. Fails with the request's error, once; afterwards and after the end chunk->end is 1. */
ms_status ms_generation_next(ms_generation* generation, ms_chunk* chunk);
/* Called with every chunk that is not the end; anything but 0 cancels the generation. */
typedef int (*ms_chunk_callback)(const ms_chunk* chunk, void* user);
/* Reads to the end. A cancelled generation is MS_OK: ms_generation_finish_reason tells. */
ms_status ms_generation_run(ms_generation* generation, ms_chunk_callback on_chunk, void* user);
/* From any thread, also while another one waits for the next chunk: the generation ends soon. */
void ms_generation_cancel(ms_generation* generation);

/* After the end; before it MS_FINISH_NONE, -1 and zeros. */
ms_finish_reason ms_generation_finish_reason(const ms_generation* generation);
/* Which of the stop texts ended it, counted from 0 in the order they were set; -1: none. */
int64_t ms_generation_matched_stop(const ms_generation* generation);

typedef struct ms_usage {
  int64_t prompt_tokens, cached_tokens, output_tokens;
  int64_t drafted_tokens, accepted_tokens; /* guessed ahead, and of these right */
  double ttft_s, decode_s;                 /* submit to first token, first to last token */
} ms_usage;
ms_usage ms_generation_usage(const ms_generation* generation);

#ifdef __cplusplus
}
#endif

#endif
