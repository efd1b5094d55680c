/* fibers.cc - see fibers.h: ucontext to begin, a handful of instructions to
 * switch where they are known (ucontext asks the kernel at every switch). */
#include "fibers.h"

#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

static fiber *running;

#if defined(__SANITIZE_ADDRESS__)
static void *scheduler_fake;
static const void *scheduler_bottom;
static size_t scheduler_bytes;

static void leaving_scheduler(fiber *to)
{
    __sanitizer_start_switch_fiber(&scheduler_fake, to->stack,
                                   FIBER_STACK_BYTES);
}
static void back_in_scheduler()
{
    __sanitizer_finish_switch_fiber(scheduler_fake, nullptr, nullptr);
}
static void leaving_fiber(fiber *from, bool for_good)
{
    __sanitizer_start_switch_fiber(for_good ? nullptr : &from->sanitizer,
                                   scheduler_bottom, scheduler_bytes);
}
static void arrived_in_fiber(fiber *in)
{
    __sanitizer_finish_switch_fiber(in->sanitizer, &scheduler_bottom,
                                    &scheduler_bytes);
}
static void forget_stack(fiber *f)
{
    ASAN_UNPOISON_MEMORY_REGION(f->stack, FIBER_STACK_BYTES);
    f->sanitizer = nullptr;
}
#else
static void leaving_scheduler(fiber *) {}
static void back_in_scheduler() {}
static void leaving_fiber(fiber *, bool) {}
static void arrived_in_fiber(fiber *) {}
static void forget_stack(fiber *) {}
#endif

static bool make_stack(fiber *f)
{
    if (f->stack != nullptr)
        return true;
    void *stack = mmap(nullptr, FIBER_STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    f->stack = stack == MAP_FAILED ? nullptr : static_cast<unsigned char *>(
                                                   stack);
    return f->stack != nullptr;
}

static void (*first_body)();

static void begin()
{
    arrived_in_fiber(running);
    first_body();
    __builtin_trap();
}

#if defined(__x86_64__)

/* Saves what the ABI wants kept on the stack at hand, stores its pointer in
 * *from and goes on with `to`. */
extern "C" void fiber_switch(void **from, void *to);
__asm__(".text\n"
        ".type fiber_switch,@function\n"
        "fiber_switch:\n"
        "    push %rbp\n push %rbx\n push %r12\n"
        "    push %r13\n push %r14\n push %r15\n"
        "    mov %rsp, (%rdi)\n"
        "    mov %rsi, %rsp\n"
        "    pop %r15\n pop %r14\n pop %r13\n"
        "    pop %r12\n pop %rbx\n pop %rbp\n"
        "    ret\n"
        ".size fiber_switch, .-fiber_switch\n");

static void *scheduler;

static void set_to_begin(fiber *f)
{
    /* as if `begin` had been called: its stack is 8 off 16 at entry */
    void **top = reinterpret_cast<void **>(f->stack + FIBER_STACK_BYTES - 64);
    *--top = nullptr;
    *--top = reinterpret_cast<void *>(begin);
    for (int i = 0; i < 6; i++)
        *--top = nullptr;
    f->context = top;
}

static void to_fiber(fiber *f) { fiber_switch(&scheduler, f->context); }
static void to_scheduler(fiber *f) { fiber_switch(&f->context, scheduler); }

#else

static ucontext_t scheduler;

static void set_to_begin(fiber *f)
{
    /* the context lies at the foot of the stack */
    ucontext_t *context = reinterpret_cast<ucontext_t *>(f->stack);
    getcontext(context);
    context->uc_stack.ss_sp = f->stack + sizeof *context;
    context->uc_stack.ss_size = FIBER_STACK_BYTES - sizeof *context;
    context->uc_link = nullptr;
    makecontext(context, begin, 0);
    f->context = context;
}

static void to_fiber(fiber *f)
{
    swapcontext(&scheduler, static_cast<ucontext_t *>(f->context));
}
static void to_scheduler(fiber *f)
{
    swapcontext(static_cast<ucontext_t *>(f->context), &scheduler);
}

#endif

bool fiber_prepare(fiber *f, void (*body)())
{
    if (!make_stack(f))
        return false;
    forget_stack(f);
    first_body = body;
    set_to_begin(f);
    return true;
}

void fiber_enter(fiber *to)
{
    running = to;
    leaving_scheduler(to);
    to_fiber(to);
    back_in_scheduler();
    running = nullptr;
}

void fiber_leave()
{
    fiber *me = running;

    leaving_fiber(me, false);
    to_scheduler(me);
    arrived_in_fiber(me);
}

void fiber_end()
{
    leaving_fiber(running, true);
    to_scheduler(running);
    __builtin_trap();
}
