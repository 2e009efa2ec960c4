/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <msgpack.h>
#include <string.h>

#include "base/mpscan.h"
#include "base/text.h"
#include "link/link.h"
#include "link/link_internal.h"

struct link_decoder {
    msgpack_zone zone;
};

/* A cursor over one message's map with a sticky error. */
struct reader {
    msgpack_zone *zone;
    const msgpack_object_map *map;
    int error;
    const char *problem; /* static */
};

int link_decoder_new(struct link_decoder **ret)
{
    struct link_decoder *decoder = calloc(1, sizeof(*decoder));

    if (!decoder)
        return -ENOMEM;
    if (!msgpack_zone_init(&decoder->zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        free(decoder);
        return -ENOMEM;
    }
    *ret = decoder;
    return 0;
}

void link_decoder_free(struct link_decoder **decoder)
{
    if (!*decoder)
        return;
    msgpack_zone_destroy(&(*decoder)->zone);
    free_pointer(decoder);
}

static void fail(struct reader *in, int error, const char *problem)
{
    if (in->error == 0) {
        in->error = error;
        in->problem = problem;
    }
}

static void *allocate(struct reader *in, size_t n, size_t size)
{
    void *memory = msgpack_zone_malloc(in->zone, n * size + 1);

    if (!memory) {
        fail(in, -ENOMEM, "out of memory");
        return NULL;
    }
    memset(memory, 0, n * size + 1);
    return memory;
}

static const msgpack_object *field_if_any(struct reader *in, const char *name)
{
    size_t len = strlen(name);

    for (uint32_t i = 0; i < in->map->size; i++) {
        const msgpack_object_kv *kv = &in->map->ptr[i];

        if (kv->key.type == MSGPACK_OBJECT_STR && kv->key.via.str.size == len &&
            memcmp(kv->key.via.str.ptr, name, len) == 0)
            return &kv->val;
    }
    return NULL;
}

static const msgpack_object *field(struct reader *in, const char *name)
{
    const msgpack_object *value = field_if_any(in, name);

    if (!value)
        fail(in, -EPROTO, "a field is missing");
    return value;
}

/* NUL-terminated copy. nil gives NULL when `optional`. */
static const char *text_of(struct reader *in, const msgpack_object *object, size_t max,
                           bool optional, size_t *ret_len)
{
    char *text;

    if (in->error < 0 || !object || (optional && object->type == MSGPACK_OBJECT_NIL))
        return NULL;
    if (object->type != MSGPACK_OBJECT_STR || object->via.str.size > max) {
        fail(in, -EPROTO, "expected a text within its limit");
        return NULL;
    }
    if (memchr(object->via.str.ptr, 0, object->via.str.size) ||
        !text_utf8_valid(object->via.str.ptr, object->via.str.size, NULL)) {
        fail(in, -EPROTO, "a text is no UTF-8, or has a NUL in it");
        return NULL;
    }
    text = allocate(in, object->via.str.size, 1);
    if (!text)
        return NULL;
    memcpy(text, object->via.str.ptr, object->via.str.size);
    if (ret_len)
        *ret_len = object->via.str.size;
    return text;
}

static const char *text(struct reader *in, const char *name)
{
    return text_of(in, field(in, name), LINK_TEXT_MAX, false, NULL);
}

static const char *optional_text(struct reader *in, const char *name, size_t max)
{
    return text_of(in, field(in, name), max, true, NULL);
}

static uint64_t number_of(struct reader *in, const msgpack_object *object, uint64_t max)
{
    if (in->error < 0 || !object)
        return 0;
    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER || object->via.u64 > max) {
        fail(in, -EPROTO, "expected a number within its limit");
        return 0;
    }
    return object->via.u64;
}

static uint64_t number(struct reader *in, const char *name, uint64_t max)
{
    return number_of(in, field(in, name), max);
}

static bool flag(struct reader *in, const char *name)
{
    const msgpack_object *object = field(in, name);

    if (object && object->type != MSGPACK_OBJECT_BOOLEAN)
        fail(in, -EPROTO, "expected true or false");
    return in->error == 0 && object && object->via.boolean;
}

static const msgpack_object_array *list_of(struct reader *in, const msgpack_object *object,
                                           size_t max)
{
    static const msgpack_object_array nothing;

    if (in->error == 0 && object && object->type == MSGPACK_OBJECT_ARRAY &&
        object->via.array.size <= max)
        return &object->via.array;
    fail(in, -EPROTO, "expected a list within its limit");
    return &nothing;
}

/* A list of exactly `n`, for what has no field names; NULL on failure. */
static const msgpack_object *tuple(struct reader *in, const msgpack_object *object, size_t n)
{
    const msgpack_object_array *list = list_of(in, object, n);

    if (in->error == 0 && list->size != n)
        fail(in, -EPROTO, "a record has another number of parts");
    return in->error == 0 ? list->ptr : NULL;
}

static void bytes_of(struct reader *in, const msgpack_object *object, void *ret, size_t len)
{
    if (in->error == 0 && object && object->type == MSGPACK_OBJECT_BIN &&
        object->via.bin.size == len)
        memcpy(ret, object->via.bin.ptr, len);
    else
        fail(in, -EPROTO, "expected bytes of another length");
}

static size_t texts_of(struct reader *in, const msgpack_object *object, const char **ret,
                       size_t max)
{
    const msgpack_object_array *list = list_of(in, object, max);

    for (uint32_t i = 0; i < list->size && in->error == 0; i++)
        ret[i] = text_of(in, &list->ptr[i], LINK_TEXT_MAX, false, NULL);
    return list->size;
}

static size_t keys(struct reader *in, struct link_key ret[2])
{
    const msgpack_object_array *list = list_of(in, field(in, "keys"), 2);

    for (uint32_t i = 0; i < list->size; i++) {
        const msgpack_object *parts = tuple(in, &list->ptr[i], 2);

        if (!parts)
            return 0;
        ret[i].epoch = (uint16_t)number_of(in, &parts[0], UINT16_MAX);
        bytes_of(in, &parts[1], ret[i].public_key, sizeof(ret[i].public_key));
    }
    return list->size;
}

static const struct link_entry *entries(struct reader *in, bool bodies, size_t *ret_n)
{
    const msgpack_object_array *list = list_of(in, field(in, "entries"), LINK_INVENTORY_MAX);
    struct link_entry *all = allocate(in, list->size, sizeof(*all));

    for (uint32_t i = 0; i < list->size && all; i++) {
        const msgpack_object *parts = tuple(in, &list->ptr[i], bodies ? 3 : 2);

        if (!parts)
            return NULL;
        all[i].key = text_of(in, &parts[0], LINK_KEY_MAX, false, NULL);
        all[i].version = number_of(in, &parts[1], UINT64_MAX);
        if (bodies)
            all[i].body = text_of(in, &parts[2], LINK_ENTRY_BYTES_MAX, true, &all[i].body_len);
    }
    *ret_n = list->size;
    return all;
}

static void get_hello(struct reader *in, struct link_message *message)
{
    message->hello.version = text(in, "version");
    message->hello.machine_id = text(in, "machineId");
    message->hello.boot_id = text(in, "bootId");
    message->hello.host_name = text(in, "hostName");
    message->hello.time_ms = (int64_t)number(in, "time", INT64_MAX);
    message->hello.n_keys = keys(in, message->hello.keys);
    message->hello.n_addresses =
        texts_of(in, field(in, "addresses"), message->hello.addresses, LINK_ADDRESSES_MAX);
    message->hello.revision = number(in, "revision", UINT64_MAX);
    bytes_of(in, field(in, "digest"), message->hello.digest.bytes, LINK_DIGEST_BYTES);
}

static void get_welcome(struct reader *in, struct link_message *message)
{
    message->welcome.version = text(in, "version");
    message->welcome.enforcer_id = text(in, "enforcerId");
    message->welcome.namespace = text(in, "namespace");
    message->welcome.number = (uint32_t)number(in, "number", UINT32_MAX);
    message->welcome.time_ms = (int64_t)number(in, "time", INT64_MAX);
    message->welcome.revision = number(in, "revision", UINT64_MAX);
    message->welcome.heartbeat_s = (uint32_t)number(in, "heartbeat", 86400);
    message->welcome.in_step = flag(in, "inStep");
}

static void get_unit(struct reader *in, const msgpack_object *object, struct link_unit *unit)
{
    const msgpack_object *parts = tuple(in, object, 6);

    if (!parts)
        return;
    unit->local_id = text_of(in, &parts[0], LINK_LOCAL_ID_MAX, false, NULL);
    unit->name = text_of(in, &parts[1], LINK_TEXT_MAX, false, NULL);
    unit->type = text_of(in, &parts[2], LINK_TEXT_MAX, false, NULL);
    unit->native_id = text_of(in, &parts[3], LINK_TEXT_MAX, false, NULL);
    unit->n_tags = texts_of(in, &parts[4], unit->tags, LINK_TAGS_MAX);
    unit->n_metadata = texts_of(in, &parts[5], unit->metadata, LINK_TAGS_MAX);
}

static void get_stopped(struct reader *in, struct link_unit *units, uint32_t n)
{
    const msgpack_object *given = field_if_any(in, "stopped");
    const msgpack_object_array *list;

    if (!given || in->error < 0)
        return;
    list = list_of(in, given, LINK_UNITS_MAX);
    for (uint32_t i = 0; i < list->size && in->error == 0; i++) {
        uint64_t place = number_of(in, &list->ptr[i], UINT32_MAX);

        if (in->error == 0 && place >= n)
            fail(in, -EPROTO, "a place beyond the units");
        else if (in->error == 0)
            units[place].stopped = true;
    }
}

static void get_units(struct reader *in, struct link_message *message)
{
    const msgpack_object_array *list = list_of(in, field(in, "units"), LINK_UNITS_MAX);
    struct link_unit *units = allocate(in, list->size, sizeof(*units));
    const char **removed;

    for (uint32_t i = 0; i < list->size && units && in->error == 0; i++)
        get_unit(in, &list->ptr[i], &units[i]);
    if (units)
        get_stopped(in, units, list->size);
    message->units.all = flag(in, "all");
    message->units.units = units;
    message->units.n = list->size;
    list = list_of(in, field(in, "removed"), LINK_UNITS_MAX);
    removed = allocate(in, list->size, sizeof(*removed));
    if (removed)
        message->units.n_removed = texts_of(in, field(in, "removed"), removed, LINK_UNITS_MAX);
    message->units.removed = removed;
}

static size_t numbers(struct reader *in, const char *name, uint32_t ret[LINK_FETCH_MAX])
{
    const msgpack_object_array *list = list_of(in, field(in, name), LINK_FETCH_MAX);

    for (uint32_t i = 0; i < list->size; i++)
        ret[i] = (uint32_t)number_of(in, &list->ptr[i], UINT32_MAX);
    return list->size;
}

static void get_heartbeat(struct reader *in, struct link_message *message)
{
    const msgpack_object_array *list = list_of(in, field(in, "counters"), LINK_COUNTERS_MAX);

    message->heartbeat.time_ms = (int64_t)number(in, "time", INT64_MAX);
    message->heartbeat.memory_bytes = number(in, "memory", UINT64_MAX);
    message->heartbeat.cpu_permille = (uint32_t)number(in, "cpu", UINT32_MAX);
    message->heartbeat.processes = (uint32_t)number(in, "processes", UINT32_MAX);
    message->heartbeat.status = text(in, "status");
    for (uint32_t i = 0; i < list->size; i++) {
        const msgpack_object *parts = tuple(in, &list->ptr[i], 2);

        if (!parts)
            return;
        message->heartbeat.counters[i].name = text_of(in, &parts[0], LINK_KEY_MAX, false, NULL);
        message->heartbeat.counters[i].value = number_of(in, &parts[1], UINT64_MAX);
    }
    message->heartbeat.n_counters = list->size;
}

static void get_small(struct reader *in, struct link_message *message)
{
    switch (message->type) {
    case LINK_ACK:
        message->ack.revision = number(in, "revision", UINT64_MAX);
        message->ack.error = optional_text(in, "error", LINK_TEXT_MAX);
        break;
    case LINK_REFRESH:
        message->refresh.log_level = optional_text(in, "logLevel", LINK_KEY_MAX);
        message->refresh.log_seconds = (uint32_t)number(in, "logSeconds", UINT32_MAX);
        message->refresh.policy = flag(in, "policy");
        break;
    case LINK_RENEW:
        message->renew.csr = text_of(in, field(in, "csr"), LINK_CERTIFICATE_BYTES_MAX, false, NULL);
        break;
    case LINK_CERTIFICATE:
        message->certificate.certificate =
            optional_text(in, "certificate", LINK_CERTIFICATE_BYTES_MAX);
        message->certificate.error = optional_text(in, "error", LINK_TEXT_MAX);
        break;
    case LINK_BYE:
        message->bye.code = (enum link_bye)number(in, "code", 255);
        message->bye.reason = text(in, "reason");
        break;
    default: /* LINK_INVENTORY_ASK: no fields */
        break;
    }
}

static void get_message(struct reader *in, struct link_message *message)
{
    switch (message->type) {
    case LINK_HELLO:
        get_hello(in, message);
        break;
    case LINK_WELCOME:
        get_welcome(in, message);
        break;
    case LINK_INVENTORY:
        message->inventory.entries = entries(in, false, &message->inventory.n);
        break;
    case LINK_DELTA:
        message->delta.revision = number(in, "revision", UINT64_MAX);
        message->delta.reset = flag(in, "reset");
        message->delta.last = flag(in, "last");
        message->delta.entries = entries(in, true, &message->delta.n);
        break;
    case LINK_UNITS:
        get_units(in, message);
        break;
    case LINK_KEYS:
        message->keys.n = keys(in, message->keys.keys);
        break;
    case LINK_FETCH:
        message->fetch.n_hosts = numbers(in, "hosts", message->fetch.hosts);
        message->fetch.n_identities = numbers(in, "identities", message->fetch.identities);
        break;
    case LINK_HEARTBEAT:
        get_heartbeat(in, message);
        break;
    default:
        get_small(in, message);
        break;
    }
}

static int open_message(const msgpack_object *root, struct reader *in, struct link_message *message)
{
    const msgpack_object *parts = tuple(in, root, 2);

    if (!parts)
        return in->error;
    message->type = (enum link_type)number_of(in, &parts[0], LINK_BYE);
    if (in->error < 0 || message->type < LINK_HELLO)
        return -EPROTO;
    if (parts[1].type != MSGPACK_OBJECT_MAP)
        return -EPROTO;
    in->map = &parts[1].via.map;
    return 0;
}

int link_decode(struct link_decoder *decoder, const void *data, size_t len,
                struct link_message *ret, const char **ret_problem)
{
    struct reader in = {.zone = &decoder->zone};
    struct link_message message = {0};
    msgpack_object root;
    size_t offset = 0;
    int r;

    if (len > LINK_MESSAGE_BYTES_MAX) {
        *ret_problem = "the message is too long";
        return -EMSGSIZE;
    }
    msgpack_zone_clear(&decoder->zone);
    *ret_problem = "no MessagePack, or too much of it";
    if (mpscan(data, len, LINK_VALUES_MAX) < 0 ||
        msgpack_unpack(data, len, &offset, &decoder->zone, &root) < 0)
        return -EPROTO;
    r = open_message(&root, &in, &message);
    if (r < 0) {
        *ret_problem = "expected [type, fields] with a known type";
        return -EPROTO;
    }
    get_message(&in, &message);
    if (in.error < 0) {
        *ret_problem = in.problem;
        return in.error;
    }
    *ret = message;
    return 0;
}
