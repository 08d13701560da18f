/* The keyed hash that guards receipt handles. Pure. */
#ifndef SLUICE_LOCALAWS_SIPHASH_H
#define SLUICE_LOCALAWS_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-2-4 (Aumasson, Bernstein 2012) of `len` bytes under a key of 128 bits. */
uint64_t siphash(const uint64_t key[static 2], const void *bytes, size_t len);

#endif
