/*
 * Chance for jitter, dice and names that shall differ: spread, not secrecy (what must not be guessed takes
 * getrandom() itself). A sequence is one word that its owner keeps; the same seed gives the same sequence on
 * every machine. No shared state: thread-safe as far as the word is.
 */
#ifndef SLUICE_BASE_RANDOM_H
#define SLUICE_BASE_RANDOM_H

#include <stdint.h>

/* The next 64 bits of the sequence in *state, and steps it: SplitMix64 (Steele, Lea, Flood: Fast splittable
 * pseudorandom number generators, 2014). Any seed is good, 0 and neighbouring ones too. */
uint64_t random_next(uint64_t *state);

/* The same as a number from 0 up to, not including, 1. */
double random_unit(uint64_t *state);

/* A seed from the system; from the clock as long as the system has none to give. */
uint64_t random_seed(void);

#endif
