/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "enforcer/facts.h"
#include "enforcer/pki.h"

/* ---- Units ----------------------------------------------------------------------------------- */

static void unit_tags(struct remote *remote, const struct unit *unit, struct link_unit *ret)
{
    const struct tag_set *sets[] = {&unit->reported,
                                    unit->kind == UNIT_HOST ? &remote->facts : NULL,
                                    unit->kind == UNIT_HOST ? &remote->facts_metadata : NULL};

    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        for (size_t j = 0; sets[i] && j < sets[i]->n; j++) {
            const char *tag = sets[i]->tags[j];

            if (*tag == '@' && ret->n_metadata < LINK_TAGS_MAX)
                ret->metadata[ret->n_metadata++] = tag;
            else if (*tag != '@' && *tag != '$' && ret->n_tags < LINK_TAGS_MAX)
                ret->tags[ret->n_tags++] = tag;
        }
    }
}

_Static_assert(UNIT_LOCAL_ID_MAX == LINK_LOCAL_ID_MAX, "the Console takes what we call our units");

static void unit_fill(struct remote *remote, const struct unit *unit, struct link_unit *ret)
{
    *ret = (struct link_unit){
        .local_id = unit->local_id,
        .name = unit->name,
        .type = unit_type_name(unit->kind),
        .native_id = unit->cgroup ? unit->cgroup : unit->name,
        .stopped = unit->stopped,
    };
    unit_tags(remote, unit, ret);
}

/* All of them, always: the Console compares, and a change here is rare. Not before the host's own
 * facts are known: or else its identity would change a moment after each start. */
void remote_units_tell(struct remote *remote)
{
    const struct units *units = &remote->daemon->units;
    size_t max = MIN(units->n, (size_t)LINK_UNITS_MAX), n = 0;
    _cleanup_free_
    struct link_unit *list = NULL;
    struct link_message message = {.type = LINK_UNITS};

    if (remote->state != REMOTE_CONNECTED || !remote->facts_known)
        return;
    list = calloc(max + 1, sizeof(*list));
    if (!list)
        return;
    for (uint32_t i = 0; i < ABI_PUS_MAX && n < max; i++)
        if (units->slots[i] && !units->slots[i]->gone)
            unit_fill(remote, units->slots[i], &list[n++]);
    message.units.all = true;
    message.units.units = list;
    message.units.n = n;
    remote_send(remote, &message);
    remote->units_told = true;
}

/* ---- Heartbeat ------------------------------------------------------------------------------- */

static uint64_t cpu_now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t memory_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long size, resident = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint32_t cpu_permille(struct remote *remote)
{
    uint64_t cpu_ns = cpu_now_ns(), now_ns = daemon_now_ns();
    uint64_t used = cpu_ns - remote->cpu_ns, passed = now_ns - remote->cpu_at_ns;

    remote->cpu_ns = cpu_ns;
    remote->cpu_at_ns = now_ns;
    return passed ? (uint32_t)(used * 1000 / passed) : 0;
}

static const char *status_word(const struct daemon *daemon)
{
    if (!daemon->datapath)
        return daemon->root_lost ? "Failed" : "Inactive";
    return "Active";
}

static_assert(DAEMON_COUNTERS_MAX <= LINK_COUNTERS_MAX, "all of them fit into one message");

static void send_heartbeat(struct remote *remote)
{
    struct datapath_counter counters[DAEMON_COUNTERS_MAX];
    size_t n = daemon_counters_list(remote->daemon, counters);
    struct link_message message = {
        .type = LINK_HEARTBEAT,
        .heartbeat = {.time_ms = remote_wall_ms(),
                      .memory_bytes = memory_bytes(),
                      .cpu_permille = cpu_permille(remote),
                      .processes = 1,
                      .status = status_word(remote->daemon)},
    };

    for (size_t i = 0; i < n; i++) {
        message.heartbeat.counters[i].name = counters[i].name;
        message.heartbeat.counters[i].value = counters[i].value;
        message.heartbeat.n_counters++;
    }
    remote_send(remote, &message);
}

/* ---- Renewal --------------------------------------------------------------------------------- */

static bool renewal_due(const struct remote *remote)
{
    const struct registration *registration = remote->registration;
    int64_t life_s = registration->not_after_s - registration->not_before_s;
    int64_t left_s = registration->not_after_s - remote_wall_ms() / 1000;

    return left_s < life_s / 3 || getenv("BULKHEAD_TEST_RENEW");
}

static void renew(struct remote *remote)
{
    uint64_t now_ms = uv_now(&remote->daemon->loop);
    struct link_message message = {.type = LINK_RENEW};
    _cleanup_free_
    char *csr = NULL;

    if (!renewal_due(remote) ||
        (remote->renew_asked_ms && now_ms - remote->renew_asked_ms < REMOTE_RENEW_RETRY_MS))
        return;
    remote->renew_asked_ms = MAX(now_ms, 1);
    if (pki_request_new(remote->registration->key, "enforcer", &csr) < 0) {
        log_event(LOG_LEVEL_ERROR, "console.no_request", LOG_F("error", "OpenSSL refuses"));
        return;
    }
    message.renew.csr = csr;
    remote_send(remote, &message);
}

static void heartbeat_due(uv_timer_t *timer)
{
    send_heartbeat(timer->data);
    renew(timer->data);
}

/* ---- Log level for a while -------------------------------------------------------------------
 */

static void log_back(uv_timer_t *timer)
{
    const struct remote *remote = timer->data;

    log_setup(remote->daemon->config->log_level, remote->daemon->config->log_format);
    log_event(LOG_LEVEL_INFO, "log.level_back", LOG_F("level", "%d", (int)log_level_get()));
}

void remote_refresh(struct remote *remote, const struct link_message *message)
{
    static const struct {
        const char *word;
        enum log_level level;
    } levels[] = {{"Error", LOG_LEVEL_ERROR},
                  {"Warn", LOG_LEVEL_WARN},
                  {"Info", LOG_LEVEL_INFO},
                  {"Debug", LOG_LEVEL_DEBUG},
                  {"Trace", LOG_LEVEL_DEBUG}};
    const char *word = message->refresh.log_level;

    for (size_t i = 0; word && i < ARRAY_SIZE(levels); i++) {
        if (strcasecmp(word, levels[i].word) != 0)
            continue;
        log_event(LOG_LEVEL_INFO, "log.level", LOG_F("level", "%s", levels[i].word),
                  LOG_F("seconds", "%u", message->refresh.log_seconds));
        log_setup(levels[i].level, remote->daemon->config->log_format);
        uv_timer_start(&remote->log_timer, log_back,
                       (uint64_t)MAX(message->refresh.log_seconds, 1u) * 1000, 0);
    }
}

/* ---- Asking for what is missing (rule 7 of the wire protocol) --------------------------------
 */

static void send_fetch(uv_timer_t *timer)
{
    struct remote *remote = timer->data;
    struct link_message message = {.type = LINK_FETCH};

    for (size_t i = 0; i < remote->n_fetched; i++) {
        struct fetched *fetched = &remote->fetched[i];

        if (fetched->sent)
            continue;
        if (message.fetch.n_hosts == LINK_FETCH_MAX || message.fetch.n_identities == LINK_FETCH_MAX)
            break;
        if (fetched->host)
            message.fetch.hosts[message.fetch.n_hosts++] = fetched->number;
        else
            message.fetch.identities[message.fetch.n_identities++] = fetched->number;
        fetched->sent = true;
    }
    if (message.fetch.n_hosts || message.fetch.n_identities)
        remote_send(remote, &message);
}

/* Whoever was asked for lately may be unknown to the Console as well: not again so soon. */
static void want(struct remote *remote, bool host, uint32_t number)
{
    uint64_t now_ms = uv_now(&remote->daemon->loop);
    size_t kept = 0;

    for (size_t i = 0; i < remote->n_fetched; i++)
        if (now_ms - remote->fetched[i].at_ms < REMOTE_FETCH_AGAIN_MS)
            remote->fetched[kept++] = remote->fetched[i];
    remote->n_fetched = kept;
    for (size_t i = 0; i < kept; i++)
        if (remote->fetched[i].host == host && remote->fetched[i].number == number)
            return;
    if (kept == REMOTE_FETCHED_MAX || number == 0)
        return;
    remote->fetched[remote->n_fetched++] =
        (struct fetched){.number = number, .host = host, .at_ms = now_ms};
    if (!uv_is_active((uv_handle_t *)&remote->fetch_timer))
        uv_timer_start(&remote->fetch_timer, send_fetch, REMOTE_FETCH_MS, 0);
}

void remote_met(struct remote *remote, const struct datapath_flow *flow)
{
    if (remote->state != REMOTE_CONNECTED || !flow->peer_enforcer)
        return;
    if (flow->reason == ABI_REASON_PEER_MISS || flow->reason == ABI_REASON_EPOCH ||
        flow->reason == ABI_REASON_IDENTITY_UNKNOWN) {
        want(remote, true, flow->peer_enforcer);
        want(remote, false, flow->peer_identity);
    }
}

/* ---- Start and stop -------------------------------------------------------------------------- */

void remote_report_start(struct remote *remote)
{
    uint64_t ms = LINK_HEARTBEAT_S * 1000;

    remote->cpu_ns = cpu_now_ns();
    remote->cpu_at_ns = daemon_now_ns();
    remote->renew_asked_ms = 0;
    remote->n_fetched = 0;
    remote_units_tell(remote);
    uv_timer_start(&remote->heartbeat_timer, heartbeat_due, 1000, ms);
}

void remote_report_stop(struct remote *remote)
{
    uv_timer_stop(&remote->heartbeat_timer);
    uv_timer_stop(&remote->fetch_timer);
    remote->units_told = false;
}
