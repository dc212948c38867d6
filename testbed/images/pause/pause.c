/* The process that holds a pod's namespaces: ends on TERM and INT, and the kernel reaps its children (sigaction(2), SIGCHLD ignored). */
#include <signal.h>
#include <unistd.h>

static void end(int signal_number) { (void)signal_number; _exit(0); }

int main(void) {
    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGCHLD, SIG_IGN);
    for (;;) pause();
}
