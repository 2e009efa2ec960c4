/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/remote.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "enforcer/cache.h"
#include "enforcer/pki.h"

/* ---- Into force ------------------------------------------------------------------------------
 */

static void first_problem(const struct diagnostics *diagnostics, int error,
                          char ret[REMOTE_ERROR_MAX])
{
    for (size_t i = 0; i < diagnostics->n; i++) {
        _cleanup_free_
        char *text = diagnostic_format(&diagnostics->items[i]);

        if (diagnostics->items[i].severity != DIAGNOSTIC_ERROR)
            continue;
        text_format(ret, REMOTE_ERROR_MAX, "%.500s", text ? text : error_text(error));
        return;
    }
    snprintf(ret, REMOTE_ERROR_MAX, "%s", error_text(error));
}

static void say_problems(struct remote *remote, const struct diagnostics *diagnostics)
{
    warnings_set(&remote->daemon->warnings, WARNING_POLICY, diagnostics);
    for (size_t i = 0; i < diagnostics->n; i++) {
        _cleanup_free_
        char *text = diagnostic_format(&diagnostics->items[i]);

        if (text)
            log_event(LOG_LEVEL_WARN, "console.problem", LOG_F("problem", "%s", text));
    }
}

int remote_apply(struct remote *remote, char problem[REMOTE_ERROR_MAX])
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct daemon *daemon = remote->daemon;
    struct view *view = NULL, *old = remote->view;
    uint64_t began_ns = daemon_now_ns();
    int r;

    r = view_new(&remote->entries, remote->registration->namespace, remote_wall_ms() / 1000,
                 &diagnostics, &view);
    if (r == 0)
        r = daemon_view_put(daemon, view, began_ns);
    say_problems(remote, &diagnostics);
    if (r < 0) {
        first_problem(&diagnostics, r, problem);
        if (remote->view != view)
            view_free(&view);
        daemon->counters.policy_refused++;
        warnings_add(&daemon->warnings, WARNING_POLICY,
                     "what the Console sent cannot be put in force, the last policy stays: %s",
                     problem);
        log_event(LOG_LEVEL_ERROR, "policy.refused", LOG_F("problem", "%s", problem));
        return r;
    }
    if (old != remote->view)
        view_free(&old);
    remote_keys_look(remote);
    malloc_trim(0);
    return 0;
}

static void apply_due(uv_timer_t *timer)
{
    struct remote *remote = timer->data;
    char problem[REMOTE_ERROR_MAX];
    int r;

    remote->apply_since_ms = 0;
    if (!remote->entries_whole) /* more is on its way, and its end brings us here again */
        return;
    r = remote_apply(remote, problem);
    if (remote->ack_wanted)
        remote_ack(remote, r < 0 ? problem : NULL);
}

void remote_apply_later(struct remote *remote)
{
    uint64_t now_ms;

    uv_update_time(&remote->daemon->loop);
    now_ms = uv_now(&remote->daemon->loop);
    if (!remote->apply_since_ms)
        remote->apply_since_ms = now_ms;
    if (now_ms - remote->apply_since_ms < REMOTE_APPLY_LATEST_MS)
        uv_timer_start(&remote->apply_timer, apply_due, REMOTE_APPLY_MS, 0);
}

/* ---- The copy on disk ------------------------------------------------------------------------
 */

static char *cache_path(const struct remote *remote)
{
    char *path;

    return asprintf(&path, "%s/%s", remote->daemon->options->state, CACHE_FILE) < 0 ? NULL : path;
}

static int cache_key(const struct remote *remote, uint8_t ret[CACHE_KEY_BYTES])
{
    return pki_derive(remote->registration->key, CACHE_PURPOSE, ret);
}

void remote_cache_save(struct remote *remote)
{
    _cleanup_buf_ struct buf out = BUF_INIT(CACHE_BYTES_MAX);
    struct warnings *warnings = &remote->daemon->warnings;
    _cleanup_free_
    char *path = cache_path(remote);
    uint8_t key[CACHE_KEY_BYTES];
    int r = path ? cache_key(remote, key) : -ENOMEM;

    if (!remote->entries_whole)
        return;
    if (r == 0)
        r = cache_encode(&remote->entries, remote->revision, remote->registration->number, key,
                         &out);
    explicit_bzero(key, sizeof(key));
    if (r == 0)
        r = file_write_atomic(path, out.data, out.len, 0600);
    warnings_clear(warnings, WARNING_STATE);
    if (r == 0)
        return;
    log_event(LOG_LEVEL_WARN, "state.not_saved", LOG_F("error", "%s", error_text(r)));
    warnings_add(warnings, WARNING_STATE,
                 "%s/%s cannot be written; without a Console a restart would come back with an "
                 "older policy: %s",
                 remote->daemon->options->state, CACHE_FILE, error_text(r));
}

static void cache_due(uv_timer_t *timer)
{
    remote_cache_save(timer->data);
}

void remote_cache_later(struct remote *remote)
{
    if (!uv_is_active((uv_handle_t *)&remote->cache_timer))
        uv_timer_start(&remote->cache_timer, cache_due, REMOTE_CACHE_MS, 0);
}

static int cache_read(struct remote *remote)
{
    _cleanup_free_
    char *path = cache_path(remote), *data = NULL;
    uint8_t key[CACHE_KEY_BYTES];
    struct stat st;
    size_t len;
    int r;

    if (!path)
        return -ENOMEM;
    if (stat(path, &st) < 0)
        return -errno;
    if (st.st_mode & 077 || (st.st_uid != 0 && st.st_uid != geteuid()))
        return -EPERM;
    r = file_read(path, CACHE_BYTES_MAX, &data, &len);
    if (r == 0)
        r = cache_key(remote, key);
    if (r == 0)
        r = cache_decode(data, len, remote->registration->number, key, &remote->entries,
                         &remote->revision);
    explicit_bzero(key, sizeof(key));
    return r;
}

void remote_cache_load(struct remote *remote)
{
    int r = cache_read(remote);

    remote->cache_read = r == 0;
    if (r == 0 || r == -ENOENT)
        return;
    log_event(LOG_LEVEL_WARN, "console.cache_ignored", LOG_F("file", "%s", CACHE_FILE),
              LOG_F("error", "%s",
                    r == -EBADMSG  ? "it was not written by this Enforcer, or was changed"
                    : r == -ESTALE ? "it is of another version or another registration"
                                   : error_text(r)));
    warnings_add(&remote->daemon->warnings, WARNING_STATE,
                 "the policy kept on disk is ignored (%s): until the Console is reached failMode "
                 "counts",
                 error_text(r));
}
