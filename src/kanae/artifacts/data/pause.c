/* The process that holds a pod's namespaces: reaps orphans, ends on SIGINT or SIGTERM. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void reap(int signal_number) {
    (void)signal_number;
    while (waitpid(-1, 0, WNOHANG) > 0) {
    }
}

static void end(int signal_number) {
    (void)signal_number;
    _exit(0);
}

int main(void) {
    struct sigaction child = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
    struct sigaction quit = {.sa_handler = end};
    sigaction(SIGCHLD, &child, 0);
    sigaction(SIGINT, &quit, 0);
    sigaction(SIGTERM, &quit, 0);
    for (;;) {
        pause();
    }
}
