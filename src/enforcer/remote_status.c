/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/remote.h"

#include <stdio.h>
#include <time.h>

/* What `status` and counters say about the Console. */

static const char *state_word(const struct remote *remote)
{
    static const char *const words[] = {
        [REMOTE_UNREGISTERED] = "unregistered", [REMOTE_REGISTERING] = "registering",
        [REMOTE_WAITING] = "waiting",           [REMOTE_CONNECTING] = "connecting",
        [REMOTE_CONNECTED] = "connected",
    };

    return words[remote->state];
}

static json_t *time_json(int64_t seconds)
{
    char text[32];
    time_t time = (time_t)seconds;
    struct tm tm;

    if (!gmtime_r(&time, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
        return json_null();
    return json_string(text);
}

static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);

    return json ? json : json_string("(not UTF-8)");
}

json_t *remote_status_json(const struct remote *remote)
{
    const struct registration *registration = remote->registration;
    json_t *json =
        json_pack("{s:s, s:o, s:o, s:I, s:o, s:I, s:I}", "state", state_word(remote), "url",
                  text_json(remote->url), "since", time_json(remote->since_ms / 1000), "revision",
                  (json_int_t)remote->revision, "lastError", text_json(remote->error), "entries",
                  (json_int_t)remote->entries.n, "keyEpoch", (json_int_t)remote->epochs.used.epoch);

    if (!json || !registration)
        return json;
    json_object_set_new(json, "enforcerId", json_string(registration->id));
    json_object_set_new(json, "number", json_integer(registration->number));
    json_object_set_new(json, "namespace", json_string(registration->namespace));
    json_object_set_new(json, "certificateNotAfter", time_json(registration->not_after_s));
    return json;
}

void remote_counters(const struct remote *remote, struct remote_counters *ret)
{
    *ret = (struct remote_counters){
        .connects = remote->connects,
        .resumed = remote->resumed,
        .snapshots = remote->snapshots,
        .deltas = remote->deltas,
        .connected = remote->state == REMOTE_CONNECTED,
    };
}
