/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "load.h"

/*
 * A job: requests of one form over kept connections, one in flight on each. In path and body {n} is
 * a running number, {m} the same modulo `modulo`, {id} an identifier that an earlier job kept.
 */

static void fill(struct load *load, const char *form, uint64_t number, struct buf *out)
{
    while (*form) {
        size_t plain = strcspn(form, "{");

        buf_append(out, form, plain);
        form += plain;
        if (strncmp(form, "{n}", 3) == 0) {
            buf_printf(out, "%llu", (unsigned long long)number);
            form += 3;
        } else if (strncmp(form, "{m}", 3) == 0) {
            buf_printf(out, "%llu", (unsigned long long)(number % load->job.modulo));
            form += 3;
        } else if (strncmp(form, "{id}", 4) == 0 && load->n_ids > 0) {
            buf_puts(out, load->ids[load_random(load) % load->n_ids]);
            form += 4;
        } else if (*form) {
            buf_append(out, form++, 1);
        }
    }
}

static void registration(struct load *load, uint64_t number, struct buf *out)
{
    _cleanup_free_
    char *csr = NULL, *text = NULL;
    char name[16], fqdn[32];
    json_t *body;

    snprintf(name, sizeof(name), "h%05u", (unsigned)number);
    snprintf(fqdn, sizeof(fqdn), "%s.example.com", name);
    if (registry_request(load, (unsigned)number, &csr) < 0)
        return;
    body = json_pack("{s:s, s:s, s:s}", "name", name, "FQDN", fqdn, "certificateRequest", csr);
    text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    buf_puts(out, text ? text : "");
    json_decref(body);
}

static bool more(const struct job *job)
{
    return job->active && (job->limit == 0 || job->next < job->limit) &&
           (job->end_us == 0 || now_us() < job->end_us);
}

static void ask(struct request *request)
{
    struct load *load = request->stream.load;
    struct job *job = &load->job;
    _cleanup_buf_ struct buf body = BUF_INIT(LOAD_STREAM_BYTES_MAX),
                             path = BUF_INIT(LOAD_STREAM_BYTES_MAX),
                             head = BUF_INIT(LOAD_STREAM_BYTES_MAX);

    request->number = job->next++;
    fill(load, job->path, request->number, &path);
    if (job->registers)
        registration(load, request->number, &body);
    else if (job->body)
        fill(load, job->body, request->number, &body);
    buf_printf(&head,
               "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
               "X-Namespace: %s\r\n",
               job->method, path.data, load->options.token ? load->options.token : "",
               job->namespace);
    if (body.len)
        buf_printf(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.len);
    buf_puts(&head, "\r\n");
    buf_append(&head, body.data, body.len);
    request->busy = true;
    request->head = false;
    request->start_us = now_us();
    job->n_busy++;
    stream_send(&request->stream, head.data, head.len);
}

static void keep_answer(struct load *load, struct request *request, const char *text, size_t len)
{
    json_t *answer = json_loadb(text, len, 0, NULL);
    const char *id = json_string_value(json_object_get(answer, "ID"));
    const char *certificate = json_string_value(json_object_get(answer, "certificate"));

    if (load->job.registers) {
        if (!id || !certificate ||
            registry_add(load, (unsigned)request->number, id, certificate) < 0)
            load->job.failed++;
    } else if (id && vec_reserve(&load->ids, &load->size_ids, load->n_ids + 1, LOAD_ID_MAX) == 0) {
        snprintf(load->ids[load->n_ids++], LOAD_ID_MAX, "%s", id);
    }
    json_decref(answer);
}

static void answered(struct request *request, const char *text)
{
    struct load *load = request->stream.load;
    struct job *job = &load->job;

    request->busy = false;
    job->n_busy--;
    job->done++;
    job->bytes += request->wanted;
    if (job->n_us < LOAD_REQUESTS_MAX)
        job->us[job->n_us++] = (uint32_t)(now_us() - request->start_us);
    if (request->status >= 300 || request->status != job->last_status) {
        job->last_status = request->status;
        snprintf(job->last_body, sizeof(job->last_body), "%.*s", (int)MIN(request->wanted, 500u),
                 text);
    }
    if (request->status >= 300)
        job->failed++;
    else if (job->keep_ids || job->registers)
        keep_answer(load, request, text, request->wanted);
}

static bool take_head(struct request *request)
{
    struct buf *in = &request->stream.in;
    const char *end = in->len ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;
    const char *length;

    if (!end)
        return false;
    request->status = (int)strtol(in->data + strlen("HTTP/1.1 "), NULL, 10);
    length = strcasestr(in->data, "\r\nContent-Length:");
    request->wanted = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    buf_consume(in, (size_t)(end + 4 - in->data));
    request->head = true;
    return true;
}

static void on_data(struct stream *stream)
{
    struct request *request = stream->owner;

    if (!request->busy || (!request->head && !take_head(request)) ||
        stream->in.len < request->wanted)
        return;
    answered(request, stream->in.data ? stream->in.data : "");
    buf_consume(&stream->in, request->wanted);
    if (more(&stream->load->job))
        ask(request);
}

static void on_opened(struct stream *stream)
{
    struct job *job = &stream->load->job;
    struct request *request = stream->owner;

    if (request->used) {
        if (more(job))
            ask(request);
        return;
    }
    request->used = true;
    if (++job->n_open < job->n_requests)
        return;
    if (job->end_us)
        job->end_us += now_us() - job->start_us; /* the clock runs when all are open */
    job->start_us = now_us();
    for (size_t i = 0; i < job->n_requests; i++)
        if (more(job) && job->requests[i].stream.open)
            ask(&job->requests[i]);
}

static void on_closed(struct stream *stream, const char *why)
{
    struct request *request = stream->owner;
    struct job *job = &stream->load->job;

    if (request->busy) {
        request->busy = false;
        job->n_busy--;
        job->failed++;
        snprintf(job->last_body, sizeof(job->last_body), "%s", why);
        job->last_status = -1;
    }
    if (!request->used) {
        request->used = true;
        job->n_open++;
    }
    if (more(job))
        stream_open(stream, NULL, NULL);
}

static const struct stream_events request_events = {
    .opened = on_opened, .data = on_data, .closed = on_closed};

static char *copy(const json_t *command, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(command, name));

    text = text ? text : otherwise;
    return text ? strdup(text) : NULL;
}

static void job_clear(struct job *job)
{
    job->active = false;
    for (size_t i = 0; i < job->n_requests; i++)
        stream_close(&job->requests[i].stream, "done");
    free(job->requests);
    free(job->us);
    free(job->method);
    free(job->path);
    free(job->namespace);
    free(job->body);
    *job = (struct job){0};
}

int job_start(struct load *load, const json_t *command)
{
    struct job *job = &load->job;
    size_t n = (size_t)json_integer_value(json_object_get(command, "connections"));
    double seconds = json_number_value(json_object_get(command, "seconds"));

    job_clear(job);
    *job = (struct job){
        .active = true,
        .method = copy(command, "method", "POST"),
        .path = copy(command, "path", "/"),
        .namespace = copy(command, "namespace", "/"),
        .body = copy(command, "body", NULL),
        .next = (uint64_t)json_integer_value(json_object_get(command, "first")),
        .limit = (uint64_t)json_integer_value(json_object_get(command, "limit")),
        .keep_ids = json_is_true(json_object_get(command, "keep")),
        .registers = json_is_true(json_object_get(command, "registers")),
        .modulo = (uint64_t)MAX(json_integer_value(json_object_get(command, "modulo")), 1),
        .n_requests = n,
        .start_us = now_us(),
    };
    if (n == 0 || n > LOAD_HTTP_MAX)
        return -EINVAL;
    if (seconds > 0)
        job->end_us = job->start_us + (int64_t)(seconds * 1e6);
    job->requests = calloc(n, sizeof(*job->requests));
    job->us = calloc(LOAD_REQUESTS_MAX, sizeof(*job->us));
    if (!job->requests || !job->us)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct request *request = &job->requests[i];

        request->stream =
            (struct stream){.load = load, .events = &request_events, .owner = request, .fd = -1};
        if (stream_open(&request->stream, NULL, NULL) < 0)
            return -EIO;
    }
    return 0;
}

json_t *job_result(struct load *load)
{
    struct job *job = &load->job;
    double seconds = (double)(now_us() - job->start_us) / 1e6;
    json_t *result;

    if (!job->active || job->n_open < job->n_requests || job->n_busy > 0 || more(job))
        return NULL;
    job->active = false;
    result = json_pack("{s:I, s:I, s:I, s:f, s:f, s:I, s:i, s:s}", "done", (json_int_t)job->done,
                       "failed", (json_int_t)job->failed, "next", (json_int_t)job->next, "seconds",
                       seconds, "perSecond", (double)job->done / seconds, "bytes",
                       (json_int_t)job->bytes, "status", job->last_status, "answer",
                       job->last_status >= 300 || job->last_status < 0 ? job->last_body : "");
    json_object_update_missing(result, latencies(job->us, job->n_us));
    job_clear(job);
    return result;
}
