/*
 * The one program of an image without a shell. Its first argument says what it does:
 *
 *   show [ARGUMENT...]  print argv and the environment, one entry a line
 *   exit CODE           end with that code
 *   sleep SECONDS       end with 0 after that time
 *   wait [CODE]         end with that code (0) on TERM or INT
 *   write PATH          write one line into a file
 *   get PORT PATH       HTTP GET from 127.0.0.1, print the reply; 0 where its status is 2xx
 *
 * Its exit code is 1 if the action fails, and 2 if there is no such action.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

static int failed(const char *what) {
    perror(what);
    return 1;
}

static int show(char **argv) {
    for (int i = 0; argv[i]; i++) printf("argv[%d]=%s\n", i, argv[i]);
    for (char **entry = environ; *entry; entry++) puts(*entry);
    return 0;
}

static int wait_for_signal(int code) {
    sigset_t ends;
    int received;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    puts("waiting");
    fflush(stdout);
    sigwait(&ends, &received);
    printf("signal %d\n", received);
    return code;
}

static int write_file(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) return failed(path);
    fputs("written\n", file);
    return fclose(file) ? failed(path) : 0;
}

static int dial(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connection < 0) return -1;
    if (!connect(connection, (struct sockaddr *)&address, sizeof address)) return connection;
    close(connection);
    return -1;
}

static int get(uint16_t port, const char *path) {
    char line[4096];
    int connection = dial(port);
    FILE *stream = connection < 0 ? NULL : fdopen(connection, "r+");
    if (!stream) return failed("127.0.0.1");
    fprintf(stream, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
    fflush(stream);
    int status = 0;
    if (fgets(line, sizeof line, stream)) {
        sscanf(line, "HTTP/1.%*d %d", &status);
        do fputs(line, stdout); while (fgets(line, sizeof line, stream));
    }
    fclose(stream);
    return status / 100 == 2 ? 0 : 1;
}

int main(int argc, char **argv) {
    const char *action = argc > 1 ? argv[1] : "";
    if (!strcmp(action, "show")) return show(argv);
    if (!strcmp(action, "exit") && argc == 3) return atoi(argv[2]);
    if (!strcmp(action, "sleep") && argc == 3) return (int)sleep((unsigned)atoi(argv[2]));
    if (!strcmp(action, "wait")) return wait_for_signal(argc > 2 ? atoi(argv[2]) : 0);
    if (!strcmp(action, "write") && argc == 3) return write_file(argv[2]);
    if (!strcmp(action, "get") && argc == 4) return get((uint16_t)atoi(argv[2]), argv[3]);
    fprintf(stderr, "no such action: %s\n", action);
    return 2;
}
