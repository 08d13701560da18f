/* Exact decimals; see dynamodb_number.h. */
#include "localaws/dynamodb_number.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGNITUDE_MAX = 126, MAGNITUDE_MIN = -129, WIDE = DYNAMODB_DIGITS_MAX + 2 };

/* Strips zeros on both sides; false when more digits are left than there is room for, or it is out of range.
 */
static bool normalize(const unsigned char *digits, int count, int exponent, bool is_negative,
                      struct dynamodb_number *ret)
{
    while (count > 0 && digits[0] == 0) {
        digits++;
        count--;
    }
    while (count > 0 && digits[count - 1] == 0) {
        count--;
        exponent++;
    }
    *ret = (struct dynamodb_number){.digit_count = count};
    if (count == 0)
        return true;
    if (count > DYNAMODB_DIGITS_MAX || exponent + count > MAGNITUDE_MAX || exponent + count < MAGNITUDE_MIN)
        return false;
    ret->is_negative = is_negative;
    ret->exponent = exponent;
    memcpy(ret->digits, digits, (size_t)count);
    return true;
}

bool dynamodb_number_parse(const char *text, struct dynamodb_number *ret)
{
    unsigned char digits[256];
    int count = 0;
    int exponent = 0;
    bool has_point = false;
    bool is_negative = *text == '-';
    text += *text == '-' || *text == '+';
    const char *start = text;
    for (; isdigit((unsigned char)*text) || (*text == '.' && !has_point); text++) {
        if (*text == '.') {
            has_point = true;
            continue;
        }
        if (count == (int)sizeof digits)
            return false;
        digits[count++] = (unsigned char)(*text - '0');
        exponent -= has_point;
    }
    if (count == 0 || text == start)
        return false;
    if (*text == 'e' || *text == 'E') {
        char *end = NULL;
        const char *from = text + 1;
        if (!isdigit((unsigned char)from[from[0] == '+' || from[0] == '-']))
            return false;
        long power = strtol(from, &end, 10);
        if (power > 1000 || power < -1000)
            return false;
        exponent += (int)power;
        text = end;
    }
    return *text == '\0' && normalize(digits, count, exponent, is_negative, ret);
}

/* The digit that stands at 10^position. */
static int digit_at(const struct dynamodb_number *number, int position)
{
    int i = number->digit_count - 1 - (position - number->exponent);
    return i >= 0 && i < number->digit_count ? number->digits[i] : 0;
}

static int top_of(const struct dynamodb_number *number)
{
    return number->exponent + number->digit_count;
}

static int max_of(int a, int b)
{
    return a > b ? a : b;
}

static int min_of(int a, int b)
{
    return a < b ? a : b;
}

/* Of the values without their signs. */
static int compare_sizes(const struct dynamodb_number *a, const struct dynamodb_number *b)
{
    for (int i = max_of(top_of(a), top_of(b)) - 1; i >= min_of(a->exponent, b->exponent); i--)
        if (digit_at(a, i) != digit_at(b, i))
            return digit_at(a, i) - digit_at(b, i);
    return 0;
}

int dynamodb_number_compare(const struct dynamodb_number *a, const struct dynamodb_number *b)
{
    if (a->is_negative != b->is_negative)
        return a->is_negative ? -1 : 1;
    return a->is_negative ? compare_sizes(b, a) : compare_sizes(a, b);
}

bool dynamodb_number_add(const struct dynamodb_number *a, const struct dynamodb_number *b,
                         struct dynamodb_number *ret)
{
    unsigned char digits[WIDE];
    const struct dynamodb_number *larger = compare_sizes(a, b) >= 0 ? a : b;
    const struct dynamodb_number *smaller = larger == a ? b : a;
    if (smaller->digit_count == 0) {
        *ret = *larger;
        return true;
    }
    int low = min_of(a->exponent, b->exponent);
    int count = top_of(larger) - low + 1;
    int sign = a->is_negative == b->is_negative ? 1 : -1;
    int carry = 0;
    if (count > WIDE)
        return false;
    for (int i = 0; i < count; i++) {
        int sum = digit_at(larger, low + i) + sign * digit_at(smaller, low + i) + carry;
        carry = sum < 0 ? -1 : sum / 10;
        digits[count - 1 - i] = (unsigned char)(sum < 0 ? sum + 10 : sum % 10);
    }
    return normalize(digits, count, low, larger->is_negative, ret);
}

void dynamodb_number_format(const struct dynamodb_number *number, char out[static DYNAMODB_NUMBER_BYTES])
{
    char *to = out;
    int top = max_of(top_of(number), 1);
    int low = min_of(number->exponent, 0);
    if (number->digit_count == 0) {
        memcpy(out, "0", 2);
        return;
    }
    if (number->is_negative)
        *to++ = '-';
    for (int i = top - 1; i >= low; i--) {
        if (i == -1)
            *to++ = '.';
        *to++ = (char)('0' + digit_at(number, i));
    }
    *to = '\0';
}
