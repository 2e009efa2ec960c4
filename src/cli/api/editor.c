/* SPDX-License-Identifier: Apache-2.0 */
/* -i: $VISUAL or $EDITOR on a temporary file, again with what was wrong until it is right. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/api/api.h"

static void remove_file(char **path)
{
    if (*path)
        unlink(*path);
    free(*path);
    *path = NULL;
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
static int run_editor(struct cli_call *call, const char *path)
{
    const char *editor = getenv("VISUAL");
    char *const argv[] = {
        (char *)"sh", (char *)"-c", (char *)"exec ${VISUAL:-${EDITOR:-vi}} \"$1\"",
        (char *)"sh", (char *)path, NULL};
    int status;
    pid_t pid;

    if (editor && !*editor)
        unsetenv("VISUAL");
    pid = fork();
    if (pid == 0) {
        execv("/bin/sh", argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        cli_error(call, "the editor failed; nothing was sent");
        return CLI_FAILED;
    }
    return CLI_DONE;
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

static int one_round(struct cli_call *call, const char *path, char **before, editor_check_fn *check,
                     void *context, json_t **ret)
{
    _cleanup_free_
    char *text = NULL;
    int r = run_editor(call, path);

    if (r != CLI_DONE)
        return r;
    r = read_text(call, path, &text, ret);
    if (text && *before && strcmp(text, *before) == 0) {
        cli_error(call, "nothing was changed; nothing was sent");
        return CLI_FAILED;
    }
    if (r == CLI_DONE)
        r = check(context, *ret);
    free(*before);
    *before = TAKE_PTR(text);
    return r;
}

int editor_edit(struct cli_call *call, const struct schema_kind *kind, const json_t *object,
                editor_check_fn *check, void *context, json_t **ret)
{
    _cleanup_(remove_file) char *path = temporary_file();
    _cleanup_free_
    char *before = NULL;
    json_t *edited = NULL;
    size_t len;
    int r;

    if (!path) {
        cli_error(call, "no temporary file: %s", error_text(errno));
        return CLI_FAILED;
    }
    r = write_text(call, kind, object, path);
    if (r == CLI_DONE && file_read(path, MODEL_DOCUMENT_BYTES_MAX, &before, &len) < 0)
        return cli_no_memory(call);
    while (r == CLI_DONE) {
        r = one_round(call, path, &before, check, context, &edited);
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
