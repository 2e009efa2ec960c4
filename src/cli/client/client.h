/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * HTTPS to the Console, by libcurl. One request at a time, one connection that is kept.
 *
 * A request is tried again, with back-off, when it cannot have done anything (no connection, 429,
 * 503) or does the same twice (GET, PUT, DELETE; a creation with an Idempotency-Key, which every
 * one has).
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/macros.h"

#define CLIENT_ANSWER_BYTES_MAX ((size_t)512 << 20)
#define CLIENT_TRIES_MAX 6
#define CLIENT_WAIT_FIRST_MS 250
#define CLIENT_WAIT_MAX_MS 8000
#define CLIENT_RETRY_AFTER_MAX_S 60
#define CLIENT_PARAMETERS_MAX 128
#define CLIENT_MESSAGE_MAX 2048
#define CLIENT_HEADER_MAX 65536
#define CLIENT_CONNECT_S 10

struct client_config {
    const char *api;         /* "https://console.example:443", no path needed */
    const char *ca_pem;      /* trusted besides the system's; NULL: none */
    const char *only_ca_pem; /* trusted, and nothing else; NULL: none */
    bool skip_verify;
    const char *certificate_pem, *key_pem; /* client certificate; NULL: none */
    bool msgpack;
    const char *tracking_id;
    long timeout_s; /* without a byte */
    unsigned tries; /* 0: CLIENT_TRIES_MAX */
    FILE *log;      /* what is asked and answered, for people; NULL: not wanted */
    FILE *progress; /* a terminal for what takes long; NULL: none */
    bool shared;    /* answers are printed on the same terminal */
};

struct client_parameter {
    const char *name, *value; /* value NULL: the name alone */
};

struct client_request {
    const char *method, *path; /* "GET", "/namespaces" */
    struct client_parameter query[CLIENT_PARAMETERS_MAX];
    size_t n_query;
    const char *const *fields; /* X-Fields; NULL-terminated, or NULL */
    const char *namespace;     /* X-Namespace; NULL: none */
    const char *token;         /* NULL: none */
    const json_t *body;        /* NULL: none */
    bool idempotency_key;      /* send one */
    const char *doing;         /* for the progress line */
};
/* Asserts that there is room. */
void client_query(struct client_request *request, const char *name, const char *value);

struct client_answer {
    long status;
    json_t *body;          /* NULL: none, or none that could be read */
    char *text;            /* of a body that is not JSON; NULL: none */
    char *next, *messages; /* X-Next, X-Messages; NULL: none */
    json_int_t total;      /* X-Count-Total; -1: none */
};
void client_answer_clear(struct client_answer *answer);
#define _cleanup_client_answer_ _cleanup_(client_answer_clear)

struct client;
/* Copies what it needs of `config`. 0; -ENOMEM; -EINVAL: the address is none (see the message). */
int client_new(const struct client_config *config, struct client **ret);
void client_free(struct client **client);
#define _cleanup_client_ _cleanup_(client_free)

/* The requests that follow are one piece of work: progress counts from now on, and says how many of
 * `all` objects (0: nobody knows) are done. `doing` NULL: it is at an end. */
void client_work(struct client *client, const char *doing, size_t all);
void client_work_done(struct client *client, size_t n);

/* 0 with any status; else -errno and client_message(). */
int client_send(struct client *client, const struct client_request *request,
                struct client_answer *ret);
/* Why the last call failed, for people, not escaped; never NULL. */
const char *client_message(const struct client *client);
/* "https://console.example:443" */
const char *client_api(const struct client *client);

/* A connection of one's own, TLS and proxy done, for a WebSocket: a curl handle. NULL and a
 * message. */
void *client_connect(struct client *client);
