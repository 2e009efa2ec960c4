/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/template/template.h"

#define PROBLEM_BYTES_MAX 4096

int cli_completion(struct cli_call *call)
{
    const char *const *shells = cli_call_command(call)->argument->choices;
    size_t shell = 0;

    while (strcmp(shells[shell], call->arguments[0]) != 0) /* cli_parse() saw to it */
        shell++;
    fputs(cli_completion_script((enum cli_shell)shell), call->output.out);
    return CLI_DONE;
}

int cli_manual(struct cli_call *call)
{
    cli_manual_print(&cli_root, call->output.out);
    return CLI_DONE;
}

/* The words after `help` are walked like a command line of their own. */
int cli_help(struct cli_call *call)
{
    _cleanup_cli_call_ struct cli_call other = {.output = call->output, .err = call->err};
    char *words[CLI_DEPTH_MAX + 2] = {(char *)cli_root.name};
    int n = 1, r;

    for (size_t i = 0; i < call->n_arguments; i++)
        words[n++] = (char *)call->arguments[i];
    words[n++] = (char *)"--help";
    r = cli_parse(&cli_root, n, words, &other);
    if (r != CLI_DONE)
        return r;
    if (other.n_arguments > 0) {
        _cleanup_free_
        char *safe = text_safe(other.arguments[0]);

        return safe ? cli_usage_error(&other, "unknown command '%s'", safe) : cli_no_memory(call);
    }
    cli_help_print(other.path, other.depth, call->output.out);
    return CLI_DONE;
}

/* The format is a flag's here; session_settings() asks environment and profile where there is none.
 */
static void set_output(struct cli_call *call)
{
    const char *format = cli_value(call, "output"), *no_color = getenv("NO_COLOR"),
               *term = getenv("TERM");
    int fd = fileno(call->output.out);

    call->output.format = format                        ? cli_format_find(format)
                          : cli_value(call, "template") ? CLI_TEMPLATE
                                                        : CLI_TABLE;
    call->output.headers = !cli_flag(call, "no-headers");
    call->output.colours =
        fd >= 0 && isatty(fd) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

static int run_with_template(struct cli_call *call, int (*run)(struct cli_call *call))
{
    _cleanup_template_ struct template *template = NULL;
    const char *text = cli_value(call, "template");
    int r;

    if (call->output.format == CLI_TEMPLATE && !text)
        return cli_usage_error(call, "-o template: expected --template TEXT as well");
    r = text ? template_parse("--template", text, strlen(text), call->output.problem, &template)
             : 0;
    if (r < 0)
        return cli_answered(call, r);
    call->output.template = template;
    r = run(call);
    call->output.template = NULL;
    return r;
}

static int run(struct cli_call *call)
{
    const struct cli_command *command = cli_call_command(call);

    if (cli_flag(call, "help")) {
        cli_help_print(call->path, call->depth, call->output.out);
        return CLI_DONE;
    }
    if (cli_flag(call, "version")) {
        fprintf(call->output.out, "bulkhead %s\n", BULKHEAD_VERSION);
        return CLI_DONE;
    }
    set_output(call);
    if (!command->run) {
        cli_usage_error(call, "a command is missing");
        fputc('\n', call->err);
        cli_help_print(call->path, call->depth, call->err);
        return CLI_USAGE;
    }
    return run_with_template(call, command->run);
}

/* Asked of the pipe: which of the writes failed, and why, is not known any more. */
static bool reader_is_gone(FILE *out)
{
    struct pollfd pipe = {.fd = fileno(out), .events = POLLOUT};

    return poll(&pipe, 1, 0) > 0 && (pipe.revents & (POLLERR | POLLHUP));
}

int cli_main(int argc, char **argv, FILE *out, FILE *err)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    _cleanup_cli_call_ struct cli_call call = {
        .output = {.out = out, .headers = true, .problem = &problem}, .err = err};
    int r = cli_parse(&cli_root, argc, argv, &call);

    if (r == CLI_DONE)
        r = run(&call);

    /* An answer that did not arrive is a failure; a reader that had enough is not worth a word. */
    errno = 0;
    if (fflush(out) != 0 || ferror(out)) {
        const char *why = errno ? error_text(errno) : "output error";

        if (!reader_is_gone(out))
            cli_error(&call, "cannot write the answer: %s", why);
        r = r == CLI_USAGE ? r : CLI_FAILED;
    }
    return r;
}
