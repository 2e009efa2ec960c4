/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

/*
 * The command line `bulkhead`. Reads the arguments, does what they say, writes the answer to `out`
 * and everything else to `err`.
 *
 * @return the exit status: 0 done, 1 the answer is no or something failed, 2 wrong usage or input
 */
int cli_main(int argc, char **argv, FILE *out, FILE *err);
