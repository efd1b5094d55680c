/* real_device.c - what the suites of tests/cuda ask of the emulated device,
 * where there is a real one: nothing to plug, to shuffle or to count. Linked in
 * the emulation's place into the runner of `make gpu-check`. */
#include "cuda/emulated_runtime.h"

int emulation_is_on(void)
{
    return 0;
}

void emulation_plug(int n_devices)
{
    (void)n_devices;
}

void emulation_code(int what)
{
    (void)what;
}

void emulation_swap_offsets(int on)
{
    (void)on;
}

void emulation_fail_launch(int n)
{
    (void)n;
}

void emulation_order(unsigned seed)
{
    (void)seed;
}

void emulation_cut_sums(int on)
{
    (void)on;
}

size_t emulation_bank_conflicts(void)
{
    return 0;
}

void emulation_together(int can)
{
    (void)can;
}

size_t emulation_bytes(void)
{
    return 0;
}

size_t emulation_launches(void)
{
    return 0;
}

size_t emulation_graph_launches(void)
{
    return 0;
}
