/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Functions that must not be called: unbounded, without error, or with hidden state. Included
 * before everything else, after the system headers that declare them, so that a call does not
 * compile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets atoi atol atoll gmtime localtime     \
    ctime asctime strncpy strncat

/* Not poisoned, because OpenSSL's headers have parameters of this name: only a call is an error. */
#define rand() rand_is_banned_it_is_predictable
#define srand(seed) srand_is_banned_it_is_hidden_state
