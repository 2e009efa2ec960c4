/* SPDX-License-Identifier: Apache-2.0 */
/* How commands say what came of them. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "cli/command.h"

void cli_complain(const struct cli_call *call, const char *text)
{
    bool first = true;

    while (*text) {
        size_t len = strcspn(text, "\n");
        _cleanup_free_
        char *line = strndup(text, len);
        _cleanup_free_
        char *safe = line ? text_safe(line) : NULL;

        fprintf(call->err, "%s%s\n", first ? "bulkhead: " : "  ", safe ? safe : "out of memory");
        first = false;
        text += len + (text[len] == '\n');
    }
}

int cli_answered(const struct cli_call *call, int r)
{
    const struct buf *problem = call->output.problem;

    switch (r) {
    case 0:
        return CLI_DONE;
    case -EPIPE: /* said at the end, for all of them */
        return CLI_FAILED;
    case -BULKHEAD_EINVALID_INPUT:
        cli_complain(call, problem && problem->data ? problem->data : "wrong template");
        return CLI_USAGE;
    default:
        return cli_no_memory(call);
    }
}

int cli_print_safe(const struct cli_call *call, const char *text)
{
    return cli_answered(call, output_safe(&call->output, text));
}

int cli_answer(const struct cli_call *call, const json_t *value)
{
    return cli_answered(call, output_document(&call->output, value));
}

int cli_answer_list(const struct cli_call *call, const json_t *list,
                    const struct cli_column *columns, size_t n_columns)
{
    if (call->output.format != CLI_TABLE)
        return cli_answer(call, list);
    return cli_answered(call, output_table(&call->output, list, columns, n_columns));
}
