/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket as a client sees it: one loop, real sockets. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "enforcer/control.h"
#include "scratch.h"

#define STATUS "{\"version\":1,\"command\":\"status\"}\n"
#define FLOWS "{\"version\":1,\"command\":\"flows\",\"arguments\":{\"follow\":true}}\n"

#define NOBODY 65534

static uv_loop_t loop;
static struct control *control;
static char news[4096]; /* events, one after the other */
static int pieces;      /* of the stream that is to come */

struct counting_stream {
    struct control_stream base;
    int left;
};

static int stream_next(struct control_stream *base, struct buf *buf)
{
    struct counting_stream *stream = (struct counting_stream *)base;

    buf_printf(buf, "piece %d\n", stream->left);
    return --stream->left > 0;
}

static void stream_free(struct control_stream *base)
{
    free(base);
}

static void run(const struct control_request *request, struct control_reply *reply, void *context)
{
    struct counting_stream *stream;

    assert_ptr_equal(context, &loop);
    switch (request->command) {
    case CONTROL_FLOWS:
        stream = calloc(1, sizeof(*stream));
        stream->base.next = stream_next;
        stream->base.free = stream_free;
        stream->left = pieces;
        reply->stream = &stream->base;
        reply->follow = request->follow;
        break;
    case CONTROL_ENABLE:
        reply->code = CONTROL_INTERNAL;
        snprintf(reply->message, sizeof(reply->message), "broken");
        break;
    default:
        buf_puts(&reply->result, "{\"a\":1}");
    }
}

static void note(const char *event, const struct control_peer *peer, const char *detail,
                 void *context)
{
    size_t len = strlen(news);

    assert_true(peer->uid == getuid() || peer->uid == NOBODY);
    snprintf(news + len, sizeof(news) - len, "%s;", event);
}

static int start(void **state)
{
    const struct control_setup setup = {
        .path = scratch_path("dir/control.sock"), .run = run, .news = note, .context = &loop};

    news[0] = '\0';
    pieces = 3;
    return uv_loop_init(&loop) || control_new(&loop, &setup, &control);
}

static int stop(void **state)
{
    control_close(&control);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void turn(int times)
{
    for (int i = 0; i < times; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", scratch_path("dir/control.sock"));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Everything that comes until the server shuts down, or nothing does for a while. */
static const char *talk(int fd, const char *request)
{
    static char answer[65536];
    size_t len = 0, sent = 0, total = strlen(request);

    for (int idle = 0; idle < 20;) {
        ssize_t n = sent < total ? send(fd, request + sent, total - sent, MSG_NOSIGNAL) : 0;

        if (n > 0)
            sent += (size_t)n;
        turn(3);
        n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        if (n == 0)
            break;
        if (n > 0)
            len += (size_t)n;
        idle = n > 0 || sent < total ? 0 : idle + 1;
    }
    answer[len] = '\0';
    return answer;
}

static void test_answer(void **state)
{
    int fd = dial();

    assert_string_equal(talk(fd, STATUS), "{\"ok\":true,\"result\":{\"a\":1}}\n");
    close(fd);
    turn(5);
    assert_string_equal(news, "");
}

static void test_errors(void **state)
{
    static const struct {
        const char *request, *answer, *news;
    } rows[] = {
        {"nonsense\n", "\"code\":\"bad_request\"", "bad_request;"},
        {"\n", "\"code\":\"bad_request\"", "bad_request;"},
        {"{\"version\":1,\"command\":\"fly\"}\n", "\"code\":\"unknown_command\"",
         "unknown_command;"},
        {"{\"version\":1,\"command\":\"enable\"}\n", "\"code\":\"internal\",\"message\":\"broken\"",
         "internal;"},
    };
    struct control_counters counters;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int fd = dial();

        news[0] = '\0';
        assert_non_null(strstr(talk(fd, rows[i].request), rows[i].answer));
        assert_string_equal(news, rows[i].news);
        close(fd);
        turn(5);
    }
    control_counters(control, &counters);
    assert_int_equal(counters.requests, 4);
    assert_int_equal(counters.refused, 4);
}

/* Far more than is read: the client still gets to see why it is refused. */
static void test_too_large(void **state)
{
    size_t len = 3000000;
    char *request = malloc(len + 1);
    int fd = dial();

    memset(request, 'x', len);
    request[len] = '\0';
    assert_non_null(strstr(talk(fd, request), "\"code\":\"too_large\""));
    assert_string_equal(news, "too_large;");
    free(request);
    close(fd);
    turn(5);
}

static void test_in_pieces_and_half_closed(void **state)
{
    int fd = dial();

    assert_string_equal(talk(fd, "{\"version\":1,"), "");
    assert_int_equal(send(fd, "\"command\":\"status\"}\nmore", 23, 0), 23);
    shutdown(fd, SHUT_WR);
    assert_string_equal(talk(fd, ""), "{\"ok\":true,\"result\":{\"a\":1}}\n");
    close(fd);
}

static void test_silent_client_is_closed(void **state)
{
    int fd = dial();
    uint64_t began = uv_hrtime();
    char byte;

    while (recv(fd, &byte, 1, 0) < 0 && uv_hrtime() - began < 8000000000ull)
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(uv_hrtime() - began < 7000000000ull);
    assert_string_equal(news, "control.timeout;");
    close(fd);
}

static void test_follower(void **state)
{
    int fd = dial();
    char line[] = "{\"ok\":true,\"result\":[1]}\n";

    assert_false(control_has_followers(control));
    assert_string_equal(talk(fd, FLOWS), "piece 3\npiece 2\npiece 1\n");
    assert_true(control_has_followers(control));
    control_broadcast(control, line, strlen(line), 1);
    assert_string_equal(talk(fd, ""), line);
    close(fd);
    turn(5);
    assert_false(control_has_followers(control));
}

/* A follower that does not read: its queue is bounded, what is left out is counted and told. */
static void test_slow_follower(void **state)
{
    enum { LINE = 10000, LINES = 1000 };
    static char line[LINE];
    struct control_counters counters;
    uint64_t read_bytes = 0;
    char tail[64] = "";
    int fd = dial();

    talk(fd, FLOWS);
    memset(line, 'y', sizeof(line));
    for (int i = 0; i < LINES; i++) {
        control_broadcast(control, line, sizeof(line), 2);
        turn(1);
    }
    control_counters(control, &counters);
    assert_true(counters.flows_dropped > LINES);
    assert_int_equal(counters.followers, 1);
    assert_string_equal(news, "control.follower_slow;");
    for (int idle = 0; idle < 50; idle++) {
        static char bytes[1 << 20];
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

        turn(2);
        if (n > 0) {
            read_bytes += (uint64_t)n;
            idle = 0;
        }
    }
    assert_int_equal(read_bytes, (LINES - counters.flows_dropped / 2) * LINE);
    control_broadcast(control, "z\n", 2, 1);
    snprintf(tail, sizeof(tail), "\"dropped\":%llu}\nz\n",
             (unsigned long long)counters.flows_dropped);
    assert_non_null(strstr(talk(fd, ""), tail));
    close(fd);
    turn(5);
}

#define BUSY                                                                                       \
    "{\"ok\":false,\"error\":{\"code\":\"busy\",\"message\":\"too many clients; try again\"}}\n"

static void test_too_many_clients(void **state)
{
    int fds[CONTROL_CLIENTS_MAX + 8];
    size_t busy = 0;

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = dial();
        turn(2);
    }
    turn(20);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        busy += strcmp(talk(fds[i], ""), BUSY) == 0;
        close(fds[i]);
    }
    assert_int_equal(busy, 8);
    turn(50);
    fds[0] = dial();
    assert_string_equal(talk(fds[0], STATUS), "{\"ok\":true,\"result\":{\"a\":1}}\n");
    close(fds[0]);
}

/* Of another user, who may connect; the peer is who it is when it connects. */
static int dial_as_nobody(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "control.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    assert_int_equal(seteuid(NOBODY), 0);
    r = connect(fd, (struct sockaddr *)&address, sizeof(address));
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(r, 0);
    return fd;
}

static void test_others_do_not_lock_root_out(void **state)
{
    int fds[CONTROL_CLIENTS_MAX], fd, here;
    size_t n = CONTROL_CLIENTS_MAX - CONTROL_CLIENTS_KEPT;

    if (geteuid() != 0)
        skip();
    here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(chdir(scratch_path("dir")), 0);
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(chmod("control.sock", 0666), 0);
    for (size_t i = 0; i < n; i++) {
        fds[i] = dial_as_nobody();
        turn(2);
    }
    fd = dial_as_nobody();
    assert_string_equal(talk(fd, STATUS), BUSY);
    close(fd);
    assert_int_equal(fchdir(here), 0);
    close(here);
    for (size_t i = 0; i < CONTROL_CLIENTS_KEPT; i++, n++) {
        fds[n] = dial();
        turn(2);
    }
    assert_string_equal(talk(fds[n - 1], STATUS), "{\"ok\":true,\"result\":{\"a\":1}}\n");
    while (n-- > 0)
        close(fds[n]);
    turn(50);
}

static void test_the_socket(void **state)
{
    const struct control_setup setup = {
        .path = scratch_path("dir/control.sock"), .run = run, .news = note, .context = &loop};
    struct control_setup other = setup;
    struct control *second = NULL;
    char long_path[200];
    struct stat st;

    assert_int_equal(stat(setup.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(control_new(&loop, &setup, &second), -EADDRINUSE);
    other.path = scratch_write("plain", "a file");
    assert_int_equal(control_new(&loop, &other, &second), -EEXIST);
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    other.path = long_path;
    assert_int_equal(control_new(&loop, &other, &second), -ENAMETOOLONG);
    assert_null(second);
    turn(5);
}

/* Left by a daemon that was killed. */
static void test_stale_socket(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct control_setup setup = {
        .path = scratch_path("stale.sock"), .run = run, .news = note, .context = &loop};
    struct control *second = NULL;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", setup.path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    close(fd);
    assert_int_equal(control_new(&loop, &setup, &second), 0);
    control_close(&second);
    assert_int_not_equal(access(address.sun_path, F_OK), 0);
    turn(5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answer, start, stop),
        cmocka_unit_test_setup_teardown(test_errors, start, stop),
        cmocka_unit_test_setup_teardown(test_too_large, start, stop),
        cmocka_unit_test_setup_teardown(test_in_pieces_and_half_closed, start, stop),
        cmocka_unit_test_setup_teardown(test_silent_client_is_closed, start, stop),
        cmocka_unit_test_setup_teardown(test_follower, start, stop),
        cmocka_unit_test_setup_teardown(test_slow_follower, start, stop),
        cmocka_unit_test_setup_teardown(test_too_many_clients, start, stop),
        cmocka_unit_test_setup_teardown(test_others_do_not_lock_root_out, start, stop),
        cmocka_unit_test_setup_teardown(test_the_socket, start, stop),
        cmocka_unit_test_setup_teardown(test_stale_socket, start, stop),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
