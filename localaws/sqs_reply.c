/* Reply writer for JSON and XML; see sqs_reply.h. */
#include "localaws/sqs_reply.h"

#include <stdio.h>

#define XML_NAMESPACE "http://queue.amazonaws.com/doc/2012-11-05/"

void sqs_reply_xml_text(struct strbuf *out, struct slice text)
{
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *entity = NULL;
        switch (text.at[i]) {
        case '&':
            entity = "&amp;";
            break;
        case '<':
            entity = "&lt;";
            break;
        case '>':
            entity = "&gt;";
            break;
        case '"':
            entity = "&quot;";
            break;
        case '\r': /* a bare one would be read back as a newline */
            entity = "&#xD;";
            break;
        default:
            continue;
        }
        strbuf_append(out, text.at + start, i - start);
        strbuf_append_str(out, entity);
        start = i + 1;
    }
    strbuf_append(out, text.at + start, text.len - start);
}

static void xml_open(struct strbuf *out, const char *name)
{
    strbuf_append_char(out, '<');
    strbuf_append_str(out, name);
    strbuf_append_char(out, '>');
}

static void xml_close(struct strbuf *out, const char *name)
{
    strbuf_append(out, "</", 2);
    strbuf_append_str(out, name);
    strbuf_append_char(out, '>');
}

static void xml_element(struct strbuf *out, const char *name, struct slice value)
{
    xml_open(out, name);
    sqs_reply_xml_text(out, value);
    xml_close(out, name);
}

static bool is_json(const struct sqs_reply *reply)
{
    return reply->protocol == SQS_PROTOCOL_JSON;
}

void sqs_reply_begin(struct sqs_reply *reply, enum sqs_protocol protocol, struct strbuf *out, const char *op,
                     bool has_result)
{
    *reply = (struct sqs_reply){
        .protocol = protocol, .out = out, .json = JSONW_INIT(out), .op = op, .has_result = has_result};
    if (is_json(reply)) {
        jsonw_object(&reply->json);
        return;
    }
    strbuf_appendf(out, "<?xml version=\"1.0\"?><%sResponse xmlns=\"" XML_NAMESPACE "\">", op);
    if (has_result)
        strbuf_appendf(out, "<%sResult>", op);
}

void sqs_reply_end(struct sqs_reply *reply, const char *request_id)
{
    if (is_json(reply)) {
        jsonw_end_object(&reply->json);
        return;
    }
    if (reply->has_result)
        strbuf_appendf(reply->out, "</%sResult>", reply->op);
    strbuf_appendf(reply->out, "<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>",
                   request_id, reply->op);
}

void sqs_reply_text(struct sqs_reply *reply, const char *name, struct slice value)
{
    if (is_json(reply)) {
        jsonw_key(&reply->json, name);
        jsonw_strn(&reply->json, value.at, value.len);
    } else {
        xml_element(reply->out, name, value);
    }
}

void sqs_reply_bool(struct sqs_reply *reply, const char *name, bool value)
{
    if (is_json(reply))
        jsonw_key_bool(&reply->json, name, value);
    else
        xml_element(reply->out, name, slice_of(value ? "true" : "false"));
}

void sqs_reply_list(struct sqs_reply *reply, const char *json)
{
    if (!is_json(reply))
        return;
    jsonw_key(&reply->json, json);
    jsonw_array(&reply->json);
}

void sqs_reply_list_end(struct sqs_reply *reply)
{
    if (is_json(reply))
        jsonw_end_array(&reply->json);
}

void sqs_reply_item(struct sqs_reply *reply, const char *xml)
{
    if (is_json(reply))
        jsonw_object(&reply->json);
    else
        xml_open(reply->out, xml);
}

void sqs_reply_item_end(struct sqs_reply *reply, const char *xml)
{
    if (is_json(reply))
        jsonw_end_object(&reply->json);
    else
        xml_close(reply->out, xml);
}

void sqs_reply_text_item(struct sqs_reply *reply, const char *xml, struct slice value)
{
    if (is_json(reply))
        jsonw_strn(&reply->json, value.at, value.len);
    else
        xml_element(reply->out, xml, value);
}

void sqs_reply_map(struct sqs_reply *reply, const char *json)
{
    if (!is_json(reply))
        return;
    jsonw_key(&reply->json, json);
    jsonw_object(&reply->json);
}

void sqs_reply_map_end(struct sqs_reply *reply)
{
    if (is_json(reply))
        jsonw_end_object(&reply->json);
}

/* A JSON key that a user chose: escaped like a text. */
static void json_user_key(struct jsonw *w, struct slice key)
{
    jsonw_strn(w, key.at, key.len);
    strbuf_append_char(w->out, ':');
    w->need_comma = false;
}

void sqs_reply_map_entry(struct sqs_reply *reply, const char *xml, const char *key_xml, struct slice key,
                         struct slice value)
{
    if (is_json(reply)) {
        json_user_key(&reply->json, key);
        jsonw_strn(&reply->json, value.at, value.len);
        return;
    }
    xml_open(reply->out, xml);
    xml_element(reply->out, key_xml, key);
    xml_element(reply->out, "Value", value);
    xml_close(reply->out, xml);
}

void sqs_reply_map_item(struct sqs_reply *reply, const char *xml, struct slice key)
{
    if (is_json(reply)) {
        json_user_key(&reply->json, key);
        jsonw_object(&reply->json);
        return;
    }
    xml_open(reply->out, xml);
    xml_element(reply->out, "Name", key);
    xml_open(reply->out, "Value");
}

void sqs_reply_map_item_end(struct sqs_reply *reply, const char *xml)
{
    if (is_json(reply)) {
        jsonw_end_object(&reply->json);
        return;
    }
    xml_close(reply->out, "Value");
    xml_close(reply->out, xml);
}

void sqs_reply_error_parts(enum sqs_protocol protocol, struct strbuf *out,
                           const struct sqs_error_parts *parts, const char *request_id)
{
    if (protocol == SQS_PROTOCOL_JSON) {
        struct jsonw w = JSONW_INIT(out);
        jsonw_object(&w);
        jsonw_key_str(&w, "__type", parts->type);
        jsonw_key_str(&w, parts->is_coral ? "Message" : "message", parts->message);
        jsonw_end_object(&w);
        return;
    }
    strbuf_appendf(out,
                   "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"" XML_NAMESPACE "\"><Error><Type>%s</Type>",
                   parts->sender_fault ? "Sender" : "Receiver");
    xml_element(out, "Code", slice_of(parts->code));
    xml_element(out, "Message", slice_of(parts->message));
    strbuf_appendf(out, "<Detail/></Error><RequestId>%s</RequestId></ErrorResponse>", request_id);
}

void sqs_reply_error(enum sqs_protocol protocol, struct strbuf *out, const struct sqs_failure *failure,
                     const char *request_id)
{
    const struct sqs_error_info *info = sqs_error_info(failure->error);
    char type[128];
    (void)snprintf(type, sizeof type, "%s#%s",
                   info->is_coral ? "com.amazon.coral.service" : "com.amazonaws.sqs", info->shape);
    struct sqs_error_parts parts = {.type = type,
                                    .code = info->query,
                                    .is_coral = info->is_coral,
                                    .sender_fault = info->sender_fault,
                                    .message = failure->message};
    sqs_reply_error_parts(protocol, out, &parts, request_id);
}
