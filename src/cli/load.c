/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/load.h"

#include <errno.h>

#include "base/error.h"
#include "base/file.h"

static const char *const suffixes[] = {".yaml", ".yml", ".json", NULL};

struct loader {
    const struct cli_call *call;
    struct estate_builder *builder;
    struct diagnostics *diagnostics;
    size_t n_files;
};

static int unreadable(const struct cli_call *call, const char *path, int error)
{
    _cleanup_free_
    char *safe = text_safe(path);

    if (!safe)
        return cli_no_memory(call);
    cli_error(call, "cannot read %s: %s", safe, error_text(error));
    return CLI_USAGE;
}

static int load_file(struct loader *loader, const char *path, char *text, size_t len)
{
    int r = estate_builder_add(loader->builder, path, text, len, document_format_of(path),
                               loader->diagnostics);

    loader->n_files++;
    if (r < 0 && r != -BULKHEAD_EINVALID_INPUT) {
        cli_error(loader->call, "%s", error_text(r));
        return CLI_FAILED;
    }
    return CLI_DONE;
}

static int load_directory(struct loader *loader, const char *path)
{
    _cleanup_(strv_free) char **names = NULL;
    size_t n = 0;
    int r = dir_list(path, suffixes, &names, &n);

    if (r < 0)
        return unreadable(loader->call, path, r);
    if (n == 0)
        diagnostics_add(loader->diagnostics, DIAGNOSTIC_WARNING, path, 0, 0, NULL,
                        "found no policy file, expected *.yaml, *.yml or *.json");
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_
        char *file = NULL, *text = NULL;
        size_t len;

        if (asprintf(&file, "%s/%s", path, names[i]) < 0)
            return cli_no_memory(loader->call);
        r = file_read(file, MODEL_DOCUMENT_BYTES_MAX, &text, &len);
        if (r < 0)
            return unreadable(loader->call, file, r);
        r = load_file(loader, file, text, len);
        if (r != CLI_DONE)
            return r;
    }
    return CLI_DONE;
}

static int load_path(struct loader *loader, const char *path)
{
    _cleanup_free_
    char *text = NULL;
    size_t len;
    int r = file_read(path, MODEL_DOCUMENT_BYTES_MAX, &text, &len);

    if (r == -EISDIR)
        return load_directory(loader, path);
    if (r < 0)
        return unreadable(loader->call, path, r);
    return load_file(loader, path, text, len);
}

int load_estate(const struct cli_call *call, const char *namespace, const char *const *paths,
                size_t n_paths, struct diagnostics *diagnostics, struct estate **ret,
                size_t *ret_n_files)
{
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    struct loader loader = {.call = call, .diagnostics = diagnostics};
    struct estate *estate = NULL;
    int r = estate_builder_new(namespace, &builder);

    if (r < 0)
        return cli_no_memory(call);
    loader.builder = builder;
    for (size_t i = 0; i < n_paths; i++) {
        r = load_path(&loader, paths[i]);
        if (r != CLI_DONE)
            return r;
    }
    r = estate_builder_finish(builder, diagnostics, &estate);
    if (r < 0 && r != -BULKHEAD_EINVALID_INPUT)
        return cli_no_memory(call);
    *ret = estate;
    *ret_n_files = loader.n_files;
    return CLI_DONE;
}

int load_namespace(const struct cli_call *call, const char **ret)
{
    const char *given = cli_value(call, "namespace");
    const char *problem = given ? namespace_problem(given) : NULL;
    _cleanup_free_
    char *safe = NULL;

    if (!problem) {
        *ret = given ? given : "/";
        return CLI_DONE;
    }
    safe = text_safe(given);
    return safe ? cli_usage_error(call, "--namespace: found '%s', expected %s", safe, problem)
                : cli_no_memory(call);
}

void load_report(const struct cli_call *call, const struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < diagnostics->n; i++) {
        _cleanup_free_
        char *text = diagnostic_format(&diagnostics->items[i]);
        _cleanup_free_
        char *safe = text ? text_safe(text) : NULL;

        if (diagnostics->items[i].severity == DIAGNOSTIC_ERROR && safe)
            fprintf(call->err, "%s\n", safe);
    }
    if (diagnostics->n_dropped)
        fprintf(call->err, "(%zu more problems)\n", diagnostics->n_dropped);
}
