/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "model/model.h"

unsigned namespace_depth(const char *name)
{
    unsigned depth = 0;

    assert(name);

    if (strcmp(name, "/") == 0)
        return 0;
    for (; *name; name++)
        depth += *name == '/';
    return depth;
}

const char *namespace_problem(const char *name)
{
    size_t len;

    assert(name);

    len = strnlen(name, MODEL_NAMESPACE_MAX + 1);
    if (len > MODEL_NAMESPACE_MAX)
        return "a namespace of at most 1024 characters";
    static_assert(MODEL_NAMESPACE_MAX == 1024, "the number in the text");
    if (*name != '/')
        return "a namespace that starts with '/'";
    if (len == 1)
        return NULL;
    if (name[len - 1] == '/')
        return "a namespace without '/' at its end";
    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (c == '/' && name[i + 1] == '/')
            return "a namespace without empty parts";
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '/'))
            return "a namespace of letters, digits, '-', '_' and '/'";
    }
    if (namespace_depth(name) > MODEL_NAMESPACE_DEPTH_MAX)
        return "a namespace of at most 32 levels";
    static_assert(MODEL_NAMESPACE_DEPTH_MAX == 32, "the number in the text");
    return NULL;
}

bool namespace_is_within(const char *ancestor, const char *descendant)
{
    size_t n;

    assert(ancestor);
    assert(descendant);

    if (strcmp(ancestor, "/") == 0)
        return true;
    n = strlen(ancestor);
    return strncmp(ancestor, descendant, n) == 0 && (descendant[n] == '\0' || descendant[n] == '/');
}
