/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/remote.h"

#include <stdio.h>

#include "base/error.h"
#include "enforcer/cloud.h"
#include "enforcer/facts.h"

/* A cloud may let us wait: it is asked in a thread, and again every 15 minutes. */

#define FACTS_MS (15 * 60 * 1000)
#define FACTS_BUSY_MS 500

struct collecting {
    uv_work_t work;
    struct remote *remote; /* NULL: nobody waits any more */
    bool cloud;
    char host_name[OFFLINE_HOST_NAME_MAX], fqdn[OFFLINE_HOST_NAME_MAX];
    struct cloud_facts facts;
    int result;
};

static int merge(const struct tag_set *from, struct tag_set *into)
{
    int r = 0;

    for (size_t i = 0; i < from->n && r == 0; i++)
        r = tag_set_add(into, from->tags[i]);
    return r;
}

static void collect_in_thread(uv_work_t *work)
{
    struct collecting *collecting = work->data;
    struct cloud_facts cloud = {0};
    int r = facts_collect(collecting->host_name, collecting->fqdn, &collecting->facts.tags,
                          &collecting->facts.metadata);

    if (r == 0 && collecting->cloud && cloud_probe(&cloud) == 0) {
        r = merge(&cloud.tags, &collecting->facts.tags);
        if (r == 0)
            r = merge(&cloud.metadata, &collecting->facts.metadata);
        cloud_facts_clear(&cloud);
    }
    collecting->result = r;
}

static void collected(uv_work_t *work, int status)
{
    struct collecting *collecting = work->data;
    struct remote *remote = collecting->remote;

    if (remote)
        remote->collecting = NULL;
    if (remote && collecting->result == 0 &&
        (!remote->facts_known || !tag_set_equal(&remote->facts, &collecting->facts.tags) ||
         !tag_set_equal(&remote->facts_metadata, &collecting->facts.metadata))) {
        struct cloud_facts old = {.tags = remote->facts, .metadata = remote->facts_metadata};

        remote->facts = collecting->facts.tags;
        remote->facts_metadata = collecting->facts.metadata;
        collecting->facts = old;
        log_event(LOG_LEVEL_DEBUG, "facts.changed",
                  LOG_F("tags", "%zu", remote->facts.n + remote->facts_metadata.n));
        remote->facts_known = true;
        remote_units_tell(remote);
    } else if (remote && collecting->result < 0) {
        log_event(LOG_LEVEL_WARN, "facts.failed",
                  LOG_F("error", "%s", error_text(collecting->result)));
    }
    cloud_facts_clear(&collecting->facts);
    free(collecting);
}

static void collect_due(uv_timer_t *timer)
{
    struct remote *remote = timer->data;
    const struct registration *registration = remote->registration;
    const char *host_name = remote->daemon->host_name;
    struct collecting *collecting = remote->collecting ? NULL : calloc(1, sizeof(*collecting));

    if (!collecting) {
        uv_timer_start(timer, collect_due, FACTS_BUSY_MS, FACTS_MS);
        return;
    }
    collecting->remote = remote;
    collecting->work.data = collecting;
    collecting->cloud = remote->daemon->config->cloud;
    snprintf(collecting->host_name, sizeof(collecting->host_name), "%s", host_name);
    snprintf(collecting->fqdn, sizeof(collecting->fqdn), "%s",
             registration && registration->fqdn ? registration->fqdn : host_name);
    if (uv_queue_work(&remote->daemon->loop, &collecting->work, collect_in_thread, collected) < 0)
        free(collecting);
    else
        remote->collecting = collecting;
}

void remote_facts_start(struct remote *remote)
{
    uv_timer_start(&remote->facts_timer, collect_due, 0, FACTS_MS);
}

void remote_facts_stop(struct remote *remote)
{
    if (remote->collecting)
        remote->collecting->remote = NULL;
    remote->collecting = NULL;
}
