/*
 * DynamoDB's attribute values as they are stored: JSON such as {"S":"text"}, {"N":"1"},
 * {"M":{"a":{"BOOL":true}}}. Pure. Source: the DynamoDB service model (AttributeValue) and "DynamoDB item
 * sizes and formats".
 */
#ifndef SLUICE_LOCALAWS_DYNAMODB_VALUE_H
#define SLUICE_LOCALAWS_DYNAMODB_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { DYNAMODB_DEPTH_MAX = 32, DYNAMODB_ITEM_BYTES_MAX = 400 * 1024 };

/* Checks a value; on an objection fills text. */
bool dynamodb_value_check(const json_t *value, char *text, size_t text_size);
/* Checks each of an item's attributes; on an objection fills text. */
bool dynamodb_item_check(const json_t *item, char *text, size_t text_size);
/* "S", "N", ... of a checked value, and what stands behind it. */
const char *dynamodb_value_type(const json_t *value);
const json_t *dynamodb_value_content(const json_t *value);
bool dynamodb_value_is(const json_t *value, const char *type);

bool dynamodb_value_equal(const json_t *a, const json_t *b);
/* Orders values of one type (S, N or B). False when there is no order. */
bool dynamodb_value_compare(const json_t *a, const json_t *b, int *ret);
/* What the function size() gives; -1: there is none of this type. */
long dynamodb_value_length(const json_t *value);
/* Bytes of an item as the limit of 400 KB counts them. */
size_t dynamodb_item_bytes(const json_t *item);
/* Base64 to bytes; the length, or -1. The bytes are the caller's. */
long dynamodb_binary(const char *base64, char **ret_bytes);

#endif
