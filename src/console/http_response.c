/* SPDX-License-Identifier: Apache-2.0 */
#include "console/http_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define HEAD_BYTES_MAX (HTTP_RESPONSE_HEADERS_MAX * (HTTP_RESPONSE_HEADER_BYTES_MAX + 128) + 1024)

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Status";
}

void http_response_header(struct http_response *response, const char *name, const char *format, ...)
{
    _cleanup_free_
    char *value = NULL;
    struct http_parameter *header;
    va_list args;
    int len;

    assert(response);
    assert(name);

    if (response->n_headers == HTTP_RESPONSE_HEADERS_MAX)
        return;
    va_start(args, format);
    len = vasprintf(&value, format, args);
    va_end(args);
    if (len < 0) {
        value = NULL;
        return;
    }
    if ((size_t)len > HTTP_RESPONSE_HEADER_BYTES_MAX)
        value[HTTP_RESPONSE_HEADER_BYTES_MAX] = '\0';
    for (char *c = value; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    header = &response->headers[response->n_headers];
    header->name = strdup(name);
    if (!header->name)
        return;
    header->value = TAKE_PTR(value);
    response->n_headers++;
}

void http_response_clear(struct http_response *response)
{
    for (size_t i = 0; i < response->n_headers; i++) {
        free(response->headers[i].name);
        free(response->headers[i].value);
    }
    buf_free(&response->body);
    *response = (struct http_response){0};
}

void http_response_error(struct http_response *response, int status, const char *description)
{
    response->status = status;
    response->content_type = "application/json";
    response->body = BUF_INIT(4096);
    buf_printf(&response->body, "[{\"code\":%d,\"title\":\"", status);
    buf_puts(&response->body, http_status_text(status));
    buf_puts(&response->body, "\",\"description\":\"");
    text_json_escape(&response->body, description, strlen(description));
    buf_puts(&response->body, "\",\"subject\":\"bulkhead-console\",\"data\":null,\"trace\":\"\"}]");
    if (status == 426) {
        http_response_header(response, "Upgrade", "websocket");
        http_response_header(response, "Sec-WebSocket-Version", "13");
    }
}

/* RFC 9110 5.6.7, renewed once a second. */
static const char *date(struct http_server *server)
{
    uv_timeval64_t now = {0};
    struct tm parts;
    time_t seconds;

    uv_gettimeofday(&now);
    if (now.tv_sec == server->date_s)
        return server->date;
    server->date_s = now.tv_sec;
    seconds = (time_t)now.tv_sec;
    gmtime_r(&seconds, &parts);
    strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return server->date;
}

static bool has_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->n_headers; i++)
        if (strcasecmp(response->headers[i].name, name) == 0)
            return true;
    return false;
}

int http_response_payload(struct http_server *server, const struct http_response *response,
                          bool is_head, bool keep_alive, struct http_payload **ret)
{
    _cleanup_buf_ struct buf head = BUF_INIT(HEAD_BYTES_MAX);
    bool bodyless = response->status == 204 || response->status == 304 || response->status == 101;
    size_t body_len = response->content_type ? response->body.len : 0;

    buf_printf(&head, "HTTP/1.1 %d %s\r\nDate: %s\r\n", response->status,
               http_status_text(response->status), date(server));
    if (!bodyless)
        buf_printf(&head, "Content-Length: %zu\r\n", body_len);
    if (response->content_type && !bodyless)
        buf_printf(&head, "Content-Type: %s\r\n", response->content_type);
    if (response->status != 101) {
        buf_puts(&head, "X-Content-Type-Options: nosniff\r\n"
                        "Strict-Transport-Security: max-age=31536000\r\n");
        if (!has_header(response, "Cache-Control"))
            buf_puts(&head, "Cache-Control: no-store\r\n");
        if (!keep_alive)
            buf_puts(&head, "Connection: close\r\n");
    }
    for (size_t i = 0; i < response->n_headers; i++)
        buf_printf(&head, "%s: %s\r\n", response->headers[i].name, response->headers[i].value);
    buf_puts(&head, "\r\n");
    if (head.error)
        return head.error;
    if (is_head || bodyless)
        body_len = 0;
    return http_payload_raw(head.data, head.len, response->body.data, body_len, ret);
}
