/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "enforcer/options.h"

/* The program: parse the command line and do it. @return exit code 0, 1 or 2 */
int enforcer_main(int argc, char *const argv[]);

int enforcer_run(const struct options *options);
int enforcer_check(const struct options *options);
int enforcer_describe(const struct options *options);
int enforcer_detach(const struct options *options);
int enforcer_register(const struct options *options);

enum { ENFORCER_DONE = 0, ENFORCER_FAILED = 1, ENFORCER_WRONG_INPUT = 2 };
