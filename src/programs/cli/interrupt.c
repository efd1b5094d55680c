/* interrupt.c - Ctrl-C stops the work at hand and lets it tidy up. */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static const char *volatile announcement;
static volatile sig_atomic_t interrupted;
static ac_session *_Atomic running;

static void on_signal(int number)
{
    ac_session *session = atomic_load(&running);

    if (announcement != NULL && interrupted == 0 &&
        write(STDERR_FILENO, announcement, strlen(announcement)) < 0)
        interrupted = 1; /* nobody to tell */
    interrupted = 1;
    ac_session_cancel(session); /* one atomic store: safe here */
    signal(number, SIG_DFL);    /* the second time it is meant */
}

void watch_interrupts(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void announce_interrupt(const char *text)
{
    announcement = text;
}

void cancel_on_interrupt(ac_session *session)
{
    atomic_store(&running, session);
}

bool was_interrupted(void)
{
    return interrupted != 0;
}
