/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/model.h"
#include "problems.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define REST "addresses: []\nprocessingUnits: []\n"
#define HEAD "enforcerId: 1\npublicKey: " KEY "\n"

static void test_wrong_peers(void **state)
{
    static const struct {
        const char *text, *problems;
    } rows[] = {
        {"", "0:0 found 0 documents, expected one with enforcerId, publicKey, addresses and "
             "processingUnits"},
        {"---\na: 1\n---\na: 1\n",
         "0:0 found 2 documents, expected one with enforcerId, publicKey, "
         "addresses and processingUnits"},
        {"[]", "1:1 found a list, expected a map"},
        {"enforcerId: 1\n", "1:1 found no 'publicKey', expected this key\n"
                            "1:1 found no 'addresses', expected this key\n"
                            "1:1 found no 'processingUnits', expected this key"},
        {"enforcerId: 0\npublicKey: " KEY "\n" REST,
         "1:13 enforcerId: found an integer '0', expected 1 to 4294967295"},
        {"enforcerId: 4294967296\npublicKey: " KEY "\n" REST,
         "1:13 enforcerId: found an integer '4294967296', expected 1 to 4294967295"},
        {"enforcerId: -1\npublicKey: " KEY "\n" REST,
         "1:13 enforcerId: found an integer '-1', expected 1 to 4294967295"},
        {"enforcerId: '1'\npublicKey: " KEY "\n" REST,
         "1:13 enforcerId: found a string '1', expected an integer"},
        {"enforcerId: 1\npublicKey: ''\n" REST,
         "2:12 publicKey: found a string '', expected 32 bytes in base64"},
        {"enforcerId: 1\npublicKey: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" REST,
         "2:12 publicKey: found a key of zeros, expected a public key"},
        /* bits behind the 32nd byte set */
        {"enforcerId: 1\npublicKey: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n" REST,
         "2:12 publicKey: found a string 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=', expected "
         "32 "
         "bytes in base64"},
        {"enforcerId: 1\npublicKey: ' AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='\n" REST,
         "2:12 publicKey: found a string ' AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=', expected "
         "32 "
         "bytes in base64"},
        {"enforcerId: 1\npublicKey: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\n" REST,
         "2:12 publicKey: found a string 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==', expected "
         "32 "
         "bytes in base64"},
        {HEAD "addresses: [x, 10.0.0.1/8, 5]\nprocessingUnits: []\n",
         "3:13 addresses[0]: found a string 'x', expected an IP address or CIDR\n"
         "3:16 addresses[1]: found a string '10.0.0.1/8', expected an IP address or CIDR without "
         "address "
         "bits past its length\n"
         "3:28 addresses[2]: found an integer '5', expected an IP address or CIDR"},
        {HEAD "adresses: []\nprocessingUnits: []\n",
         "3:1 adresses: found the unknown key 'adresses', expected 'addresses'\n"
         "1:1 found no 'addresses', expected this key"},
        {HEAD "addresses: []\nprocessingUnits: [x, {}, {namespace: a, tags: []}]\n",
         "4:19 processingUnits[0]: found a string 'x', expected a map\n"
         "4:22 processingUnits[1]: found no 'namespace', expected this key\n"
         "4:22 processingUnits[1]: found no 'tags', expected this key\n"
         "4:38 processingUnits[2].namespace: found a string 'a', expected a namespace that starts "
         "with "
         "'/'"},
        {HEAD "addresses: []\nprocessingUnits:\n- namespace: /a\n  tags: [x, +a=b, '@auth:a=b', "
              "$identity=externalnetwork, $namespace=/b, 7]\n",
         "6:10 processingUnits[0].tags[0]: found a string 'x', expected a tag of the form "
         "key=value\n"
         "6:13 processingUnits[0].tags[1]: found a string '+a=b', expected a tag that does not "
         "start with "
         "'+' or '@auth:'\n"
         "6:19 processingUnits[0].tags[2]: found a string '@auth:a=b', expected a tag that does "
         "not start "
         "with '+' or '@auth:'\n"
         "6:32 processingUnits[0].tags[3]: found a string '$identity=externalnetwork', expected "
         "$identity=processingunit\n"
         "6:59 processingUnits[0].tags[4]: found a string '$namespace=/b', expected $namespace= "
         "with the "
         "namespace of this processing unit\n"
         "6:74 processingUnits[0].tags[5]: found an integer '7', expected a string"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        struct peer_host *host = NULL;
        int r = peer_host_parse("f", rows[i].text, strlen(rows[i].text), DOCUMENT_YAML,
                                &diagnostics, &host);

        assert_string_equal(problems_text(&diagnostics), rows[i].problems);
        assert_int_equal(r, -BULKHEAD_EINVALID_INPUT);
        assert_null(host);
    }
}

static void test_peer(void **state)
{
    static const char text[] = "enforcerId: 4294967295\npublicKey: " KEY "\n"
                               "addresses: [10.0.0.1, '2001:db8::/64']\n"
                               "processingUnits:\n"
                               "- namespace: /shop\n"
                               "  tags: [app=web, $name=web, '@org:a=b']\n"
                               "- {namespace: /, tags: []}\n";
    static const char expected[] = "enforcerId: 4294967295\npublicKey: \"" KEY "\"\n"
                                   "addresses: ['10.0.0.1/32', '2001:db8::/64']\n"
                                   "processingUnits:\n"
                                   "  - namespace: /shop\n"
                                   "    tags: [\"$identity=processingunit\", \"$name=web\", "
                                   "\"$namespace=/shop\", \"@org:a=b\", "
                                   "\"app=web\"]\n"
                                   "  - namespace: /\n"
                                   "    tags: [\"$identity=processingunit\", \"$namespace=/\"]\n";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct peer_host *host = NULL, *again = NULL;
    char *printed, *printed_again;

    assert_int_equal(peer_host_parse("f", text, strlen(text), DOCUMENT_YAML, &diagnostics, &host),
                     0);
    assert_int_equal(diagnostics.n, 0);
    assert_int_equal(host->enforcer_id, UINT32_MAX);
    for (uint8_t i = 0; i < 32; i++)
        assert_int_equal(host->public_key[i], i);
    assert_int_equal(host->n_addresses, 2);
    assert_int_equal(host->n_pus, 2);
    assert_int_equal(host->pus[0].tags.n, 5);
    printed = peer_host_format(host);
    assert_string_equal(printed, expected);
    assert_int_equal(
        peer_host_parse("f", printed, strlen(printed), DOCUMENT_YAML, &diagnostics, &again), 0);
    printed_again = peer_host_format(again);
    assert_string_equal(printed, printed_again);
    assert_int_equal(identity_id("/shop", &host->pus[0].tags),
                     identity_id("/shop", &again->pus[0].tags));
    free(printed);
    free(printed_again);
    peer_host_free(&host);
    peer_host_free(&again);
    peer_host_free(&again);
}

static void test_peer_without_anything(void **state)
{
    static const char text[] = "{\"enforcerId\": 1, \"publicKey\": \"" KEY "\", \"addresses\": [],"
                               " \"processingUnits\": []}";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct peer_host *host = NULL;
    char *printed;

    assert_int_equal(peer_host_parse("f", text, strlen(text), DOCUMENT_JSON, &diagnostics, &host),
                     0);
    printed = peer_host_format(host);
    assert_string_equal(printed, "enforcerId: 1\npublicKey: \"" KEY
                                 "\"\naddresses: []\nprocessingUnits: []\n");
    free(printed);
    peer_host_free(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_peers),
        cmocka_unit_test(test_peer),
        cmocka_unit_test(test_peer_without_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
