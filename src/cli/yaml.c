/* SPDX-License-Identifier: Apache-2.0 */
/* JSON trees as YAML, by libyaml's emitter; all that is not ASCII is escaped. */
#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "cli/output.h"

static int write_out(void *data, unsigned char *buffer, size_t size)
{
    fwrite(buffer, 1, size, data); /* errors stay with the stream and are seen when it is closed */
    return 1;
}

/* The emitter takes the event over, also when it fails. */
static int emit(yaml_emitter_t *emitter, yaml_event_t *event, int initialized)
{
    if (!initialized || !yaml_emitter_emit(emitter, event))
        return -ENOMEM;
    return 0;
}

static int emit_scalar(yaml_emitter_t *emitter, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t event;
    int ok = yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                          (int)strlen(text), 1, 1, style);

    return emit(emitter, &event, ok);
}

/* Would a reader take this plain text for something else than a string? */
static bool needs_quotes(const char *text)
{
    static const char *const words[] = {"null", "~",   "true", "false", "yes",  "no",
                                        "on",   "off", "y",    "n",     ".inf", ".nan"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return *text == '\0' || strchr("0123456789+-.=<", *text) != NULL;
}

static int emit_string(yaml_emitter_t *emitter, const char *text)
{
    /* Lines as they are: certificates, diffs. What cannot stand so is quoted by the library. */
    if (strchr(text, '\n'))
        return emit_scalar(emitter, text, YAML_LITERAL_SCALAR_STYLE);
    return emit_scalar(emitter, text,
                       needs_quotes(text) ? YAML_SINGLE_QUOTED_SCALAR_STYLE
                                          : YAML_ANY_SCALAR_STYLE);
}

static int emit_value(yaml_emitter_t *emitter, const json_t *value);

static int emit_list(yaml_emitter_t *emitter, const json_t *list)
{
    yaml_event_t event;
    json_t *item;
    size_t i;
    int ok, r;

    ok = yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE);
    r = emit(emitter, &event, ok);
    json_array_foreach(list, i, item)
    {
        if (r == 0)
            r = emit_value(emitter, item);
    }
    if (r < 0)
        return r;
    ok = yaml_sequence_end_event_initialize(&event);
    return emit(emitter, &event, ok);
}

static int emit_map(yaml_emitter_t *emitter, const json_t *map)
{
    yaml_event_t event;
    const char *key;
    json_t *item;
    int ok, r;

    ok = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
    r = emit(emitter, &event, ok);
    json_object_foreach((json_t *)map, key, item)
    {
        if (r == 0)
            r = emit_string(emitter, key);
        if (r == 0)
            r = emit_value(emitter, item);
    }
    if (r < 0)
        return r;
    ok = yaml_mapping_end_event_initialize(&event);
    return emit(emitter, &event, ok);
}

static int emit_value(yaml_emitter_t *emitter, const json_t *value)
{
    char *text;
    int r;

    if (json_is_array(value))
        return emit_list(emitter, value);
    if (json_is_object(value))
        return emit_map(emitter, value);
    if (json_is_string(value))
        return emit_string(emitter, json_string_value(value));

    text = json_dumps(value, JSON_ENCODE_ANY); /* numbers, true, false, null: the same in YAML */
    if (!text)
        return -ENOMEM;
    r = emit_scalar(emitter, text, YAML_PLAIN_SCALAR_STYLE);
    free(text);
    return r;
}

int output_yaml(FILE *out, const json_t *value, bool marked)
{
    yaml_emitter_t emitter;
    yaml_event_t event;
    int ok, r;

    if (!yaml_emitter_initialize(&emitter))
        return -ENOMEM;
    yaml_emitter_set_output(&emitter, write_out, out);
    yaml_emitter_set_width(&emitter, -1);
    yaml_emitter_set_unicode(&emitter, 0);

    ok = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    r = emit(&emitter, &event, ok);
    if (r == 0) {
        ok = yaml_document_start_event_initialize(&event, NULL, NULL, NULL, !marked);
        r = emit(&emitter, &event, ok);
    }
    if (r == 0)
        r = emit_value(&emitter, value);
    if (r == 0) {
        ok = yaml_document_end_event_initialize(&event, 1);
        r = emit(&emitter, &event, ok);
    }
    if (r == 0) {
        ok = yaml_stream_end_event_initialize(&event);
        r = emit(&emitter, &event, ok);
    }
    yaml_emitter_delete(&emitter);
    return r;
}
