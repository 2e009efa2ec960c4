/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/remote.h"

#include <stdio.h>
#include <time.h>

#include <openssl/rand.h>

#include "base/error.h"
#include "base/text.h"
#include "enforcer/https.h"

/* Tests of wrong clocks shift it (docs/developer/console.md). */
int64_t remote_wall_ms(void)
{
    const char *shift = getenv("BULKHEAD_TEST_CLOCK_MS");
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 +
           (shift ? strtoll(shift, NULL, 10) : 0);
}

void remote_state_set(struct remote *remote, enum remote_state state)
{
    if (remote->state == state)
        return;
    remote->state = state;
    remote->since_ms = remote_wall_ms();
}

void remote_error_set(struct remote *remote, const char *text)
{
    struct warnings *warnings = &remote->daemon->warnings;

    text_format(remote->error, sizeof(remote->error), "%s", text);
    warnings_clear(warnings, WARNING_CONSOLE);
    if (*text)
        warnings_add(warnings, WARNING_CONSOLE, "no connection to the Console: %s%s", text,
                     remote->view ? "; the last policy goes on" : "");
}

/* ---- Registration in a thread ----------------------------------------------------------------
 */

struct registering {
    uv_work_t work;
    struct remote *remote; /* NULL: nobody waits any more */
    struct config *config;
    struct registration *known; /* whose certificate has ended; NULL: a new Enforcer */
    struct registration *registration;
    struct buf problem;
    uint32_t wait_s;
    int result;
};

static void register_in_thread(uv_work_t *work)
{
    struct registering *registering = work->data;

    if (registering->known)
        registering->result =
            registration_renew(registering->config, registering->known, &registering->problem,
                               &registering->wait_s, &registering->registration);
    else
        registering->result = registration_make(registering->config, &registering->problem,
                                                &registering->wait_s, &registering->registration);
}

static void registering_free(struct registering *registering)
{
    registration_free(&registering->known);
    registration_free(&registering->registration);
    config_free(&registering->config);
    buf_free(&registering->problem);
    free(registering);
}

static void connect_soon(struct remote *remote, uint32_t delay_ms);

static void take_registration(struct remote *remote, struct registering *registering)
{
    struct daemon *daemon = remote->daemon;
    int r = registration_save(daemon->options->state, registering->registration);

    if (r < 0) {
        log_event(LOG_LEVEL_ERROR, "console.registration_not_saved",
                  LOG_F("state", "%s", daemon->options->state),
                  LOG_F("error", "%s", error_text(r)));
        warnings_add(&daemon->warnings, WARNING_STATE,
                     "%s/%s cannot be written: after a restart this host has to be registered "
                     "again: %s",
                     daemon->options->state, REGISTRATION_FILE, error_text(r));
    }
    registration_free(&remote->registration);
    remote->registration = TAKE_PTR(registering->registration);
    log_event(LOG_LEVEL_INFO, registering->known ? "console.came_back" : "console.registered",
              LOG_F("id", "%s", remote->registration->id),
              LOG_F("number", "%u", remote->registration->number),
              LOG_F("namespace", "%s", remote->registration->namespace));
    backoff_success(&remote->backoff);
    remote_error_set(remote, "");
    if (!registering->known) {
        remote_facts_start(remote); /* with the full name */
        daemon_number_set(daemon, remote->registration->number);
    }
    connect_soon(remote, 0);
}

static uint32_t next_delay_ms(struct remote *remote)
{
    uint64_t random = 0;

    RAND_bytes((unsigned char *)&random, sizeof(random));
    return backoff_delay_ms(&remote->backoff, random);
}

static void registered(uv_work_t *work, int status)
{
    struct registering *registering = work->data;
    struct remote *remote = registering->remote;
    const char *problem =
        registering->problem.data ? registering->problem.data : error_text(registering->result);

    if (!remote) {
        registering_free(registering);
        return;
    }
    remote->registering = NULL;
    if (registering->result == 0) {
        take_registration(remote, registering);
    } else {
        log_event(LOG_LEVEL_ERROR, "console.not_registered", LOG_F("problem", "%s", problem));
        if (registering->result == -EAGAIN)
            backoff_later(&remote->backoff, registering->wait_s);
        else
            backoff_bye(&remote->backoff, LINK_BYE_CLOCK); /* somebody has to do something */
        remote_error_set(remote, problem);
        remote->renewal_refused = registering->result == -EEXIST;
        remote_state_set(remote, registering->known ? REMOTE_WAITING : REMOTE_UNREGISTERED);
        connect_soon(remote, next_delay_ms(remote));
    }
    registering_free(registering);
}

static void start_registering(struct remote *remote)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct registering *registering = calloc(1, sizeof(*registering));
    int r = -ENOMEM;

    if (registering) {
        registering->remote = remote;
        registering->problem = BUF_INIT(4096);
        registering->work.data = registering;
        r = config_load(remote->daemon->options->config, &diagnostics, &registering->config);
    }
    if (r == 0 && remote->registration) /* one of its own for the thread */
        r = registration_load(remote->daemon->options->state, &registering->problem,
                              &registering->known);
    if (r == 0)
        r = uv_queue_work(&remote->daemon->loop, &registering->work, register_in_thread,
                          registered);
    if (r < 0) {
        if (registering)
            registering_free(registering);
        remote_error_set(remote, "configuration or registration cannot be read any more");
        connect_soon(remote, BACKOFF_MAX_MS);
        return;
    }
    remote->registering = registering;
    remote_state_set(remote, REMOTE_REGISTERING);
}

/* ---- Connecting ------------------------------------------------------------------------------
 */

static const char *url_now(const struct remote *remote)
{
    const struct config *config = remote->daemon->config;

    if (!config->n_consoles)
        return remote->registration->url;
    return config->consoles[remote->url_at % config->n_consoles];
}

static int start_connecting(struct remote *remote)
{
    const struct config *config = remote->daemon->config;
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    _cleanup_free_
    char *ca = NULL;
    struct channel_target target = {
        .certificate = remote->registration->certificate,
        .key = remote->registration->key,
        .proxy = config->proxy,
    };
    int r = registration_ca(config, remote->registration, &problem, &ca);

    if (r < 0) {
        remote_error_set(remote, problem.data ? problem.data : error_text(r));
        return r;
    }
    snprintf(remote->url, sizeof(remote->url), "%s", url_now(remote));
    target.url = remote->url;
    target.ca = ca;
    remote->bye = 0;
    r = channel_connect(remote->channel, &target);
    if (r == 0)
        remote_state_set(remote, REMOTE_CONNECTING);
    return r;
}

/* The certificate is over: with a credential the Enforcer comes back by itself. When the Console
 * says that it is not over it is shown what there is: the clock of this host may be far ahead. */
static bool ended(const struct remote *remote)
{
    return !remote->renewal_refused &&
           registration_ended(remote->registration, remote_wall_ms() / 1000);
}

static void retry(uv_timer_t *timer)
{
    struct remote *remote = timer->data;

    if (!remote->registration || ended(remote)) {
        start_registering(remote);
        return;
    }
    remote->renewal_refused = false;
    if (start_connecting(remote) < 0) {
        backoff_failure(&remote->backoff, true);
        connect_soon(remote, next_delay_ms(remote));
    }
}

static void connect_soon(struct remote *remote, uint32_t delay_ms)
{
    if (remote->registration && delay_ms)
        remote_state_set(remote, REMOTE_WAITING);
    uv_timer_start(&remote->retry_timer, retry, delay_ms, 0);
}

/* When one Console is dead the next is tried at once; waiting comes after all were. */
void remote_ended(struct remote *remote, const char *reason, bool reached)
{
    size_t n = MAX(remote->daemon->config->n_consoles, (size_t)1);
    bool was_connected = remote->state == REMOTE_CONNECTED;
    uint32_t delay_ms;

    remote_report_stop(remote);
    remote->any_reached |= reached;
    if (!remote->bye || !*remote->error)
        remote_error_set(remote, reason);
    if (remote->bye && registration_ended(remote->registration, remote_wall_ms() / 1000))
        backoff_bye(&remote->backoff, LINK_BYE_CLOCK); /* then it asks for another certificate */
    else if (remote->bye)
        backoff_bye(&remote->backoff, remote->bye);
    else if (++remote->urls_tried >= n || was_connected)
        backoff_failure(&remote->backoff, remote->any_reached);
    remote->urls_tried += remote->bye == LINK_BYE_VERSION; /* the next may be of another */
    remote->url_at++;
    if (was_connected || remote->urls_tried >= n) {
        remote->urls_tried = 0;
        remote->any_reached = false;
    }
    delay_ms = remote->urls_tried ? 0 : next_delay_ms(remote);
    log_event(LOG_LEVEL_WARN, "console.ended", LOG_F("url", "%s", remote->url),
              LOG_F("reason", "%s", remote->error), LOG_F("again_ms", "%u", delay_ms));
    remote_state_set(remote, REMOTE_WAITING);
    connect_soon(remote, delay_ms);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void init_timer(struct remote *remote, uv_timer_t *timer)
{
    uv_timer_init(&remote->daemon->loop, timer);
    timer->data = remote;
    remote->timers++;
}

static int load_registration(struct remote *remote)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    int r = registration_load(remote->daemon->options->state, &problem, &remote->registration);

    if (r == 0 || r == -ENOENT)
        return 0;
    fprintf(stderr, "bulkhead-enforcer: %s\n", problem.data ? problem.data : error_text(r));
    return r;
}

int remote_new(struct daemon *daemon, struct remote **ret)
{
    struct remote *remote = calloc(1, sizeof(*remote));
    int r;

    if (!remote)
        return -ENOMEM;
    remote->daemon = daemon;
    *ret = remote; /* freed with the daemon, whatever happens */
    remote->entries_whole = true;
    remote->since_ms = remote_wall_ms();
    init_timer(remote, &remote->retry_timer);
    init_timer(remote, &remote->apply_timer);
    init_timer(remote, &remote->cache_timer);
    init_timer(remote, &remote->switch_timer);
    init_timer(remote, &remote->rotate_timer);
    init_timer(remote, &remote->heartbeat_timer);
    init_timer(remote, &remote->log_timer);
    init_timer(remote, &remote->fetch_timer);
    init_timer(remote, &remote->facts_timer);
    r = https_init();
    if (r == 0)
        r = link_decoder_new(&remote->decoder);
    if (r == 0)
        r = channel_new(&daemon->loop, &remote_channel_events, remote, &remote->channel);
    if (r == 0)
        r = load_registration(remote);
    if (r < 0)
        return r;
    if (remote->registration) {
        daemon->config->enforcer_id = remote->registration->number;
        remote->state = REMOTE_WAITING;
        remote_cache_load(remote);
    }
    return remote_keys_start(remote);
}

void remote_start(struct remote *remote)
{
    remote_facts_start(remote);
    connect_soon(remote, 0);
}

void remote_close(struct remote *remote)
{
    if (!remote)
        return;
    if (uv_is_active((uv_handle_t *)&remote->cache_timer))
        remote_cache_save(remote);
    if (remote->registering)
        remote->registering->remote = NULL;
    remote->registering = NULL;
    remote_facts_stop(remote);
    channel_free(&remote->channel);
}

/* After the loop has closed the timers. */
void remote_free(struct remote **at)
{
    struct remote *remote = *at;

    if (!remote)
        return;
    remote_keys_stop(remote);
    view_free(&remote->view);
    entries_clear(&remote->entries);
    registration_free(&remote->registration);
    link_decoder_free(&remote->decoder);
    tag_set_clear(&remote->facts);
    tag_set_clear(&remote->facts_metadata);
    free(remote);
    *at = NULL;
}
