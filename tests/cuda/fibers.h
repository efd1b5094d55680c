/* fibers.h - stacks that take turns on one thread of the host. */
#ifndef TESTS_CUDA_FIBERS_H
#define TESTS_CUDA_FIBERS_H

#include <stddef.h>

/* A stack and where it stands; `context` is the processor's business. */
struct fiber {
    unsigned char *stack;
    void *context;
    void *sanitizer;
};

enum { FIBER_STACK_BYTES = 256 * 1024 };

/* Sets a fiber to begin with body(), which must never return; its stack is
 * made the first time. False: no memory. */
bool fiber_prepare(fiber *f, void (*body)());

/* From the scheduler to `to`, and back. One fiber runs at a time. */
void fiber_enter(fiber *to);
void fiber_leave();

/* The same, never to be entered again. */
[[noreturn]] void fiber_end();

#endif
