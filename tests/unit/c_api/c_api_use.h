/* What the C program does with the C API; each returns how many of its checks failed, after printing them. */
#ifndef TESTS_C_API_USE_H
#define TESTS_C_API_USE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

int use_text(const char* model);
int use_errors(const char* model);
/* Greedy tokens after `prompt` must be `expected`; then the same with stops, callbacks, log-probabilities. */
int use_generation(const char* model, const int32_t* prompt, size_t n_prompt, const int32_t* expected, size_t n_expected);
/* Every kind of sampling with speculation on and off gives the same tokens and log-probabilities. */
int use_speculation(const char* model, int64_t* accepted);

#ifdef __cplusplus
}
#endif

#endif
