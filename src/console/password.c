/* SPDX-License-Identifier: Apache-2.0 */
#include "console/password.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <argon2.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "base/text.h"

#define SALT_BYTES 16
#define HASH_BYTES 32
#define ENCODED_BYTES_MAX 256

/* Of a password that nobody has, with the parameters that accounts have now. */
static const char nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA"
                             "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/* What most of the passwords that are tried first are made of. */
static const char *const common[] = {
    "abcd",      "abcdefgh",   "access",   "admin",      "administrator", "asdf",     "asdfgh",
    "asdfghjkl", "august",     "autumn",   "azerty",     "baseball",      "batman",   "bulkhead",
    "changeme",  "charlie",    "computer", "console",    "december",      "default",  "dragon",
    "enforcer",  "football",   "freedom",  "friday",     "guest",         "hello",    "hunter",
    "iloveyou",  "internet",   "january",  "jennifer",   "jordan",        "letmein",  "login",
    "love",      "manager",    "master",   "michael",    "monday",        "monkey",   "november",
    "october",   "pass",       "passwd",   "password",   "passwort",      "princess", "qwer",
    "qwerty",    "qwertyuiop", "qwertz",   "qwertzuiop", "root",          "secret",   "security",
    "september", "server",     "shadow",   "spring",     "starwars",      "summer",   "sunshine",
    "superman",  "system",     "test",     "testing",    "trustnoone",    "user",     "welcome",
    "whatever",  "winter",     "word",     "1q2w3e4r",   "1qaz2wsx",      "yxcvbnm",  "zxcvbnm",
};

#define UNCOMMON_LETTERS_MIN 4

/* As people disguise letters. */
static char undisguised(char c)
{
    static const char from[] = "01345@$!", to[] = "oieasasi";
    const char *at = c ? strchr(from, c) : NULL;

    return at ? to[at - from] : (char)tolower((unsigned char)c);
}

static void mark_words(const char *text, bool *marks)
{
    for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
        for (const char *at = text; (at = strstr(at, common[i])); at++)
            memset(marks + (at - text), 1, strlen(common[i]));
    }
}

/* Hardly more than words that everybody tries first, with digits and signs about them? */
static bool is_common(const char *password)
{
    char lower[PASSWORD_BYTES_MAX + 1] = "", plain[PASSWORD_BYTES_MAX + 1] = "";
    bool marks[PASSWORD_BYTES_MAX + 1] = {false};
    size_t n_marked = 0, n_letters = 0, n_left = 0;

    for (size_t i = 0; password[i]; i++) {
        lower[i] = (char)tolower((unsigned char)password[i]);
        plain[i] = undisguised(password[i]);
    }
    mark_words(lower, marks);
    mark_words(plain, marks);
    for (size_t i = 0; password[i]; i++) {
        bool letter = isalpha((unsigned char)password[i]) || (unsigned char)password[i] >= 0x80;

        n_letters += letter;
        n_left += letter && !marks[i];
        n_marked += marks[i];
    }
    OPENSSL_cleanse(lower, sizeof(lower));
    OPENSSL_cleanse(plain, sizeof(plain));
    return (n_marked > 0 || n_letters == 0) && n_left < UNCOMMON_LETTERS_MIN;
}

const char *password_problem(const char *password, const char *account)
{
    assert(password);
    assert(account);

    if (strlen(password) > PASSWORD_BYTES_MAX)
        return "expected at most 1024 bytes";
    if (text_utf8_count(password, strlen(password)) < PASSWORD_CHARS_MIN)
        return "expected at least 12 characters";
    if (*account && strcasestr(password, account))
        return "expected something that does not contain the name of the account";
    if (strspn(password, (char[]){*password, '\0'}) == strlen(password))
        return "expected more than one character again and again";
    if (is_common(password))
        return "expected something less common: this is hardly more than words that are tried "
               "first, with digits and signs about them";
    return NULL;
}

int password_hash(const char *password, char **ret_encoded)
{
    char encoded[ENCODED_BYTES_MAX];
    unsigned char salt[SALT_BYTES];
    size_t len;
    int r;

    assert(password);
    assert(ret_encoded);

    len = strlen(password);
    if (len > PASSWORD_BYTES_MAX)
        return -EINVAL;
    if (RAND_bytes(salt, sizeof(salt)) != 1)
        return -EIO;
    r = argon2id_hash_encoded(PASSWORD_PASSES, PASSWORD_MEMORY_KIB, PASSWORD_LANES, password, len,
                              salt, sizeof(salt), HASH_BYTES, encoded, sizeof(encoded));
    if (r != ARGON2_OK)
        return r == ARGON2_MEMORY_ALLOCATION_ERROR ? -ENOMEM : -EIO;
    *ret_encoded = strdup(encoded);
    return *ret_encoded ? 0 : -ENOMEM;
}

bool password_verify(const char *encoded, const char *password)
{
    bool there = encoded && *encoded;
    int r;

    assert(password);

    r = argon2id_verify(there ? encoded : nobody, password,
                        strnlen(password, PASSWORD_BYTES_MAX + 1));
    return there && strlen(password) <= PASSWORD_BYTES_MAX && r == ARGON2_OK;
}
