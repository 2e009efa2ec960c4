/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/inputs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

#define _cleanup_strv_ _cleanup_(strv_free)

static_assert(INPUTS_DIGEST_BYTES == SHA256_BYTES, "digest");

static const char *const suffixes[] = {".yaml", ".yml", ".json", NULL};

static void add_error(struct diagnostics *diagnostics, const char *file, const char *text)
{
    diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, file, 0, 0, "", "%s", text);
}

/* Names joined with their directory, or the one file itself. */
static int list_files(const char *path, struct diagnostics *diagnostics, char ***ret, size_t *ret_n)
{
    _cleanup_strv_ char **names = NULL;
    struct stat st;
    size_t n;
    int r;

    if (stat(path, &st) < 0) {
        diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, path, 0, 0, "",
                        "found %s, expected a directory or a file", error_text(errno));
        return -BULKHEAD_EINVALID_INPUT;
    }
    if (!S_ISDIR(st.st_mode)) {
        names = calloc(2, sizeof(*names));
        if (!names || !(names[0] = strdup(path)))
            return -ENOMEM;
        *ret = TAKE_PTR(names);
        *ret_n = 1;
        return 0;
    }
    r = dir_list(path, suffixes, &names, &n);
    if (r < 0) {
        add_error(diagnostics, path, error_text(r));
        return r == -ENOMEM ? r : -BULKHEAD_EINVALID_INPUT;
    }
    for (size_t i = 0; i < n; i++) {
        char *joined;

        if (asprintf(&joined, "%s/%s", path, names[i]) < 0)
            return -ENOMEM;
        free(names[i]);
        names[i] = joined;
    }
    *ret = TAKE_PTR(names);
    *ret_n = n;
    return 0;
}

/* A file that cannot be read is a problem among the others: -BULKHEAD_EINVALID_INPUT. */
static int read_input(const char *file, size_t max, struct diagnostics *diagnostics, char **ret,
                      size_t *ret_len)
{
    int r = file_read(file, max, ret, ret_len);

    if (r >= 0 || r == -ENOMEM)
        return r;
    diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, file, 0, 0, "",
                    "found %s, expected a readable file of at most %zu bytes", error_text(r), max);
    return -BULKHEAD_EINVALID_INPUT;
}

/* digest = SHA-256(digest, SHA-256(name), SHA-256(text)) */
static int digest_add(uint8_t digest[INPUTS_DIGEST_BYTES], const char *file, const char *text,
                      size_t len)
{
    uint8_t parts[3 * SHA256_BYTES];
    int r;

    memcpy(parts, digest, SHA256_BYTES);
    r = hash_sha256(file, strlen(file), parts + SHA256_BYTES);
    if (r == 0)
        r = hash_sha256(text, len, parts + 2 * SHA256_BYTES);
    return r < 0 ? r : hash_sha256(parts, sizeof(parts), digest);
}

static int add_policy_file(struct estate_builder *builder, const char *file,
                           struct diagnostics *diagnostics, uint8_t digest[INPUTS_DIGEST_BYTES])
{
    _cleanup_free_
    char *text = NULL;
    size_t len;
    int r;

    r = read_input(file, MODEL_DOCUMENT_BYTES_MAX, diagnostics, &text, &len);
    if (r == 0)
        r = digest_add(digest, file, text, len);
    if (r < 0)
        return r;
    return estate_builder_add(builder, file, text, len, document_format_of(file), diagnostics);
}

static int build(char *const *files, size_t n, const char *namespace,
                 struct diagnostics *diagnostics, struct estate **ret,
                 uint8_t digest[INPUTS_DIGEST_BYTES])
{
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    size_t errors_before = diagnostics->n_errors;
    int r;

    r = estate_builder_new(namespace, &builder);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        r = add_policy_file(builder, files[i], diagnostics, digest);
        if (r < 0 && r != -BULKHEAD_EINVALID_INPUT)
            return r;
    }
    if (diagnostics->n_errors > errors_before)
        return -BULKHEAD_EINVALID_INPUT;
    return estate_builder_finish(builder, diagnostics, ret);
}

int inputs_policy_load(const char *path, const char *namespace, struct diagnostics *diagnostics,
                       struct estate **ret, uint8_t ret_digest[INPUTS_DIGEST_BYTES])
{
    uint8_t digest[INPUTS_DIGEST_BYTES] = {0};
    _cleanup_strv_ char **files = NULL;
    size_t n;
    int r;

    assert(path && namespace && diagnostics && ret);

    r = list_files(path, diagnostics, &files, &n);
    if (r < 0)
        return r;
    if (n == 0) {
        add_error(diagnostics, path,
                  "found no *.yaml, *.yml or *.json file, expected at least one policy file");
        return -ENOENT;
    }
    if (n > INPUTS_POLICY_FILES_MAX) {
        add_error(diagnostics, path, "found too many files, expected at most 10,000");
        return -BULKHEAD_EINVALID_INPUT;
    }
    r = build(files, n, namespace, diagnostics, ret, digest);
    if (r == 0)
        memcpy(ret_digest, digest, sizeof(digest));
    return r;
}

static char *last_policy_path(const char *state)
{
    char *path;

    return asprintf(&path, "%s/%s", state, INPUTS_LAST_POLICY) < 0 ? NULL : path;
}

int inputs_last_policy_save(const char *state, const struct estate *estate)
{
    _cleanup_free_
    char *path = last_policy_path(state);
    _cleanup_free_
    char *text = estate_format(estate);

    if (!path || !text)
        return -ENOMEM;
    return file_write_atomic(path, text, strlen(text), 0600);
}

int inputs_last_policy_load(const char *state, const char *namespace,
                            struct diagnostics *diagnostics, struct estate **ret)
{
    uint8_t digest[INPUTS_DIGEST_BYTES] = {0}; /* the copy has its own */
    _cleanup_free_
    char *path = last_policy_path(state);
    struct stat st;

    if (!path)
        return -ENOMEM;
    if (stat(path, &st) < 0)
        return -errno;
    return build(&path, 1, namespace, diagnostics, ret, digest);
}

/* ---- Peers ----------------------------------------------------------------------------------- */

void peers_free(struct peers **at)
{
    struct peers *peers = *at;

    if (!peers)
        return;
    for (size_t i = 0; i < peers->n; i++)
        peer_host_free(&peers->hosts[i]);
    free(peers->hosts);
    free(peers);
    *at = NULL;
}

static int load_peer(const char *file, struct diagnostics *diagnostics, struct peer_host **ret)
{
    _cleanup_free_
    char *text = NULL;
    size_t len;
    int r;

    r = read_input(file, INPUTS_PEER_BYTES_MAX, diagnostics, &text, &len);
    if (r < 0)
        return r;
    return peer_host_parse(file, text, len, document_format_of(file), diagnostics, ret);
}

struct peer_source {
    uint32_t enforcer_id;
    const char *file;
};

static int compare_sources(const void *a, const void *b)
{
    const struct peer_source *x = a, *y = b;

    if (x->enforcer_id != y->enforcer_id)
        return x->enforcer_id < y->enforcer_id ? -1 : 1;
    return strcmp(x->file, y->file);
}

static void check_duplicates(struct peer_source *sources, size_t n, struct diagnostics *diagnostics)
{
    if (n)
        qsort(sources, n, sizeof(*sources), compare_sources);
    for (size_t i = 1; i < n; i++)
        if (sources[i].enforcer_id == sources[i - 1].enforcer_id)
            diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, sources[i].file, 0, 0, "enforcerId",
                            "found %u, which %s has as well, expected an id that no other host has",
                            sources[i].enforcer_id, sources[i - 1].file);
}

static void check_own(const struct peer_host *host, const char *file, uint32_t own_id,
                      const uint8_t own_public[WIRE_KEY_BYTES], struct diagnostics *diagnostics)
{
    if (host->enforcer_id == own_id && own_public &&
        memcmp(host->public_key, own_public, WIRE_KEY_BYTES) != 0)
        diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, file, 0, 0, "publicKey",
                        "found another key for this host's own id %u, expected the one that "
                        "`bulkhead-enforcer describe` prints here",
                        own_id);
}

static int load_hosts(char *const *files, size_t n, uint32_t own_id,
                      const uint8_t own_public[WIRE_KEY_BYTES], struct diagnostics *diagnostics,
                      struct peers *peers)
{
    _cleanup_free_
    struct peer_source *sources = calloc(n + 1, sizeof(*sources));

    if (!sources)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct peer_host *host;
        int r = load_peer(files[i], diagnostics, &host);

        if (r == -BULKHEAD_EINVALID_INPUT)
            continue;
        if (r < 0)
            return r;
        sources[peers->n] = (struct peer_source){host->enforcer_id, files[i]};
        peers->hosts[peers->n++] = host;
        check_own(host, files[i], own_id, own_public, diagnostics);
    }
    check_duplicates(sources, peers->n, diagnostics);
    return 0;
}

int inputs_peers_load(const char *path, uint32_t own_id, const uint8_t own_public[WIRE_KEY_BYTES],
                      struct diagnostics *diagnostics, struct peers **ret)
{
    _cleanup_peers_ struct peers *peers = calloc(1, sizeof(*peers));
    _cleanup_strv_ char **files = NULL;
    size_t errors_before = diagnostics->n_errors;
    size_t n;
    int r;

    if (!peers)
        return -ENOMEM;
    r = list_files(path, diagnostics, &files, &n);
    if (r < 0)
        return r;
    if (n > INPUTS_PEERS_MAX) {
        add_error(diagnostics, path, "found too many files, expected at most 65,000 peers");
        return -BULKHEAD_EINVALID_INPUT;
    }
    peers->hosts = calloc(n + 1, sizeof(struct peer_host *));
    if (!peers->hosts)
        return -ENOMEM;
    r = load_hosts(files, n, own_id, own_public, diagnostics, peers);
    if (r < 0)
        return r;
    if (diagnostics->n_errors > errors_before)
        return -BULKHEAD_EINVALID_INPUT;
    *ret = TAKE_PTR(peers);
    return 0;
}
