/* SPDX-License-Identifier: Apache-2.0 */
/* -i: $VISUAL or $EDITOR on a temporary file, again with what was wrong until it is right. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/api/api.h"
#include "cli/interrupt.h"

void editor_end(struct editor *editor)
{
    if (editor->path && (editor->sent || !editor->changed))
        unlink(editor->path);
    else if (editor->path)
        cli_error(editor->call, "what was written and not sent is in %s", editor->path);
    interrupt_removes(NULL);
    free(editor->path);
    editor->path = NULL;
}

static char *temporary_file(void)
{
    const char *base = getenv("TMPDIR");
    char *path;
    int fd;

    if (asprintf(&path, "%s/bulkhead-XXXXXX.yaml", base && *base ? base : "/tmp") < 0)
        return NULL;
    fd = mkstemps(path, 5); /* 0600 */
    if (fd < 0) {
        free(path);
        return NULL;
    }
    close(fd);
    return path;
}

/* The editor's words are the shell's business: EDITOR="code --wait". */
static _Noreturn void become_editor(const char *path)
{
    const char *editor = getenv("VISUAL");
    char *const argv[] = {
        (char *)"sh", (char *)"-c", (char *)"exec ${VISUAL:-${EDITOR:-vi}} \"$1\"",
        (char *)"sh", (char *)path, NULL};

    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    if (editor && !*editor)
        unsetenv("VISUAL");
    execv("/bin/sh", argv);
    _exit(127);
}

/* Ctrl-C in the editor is the editor's, as of system(3). */
static int run_editor(struct cli_call *call, const char *path)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction interrupt, quit;
    int status = -1;
    pid_t pid;

    sigaction(SIGINT, &ignore, &interrupt);
    sigaction(SIGQUIT, &ignore, &quit);
    pid = fork();
    if (pid == 0)
        become_editor(path);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGQUIT, &quit, NULL);
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CLI_DONE;
    cli_error(call, "the editor failed; nothing was sent");
    return CLI_FAILED;
}

static int write_text(struct cli_call *call, const struct schema_kind *kind, const json_t *object,
                      const char *path)
{
    FILE *out = fopen(path, "we");

    if (!out) {
        cli_error(call, "%s: %s", path, error_text(errno));
        return CLI_FAILED;
    }
    stub_print(kind, object, out);
    if (fclose(out) == 0)
        return CLI_DONE;
    cli_error(call, "%s: %s", path, error_text(errno));
    return CLI_FAILED;
}

static int read_text(struct cli_call *call, const char *path, char **ret_text, json_t **ret)
{
    struct source source = {.name = (char *)path};
    _cleanup_document_ struct document *document = NULL;
    int r = file_read(path, MODEL_DOCUMENT_BYTES_MAX, &source.text, &source.len);

    if (r < 0) {
        cli_error(call, "%s: %s", path, error_text(r));
        return CLI_FAILED;
    }
    *ret_text = source.text;
    r = source_parse(call, &source, &document);
    if (r != CLI_DONE)
        return r;
    if (document_count(document) != 1 || !document_root(document, 0) ||
        document_root(document, 0)->kind != NODE_MAP) {
        cli_error(call, "found something else, expected one object");
        return CLI_USAGE;
    }
    *ret = node_json(document_root(document, 0));
    return *ret ? CLI_DONE : cli_no_memory(call);
}

static int one_round(struct editor *editor, char **before, editor_check_fn *check, void *context,
                     json_t **ret)
{
    struct cli_call *call = editor->call;
    _cleanup_free_
    char *text = NULL;
    int r = run_editor(call, editor->path);

    if (r != CLI_DONE)
        return r;
    r = read_text(call, editor->path, &text, ret);
    if (text && *before && strcmp(text, *before) == 0) {
        cli_error(call, "nothing was changed; nothing was sent");
        return CLI_FAILED;
    }
    editor->changed = true;
    interrupt_removes(NULL);
    if (r == CLI_DONE)
        r = check(context, *ret);
    free(*before);
    *before = TAKE_PTR(text);
    return r;
}

int editor_edit(struct editor *editor, const struct schema_kind *kind, const json_t *object,
                editor_check_fn *check, void *context, json_t **ret)
{
    struct cli_call *call = editor->call;
    _cleanup_free_
    char *before = NULL;
    json_t *edited = NULL;
    size_t len;
    int r;

    editor->path = temporary_file();
    if (!editor->path) {
        cli_error(call, "no temporary file: %s", error_text(errno));
        return CLI_FAILED;
    }
    interrupt_removes(editor->path);
    r = write_text(call, kind, object, editor->path);
    if (r == CLI_DONE && file_read(editor->path, MODEL_DOCUMENT_BYTES_MAX, &before, &len) < 0)
        return cli_no_memory(call);
    while (r == CLI_DONE) {
        r = one_round(editor, &before, check, context, &edited);
        if (r == CLI_DONE) {
            *ret = edited;
            return CLI_DONE;
        }
        json_decref(edited);
        edited = NULL;
        if (r == CLI_USAGE)
            r = api_confirm(call, "Edit again?", "data") == CLI_DONE ? CLI_DONE : CLI_USAGE;
    }
    return r;
}
