/* The first process of a pod: holds its namespaces, reaps orphans, ends on SIGINT or SIGTERM.

   What it prints and its exit statuses are those of kubernetes/kubernetes, build/pause/linux:
   `kubeadm upgrade` runs it with -v and waits for it to end. Signals are waited for, not handled,
   so that what follows one is ordinary code. */
#include <signal.h>
#include <stdio.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef VERSION
#error "compile with -DVERSION=\"x.y.z\""
#endif

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcasecmp(argv[i], "-v") == 0) {
            puts("pause.c " VERSION);
            return 0;
        }
    }
    if (getpid() != 1) {
        fputs("Warning: pause should be the first process\n", stderr);
    }
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &wanted, NULL) != 0) {
        return 1;
    }
    for (;;) {
        int got = 0;
        if (sigwait(&wanted, &got) != 0) {
            return 42;
        }
        if (got != SIGCHLD) {
            psignal(got, "Shutting down, got signal");
            return 0;
        }
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
}
