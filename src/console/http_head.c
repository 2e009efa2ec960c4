/* SPDX-License-Identifier: Apache-2.0 */
#include "console/http_head.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "console/http_uri.h"

static char nothing[] = "";

enum repeat { ONCE, LIST, COOKIE, FIELDS };

static const struct header {
    const char *name;
    size_t offset;
    enum repeat repeat;
} headers[] = {
    {"accept", offsetof(struct http_head, request.accept), LIST},
    {"authorization", offsetof(struct http_head, request.authorization), ONCE},
    {"connection", offsetof(struct http_head, connection), LIST},
    {"content-encoding", offsetof(struct http_head, content_encoding), ONCE},
    {"content-length", offsetof(struct http_head, content_length), ONCE},
    {"content-type", offsetof(struct http_head, request.content_type), ONCE},
    {"cookie", offsetof(struct http_head, request.cookie), COOKIE},
    {"expect", offsetof(struct http_head, expect), ONCE},
    {"host", offsetof(struct http_head, request.host), ONCE},
    {"idempotency-key", offsetof(struct http_head, request.idempotency_key), ONCE},
    {"origin", offsetof(struct http_head, request.origin), ONCE},
    {"sec-websocket-key", offsetof(struct http_head, websocket_key), ONCE},
    {"sec-websocket-protocol", offsetof(struct http_head, websocket_protocols), LIST},
    {"sec-websocket-version", offsetof(struct http_head, websocket_version), ONCE},
    {"transfer-encoding", offsetof(struct http_head, transfer_encoding), ONCE},
    {"upgrade", offsetof(struct http_head, upgrade), LIST},
    {"x-external-tracking-id", offsetof(struct http_head, request.tracking_id), ONCE},
    {"x-fields", offsetof(struct http_head, request.fields), FIELDS},
    {"x-namespace", offsetof(struct http_head, request.namespace), ONCE},
};

static int refuse(struct http_refusal *refusal, int status, const char *why)
{
    *refusal = (struct http_refusal){status, why};
    return -EINVAL;
}

static char **slot_of(struct http_head *head, const struct header *header)
{
    return (char **)((char *)head + header->offset);
}

size_t http_head_length(const char *data, size_t len, size_t *from)
{
    const char *end;

    assert(*from <= len);
    end = memmem(data + *from, len - *from, "\r\n\r\n", 4);
    if (end)
        return (size_t)(end - data) + 4;
    *from = len > 3 ? len - 3 : 0;
    return 0;
}

/* RFC 9110 5.6.2 */
static bool is_token(const char *text, size_t len)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!alnum && (c == '\0' || !strchr(marks, c)))
            return false;
    }
    return len > 0;
}

/* The next line of a list: text between commas without the spaces around. NULL at the end. */
static const char *list_next(const char **list, size_t *ret_len)
{
    const char *item = *list + strspn(*list, " \t,");
    size_t len = strcspn(item, ",");

    *list = item + len;
    while (len && (item[len - 1] == ' ' || item[len - 1] == '\t'))
        len--;
    *ret_len = len;
    return len ? item : NULL;
}

bool http_list_has(const char *list, const char *token)
{
    const char *item;
    size_t len;

    while ((item = list_next(&list, &len)))
        if (len == strlen(token) && strncasecmp(item, token, len) == 0)
            return true;
    return false;
}

const char *http_list_choose(const char *list, const char *const *known)
{
    const char *item;
    size_t len;

    if (!known)
        return NULL;
    while ((item = list_next(&list, &len)))
        for (size_t i = 0; known[i]; i++)
            if (len == strlen(known[i]) && memcmp(item, known[i], len) == 0)
                return known[i];
    return NULL;
}

/* Both values in one, behind the text; that it fits bounds how often this can be done. */
static char *join(struct http_head *head, const char *first, const char *mark, const char *second)
{
    size_t a = strlen(first), m = strlen(mark), b = strlen(second);
    char *to = head->text + head->text_len;

    if (a + m + b + 1 > head->text_size - head->text_len)
        return NULL;
    memcpy(to, first, a);
    memcpy(to + a, mark, m);
    memcpy(to + a + m, second, b + 1);
    head->text_len += a + m + b + 1;
    return to;
}

static int header_add(struct http_head *head, const struct header *header, char *value,
                      struct http_refusal *refusal)
{
    char **slot = slot_of(head, header), **field = head->fields;

    if (header->repeat == FIELDS) {
        while (*field)
            field++;
        if (field == head->fields + HTTP_FIELDS_MAX)
            return refuse(refusal, 431, "too many X-Fields headers");
        *field = value;
        head->request.fields = head->fields;
        return 0;
    }
    head->has_host = head->has_host || slot == &head->request.host;
    if (*slot == nothing) {
        *slot = value;
        return 0;
    }
    if (header->repeat == ONCE)
        return refuse(refusal, 400, "a header that can be there once is there twice");
    *slot = join(head, *slot, header->repeat == COOKIE ? "; " : ", ", value);
    if (!*slot) {
        *slot = nothing;
        return refuse(refusal, 431, "the headers are too large");
    }
    return 0;
}

/* One line, NUL-terminated, without CRLF. */
static int header_parse(struct http_head *head, char *line, struct http_refusal *refusal)
{
    char *colon = strchr(line, ':'), *value;
    size_t len;

    if (!colon || !is_token(line, (size_t)(colon - line)))
        return refuse(refusal, 400, "a header line is not 'name: value'");
    *colon = '\0';
    value = colon + 1 + strspn(colon + 1, " \t");
    len = strlen(value);
    while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        value[--len] = '\0';
    if (!text_utf8_valid(value, len, NULL))
        return refuse(refusal, 400, "a header is not UTF-8");
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
        if (strcasecmp(line, headers[i].name) == 0)
            return header_add(head, &headers[i], value, refusal);
    return 0;
}

static int method_parse(const char *word, enum http_method *ret)
{
    static const char *const methods[] = {
        [HTTP_GET] = "GET",         [HTTP_POST] = "POST",     [HTTP_PUT] = "PUT",
        [HTTP_PATCH] = "PATCH",     [HTTP_DELETE] = "DELETE", [HTTP_HEAD] = "HEAD",
        [HTTP_OPTIONS] = "OPTIONS",
    };

    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (strcmp(word, methods[i]) == 0) {
            *ret = (enum http_method)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int request_line_parse(struct http_head *head, char *line, struct http_refusal *refusal)
{
    char *target = strchr(line, ' '), *version;

    if (!target || !is_token(line, (size_t)(target - line)))
        return refuse(refusal, 400, "the request line is not 'METHOD target HTTP/1.1'");
    *target++ = '\0';
    version = strchr(target, ' ');
    if (!version || version == target || strchr(version + 1, ' '))
        return refuse(refusal, 400, "the request line is not 'METHOD target HTTP/1.1'");
    *version++ = '\0';
    for (const char *c = target; *c; c++)
        if (*c < 0x21 || *c > 0x7e)
            return refuse(refusal, 400, "the request target is not percent-encoded");
    if (strncmp(version, "HTTP/", 5) != 0)
        return refuse(refusal, 400, "the request line is not 'METHOD target HTTP/1.1'");
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return refuse(refusal, 505, "only HTTP/1.1 is spoken here");
    head->keep_alive = version[7] == '1';
    if (method_parse(line, &head->request.method) < 0)
        return refuse(refusal, 501, "the method is not known");
    return http_uri_parse(target, &head->request, refusal);
}

static int length_judge(struct http_head *head, struct http_refusal *refusal)
{
    const char *digits = head->content_length;

    if (*head->transfer_encoding) {
        if (*digits)
            return refuse(refusal, 400, "both Content-Length and Transfer-Encoding");
        if (!head->keep_alive)
            return refuse(refusal, 400, "Transfer-Encoding in HTTP/1.0");
        if (strcasecmp(head->transfer_encoding, "chunked") != 0)
            return refuse(refusal, 501, "no other Transfer-Encoding than chunked is known");
        head->chunked = true;
        return 0;
    }
    for (; *digits; digits++) {
        if (*digits < '0' || *digits > '9' || digits - head->content_length > 17)
            return refuse(refusal, 400, "Content-Length is not a number");
        head->length = head->length * 10 + (uint64_t)(*digits - '0');
    }
    return 0;
}

static int websocket_judge(struct http_head *head, struct http_refusal *refusal)
{
    if (head->request.method != HTTP_GET || !http_list_has(head->upgrade, "websocket") ||
        !http_list_has(head->connection, "upgrade"))
        return 0;
    if (head->length || head->chunked)
        return refuse(refusal, 400, "a WebSocket upgrade with a body");
    if (strcmp(head->websocket_version, "13") != 0)
        return refuse(refusal, 426, "only version 13 of WebSocket is spoken here");
    if (strlen(head->websocket_key) != 24 || strcmp(head->websocket_key + 22, "==") != 0)
        return refuse(refusal, 400, "Sec-WebSocket-Key is not 16 bytes in base64");
    head->is_websocket = true;
    return 0;
}

static int judge(struct http_head *head, struct http_refusal *refusal)
{
    bool is_11 = head->keep_alive;
    int r;

    if (is_11 && !head->has_host)
        return refuse(refusal, 400, "the Host header is missing");
    r = length_judge(head, refusal);
    if (r < 0)
        return r;
    if ((head->length || head->chunked) && *head->content_encoding &&
        strcasecmp(head->content_encoding, "identity") != 0)
        return refuse(refusal, 415, "the body has a Content-Encoding");
    if (*head->expect && strcasecmp(head->expect, "100-continue") != 0)
        return refuse(refusal, 417, "no other expectation than 100-continue is known");
    head->expects_continue = is_11 && *head->expect && (head->length || head->chunked);
    if (http_list_has(head->connection, "close"))
        head->keep_alive = false;
    return is_11 ? websocket_judge(head, refusal) : 0;
}

/* Cut the next line off; NULL when it does not end with CRLF or has bytes that no line may have. */
static char *line_next(char **rest)
{
    char *line = *rest, *end = line;

    while (*end == '\t' || (unsigned char)*end >= 0x20) {
        if (*end == 0x7f)
            return NULL;
        end++;
    }
    if (end[0] != '\r' || end[1] != '\n')
        return NULL;
    *end = '\0';
    *rest = end + 2;
    return line;
}

static int lines_parse(struct http_head *head, struct http_refusal *refusal)
{
    char *rest = head->text, *line = line_next(&rest);
    int r;

    if (!line)
        return refuse(refusal, 400, "the request line has control characters");
    r = request_line_parse(head, line, refusal);
    for (unsigned n = 0; r == 0; n++) {
        line = line_next(&rest);
        if (!line)
            return refuse(refusal, 400, "a header has control characters");
        if (!*line)
            break;
        if (n == HTTP_HEADERS_MAX)
            return refuse(refusal, 431, "too many headers");
        r = header_parse(head, line, refusal);
    }
    return r < 0 ? r : judge(head, refusal);
}

int http_head_parse(const char *data, size_t len, struct http_head *ret,
                    struct http_refusal *refusal)
{
    assert(data);
    assert(ret);
    assert(refusal);

    ret->text_size = 2 * len + 2;
    ret->text = malloc(ret->text_size);
    if (!ret->text)
        return -ENOMEM;
    memcpy(ret->text, data, len);
    ret->text[len] = '\0';
    ret->text_len = len + 1;
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
        if (headers[i].repeat != FIELDS)
            *slot_of(ret, &headers[i]) = nothing;
    ret->request.path = nothing;
    ret->request.body = nothing;
    ret->request.certificate.problem = "";
    return lines_parse(ret, refusal);
}

void http_head_clear(struct http_head *head)
{
    free(TAKE_PTR(head->text));
}
