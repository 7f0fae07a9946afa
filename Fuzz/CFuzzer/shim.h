// The one function of libFuzzer that is called (clang's runtime, linked by -sanitize=fuzzer).
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(
    int *argc, char ***argv, int (*check)(const uint8_t *data, size_t count));
