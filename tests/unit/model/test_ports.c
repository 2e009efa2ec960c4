/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"

static void test_wrong_ports(void **state)
{
    static const char *const wrong[] = {
        "",
        " ",
        "/",
        "any ",
        "any/1",
        "tcp",
        "tcp/",
        "tcp/65536",
        "tcp/99999",
        "tcp/-1",
        "tcp/+1",
        "tcp/080",
        "tcp/80:80",
        "tcp/81:80",
        "tcp/80:",
        "tcp/:80",
        "tcp/80:90:100",
        "tcp/80,81",
        "tcp/80 ",
        "tcp /80",
        "80",
        "6/80",
        "udp",
        "udp/x",
        "sctp/80",
        "gre/",
        "gre/0",
        "nonsense",
        "icmp/",
        "icmp/256",
        "icmp/8/",
        "icmp/8/256",
        "icmp/8/0,",
        "icmp/8/,0",
        "icmp/8/0,0",
        "icmp/8/0:0",
        "icmp/8/3:1",
        "icmp/8/0:3,2",
        "icmp/8:9",
        "icmp/8,9",
        "icmp/8/0/0",
        "icmp6/x",
        "tcp/80\n",
        "icmp/00",
        "0",
        "255",
        "tcp/4294967376",
        "tcp//80",
        "a/nx",
    };
    struct port_match matches[PORT_TEXT_MATCHES_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        const char *problem = NULL;
        size_t n = 77;

        assert_int_equal(port_match_parse(wrong[i], matches, &n, &problem), -EINVAL);
        assert_non_null(problem);
        assert_int_equal(n, 77);
    }
}

static void test_ports(void **state)
{
    static const struct {
        const char *text;
        struct port_match first;
        size_t n;
    } rows[] = {
        {"any", {true, 0, 0, 65535}, 1},
        {"ANY", {true, 0, 0, 65535}, 1},
        {"tcp/80", {false, 6, 80, 80}, 1},
        {"TCP/0", {false, 6, 0, 0}, 1},
        {"tcp/0:65535", {false, 6, 0, 65535}, 1},
        {"udp/8000:8100", {false, 17, 8000, 8100}, 1},
        {"icmp", {false, 1, 0, 65535}, 1},
        {"icmp/8", {false, 1, 0x800, 0x8ff}, 1},
        {"icmp/8/0", {false, 1, 0x800, 0x800}, 1},
        {"icmp6/1/0:3,5", {false, 58, 0x100, 0x103}, 2},
        {"IPv6-ICMP/255/255", {false, 58, 0xffff, 0xffff}, 1},
        {"icmp/0/0:255", {false, 1, 0, 255}, 1},
        {"sctp", {false, 132, 0, 65535}, 1},
        {"GRE", {false, 47, 0, 65535}, 1},
        {"ipip", {false, 94, 0, 65535}, 1},
        {"igmp", {false, 2, 0, 65535}, 1},
        {"pim", {false, 103, 0, 65535}, 1},
        {"vrrp", {false, 112, 0, 65535}, 1},
        {"l2tp", {false, 115, 0, 65535}, 1},
        {"esp", {false, 50, 0, 65535}, 1},
        {"a/n", {false, 107, 0, 65535}, 1},
        {"hopopt", {false, 0, 0, 65535}, 1},
    };
    struct port_match matches[PORT_TEXT_MATCHES_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *problem = NULL;
        size_t n = 0;

        assert_int_equal(port_match_parse(rows[i].text, matches, &n, &problem), 0);
        assert_int_equal(n, rows[i].n);
        assert_int_equal(matches[0].any_protocol, rows[i].first.any_protocol);
        assert_int_equal(matches[0].protocol, rows[i].first.protocol);
        assert_int_equal(matches[0].low, rows[i].first.low);
        assert_int_equal(matches[0].high, rows[i].first.high);
    }
}

static void test_most_codes(void **state)
{
    struct port_match matches[PORT_TEXT_MATCHES_MAX];
    char text[2048] = "icmp/3/";
    const char *problem;
    size_t n, at = strlen(text);

    for (int code = 0; code < 256; code++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%d", code ? "," : "", code);
    assert_int_equal(port_match_parse(text, matches, &n, &problem), 0);
    assert_int_equal(n, 256);
    assert_int_equal(matches[255].low, 0x3ff);
    snprintf(text + at, sizeof(text) - at, ",0");
    assert_int_equal(port_match_parse(text, matches, &n, &problem), -EINVAL);
}

static void test_one_packet(void **state)
{
    static const char *const wrong[] = {
        "",        "any",        "tcp",        "tcp/",   "tcp/1:2", "tcp/65536", "icmp", "icmp/8",
        "icmp/8/", "icmp/8/0,1", "icmp/8/256", "sctp/1", "256",     "-1",        "gre/", "1x",
    };
    static const struct {
        const char *text, *printed;
        uint8_t protocol;
        uint16_t port;
    } rows[] = {
        {"tcp/5432", "tcp/5432", 6, 5432},
        {"UDP/53", "udp/53", 17, 53},
        {"icmp/8/0", "icmp/8/0", 1, 0x800},
        {"ipv6-icmp/128/0", "icmp6/128/0", 58, 0x8000},
        {"sctp", "sctp", 132, 0},
        {"253", "253", 253, 0},
        {"47", "gre", 47, 0},
    };
    char text[PORT_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        const char *problem = NULL;
        uint16_t port = 9;
        uint8_t protocol = 9;

        assert_int_equal(port_parse(wrong[i], &protocol, &port, &problem), -EINVAL);
        assert_non_null(problem);
        assert_int_equal(port, 9);
    }
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *problem;
        uint16_t port;
        uint8_t protocol;

        assert_int_equal(port_parse(rows[i].text, &protocol, &port, &problem), 0);
        assert_int_equal(protocol, rows[i].protocol);
        assert_int_equal(port, rows[i].port);
        assert_string_equal(port_format(protocol, port, text), rows[i].printed);
    }
}

/* Every protocol that has a name is found by it, and every packet kind is read as it is printed. */
static void test_all_protocols(void **state)
{
    char text[PORT_TEXT_MAX];

    for (unsigned i = 0; i < 256; i++) {
        const char *problem;
        uint8_t protocol = 0;
        uint16_t port = 1;

        if (protocol_name((uint8_t)i)) {
            assert_int_equal(protocol_parse(protocol_name((uint8_t)i), &protocol), 0);
            assert_int_equal(protocol, i);
        }
        assert_int_equal(port_parse(port_format((uint8_t)i, 0, text), &protocol, &port, &problem),
                         0);
        assert_int_equal(protocol, i);
        assert_int_equal(port, 0);
    }
    assert_null(protocol_name(253));
}

/* Of a host service: TCP or UDP, a port or a range; a bare number is TCP. */
static void test_host_ports(void **state)
{
    static const char *const wrong[] = {
        "",    "tcp", "tcp/", "80/tcp", "any",       "icmp/8",  "tcp/90:80", "tcp/80 ",
        " 80", "80:", ":80",  "65536",  "udp/65536", "tcp//80", "tcp/80/"};
    struct port_match match;

    assert_int_equal(host_port_parse("443", &match), 0);
    assert_true(match.protocol == PROTOCOL_TCP && match.low == 443 && match.high == 443);
    assert_int_equal(host_port_parse("UDP/80:100", &match), 0);
    assert_true(match.protocol == PROTOCOL_UDP && match.low == 80 && match.high == 100);
    assert_int_equal(host_port_parse("1:65535", &match), 0);
    assert_true(!match.any_protocol && match.low == 1 && match.high == 65535);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (host_port_parse(wrong[i], &match) != -EINVAL)
            fail_msg("%s", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_ports), cmocka_unit_test(test_ports),
        cmocka_unit_test(test_most_codes),  cmocka_unit_test(test_one_packet),
        cmocka_unit_test(test_host_ports),  cmocka_unit_test(test_all_protocols),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
