/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "enforcer/metrics.h"

static void test_text(void **state)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(4096);

    metrics_counter(&buf, "mac_mismatch", "Proofs that\nfailed \\ badly.", UINT64_MAX);
    metrics_gauge(&buf, "peers", "Hosts.", 3);
    metrics_gauge(&buf, "seconds", "Time.", 0.5);
    metrics_build_info(&buf, "1.2.3");
    assert_string_equal(buf.data,
                        "# HELP bulkhead_mac_mismatch_total Proofs that\\nfailed \\\\ badly.\n"
                        "# TYPE bulkhead_mac_mismatch_total counter\n"
                        "bulkhead_mac_mismatch_total 18446744073709551615\n"
                        "# HELP bulkhead_peers Hosts.\n"
                        "# TYPE bulkhead_peers gauge\n"
                        "bulkhead_peers 3\n"
                        "# HELP bulkhead_seconds Time.\n"
                        "# TYPE bulkhead_seconds gauge\n"
                        "bulkhead_seconds 0.5\n"
                        "# HELP bulkhead_build_info Which build this is.\n"
                        "# TYPE bulkhead_build_info gauge\n"
                        "bulkhead_build_info{version=\"1.2.3\"} 1\n");
}

static void test_judge(void **state)
{
    static const struct {
        const char *request;
        enum metrics_verdict verdict;
    } rows[] = {
        {"", METRICS_MORE},
        {"GET", METRICS_MORE},
        {"GET /metrics HTTP/1.1\r\n", METRICS_MORE},
        {"GET /metrics HTTP/1.1\r\nHost: x\r\n", METRICS_MORE},
        {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", METRICS_OK},
        {"GET /metrics HTTP/1.0\n\n", METRICS_OK},
        {"GET /metrics?x=1 HTTP/1.1\r\n\r\n", METRICS_OK},
        {"GET / HTTP/1.1\r\n\r\n", METRICS_NOT_FOUND},
        {"GET /metricsx HTTP/1.1\r\n\r\n", METRICS_NOT_FOUND},
        {"GET /metrics/../etc HTTP/1.1\r\n\r\n", METRICS_NOT_FOUND},
        {"POST /metrics HTTP/1.1\r\n\r\n", METRICS_METHOD},
        {"HEAD /metrics HTTP/1.1\r\n\r\n", METRICS_METHOD},
        {"GET /metrics\r\n\r\n", METRICS_BAD},
        {"GET  /metrics HTTP/1.1\r\n\r\n", METRICS_BAD},
        {"GET /metrics HTTP/2.0\r\n\r\n", METRICS_BAD},
        {"GET /metrics HTTP/1.1 x\r\n\r\n", METRICS_BAD},
        {"G\x01T /metrics HTTP/1.1\r\n\r\n", METRICS_BAD},
        {" GET /metrics HTTP/1.1\r\n\r\n", METRICS_BAD},
        {"\r\n\r\n", METRICS_BAD},
        {"\x16\x03\x01", METRICS_BAD},
    };
    char *endless = malloc(METRICS_REQUEST_BYTES_MAX + 2);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum metrics_verdict verdict = metrics_judge(rows[i].request, strlen(rows[i].request));

        if (verdict != rows[i].verdict)
            fail_msg("row %zu: %d", i, (int)verdict);
    }
    memset(endless, 'A', METRICS_REQUEST_BYTES_MAX + 1);
    assert_int_equal(metrics_judge(endless, METRICS_REQUEST_BYTES_MAX), METRICS_MORE);
    assert_int_equal(metrics_judge(endless, METRICS_REQUEST_BYTES_MAX + 1), METRICS_TOO_LARGE);
    free(endless);
}

/* ---- Over a socket
 * --------------------------------------------------------------------------------- */

static void collect(struct buf *buf, void *context)
{
    buf_puts(buf, "bulkhead_x 1\n");
}

static int dial(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static const char *ask(uv_loop_t *loop, int fd, const char *request)
{
    static char answer[4096];
    size_t len = 0;

    assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
    for (int i = 0; i < 1000; i++) {
        ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, MSG_DONTWAIT);

        if (n == 0)
            break;
        len += n > 0 ? (size_t)n : 0;
        uv_run(loop, UV_RUN_NOWAIT);
        usleep(n > 0 ? 0 : 500);
    }
    answer[len] = '\0';
    return answer;
}

static void test_server(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct metrics_server *server = NULL, *second = NULL;
    const char *answer;
    uint16_t port;
    uv_loop_t loop;
    int fds[METRICS_CONNECTIONS_MAX + 1], fd;

    assert_int_equal(uv_loop_init(&loop), 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    port = (uint16_t)(20000 + getpid() % 10000);
    for (int i = 0; i < 50 && !server; i++) {
        address.sin_port = htons(++port);
        metrics_server_new(&loop, (struct sockaddr *)&address, collect, NULL, &server);
    }
    assert_non_null(server);
    assert_int_equal(metrics_server_new(&loop, (struct sockaddr *)&address, collect, NULL, &second),
                     UV_EADDRINUSE);
    fd = dial(port);
    answer = ask(&loop, fd, "GET /metrics HTTP/1.1\r\n\r\n");
    assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
    assert_non_null(strstr(answer, "Content-Length: 13\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\nbulkhead_x 1\n"));
    close(fd);
    fd = dial(port);
    answer = ask(&loop, fd, "POST /metrics HTTP/1.1\r\n\r\n");
    assert_memory_equal(answer, "HTTP/1.1 405 ", 13);
    assert_non_null(strstr(answer, "Allow: GET\r\n"));
    close(fd);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = dial(port);
    assert_string_equal(ask(&loop, fds[METRICS_CONNECTIONS_MAX], "GET"), ""); /* one too many */
    metrics_server_close(&server);
    uv_run(&loop, UV_RUN_DEFAULT); /* ends, although clients are still there */
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
