/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is in a request apart from its body, parsed strictly: one way to read each byte, so that no
 * intermediary can see other requests than we do (RFC 9112). Lines end with CRLF, nothing is
 * folded, lengths are given once. Pure.
 */

#include "console/http.h"

struct http_head {
    struct http_request request; /* strings point into `text` */
    /* Headers that only the shell looks at; "" when absent. */
    char *content_length, *transfer_encoding, *content_encoding, *connection, *upgrade, *expect,
        *websocket_key, *websocket_version, *websocket_protocols;

    bool keep_alive, chunked, expects_continue, is_websocket;
    uint64_t length; /* of the body, when not chunked */

    char *fields[HTTP_FIELDS_MAX + 1];
    char *text; /* owned */
    size_t text_len, text_size;
    bool has_host;
};

/* Why a request is not accepted. */
struct http_refusal {
    int status;
    const char *why; /* one sentence */
};

/*
 * Length of a complete head, up to and including its empty line; 0 when the end is not there yet.
 * @param from  where the search last ended, as it was left by the last call (0 at first)
 */
size_t http_head_length(const char *data, size_t len, size_t *from);

/*
 * @param data  a complete head
 * @param ret   zeroed by the caller; cleared by http_head_clear() in any case
 * @return 0; -EINVAL with `refusal`; -ENOMEM
 */
int http_head_parse(const char *data, size_t len, struct http_head *ret,
                    struct http_refusal *refusal);
void http_head_clear(struct http_head *head);
/* Does a comma-separated list have this token? Not case sensitive. */
bool http_list_has(const char *list, const char *token);
/* The first of the client's list (comma-separated) that is among `known`; NULL when none is. */
const char *http_list_choose(const char *list, const char *const *known);
