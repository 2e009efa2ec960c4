/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/control.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/text.h"

#define READ_BYTES 65536

static int fail(struct control *control, int error, const char *format, ...) _printf_(3, 4);

static int fail(struct control *control, int error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    text_vformat(control->message, sizeof(control->message), format, ap);
    va_end(ap);
    return error;
}

static int explain_connect(struct control *control, const char *path, int error)
{
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
        return fail(control, -error,
                    "cannot reach the enforcer at %s: %s. Is bulkhead-enforcer running?", path,
                    error_text(error));
    case EACCES:
    case EPERM:
        return fail(control, -error,
                    "cannot reach the enforcer at %s: %s. Only root and members of the socket's "
                    "group may use it.",
                    path, error_text(error));
    default:
        return fail(control, -error, "cannot reach the enforcer at %s: %s", path,
                    error_text(error));
    }
}

static int connect_to(struct control *control, const char *path)
{
    const struct timeval timeout = {.tv_sec = CONTROL_TIMEOUT_MS / 1000};
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    _cleanup_close_
    int fd = -1;
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(addr.sun_path))
        return fail(control, -ENAMETOOLONG,
                    "cannot reach the enforcer: a socket's path has 1 to %zu bytes, this one %zu",
                    sizeof(addr.sun_path) - 1, len);
    memcpy(addr.sun_path, path, len);

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(control, -errno, "cannot make a socket: %s", error_text(errno));
    /* also bounds connect() to a listener whose queue is full */
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
        return fail(control, -errno, "cannot set up a socket: %s", error_text(errno));
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
        return explain_connect(control, path, errno);
    control->fd = TAKE_FD(fd);
    return 0;
}

static int send_all(struct control *control, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(control->fd, data, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE) /* it may have answered before it closed */
            return 0;
        if (n < 0)
            return fail(control, -errno, "cannot send to the enforcer: %s", error_text(errno));
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int control_request(struct control *control, const char *path, const char *command,
                    json_t *arguments)
{
    _cleanup_free_
    char *text = NULL;
    _cleanup_(json_decrefp) json_t *request = NULL;
    _cleanup_buf_ struct buf line = BUF_INIT(CONTROL_REQUEST_BYTES_MAX);
    int r;

    request = json_pack("{s:i, s:s, s:o}", "version", CONTROL_VERSION, "command", command,
                        "arguments", arguments ? arguments : json_object());
    text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    if (!text)
        return fail(control, -ENOMEM, "%s", error_text(ENOMEM));
    buf_printf(&line, "%s\n", text);
    if (line.error)
        return fail(control, -EMSGSIZE, "the request is longer than %d bytes",
                    CONTROL_REQUEST_BYTES_MAX);

    r = connect_to(control, path);
    if (r < 0)
        return r;
    return send_all(control, line.data, line.len);
}

/* Wait for something to read. */
static int wait_input(struct control *control, int timeout_ms, int watch_fd)
{
    struct pollfd fds[] = {{.fd = control->fd, .events = POLLIN}, {.fd = watch_fd}};

    for (;;) {
        int r = poll(fds, ARRAY_SIZE(fds), timeout_ms);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return fail(control, -errno, "cannot wait for the enforcer: %s", error_text(errno));
        if (r == 0)
            return fail(control, -ETIMEDOUT, "the enforcer does not answer (waited %d s)",
                        timeout_ms / 1000);
        if (fds[1].revents & (POLLERR | POLLNVAL))
            return fail(control, -EPIPE, "nobody reads the answer");
        return 0;
    }
}

static int read_more(struct control *control)
{
    char chunk[READ_BYTES];
    ssize_t n = recv(control->fd, chunk, sizeof(chunk), 0);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n < 0 && errno != ECONNRESET)
        return fail(control, -errno, "cannot read from the enforcer: %s", error_text(errno));
    if (n <= 0)
        return fail(control, -ENODATA,
                    control->input.len ? "the enforcer hung up in the middle of an answer"
                                       : "the enforcer hung up without an answer");
    buf_append(&control->input, chunk, (size_t)n);
    if (control->input.error == -ENOSPC)
        return fail(control, -EMSGSIZE, "the enforcer's answer is longer than %zu bytes",
                    CONTROL_LINE_BYTES_MAX);
    if (control->input.error)
        return fail(control, control->input.error, "%s", error_text(control->input.error));
    return 0;
}

/* @param ret_len  of the first line in the buffer, without its newline */
static int read_line(struct control *control, int timeout_ms, int watch_fd, size_t *ret_len)
{
    for (;;) {
        struct buf *input = &control->input;
        const char *end = NULL;
        int r;

        if (input->len > control->searched)
            end = memchr(input->data + control->searched, '\n', input->len - control->searched);
        if (end) {
            *ret_len = (size_t)(end - input->data);
            return 0;
        }
        control->searched = input->len;
        r = wait_input(control, timeout_ms, watch_fd);
        if (r == 0)
            r = read_more(control);
        if (r < 0)
            return r;
    }
}

/* {"ok":true,"result":…} or {"ok":false,"error":{code,message}} */
static int unwrap(struct control *control, json_t *answer, json_t **ret)
{
    json_t *ok = json_object_get(answer, "ok"), *result = json_object_get(answer, "result");
    const json_t *error = json_object_get(answer, "error");
    const char *code = json_string_value(json_object_get(error, "code")),
               *text = json_string_value(json_object_get(error, "message"));

    if (json_is_true(ok) && (json_is_object(result) || json_is_array(result))) {
        control->dropped = json_integer_value(json_object_get(answer, "dropped"));
        *ret = json_incref(result);
        return 0;
    }
    if (json_is_false(ok) && code)
        return fail(control, -EREMOTEIO, "the enforcer refuses: %s (%s)", text ? text : "no reason",
                    code);
    return fail(control, -EPROTO,
                "the answer is not one of an enforcer: expected {\"ok\", \"result\" or \"error\"}");
}

int control_answer(struct control *control, int timeout_ms, int watch_fd, json_t **ret)
{
    _cleanup_(json_decrefp) json_t *answer = NULL;
    json_error_t error;
    size_t len;
    int r = read_line(control, timeout_ms, watch_fd, &len);

    if (r < 0)
        return r;
    answer = json_loadb(control->input.data, len, JSON_REJECT_DUPLICATES, &error);
    buf_consume(&control->input, len + 1);
    control->searched = 0;
    if (!answer)
        return fail(control, -EPROTO, "the answer is not one of an enforcer: %s", error.text);
    return unwrap(control, answer, ret);
}

void control_clear(struct control *control)
{
    close_fd(&control->fd);
    buf_free(&control->input);
    control->searched = 0;
}
