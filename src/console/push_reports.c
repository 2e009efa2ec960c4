/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "console/push_internal.h"

/*
 * What Enforcers report of their units. Reports of one Enforcer are stored one after the other, in
 * the order in which they came, whichever of its connections brought them: each is compared with
 * what the one before it left. One that names all units makes those needless that still wait.
 */

struct report {
    struct push *push;
    char enforcer_id[SCHEMA_ID_LEN + 1];
    unsigned tries;
    struct report *next; /* of the same Enforcer; waits */
    UT_hash_handle hh;   /* of the first one, which is being stored */
    size_t len;
    unsigned char bytes[]; /* the message */
};

static struct report *report_new(struct session *session, const void *bytes, size_t len)
{
    struct report *report = calloc(1, sizeof(*report) + len);

    if (!report)
        return NULL;
    report->push = session->push;
    memcpy(report->enforcer_id, session->enforcer_id, sizeof(report->enforcer_id));
    memcpy(report->bytes, bytes, len);
    report->len = len;
    return report;
}

static void drop_waiting(struct report *first)
{
    struct report *report, *next;

    for (report = first->next; report; report = next) {
        next = report->next;
        first->push->reports_bytes -= report->len;
        free(report);
    }
    first->next = NULL;
}

static void reported(void *context, int result, size_t failed_op, uint64_t revision);

/* @return 1: is being stored; 0: nothing to store */
static int report_submit(struct report *report)
{
    struct push *push = report->push;
    _cleanup_change_set_ struct change_set *set = NULL;
    _cleanup_link_decoder_ struct link_decoder *decoder = NULL;
    struct link_message message;
    const char *problem;
    int r;

    if (push->console->stopping)
        return -ECONNREFUSED;
    if (!objects_find(push->console->objects, report->enforcer_id))
        return -ENOENT;
    r = link_decoder_new(&decoder);
    if (r == 0)
        r = link_decode(decoder, report->bytes, report->len, &message, &problem);
    if (r == 0)
        r = change_set_new(&set);
    if (r == 0)
        r = units_change(push, report->enforcer_id, &message, set);
    if (r < 0 || change_set_count(set) == 0)
        return r;
    commit_submit(push->console->commit, &set, reported, report);
    return 1;
}

/* The Enforcer says all its units again when it comes back: those that wait are needless. */
static void report_fail(struct report *first, int result)
{
    struct session *session = session_find(first->push, first->enforcer_id);

    units_forget_pending(first->push, first->enforcer_id);
    drop_waiting(first);
    if (session)
        session_bye(session, result == -ENOMEM ? LINK_BYE_OVERLOAD : LINK_BYE_GOING_AWAY,
                    "units could not be stored: come back");
}

/* The first of an Enforcer is done. @return the one after it, the first now */
static struct report *report_end(struct report *report)
{
    struct push *push = report->push;
    struct report *next = report->next;

    HASH_DEL(push->reports, report);
    if (next) {
        push->reports_bytes -= next->len;
        HASH_ADD_STR(push->reports, enforcer_id, next);
    }
    free(report);
    return next;
}

static void report_run(struct report *report)
{
    while (report) {
        int r = report_submit(report);

        if (r > 0)
            return;
        if (r < 0)
            report_fail(report, r);
        report = report_end(report);
    }
}

/* Somebody else changed, made or deleted one of the units first: compare with what is there now. */
static void reported(void *context, int result, size_t failed_op, uint64_t revision)
{
    struct report *report = context;
    bool again = result == -ESTALE || result == -EEXIST || result == -ENOENT;

    if (again && ++report->tries < PUSH_TRIES_MAX) {
        units_forget_pending(report->push, report->enforcer_id);
        report_run(report);
        return;
    }
    if (result < 0)
        report_fail(report, result);
    report_run(report_end(report));
}

/* @return -BULKHEAD_ETOOMANY */
static int report_wait(struct report *first, struct report *report)
{
    struct push *push = first->push;
    size_t n = 0;

    for (; first->next; first = first->next)
        n++;
    if (n >= PUSH_REPORTS_MAX || push->reports_bytes + report->len > PUSH_REPORTS_BYTES_MAX)
        return -BULKHEAD_ETOOMANY;
    push->reports_bytes += report->len;
    first->next = report;
    return 0;
}

void units_take(struct session *session, const struct link_message *message, const void *bytes,
                size_t len)
{
    struct report *report = report_new(session, bytes, len), *first = NULL;

    if (!report) {
        session_bye(session, LINK_BYE_OVERLOAD, "the Console is out of memory");
        return;
    }
    HASH_FIND_STR(session->push->reports, session->enforcer_id, first);
    if (!first) {
        HASH_ADD_STR(session->push->reports, enforcer_id, report);
        report_run(report);
        return;
    }
    if (message->units.all)
        drop_waiting(first);
    if (report_wait(first, report) < 0) {
        free(report);
        session_bye(session, LINK_BYE_OVERLOAD, "too many reports of units at once");
    }
}
