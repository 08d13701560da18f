/*
 * DynamoDB's numbers: decimal, up to 38 significant digits, exact. Pure.
 * Source: "Naming rules and data types", developer guide.
 */
#ifndef SLUICE_LOCALAWS_DYNAMODB_NUMBER_H
#define SLUICE_LOCALAWS_DYNAMODB_NUMBER_H

#include <stdbool.h>

enum { DYNAMODB_DIGITS_MAX = 38, DYNAMODB_NUMBER_BYTES = 200 };

/* +-coefficient x 10^exponent, without zeros at the end of the coefficient; zero has exponent 0. */
struct dynamodb_number {
    bool is_negative;
    int exponent;
    int digit_count;
    unsigned char digits[DYNAMODB_DIGITS_MAX]; /* the most significant first */
};

/* False when the text is no number, has too many digits, or is beyond 1E-130 to 9.99..E+125. */
bool dynamodb_number_parse(const char *text, struct dynamodb_number *ret);
/* < 0, 0, > 0. */
int dynamodb_number_compare(const struct dynamodb_number *a, const struct dynamodb_number *b);
/* False when the sum needs more digits than there are. */
bool dynamodb_number_add(const struct dynamodb_number *a, const struct dynamodb_number *b,
                         struct dynamodb_number *ret);
/* Without exponent: "-12.5". */
void dynamodb_number_format(const struct dynamodb_number *number, char out[static DYNAMODB_NUMBER_BYTES]);

#endif
