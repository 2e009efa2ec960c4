/* SPDX-License-Identifier: Apache-2.0 */

/* sock_diag: answers to earlier requests on the same socket are not taken for those to this one. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "internal.h"

#include "bulkhead.skel.h"

static struct fixture fixture;

/* A request whose answer nobody reads: about a socket that is not there, or a dump of none. */
static void leave_behind(int fd, uint16_t flags, uint32_t states)
{
    struct {
        struct nlmsghdr h;
        struct inet_diag_req_v2 r;
    } request = {
        .h = {.nlmsg_len = sizeof(request),
              .nlmsg_type = SOCK_DIAG_BY_FAMILY,
              .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
              .nlmsg_seq = 0},
        .r = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = states},
    };

    request.r.id.idiag_sport = htons(1);
    request.r.id.idiag_dport = htons(1);
    request.r.id.idiag_cookie[0] = request.r.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    assert_int_equal(send(fd, &request, sizeof(request), 0), sizeof(request));
}

struct found {
    uint16_t port;
    unsigned n;
    struct diag_socket socket;
};

static void find(int diag_fd, const struct diag_socket *s, void *context)
{
    struct found *found = context;

    (void)diag_fd;
    if (s->local_port != found->port)
        return;
    found->n++;
    found->socket = *s;
}

static int listener(uint16_t *ret_port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&in, len) | listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *ret_port = ntohs(in.sin_port);
    return fd;
}

static void test_left_answers(void **state)
{
    int storage = bpf_map__fd(fixture.datapath->skeleton->maps.sockets), diag = diag_open();
    struct found found = {0};
    int fd = listener(&found.port);

    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        leave_behind(diag, 0, UINT32_MAX);       /* an error */
        leave_behind(diag, NLM_F_DUMP, 1u << 9); /* nothing, and the end of it */
        assert_int_equal(
            diag_dump(diag, AF_INET, IPPROTO_TCP, 1u << TCP_LISTEN, storage, find, &found), 0);
        assert_int_equal(found.n, i);
    }
    leave_behind(diag, 0, UINT32_MAX);
    assert_int_equal(diag_has(diag, &found.socket), 0);
    leave_behind(diag, 0, UINT32_MAX);
    assert_int_equal(diag_destroy(diag, &found.socket), 0);
    assert_int_equal(diag_has(diag, &found.socket), -ENOENT);
    close(fd);
    close(diag);
}

/* What the kernel refuses is an error and not an empty list. */
static void test_refused(void **state)
{
    int diag = diag_open();
    struct found found = {0};

    (void)state;
    assert_true(diag_dump(diag, AF_INET, 250, UINT32_MAX, -1, find, &found) < 0);
    assert_int_equal(found.n, 0);
    close(diag);
}

static int setup(void **state)
{
    (void)state;
    return fixture_setup(&fixture) || fixture_open(&fixture, NULL);
}

static int teardown(void **state)
{
    (void)state;
    fixture_teardown(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_left_answers),
        cmocka_unit_test(test_refused),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
