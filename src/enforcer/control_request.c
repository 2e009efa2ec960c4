/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/control_request.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

enum { TAKES_FOLLOW = 1, TAKES_PU = 2 };

static const struct {
    const char *name;
    unsigned takes;
    bool writes;
} commands[] = {
    [CONTROL_STATUS] = {"status", 0, false},          [CONTROL_PUS] = {"pus", 0, false},
    [CONTROL_FLOWS] = {"flows", TAKES_FOLLOW, false}, [CONTROL_COUNTERS] = {"counters", 0, false},
    [CONTROL_NETSTAT] = {"netstat", TAKES_PU, false}, [CONTROL_DISABLE] = {"disable", 0, true},
    [CONTROL_ENABLE] = {"enable", 0, true},
};

static const char *const code_names[] = {
    [CONTROL_OK] = "ok",
    [CONTROL_UNKNOWN_COMMAND] = "unknown_command",
    [CONTROL_BAD_REQUEST] = "bad_request",
    [CONTROL_FORBIDDEN] = "forbidden",
    [CONTROL_TOO_LARGE] = "too_large",
    [CONTROL_BUSY] = "busy",
    [CONTROL_INTERNAL] = "internal",
};

static void json_unref(json_t **json)
{
    json_decref(*json);
}

const char *control_command_name(enum control_command command)
{
    assert(command < ARRAY_SIZE(commands));
    return commands[command].name;
}

bool control_command_writes(enum control_command command)
{
    assert(command < ARRAY_SIZE(commands));
    return commands[command].writes;
}

const char *control_code_name(enum control_code code)
{
    assert(code < ARRAY_SIZE(code_names));
    return code_names[code];
}

void control_error_print(struct buf *buf, enum control_code code, const char *message)
{
    buf_printf(buf, "{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"",
               control_code_name(code));
    text_json_escape(buf, message, strlen(message));
    buf_puts(buf, "\"}}\n");
}

static enum control_code bad(char message[CONTROL_MESSAGE_MAX], const char *text)
{
    snprintf(message, CONTROL_MESSAGE_MAX, "%s", text);
    return CONTROL_BAD_REQUEST;
}

static enum control_code parse_arguments(const json_t *arguments, struct control_request *request,
                                         char message[CONTROL_MESSAGE_MAX])
{
    unsigned takes = commands[request->command].takes;
    const char *key;
    json_t *value;

    if (!json_is_object(arguments))
        return bad(message, "arguments: expected an object");
    json_object_foreach((json_t *)arguments, key, value)
    {
        if (takes & TAKES_FOLLOW && strcmp(key, "follow") == 0) {
            if (!json_is_boolean(value))
                return bad(message, "arguments.follow: expected true or false");
            request->follow = json_is_true(value);
        } else if (takes & TAKES_PU && strcmp(key, "pu") == 0) {
            if (json_is_null(value))
                continue;
            if (!json_is_string(value) || json_string_length(value) >= CONTROL_ARGUMENT_MAX)
                return bad(message, "arguments.pu: expected a name or id of at most 511 bytes");
            snprintf(request->pu, sizeof(request->pu), "%s", json_string_value(value));
        } else {
            text_format(message, CONTROL_MESSAGE_MAX, "arguments: unknown key '%.60s' for %s", key,
                        commands[request->command].name);
            return CONTROL_BAD_REQUEST;
        }
    }
    return CONTROL_OK;
}

static enum control_code parse_command(const json_t *root, struct control_request *request,
                                       char message[CONTROL_MESSAGE_MAX])
{
    const json_t *command = json_object_get(root, "command");

    if (!json_is_string(command))
        return bad(message, "command: expected a string");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, json_string_value(command)) != 0)
            continue;
        request->command = (enum control_command)i;
        return CONTROL_OK;
    }
    snprintf(message, CONTROL_MESSAGE_MAX,
             "unknown command '%.60s', expected status, pus, flows, counters, netstat, disable or "
             "enable",
             json_string_value(command));
    return CONTROL_UNKNOWN_COMMAND;
}

static enum control_code check_keys(const json_t *root, char message[CONTROL_MESSAGE_MAX])
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)root, key, value)
    {
        if (strcmp(key, "version") == 0 || strcmp(key, "command") == 0 ||
            strcmp(key, "arguments") == 0)
            continue;
        text_format(message, CONTROL_MESSAGE_MAX, "unknown key '%.60s'", key);
        return CONTROL_BAD_REQUEST;
    }
    value = json_object_get(root, "version");
    if (!json_is_integer(value) || json_integer_value(value) != CONTROL_VERSION)
        return bad(message, "version: expected 1");
    return CONTROL_OK;
}

enum control_code control_request_parse(const char *line, size_t len, struct control_request *ret,
                                        char message[CONTROL_MESSAGE_MAX])
{
    _cleanup_(json_unref) json_t *root = NULL;
    struct control_request request = {0};
    enum control_code code;
    const json_t *arguments;
    json_error_t error;

    message[0] = '\0';
    if (len > CONTROL_REQUEST_BYTES_MAX) {
        snprintf(message, CONTROL_MESSAGE_MAX, "expected at most %d bytes",
                 CONTROL_REQUEST_BYTES_MAX);
        return CONTROL_TOO_LARGE;
    }
    root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        text_format(message, CONTROL_MESSAGE_MAX, "expected one JSON object on one line%s%.100s",
                    root ? "" : ": ", root ? "" : error.text);
        return CONTROL_BAD_REQUEST;
    }
    code = check_keys(root, message);
    if (code == CONTROL_OK)
        code = parse_command(root, &request, message);
    arguments = json_object_get(root, "arguments");
    if (code == CONTROL_OK && arguments)
        code = parse_arguments(arguments, &request, message);
    if (code == CONTROL_OK)
        *ret = request;
    return code;
}

bool control_allowed(const struct control_peer *peer, uid_t own_uid, gid_t socket_gid,
                     enum control_command command)
{
    if (peer->uid == 0 || peer->uid == own_uid)
        return true;
    if (control_command_writes(command))
        return false;
    if (peer->gid == socket_gid)
        return true;
    for (size_t i = 0; i < peer->n_groups; i++)
        if (peer->groups[i] == socket_gid)
            return true;
    return false;
}
