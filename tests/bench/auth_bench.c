/* SPDX-License-Identifier: Apache-2.0 */

/*
 * auth_bench DIRECTORY: what it costs to find out who a request is from and whether he may, with
 * tokens that the Console sees for the first time and again. Prints microseconds.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "console/auth.h"
#include "console/console.h"
#include "console/trust.h"

#define TOKENS 2000
#define ROUNDS 10

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static char *make_token(struct trust *trust)
{
    json_int_t ends_s = console_now_ms() / 1000 + 3600;
    json_t *claims = json_pack("{s:s, s:s, s:I, s:s, s:{s:s, s:s}}", "use", "api", "sub",
                               "app:credential:1:bench", "exp", ends_s, "realm", "certificate",
                               "data", "realm", "certificate", "subject", "app:credential:1:bench");
    char *token = NULL;

    if (!claims || trust_token_sign(trust, claims, console_now_ms(), &token) < 0)
        abort();
    json_decref(claims);
    return token;
}

static int64_t check(struct auth *auth, const char *token, const struct schema_kind *kind)
{
    char none[] = "", root[] = "/", bearer[AUTH_TOKEN_BYTES_MAX + 16];
    const struct http_request request = {.path = root,
                                         .cookie = none,
                                         .authorization = bearer,
                                         .namespace = root,
                                         .client = "127.0.0.1"};
    _cleanup_caller_ struct caller *caller = NULL;
    struct api_error error = {0};
    int64_t start;

    snprintf(bearer, sizeof(bearer), "Bearer %s", token);
    start = now_ns();
    if (auth_authenticate(auth, &request, &error, &caller) < 0) {
        fprintf(stderr, "auth_bench: %s\n", error.description);
        exit(1);
    }
    auth_allowed(auth, caller, AUTH_CREATE, kind, "/a/b/c", NULL);
    return now_ns() - start;
}

static void report(const char *name, int64_t *ns, size_t n)
{
    qsort(ns, n, sizeof(*ns), compare);
    printf("%s_p50_us %.1f\n%s_p99_us %.1f\n", name, (double)ns[n / 2] / 1e3, name,
           (double)ns[n * 99 / 100] / 1e3);
}

int main(int argc, char *argv[])
{
    static int64_t ns[TOKENS * ROUNDS];
    static char *tokens[TOKENS];
    const struct schema_kind *kind = schema_kind_find("networkrulesetpolicy");
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    struct console console = {0};

    if (argc != 2 || trust_open(argv[1], NULL, &problem, &console.trust) < 0 ||
        objects_new(&console.objects) < 0 || auth_new(&console, &console.auth) < 0) {
        fprintf(stderr, "auth_bench: %s\n", problem.data ? problem.data : "cannot start");
        return 1;
    }
    for (size_t i = 0; i < TOKENS; i++)
        tokens[i] = make_token(console.trust);
    for (size_t i = 0; i < TOKENS; i++)
        ns[i] = check(console.auth, tokens[i], kind);
    report("first", ns, TOKENS);
    for (size_t i = 0; i < (size_t)TOKENS * ROUNDS; i++)
        ns[i] = check(console.auth, tokens[i % TOKENS], kind);
    report("again", ns, (size_t)TOKENS * ROUNDS);
    for (size_t i = 0; i < TOKENS; i++)
        free(tokens[i]);
    auth_free(&console.auth);
    objects_free(&console.objects);
    trust_free(&console.trust);
    return 0;
}
