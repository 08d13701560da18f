/*
 * Writes replies once for both protocols: as JSON or as XML, straight into a buffer. Lists and maps are
 * flattened in XML ("<Message>...</Message><Message>..."), nested in JSON. Names are ASCII literals of ours.
 */
#ifndef SLUICE_LOCALAWS_SQS_REPLY_H
#define SLUICE_LOCALAWS_SQS_REPLY_H

#include "base/jsonw.h"
#include "localaws/slice.h"
#include "localaws/sqs_error.h"

#include <stdbool.h>
#include <stdint.h>

enum sqs_protocol { SQS_PROTOCOL_JSON, SQS_PROTOCOL_QUERY };

struct sqs_reply {
    enum sqs_protocol protocol;
    struct strbuf *out; /* not owned */
    struct jsonw json;
    const char *op; /* name of the operation, for the XML elements */
    bool has_result;
};

/* Opens and ends a whole reply of operation `op`. Operations without a result say so. */
void sqs_reply_begin(struct sqs_reply *reply, enum sqs_protocol protocol, struct strbuf *out, const char *op,
                     bool has_result);
void sqs_reply_end(struct sqs_reply *reply, const char *request_id);

/* Members. `xml` is the element's name where it differs from the JSON key. */
void sqs_reply_text(struct sqs_reply *reply, const char *name, struct slice value);
void sqs_reply_bool(struct sqs_reply *reply, const char *name, bool value);
/* A list of structures: list, then item ... item_end for each, then list_end. */
void sqs_reply_list(struct sqs_reply *reply, const char *json);
void sqs_reply_list_end(struct sqs_reply *reply);
void sqs_reply_item(struct sqs_reply *reply, const char *xml);
void sqs_reply_item_end(struct sqs_reply *reply, const char *xml);
/* An item of a list of texts. */
void sqs_reply_text_item(struct sqs_reply *reply, const char *xml, struct slice value);
/* A map of texts: map, entries, map_end; in XML <xml><key_xml>..</key_xml><Value>..</Value></xml>. */
void sqs_reply_map(struct sqs_reply *reply, const char *json);
void sqs_reply_map_end(struct sqs_reply *reply);
void sqs_reply_map_entry(struct sqs_reply *reply, const char *xml, const char *key_xml, struct slice key,
                         struct slice value);
/* An entry whose value is a structure (message attributes): open, members, close. */
void sqs_reply_map_item(struct sqs_reply *reply, const char *xml, struct slice key);
void sqs_reply_map_item_end(struct sqs_reply *reply, const char *xml);

/* Appends text, escaped for XML. */
void sqs_reply_xml_text(struct strbuf *out, struct slice text);

/* A whole error reply. */
void sqs_reply_error(enum sqs_protocol protocol, struct strbuf *out, const struct sqs_failure *failure,
                     const char *request_id);
/* The same with parts of the caller's choice (injected errors). */
struct sqs_error_parts {
    const char *type; /* whole __type */
    const char *code; /* Query code */
    bool is_coral;    /* the text goes under "Message" rather than "message" */
    bool sender_fault;
    const char *message;
};
void sqs_reply_error_parts(enum sqs_protocol protocol, struct strbuf *out,
                           const struct sqs_error_parts *parts, const char *request_id);

#endif
