/*
 * A strict pull reader for the XML that Query services answer with: elements, attributes (checked for their
 * form and passed over), text with the five entities and character references, one root. Document types,
 * processing instructions but the XML declaration, CDATA and comments are refused: no AWS service writes
 * them, and what is not read cannot be abused. Works in place and allocates nothing; the first error sticks.
 *
 *   struct xml x = xml_start(text, len);
 *   while ((event = xml_next(&x)) > XML_END)
 *       if (event == XML_CLOSE && xml_is(&x, "Credentials", "Expiration")) ... x.text ...
 */
#ifndef SLUICE_AWS_XML_H
#define SLUICE_AWS_XML_H

#include <stdbool.h>
#include <stddef.h>

enum { XML_DEPTH_MAX = 16, XML_BYTES_MAX = 1 << 20 };

enum xml_event {
    XML_ERROR,
    XML_END,   /* the root was closed and nothing but white space follows */
    XML_OPEN,  /* an element begins: the innermost one now */
    XML_CLOSE, /* it ends: still the innermost one until the next call; `text` is what stood directly in it,
                * without any of its elements, if it had none; "" otherwise */
};

struct xml_name {
    const char *text; /* not terminated */
    size_t len;
};

struct xml {
    char *at;
    char *end;
    int depth; /* open elements */
    struct xml_name open[XML_DEPTH_MAX];
    char *text_start;   /* of the innermost element, behind its tag; NULL: it has elements inside */
    const char *text;   /* at XML_CLOSE; NUL-terminated */
    bool closing;       /* the innermost element was closed by the last event */
    bool empty_element; /* its tag was <Name/> */
    bool had_root;
    const char *problem; /* NULL: none */
};

/* The text is changed; a NUL is written over the start of a closing tag. Above XML_BYTES_MAX it is refused.
 */
struct xml xml_start(char *text, size_t len);

enum xml_event xml_next(struct xml *x);

/* Whether the innermost element has that name, and the one around it the other (NULL: any or none). Name
 * space prefixes are part of a name. */
bool xml_is(const struct xml *x, const char *parent, const char *name);

#endif
