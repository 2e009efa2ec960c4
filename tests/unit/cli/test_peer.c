/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/peer.h"

static void refuses(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "found '', expected ns:NAMESPACE, tags:TAG,TAG or ip:ADDRESS"},
        {";", "found '', expected ns:NAMESPACE, tags:TAG,TAG or ip:ADDRESS"},
        {"app=web", "found 'app=web', expected ns:NAMESPACE"},
        {"10.0.0.256", "found '10.0.0.256', expected ns:"},
        {"10.0.0.0/8", "found '10.0.0.0/8', expected ns:"},
        {"ip:", "found '', expected an IPv4 or IPv6 address"},
        {"ip:10.0.0.0/8", "found '10.0.0.0/8', expected an IPv4 or IPv6 address"},
        {"ip:10.0.0.1;ip:10.0.0.1", "found '10.0.0.1', expected ip: only once"},
        {"ip:10.0.0.1;10.0.0.2", "found '10.0.0.2', expected ns:"},
        {"tags:", "found '', expected a tag"},
        {"tags:app", "found 'app', expected a tag of the form key=value"},
        {"tags:app=", "found 'app=', expected a tag"},
        {"tags:app=web,", "found '', expected a tag"},
        {"tags:,app=web", "found '', expected a tag"},
        {"tags:a b=c", "found 'a b=c', expected a tag without spaces"},
        {"tags:app=web;tags:app=db", "found 'app=db', expected tags: only once"},
        {"tags:app=web;", "found '', expected ns:"},
        {"tags:app=web ;ip:1.2.3.4 ", "found '1.2.3.4 ', expected an IPv4"},
        {"ns:shop;tags:app=web", "found 'shop', expected a namespace"},
        {"ns:;tags:app=web", "found '', expected a namespace"},
        {"ns:/a;ns:/b;tags:app=web", "found '/b', expected ns: only once"},
        {"ns:/shop", "expected tags: with it"},
        {"ns:/shop;ip:10.0.0.1", "expected tags: with it"},
        {"TAGS:app=web", "found 'TAGS:app=web', expected ns:"},
        {"tags:app=\x1b[31m", "found 'app=\\x1b[31m', expected a tag without control"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct peer peer = {.namespace = (char *)"untouched"};
        char problem[PEER_PROBLEM_MAX] = "";

        assert_int_equal(peer_parse(cases[i].text, &peer, problem), -EINVAL);
        if (!strstr(problem, cases[i].problem))
            fail_msg("'%s': '%s' lacks '%s'", cases[i].text, problem, cases[i].problem);
        assert_string_equal(peer.namespace, "untouched");
    }
}

static void refuses_what_is_too_long(void **state)
{
    char *text = malloc(PEER_BYTES_MAX + 2);
    char problem[PEER_PROBLEM_MAX];
    struct peer peer;

    assert_non_null(text);
    memset(text, 'a', PEER_BYTES_MAX + 1);
    text[PEER_BYTES_MAX + 1] = '\0';
    assert_int_equal(peer_parse(text, &peer, problem), -EINVAL);
    assert_non_null(strstr(problem, "expected at most 65536 bytes"));
    free(text);
}

static void refuses_too_many_tags(void **state)
{
    char text[8192] = "tags:", problem[PEER_PROBLEM_MAX];
    struct peer peer;
    size_t len = strlen(text);

    for (int i = 0; i <= MODEL_TAGS_PER_SET_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%sk%d=v", i ? "," : "", i);
    assert_int_equal(peer_parse(text, &peer, problem), -EINVAL);
    assert_non_null(strstr(problem, "expected at most 256 tags"));
}

static void accepts(void **state)
{
    static const struct {
        const char *text, *namespace, *first_tag;
        size_t n_tags;
        const char *address;
    } cases[] = {
        {"10.0.0.7", NULL, NULL, 0, "10.0.0.7"},
        {"2001:db8::7", NULL, NULL, 0, "2001:db8::7"},
        {"::1", NULL, NULL, 0, "::1"},
        {"ip:2001:DB8::7", NULL, NULL, 0, "2001:db8::7"},
        {"tags:app=web", NULL, "app=web", 1, NULL},
        {"tags:b=2,a=1,b=2", NULL, "a=1", 2, NULL},
        {"tags:app=a=b:c", NULL, "app=a=b:c", 1, NULL},
        {"tags:$name=web,@org:x=y", NULL, "$name=web", 2, NULL},
        {"ns:/;tags:app=web", "/", "app=web", 1, NULL},
        {"ns:/shop/eu;tags:app=web,tier=1;ip:10.0.0.7", "/shop/eu", "app=web", 2, "10.0.0.7"},
        {"ip:10.0.0.7;tags:tier=1;ns:/shop", "/shop", "tier=1", 1, "10.0.0.7"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        _cleanup_peer_ struct peer peer = {0};
        char problem[PEER_PROBLEM_MAX] = "", text[IP_TEXT_MAX];

        if (peer_parse(cases[i].text, &peer, problem) != 0)
            fail_msg("'%s': %s", cases[i].text, problem);
        assert_int_equal(peer.namespace != NULL, cases[i].namespace != NULL);
        if (peer.namespace)
            assert_string_equal(peer.namespace, cases[i].namespace);
        assert_int_equal(peer.tags.n, cases[i].n_tags);
        assert_int_equal(peer_has_identity(&peer), cases[i].n_tags > 0);
        if (peer.tags.n)
            assert_string_equal(peer.tags.tags[0], cases[i].first_tag);
        assert_int_equal(peer.has_address, cases[i].address != NULL);
        if (peer.has_address)
            assert_string_equal(ip_addr_format(&peer.address, text), cases[i].address);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_what_is_too_long),
        cmocka_unit_test(refuses_too_many_tags),
        cmocka_unit_test(accepts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
