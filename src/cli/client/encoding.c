/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client/encoding.h"

#include <msgpack.h>
#include <string.h>

#include "base/mpscan.h"

static int write_buf(void *data, const char *bytes, size_t len)
{
    struct buf *buf = data;

    buf_append(buf, bytes, len);
    return buf->error ? -1 : 0;
}

static void pack(msgpack_packer *packer, const json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;

    switch (json_typeof(value)) {
    case JSON_NULL:
        msgpack_pack_nil(packer);
        break;
    case JSON_TRUE:
        msgpack_pack_true(packer);
        break;
    case JSON_FALSE:
        msgpack_pack_false(packer);
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(packer, json_integer_value(value));
        break;
    case JSON_REAL:
        msgpack_pack_double(packer, json_real_value(value));
        break;
    case JSON_STRING:
        msgpack_pack_str_with_body(packer, json_string_value(value), json_string_length(value));
        break;
    case JSON_ARRAY:
        msgpack_pack_array(packer, json_array_size(value));
        json_array_foreach(value, i, item) pack(packer, item);
        break;
    case JSON_OBJECT:
        msgpack_pack_map(packer, json_object_size(value));
        json_object_foreach((json_t *)value, key, item)
        {
            msgpack_pack_str_with_body(packer, key, strlen(key));
            pack(packer, item);
        }
        break;
    }
}

void encoding_pack(const json_t *value, struct buf *buf)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buf, write_buf);
    pack(&packer, value);
}

static json_t *from_object(const msgpack_object *object);

static json_t *from_array(const msgpack_object_array *array)
{
    json_t *list = json_array();

    for (uint32_t i = 0; list && i < array->size; i++) {
        if (json_array_append_new(list, from_object(&array->ptr[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static int add_member(json_t *map, const msgpack_object_kv *pair)
{
    char *key;
    int r;

    if (pair->key.type != MSGPACK_OBJECT_STR)
        return -1;
    if (pair->key.via.str.size == 0) /* the pointer is NULL then */
        return json_object_set_new(map, "", from_object(&pair->val));
    if (memchr(pair->key.via.str.ptr, '\0', pair->key.via.str.size))
        return -1;
    key = strndup(pair->key.via.str.ptr, pair->key.via.str.size);
    r = key ? json_object_set_new(map, key, from_object(&pair->val)) : -1;
    free(key);
    return r;
}

static json_t *from_map(const msgpack_object_map *map)
{
    json_t *object = json_object();

    for (uint32_t i = 0; object && i < map->size; i++) {
        if (add_member(object, &map->ptr[i]) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *from_object(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object->via.u64 > INT64_MAX ? json_real((double)object->via.u64)
                                           : json_integer((json_int_t)object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return json_real(object->via.f64);
    case MSGPACK_OBJECT_STR:
        return json_stringn(object->via.str.size ? object->via.str.ptr : "", object->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return json_stringn(object->via.bin.size ? object->via.bin.ptr : "", object->via.bin.size);
    case MSGPACK_OBJECT_ARRAY:
        return from_array(&object->via.array);
    case MSGPACK_OBJECT_MAP:
        return from_map(&object->via.map);
    default:
        return NULL;
    }
}

json_t *encoding_unpack(const void *data, size_t len)
{
    msgpack_unpacked result;
    size_t offset = 0;
    json_t *value = NULL;

    if (mpscan(data, len, ENCODING_VALUES_MAX) < 0)
        return NULL;
    msgpack_unpacked_init(&result);
    if (msgpack_unpack_next(&result, data, len, &offset) == MSGPACK_UNPACK_SUCCESS)
        value = from_object(&result.data);
    msgpack_unpacked_destroy(&result);
    return value;
}
