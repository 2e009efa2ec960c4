/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/remote.h"

#include <ifaddrs.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

#define CLOCK_SKEW_TOLD_MS 60000

/* ---- Out ------------------------------------------------------------------------------------- */

void remote_send(struct remote *remote, const struct link_message *message)
{
    _cleanup_buf_ struct buf bytes = BUF_INIT(CHANNEL_MESSAGE_BYTES_MAX);
    int r;

    link_encode(&bytes, message);
    r = channel_send(remote->channel, &bytes);
    if (r < 0 && r != -ENOTCONN)
        channel_close(remote->channel, "a message could not be sent");
}

static void boot_id(char ret[64])
{
    _cleanup_free_
    char *text = NULL;
    size_t len;

    ret[0] = '\0';
    if (file_read("/proc/sys/kernel/random/boot_id", 128, &text, &len) == 0)
        snprintf(ret, 64, "%.36s", text);
}

static void send_hello(struct remote *remote)
{
    char machine[REGISTRATION_MACHINE_ID_MAX], boot[64];
    _cleanup_(offline_addresses_free) struct offline_addresses addresses = {0};
    struct link_message message = {
        .type = LINK_HELLO,
        .hello = {.version = BULKHEAD_VERSION,
                  .machine_id = machine,
                  .boot_id = boot,
                  .host_name = remote->daemon->host_name,
                  .time_ms = remote_wall_ms(),
                  .revision = remote->revision,
                  .digest = remote->entries.digest},
    };

    registration_machine_id(machine);
    boot_id(boot);
    offline_addresses(&addresses);
    for (size_t i = 0; i < addresses.n && i < LINK_ADDRESSES_MAX; i++)
        message.hello.addresses[message.hello.n_addresses++] = addresses.texts[i];
    message.hello.n_keys = epochs_public(&remote->epochs, message.hello.keys);
    remote_send(remote, &message);
}

static void send_inventory(struct remote *remote)
{
    _cleanup_free_
    struct link_entry *list = NULL;
    struct link_message message = {.type = LINK_INVENTORY};

    if (remote->entries.n > LINK_INVENTORY_MAX) /* cannot be told: everything anew */
        entries_clear(&remote->entries);
    if (entries_inventory(&remote->entries, &list) < 0) {
        channel_close(remote->channel, "no memory");
        return;
    }
    message.inventory.entries = list;
    message.inventory.n = remote->entries.n;
    remote->snapshots++;
    remote_send(remote, &message);
}

void remote_ack(struct remote *remote, const char *error)
{
    const struct link_message message = {.type = LINK_ACK,
                                         .ack = {.revision = remote->revision, .error = error}};

    remote->ack_wanted = false;
    if (remote->state == REMOTE_CONNECTED)
        remote_send(remote, &message);
}

/* ---- In -------------------------------------------------------------------------------------- */

static void check_clock(struct remote *remote, int64_t time_ms)
{
    int64_t skew_ms = remote_wall_ms() - time_ms;

    if (skew_ms < CLOCK_SKEW_TOLD_MS && skew_ms > -CLOCK_SKEW_TOLD_MS)
        return;
    log_event(LOG_LEVEL_WARN, "console.clock", LOG_F("seconds_ahead", "%" PRId64, skew_ms / 1000));
}

static void take_welcome(struct remote *remote, const struct link_message *message)
{
    const struct registration *registration = remote->registration;

    if (message->welcome.number != registration->number ||
        strcmp(message->welcome.enforcer_id, registration->id) != 0) {
        channel_close(remote->channel, "the Console takes us for another Enforcer");
        return;
    }
    remote_error_set(remote, "");
    remote_state_set(remote, REMOTE_CONNECTED);
    backoff_success(&remote->backoff);
    remote->urls_tried = 0;
    remote->connects++;
    remote->resumed += message->welcome.in_step;
    check_clock(remote, message->welcome.time_ms);
    log_event(LOG_LEVEL_INFO, "console.connected", LOG_F("url", "%s", remote->url),
              LOG_F("version", "%s", message->welcome.version),
              LOG_F("revision", "%" PRIu64, message->welcome.revision),
              LOG_F("in_step", "%s", message->welcome.in_step ? "yes" : "no"));
    remote_report_start(remote);
    if (message->welcome.in_step) {
        remote->revision = message->welcome.revision;
        remote->entries_whole = true;
        remote->ack_wanted = true;
        remote_apply_later(remote);
    }
}

static void take_delta(struct remote *remote, const struct link_message *message)
{
    int r = 0;

    if (message->delta.reset)
        entries_clear(&remote->entries);
    remote->entries_whole = false;
    for (size_t i = 0; i < message->delta.n && r == 0; i++)
        r = entries_put(&remote->entries, &message->delta.entries[i]);
    if (r < 0) {
        channel_close(remote->channel, r == -ENOMEM ? "no memory" : "too many entries");
        return;
    }
    remote->deltas++;
    if (!message->delta.last)
        return;
    remote->revision = message->delta.revision;
    remote->entries_whole = true;
    remote->ack_wanted = true;
    remote_apply_later(remote);
    remote_cache_later(remote);
}

static void take_certificate(struct remote *remote, const struct link_message *message)
{
    const char *pem = message->certificate.certificate;
    int r = pem ? registration_certificate_set(remote->registration, pem) : -EACCES;

    if (r == 0)
        r = registration_save(remote->daemon->options->state, remote->registration);
    if (r == 0)
        log_event(LOG_LEVEL_INFO, "console.certificate_renewed",
                  LOG_F("not_after", "%" PRId64, remote->registration->not_after_s));
    else
        log_event(
            LOG_LEVEL_ERROR, "console.certificate_not_renewed",
            LOG_F("error", "%s",
                  pem || !message->certificate.error ? error_text(r) : message->certificate.error));
}

static const char *const bye_words[] = {
    [LINK_BYE_GOING_AWAY] = "the Console stops or asks to come back",
    [LINK_BYE_REVOKED] = "this Enforcer is not accepted any more (register it again)",
    [LINK_BYE_REPLACED] = "replaced",
    [LINK_BYE_CLOCK] = "clocks differ",
    [LINK_BYE_VERSION] = "no common version",
    [LINK_BYE_PROTOCOL] = "the Console did not understand a message",
    [LINK_BYE_OVERLOAD] = "the Console is overloaded",
    [LINK_BYE_REFUSED] = "refused",
};

static void take_bye(struct remote *remote, const struct link_message *message)
{
    size_t code = (size_t)message->bye.code;
    const char *word = code < ARRAY_SIZE(bye_words) ? bye_words[code] : NULL;
    char text[REMOTE_ERROR_MAX];

    snprintf(text, sizeof(text), "%s: %.300s", word ? word : "a reason of a newer Console",
             message->bye.reason ? message->bye.reason : "");
    remote->bye = message->bye.code;
    remote_error_set(remote, text);
    channel_close(remote->channel, text);
}

static void dispatch(struct remote *remote, const struct link_message *message)
{
    if ((remote->state == REMOTE_CONNECTED) == (message->type == LINK_WELCOME) &&
        message->type != LINK_BYE) {
        channel_close(remote->channel, "expected a welcome first, and once");
        return;
    }
    switch (message->type) {
    case LINK_WELCOME:
        take_welcome(remote, message);
        break;
    case LINK_INVENTORY_ASK:
        send_inventory(remote);
        break;
    case LINK_DELTA:
        take_delta(remote, message);
        break;
    case LINK_REFRESH:
        remote_refresh(remote, message);
        break;
    case LINK_CERTIFICATE:
        take_certificate(remote, message);
        break;
    case LINK_BYE:
        take_bye(remote, message);
        break;
    default:
        channel_close(remote->channel, "the Console sends what only an Enforcer sends");
        break;
    }
}

static void on_opened(void *context)
{
    struct remote *remote = context;

    send_hello(remote);
    remote_keys_announced(remote);
}

static void on_message(void *context, const void *data, size_t len)
{
    struct remote *remote = context;
    struct link_message message;
    const char *problem = "no memory";
    char text[256];

    if (link_decode(remote->decoder, data, len, &message, &problem) == 0) {
        dispatch(remote, &message);
        return;
    }
    snprintf(text, sizeof(text), "a message of the Console cannot be understood: %s", problem);
    channel_close(remote->channel, text);
}

/* A Console of another version says so before there is a session that could end with a bye. */
static void on_closed(void *context, const char *reason, enum channel_end how)
{
    struct remote *remote = context;

    if (how == CHANNEL_FOREIGN) {
        char text[REMOTE_ERROR_MAX];

        snprintf(text, sizeof(text), "%s: %.400s", bye_words[LINK_BYE_VERSION], reason);
        remote->bye = LINK_BYE_VERSION;
        remote_error_set(remote, text);
    }
    remote_ended(remote, reason, how != CHANNEL_ABSENT);
}

const struct channel_events remote_channel_events = {
    .opened = on_opened, .message = on_message, .closed = on_closed};
