// What the tests' own process needs in C. Being linked is enough for process.c.
#ifndef CTESTPROCESS_H
#define CTESTPROCESS_H

#include <stdint.h>

// Lookups of held-NUMBER.invalid (0 to 63) last until released, and fail then: see lookups.c.
void test_hold_lookup(int number);
void test_release_lookup(int number);
int test_is_lookup_waiting(int number);

#endif
