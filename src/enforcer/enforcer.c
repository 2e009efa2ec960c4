/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/enforcer.h"

#include <stdio.h>

static int print_text(const char *text)
{
    return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? ENFORCER_FAILED : ENFORCER_DONE;
}

int enforcer_main(int argc, char *const argv[])
{
    char message[OPTIONS_MESSAGE_MAX];
    struct options options;

    if (options_parse(argc, argv, &options, message) < 0) {
        fprintf(stderr, "bulkhead-enforcer: %s\n", message);
        return ENFORCER_WRONG_INPUT;
    }
    switch (options.command) {
    case OPTIONS_RUN:
        return enforcer_run(&options);
    case OPTIONS_CHECK:
        return enforcer_check(&options);
    case OPTIONS_DESCRIBE:
        return enforcer_describe(&options);
    case OPTIONS_DETACH:
        return enforcer_detach(&options);
    case OPTIONS_REGISTER:
        return enforcer_register(&options);
    case OPTIONS_HELP:
        return print_text(options_help(options.topic));
    case OPTIONS_VERSION:
        return print_text("bulkhead-enforcer " BULKHEAD_VERSION "\n");
    }
    return ENFORCER_FAILED;
}
