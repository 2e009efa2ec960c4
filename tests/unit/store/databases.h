/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A group of tests that runs twice: on SQLite, and on PostgreSQL where its server is installed. */

#include "server.h"
#include "store_test.h"

static struct server server;
static bool postgres; /* which of them this run is about */
static char *directory;

/* Of a database that nobody has used. */
static inline char *fresh_uri(void)
{
    static unsigned int number;

    return postgres ? server_database(&server) : text("%s/%u.db", directory, number++);
}

/* @return how many failed */
static inline int run_on_both(const struct CMUnitTest *tests, size_t n)
{
    int failed;

    directory = scratch_make();
    failed = _cmocka_run_group_tests("SQLite", tests, n, NULL, NULL);
    scratch_remove(directory);
    if (server_start(&server, false)) {
        postgres = true;
        failed += _cmocka_run_group_tests("PostgreSQL", tests, n, NULL, NULL);
        server_stop(&server);
    }
    return failed;
}
