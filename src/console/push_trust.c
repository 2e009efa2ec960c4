/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "console/push_internal.h"

/*
 * A session is as good as the certificate that it was opened with, and for no longer:
 *
 *   upgrade                the certificate of the TLS handshake
 *   hello                  asked again: a connection can wait long for its hello
 *   sweep                  has it expired?
 *   the object changed     is it still one of the Enforcer's, is the Enforcer enabled?
 *   renewed over it        the new one takes its place: who has the session asked for it
 */

void session_begin(struct session *session, const struct caller *caller)
{
    snprintf(session->enforcer_id, sizeof(session->enforcer_id), "%s", caller->enforcer_id);
    memcpy(session->certificate, caller->certificate, sizeof(session->certificate));
    session->expires_ms = caller->expires_ms;
}

bool session_expire(struct session *session, int64_t now_ms)
{
    if (now_ms < session->expires_ms)
        return false;
    session_bye(session, LINK_BYE_REVOKED,
                "the certificate of this connection has expired, and was not renewed over it");
    return true;
}

bool session_check(struct session *session)
{
    const char *problem;

    if (session_expire(session, console_now_ms()))
        return false;
    problem = auth_enforcer_problem(session->push->console->auth, session->enforcer_id,
                                    session->certificate);
    if (problem)
        session_bye(session, LINK_BYE_REVOKED, problem);
    return !problem;
}

static bool same_text(const struct object *a, const struct object *b, const char *attribute)
{
    _cleanup_free_
    char *before = object_text(a, attribute), *after = object_text(b, attribute);

    return strcmp(before ? before : "", after ? after : "") == 0;
}

void trust_changed(struct push *push, const struct object *before, const struct object *after)
{
    struct session *session = session_find(push, after->id);

    if (session && (!same_text(before, after, "certificate") ||
                    !same_text(before, after, "previousCertificate") ||
                    object_flag(before, "disabled") != object_flag(after, "disabled")))
        session_check(session);
}

/* ---- Renewal -------------------------------------------------------------------------------- */

static void certificate_send(struct session *session, const char *pem, const char *error)
{
    const struct link_message answer = {.type = LINK_CERTIFICATE,
                                        .certificate = {.certificate = pem, .error = error}};

    session_send(session, &answer);
}

/* Another session may have come in its place meanwhile: that one goes on with what it showed. */
static void go_on_with(struct session *session, const char *pem)
{
    struct trust_certificate certificate = {0};

    if (!session->renewing || trust_certificate_read(session->push->console->trust, pem,
                                                     console_now_ms(), &certificate) < 0)
        return;
    memcpy(session->certificate, certificate.sha256, sizeof(session->certificate));
    session->expires_ms = certificate.not_after_ms;
    trust_certificate_clear(&certificate);
}

/* Only a certificate that is stored is any good: the next connection is held against it. */
static void renewed(struct push *push, const char *id, const json_t *attributes, int result)
{
    struct session *session = session_find(push, id);
    const char *pem = json_string_value(json_object_get(attributes, "certificate"));

    if (!session)
        return;
    if (result == 0)
        go_on_with(session, pem);
    session->renewing = false;
    certificate_send(session, result == 0 ? pem : NULL,
                     result == 0 ? NULL : "the certificate could not be stored: ask again");
}

static bool may_renew(struct session *session)
{
    char error[80];
    uint32_t wait_s = limits_take(session->push->console->limits, LIMIT_LINK, session->enforcer_id,
                                  LIMITS_LINK_RENEW, uv_hrtime());

    if (wait_s == 0)
        return true;
    session->push->counters.limited++;
    text_format(error, sizeof(error), "too many requests: ask again in %" PRIu32 " s", wait_s);
    certificate_send(session, NULL, error);
    return false;
}

/* One at a time, and the one before is the one that this session has shown: so the Enforcer is let
 * in with what it has, whichever answers get lost. */
void session_renew(struct session *session, const struct link_message *message)
{
    struct console *console = session->push->console;
    const struct object *object = objects_find(console->objects, session->enforcer_id);
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    _cleanup_free_
    char *own = object ? auth_enforcer_certificate(object, session->certificate) : NULL,
         *pem = NULL;

    if (session->renewing || !own) {
        certificate_send(session, NULL, "another certificate is being made: ask again");
        return;
    }
    if (!may_renew(session))
        return;
    if (enforcer_certificate(console, object->id, object->space->name, message->renew.csr, &problem,
                             &pem) < 0) {
        certificate_send(session, NULL, problem.len > 0 ? problem.data : "the request is no good");
        return;
    }
    session->renewing = true;
    push_patch(session->push, object,
               json_pack("{s:s, s:s}", "certificate", pem, "previousCertificate", own), renewed);
}
