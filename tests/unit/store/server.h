/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A PostgreSQL server of the test's own: a new cluster in a temporary directory, a Unix socket in
 * it and no other way in. It dies with the test. Programs of Debian's postgresql-15; where they are
 * not installed server_start() says so and returns false.
 */

#include <grp.h>
#include <postgresql/libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVER_BIN "/usr/lib/postgresql/15/bin"

struct server {
    char directory[64];
    char uri[160]; /* of the database `postgres` */
    pid_t pid;
    bool safe; /* fsync */
};

/* PostgreSQL's programs look for each other where argv[0] says, or else in $PATH, where Debian has
 * none. */
#define SERVER_INITDB SERVER_BIN "/initdb"
#define SERVER_POSTGRES SERVER_BIN "/postgres"

/* In the child: initdb and postgres refuse to run as root. */
static inline void server_become_user(void)
{
    const struct passwd *user = getpwnam("postgres");

    if (geteuid() != 0)
        return;
    if (!user || initgroups("postgres", user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
        setuid(user->pw_uid) < 0)
        _exit(1);
}

static inline bool server_initdb(const struct server *server)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        server_become_user();
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        if (chdir("/") == 0)
            execl(SERVER_INITDB, SERVER_INITDB, "-D", server->directory, "-U", "postgres", "-A",
                  "trust", "-E", "UTF8", "--locale=C", "--no-sync", (char *)NULL);
        _exit(1);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static inline void server_run(struct server *server)
{
    server->pid = fork();
    if (server->pid == 0) {
        server_become_user();
        prctl(PR_SET_PDEATHSIG, SIGQUIT);
        if (!freopen("/dev/null", "w", stderr) || chdir("/") < 0)
            _exit(1);
        execl(SERVER_POSTGRES, SERVER_POSTGRES, "-D", server->directory, "-k", server->directory,
              "-c", "listen_addresses=", "-c", server->safe ? "fsync=on" : "fsync=off", "-c",
              "shared_buffers=32MB", (char *)NULL);
        _exit(1);
    }
    for (int i = 0; i < 300; i++) {
        if (PQping(server->uri) == PQPING_OK)
            return;
        usleep(100000);
    }
    fprintf(stderr, "the PostgreSQL server does not start\n");
    abort();
}

static inline bool server_start(struct server *server, bool safe)
{
    const struct passwd *user = getpwnam("postgres");

    if (access(SERVER_POSTGRES, X_OK) < 0 || (geteuid() == 0 && !user)) {
        fprintf(stderr, "\n*** SKIPPED: no PostgreSQL in " SERVER_BIN
                        " (tools/install-deps test): the PostgreSQL half is NOT tested ***\n\n");
        return false;
    }
    snprintf(server->directory, sizeof(server->directory), "/tmp/bulkhead-pg-XXXXXX");
    if (!mkdtemp(server->directory) ||
        (geteuid() == 0 && chown(server->directory, user->pw_uid, user->pw_gid) < 0))
        abort();
    snprintf(server->uri, sizeof(server->uri), "postgresql:///postgres?host=%s&user=postgres",
             server->directory);
    server->safe = safe;
    if (!server_initdb(server)) {
        fprintf(stderr, "initdb fails\n");
        abort();
    }
    server_run(server);
    return true;
}

/* SIGINT: at once, connections are told; SIGQUIT: like a crash. */
static inline void server_halt(struct server *server, int signal_number)
{
    kill(server->pid, signal_number);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

static inline void server_stop(struct server *server)
{
    char command[128];

    if (server->pid > 0)
        server_halt(server, SIGINT);
    snprintf(command, sizeof(command), "rm -rf '%s'", server->directory);
    if (*server->directory && system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", server->directory);
    *server->directory = '\0';
}

/* As the server's administrator, in the database `postgres` or the one of `uri`. */
static inline void server_sql(const char *uri, const char *sql)
{
    PGconn *connection = PQconnectdb(uri);
    PGresult *result = PQexec(connection, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
        fprintf(stderr, "%s: %s\n", sql, PQerrorMessage(connection));
        abort();
    }
    PQclear(result);
    PQfinish(connection);
}

/* A new empty database; its URI in a static buffer, good until the next call but seven. */
static inline char *server_database(struct server *server)
{
    static char uris[8][160];
    static unsigned int number;
    char sql[64], *uri = uris[number % 8];

    snprintf(sql, sizeof(sql), "CREATE DATABASE t%u", number);
    server_sql(server->uri, sql);
    snprintf(uri, sizeof(uris[0]), "postgresql:///t%u?host=%s&user=postgres", number,
             server->directory);
    number++;
    return uri;
}
