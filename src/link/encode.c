/* SPDX-License-Identifier: Apache-2.0 */
#include <msgpack.h>
#include <string.h>

#include "link/link.h"
#include "link/link_internal.h"

static int write_buf(void *data, const char *bytes, size_t len)
{
    struct buf *buf = data;

    buf_append(buf, bytes, len);
    return buf->error ? -1 : 0;
}

static void put_text(msgpack_packer *out, const char *text)
{
    if (text)
        msgpack_pack_str_with_body(out, text, strlen(text));
    else
        msgpack_pack_nil(out);
}

static void put_name(msgpack_packer *out, const char *name)
{
    put_text(out, name);
}

static void field_text(msgpack_packer *out, const char *name, const char *text)
{
    put_name(out, name);
    put_text(out, text);
}

static void field_number(msgpack_packer *out, const char *name, uint64_t number)
{
    put_name(out, name);
    msgpack_pack_uint64(out, number);
}

static void field_time(msgpack_packer *out, const char *name, int64_t time_ms)
{
    put_name(out, name);
    msgpack_pack_int64(out, time_ms);
}

static void field_flag(msgpack_packer *out, const char *name, bool flag)
{
    put_name(out, name);
    if (flag)
        msgpack_pack_true(out);
    else
        msgpack_pack_false(out);
}

static void put_texts(msgpack_packer *out, const char *const *texts, size_t n)
{
    msgpack_pack_array(out, n);
    for (size_t i = 0; i < n; i++)
        put_text(out, texts[i]);
}

static void field_keys(msgpack_packer *out, const struct link_key *keys, size_t n)
{
    put_name(out, "keys");
    msgpack_pack_array(out, n);
    for (size_t i = 0; i < n; i++) {
        msgpack_pack_array(out, 2);
        msgpack_pack_uint16(out, keys[i].epoch);
        msgpack_pack_bin_with_body(out, keys[i].public_key, sizeof(keys[i].public_key));
    }
}

static void field_entries(msgpack_packer *out, const struct link_entry *entries, size_t n,
                          bool bodies)
{
    put_name(out, "entries");
    msgpack_pack_array(out, n);
    for (size_t i = 0; i < n; i++) {
        msgpack_pack_array(out, bodies ? 3 : 2);
        put_text(out, entries[i].key);
        msgpack_pack_uint64(out, entries[i].version);
        if (!bodies)
            continue;
        if (entries[i].body)
            msgpack_pack_str_with_body(out, entries[i].body, entries[i].body_len);
        else
            msgpack_pack_nil(out);
    }
}

static void put_hello(msgpack_packer *out, const struct link_message *message)
{
    msgpack_pack_map(out, 9);
    field_text(out, "version", message->hello.version);
    field_text(out, "machineId", message->hello.machine_id);
    field_text(out, "bootId", message->hello.boot_id);
    field_text(out, "hostName", message->hello.host_name);
    field_time(out, "time", message->hello.time_ms);
    field_keys(out, message->hello.keys, message->hello.n_keys);
    put_name(out, "addresses");
    put_texts(out, message->hello.addresses, message->hello.n_addresses);
    field_number(out, "revision", message->hello.revision);
    put_name(out, "digest");
    msgpack_pack_bin_with_body(out, message->hello.digest.bytes, LINK_DIGEST_BYTES);
}

static void put_welcome(msgpack_packer *out, const struct link_message *message)
{
    msgpack_pack_map(out, 8);
    field_text(out, "version", message->welcome.version);
    field_text(out, "enforcerId", message->welcome.enforcer_id);
    field_text(out, "namespace", message->welcome.namespace);
    field_number(out, "number", message->welcome.number);
    field_time(out, "time", message->welcome.time_ms);
    field_number(out, "revision", message->welcome.revision);
    field_number(out, "heartbeat", message->welcome.heartbeat_s);
    field_flag(out, "inStep", message->welcome.in_step);
}

/* By their places, beside the units: an older Console skips it. */
static void put_stopped(msgpack_packer *out, const struct link_message *message)
{
    size_t n = 0;

    for (size_t i = 0; i < message->units.n; i++)
        n += message->units.units[i].stopped;
    put_name(out, "stopped");
    msgpack_pack_array(out, n);
    for (size_t i = 0; i < message->units.n; i++)
        if (message->units.units[i].stopped)
            msgpack_pack_uint32(out, (uint32_t)i);
}

static void put_units(msgpack_packer *out, const struct link_message *message)
{
    msgpack_pack_map(out, 4);
    field_flag(out, "all", message->units.all);
    put_name(out, "units");
    msgpack_pack_array(out, message->units.n);
    for (size_t i = 0; i < message->units.n; i++) {
        const struct link_unit *unit = &message->units.units[i];

        msgpack_pack_array(out, 6);
        put_text(out, unit->local_id);
        put_text(out, unit->name);
        put_text(out, unit->type);
        put_text(out, unit->native_id);
        put_texts(out, unit->tags, unit->n_tags);
        put_texts(out, unit->metadata, unit->n_metadata);
    }
    put_name(out, "removed");
    put_texts(out, message->units.removed, message->units.n_removed);
    put_stopped(out, message);
}

static void field_numbers(msgpack_packer *out, const char *name, const uint32_t *numbers, size_t n)
{
    put_name(out, name);
    msgpack_pack_array(out, n);
    for (size_t i = 0; i < n; i++)
        msgpack_pack_uint32(out, numbers[i]);
}

static void put_heartbeat(msgpack_packer *out, const struct link_message *message)
{
    msgpack_pack_map(out, 6);
    field_time(out, "time", message->heartbeat.time_ms);
    field_number(out, "memory", message->heartbeat.memory_bytes);
    field_number(out, "cpu", message->heartbeat.cpu_permille);
    field_number(out, "processes", message->heartbeat.processes);
    field_text(out, "status", message->heartbeat.status);
    put_name(out, "counters");
    msgpack_pack_array(out, message->heartbeat.n_counters);
    for (size_t i = 0; i < message->heartbeat.n_counters; i++) {
        msgpack_pack_array(out, 2);
        put_text(out, message->heartbeat.counters[i].name);
        msgpack_pack_uint64(out, message->heartbeat.counters[i].value);
    }
}

static void put_delta(msgpack_packer *out, const struct link_message *message)
{
    msgpack_pack_map(out, 4);
    field_number(out, "revision", message->delta.revision);
    field_flag(out, "reset", message->delta.reset);
    field_flag(out, "last", message->delta.last);
    field_entries(out, message->delta.entries, message->delta.n, true);
}

/* Messages of a few fields. */
static void put_small(msgpack_packer *out, const struct link_message *message)
{
    switch (message->type) {
    case LINK_ACK:
        msgpack_pack_map(out, 2);
        field_number(out, "revision", message->ack.revision);
        field_text(out, "error", message->ack.error);
        break;
    case LINK_REFRESH:
        msgpack_pack_map(out, 3);
        field_text(out, "logLevel", message->refresh.log_level);
        field_number(out, "logSeconds", message->refresh.log_seconds);
        field_flag(out, "policy", message->refresh.policy);
        break;
    case LINK_RENEW:
        msgpack_pack_map(out, 1);
        field_text(out, "csr", message->renew.csr);
        break;
    case LINK_CERTIFICATE:
        msgpack_pack_map(out, 2);
        field_text(out, "certificate", message->certificate.certificate);
        field_text(out, "error", message->certificate.error);
        break;
    case LINK_BYE:
        msgpack_pack_map(out, 2);
        field_number(out, "code", message->bye.code);
        field_text(out, "reason", message->bye.reason);
        break;
    default: /* LINK_INVENTORY_ASK */
        msgpack_pack_map(out, 0);
        break;
    }
}

void link_encode(struct buf *buf, const struct link_message *message)
{
    msgpack_packer out;

    msgpack_packer_init(&out, buf, write_buf);
    msgpack_pack_array(&out, 2);
    msgpack_pack_int(&out, (int)message->type);
    switch (message->type) {
    case LINK_HELLO:
        put_hello(&out, message);
        break;
    case LINK_WELCOME:
        put_welcome(&out, message);
        break;
    case LINK_INVENTORY:
        msgpack_pack_map(&out, 1);
        field_entries(&out, message->inventory.entries, message->inventory.n, false);
        break;
    case LINK_DELTA:
        put_delta(&out, message);
        break;
    case LINK_UNITS:
        put_units(&out, message);
        break;
    case LINK_KEYS:
        msgpack_pack_map(&out, 1);
        field_keys(&out, message->keys.keys, message->keys.n);
        break;
    case LINK_FETCH:
        msgpack_pack_map(&out, 2);
        field_numbers(&out, "hosts", message->fetch.hosts, message->fetch.n_hosts);
        field_numbers(&out, "identities", message->fetch.identities, message->fetch.n_identities);
        break;
    case LINK_HEARTBEAT:
        put_heartbeat(&out, message);
        break;
    default:
        put_small(&out, message);
        break;
    }
}
