// SPDX-License-Identifier: Apache-2.0
// A Modbus TCP server of libmodbus for tests: `modbus_server PORT`; PORT 0 takes a free one, said as `READY port`.
// Commands, one a line on the input, are answered with `ok` (and a number); it ends with its input.
//   set UNIT TABLE ADDRESS WORD...   words in hexadecimal; of coils and inputs 0 or 1
//   hole UNIT TABLE FROM TO          what touches FROM..TO is refused as an illegal address; FROM > TO: nothing is
//   fail UNIT CODE                   answer everything with this exception; 0: as usual
//   mute UNIT 0|1                    give no answer
//   delay MILLISECONDS               think before each answer
//   without FUNCTION             answer this function with exception 1, unknown; 0: none
//   freeze UNIT 0|1              take what is written, and change nothing
//   most COUNT                       refuse more registers at once as an illegal value
//   moving 0|1                       holding registers count up each time they are read
//   count | largest | overlaps       requests so far, the most asked for in one, requests sent before an answer
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNITS 256
#define SOCKETS 2048

enum { COIL, DISCRETE, HOLDING, INPUT, TABLES };

static modbus_mapping_t *units[UNITS];
static struct { int from, to; } holes[UNITS][TABLES];
static int failing[UNITS], mute[UNITS], frozen[UNITS], delay, most = 2000, moving, without;
static long requests, largest, overlaps;
static struct pollfd sockets[SOCKETS];
static int used;

static modbus_mapping_t *unit_of(int unit) {
    if (units[unit] == NULL)
        units[unit] = modbus_mapping_new(65536, 65536, 65536, 65536);
    if (units[unit] == NULL)
        exit(3);
    return units[unit];
}

static int table_of(const char *name) {
    static const char *names[TABLES] = {"coil", "discrete", "holding", "input"};
    for (int i = 0; i < TABLES; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

static void set(int unit, int table, int address, char *words) {
    modbus_mapping_t *mapping = unit_of(unit);
    for (char *word = strtok(words, " \n"); word != NULL && address < 65536; word = strtok(NULL, " \n"), address++) {
        long value = strtol(word, NULL, 16);
        switch (table) {
        case COIL: mapping->tab_bits[address] = value; break;
        case DISCRETE: mapping->tab_input_bits[address] = value; break;
        case HOLDING: mapping->tab_registers[address] = value; break;
        case INPUT: mapping->tab_input_registers[address] = value; break;
        }
    }
}

static void command(char *line) {
    char verb[16] = "", name[16] = "";
    int a = 0, b = 0, c = 0, used_up = 0;
    long answer = 0;
    sscanf(line, "%15s%n", verb, &used_up);
    char *rest = line + used_up;
    if (strcmp(verb, "set") == 0 && sscanf(rest, "%d %15s %d%n", &a, name, &b, &used_up) == 3)
        set(a & 255, table_of(name), b, rest + used_up);
    else if (strcmp(verb, "hole") == 0 && sscanf(rest, "%d %15s %d %d", &a, name, &b, &c) == 4) {
        holes[a & 255][table_of(name)].from = b;
        holes[a & 255][table_of(name)].to = c;
    } else if (strcmp(verb, "fail") == 0 && sscanf(rest, "%d %d", &a, &b) == 2)
        failing[a & 255] = b;
    else if (strcmp(verb, "mute") == 0 && sscanf(rest, "%d %d", &a, &b) == 2)
        mute[a & 255] = b;
    else if (strcmp(verb, "delay") == 0 && sscanf(rest, "%d", &a) == 1)
        delay = a;
    else if (strcmp(verb, "without") == 0 && sscanf(rest, "%d", &a) == 1)
        without = a;
    else if (strcmp(verb, "freeze") == 0 && sscanf(rest, "%d %d", &a, &b) == 2)
        frozen[a & 255] = b;
    else if (strcmp(verb, "most") == 0 && sscanf(rest, "%d", &a) == 1)
        most = a;
    else if (strcmp(verb, "moving") == 0 && sscanf(rest, "%d", &a) == 1)
        moving = a;
    else if (strcmp(verb, "count") == 0)
        answer = requests;
    else if (strcmp(verb, "largest") == 0)
        answer = largest;
    else if (strcmp(verb, "overlaps") == 0)
        answer = overlaps;
    else {
        printf("what? %s", line);
        return;
    }
    printf("ok %ld\n", answer);
}

// The table a read of this function goes to, or -1.
static int table_read(int function) {
    static const int tables[] = {-1, COIL, DISCRETE, HOLDING, INPUT};
    return function >= 1 && function <= 4 ? tables[function] : -1;
}

// The table a write of this function goes to, or -1; `several` is whether it says how many.
static int table_written(int function, int *several) {
    *several = function == 15 || function == 16;
    return function == 5 || function == 15 ? COIL : function == 6 || function == 16 || function == 22 ? HOLDING : -1;
}

// One request of a client; 0 when it is gone.
static int answer(modbus_t *context, int socket) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    modbus_set_socket(context, socket);
    int length = modbus_receive(context, query);
    if (length <= 0)
        return length == 0;
    int unit = query[6], table = table_read(query[7]), waiting = 0;
    int first = query[8] << 8 | query[9], count = query[10] << 8 | query[11];
    modbus_mapping_t *mapping = unit_of(unit);
    requests++;
    if (count > largest)
        largest = count;
    if (delay)
        usleep(delay * 1000);
    if (ioctl(socket, FIONREAD, &waiting) == 0 && waiting > 0)
        overlaps++;
    if (mute[unit])
        return 1;
    if (failing[unit])
        return modbus_reply_exception(context, query, failing[unit]) >= 0;
    if (without && query[7] == without)
        return modbus_reply_exception(context, query, MODBUS_EXCEPTION_ILLEGAL_FUNCTION) >= 0;
    int several, written = table_written(query[7], &several);
    if (written >= 0 && first <= holes[unit][written].to && first + (several ? count : 1) > holes[unit][written].from)
        return modbus_reply_exception(context, query, MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS) >= 0;
    if (frozen[unit] && table < 0) {
        uint16_t *kept = malloc(65536 * sizeof *kept);
        memcpy(kept, mapping->tab_registers, 65536 * sizeof *kept);
        int done = modbus_reply(context, query, length, mapping) >= 0;
        memcpy(mapping->tab_registers, kept, 65536 * sizeof *kept);
        free(kept);
        return done;
    }
    if (table >= 0) {
        int from = holes[unit][table].from, to = holes[unit][table].to;
        if (from <= to && first <= to && first + count > from)
            return modbus_reply_exception(context, query, MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS) >= 0;
        if (table >= HOLDING && count > most)
            return modbus_reply_exception(context, query, MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE) >= 0;
        if (moving && table == HOLDING)
            for (int i = first; i < first + count && i < 65536; i++)
                mapping->tab_registers[i]++;
    }
    return modbus_reply(context, query, length, mapping) >= 0;
}

static void welcome(int listener) {
    int client = accept(listener, NULL, NULL), yes = 1;
    if (client < 0)
        return;
    if (used == SOCKETS) {
        close(client);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockets[used].fd = client;
    sockets[used].revents = 0; // else what whoever had the place before had to say, and we would wait for this one to speak
    sockets[used++].events = POLLIN;
}

int main(int argc, char **argv) {
    modbus_t *context = modbus_new_tcp("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0);
    int listener = context == NULL ? -1 : modbus_tcp_listen(context, 512);
    struct sockaddr_in bound;
    socklen_t size = sizeof bound;
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&bound, &size) < 0)
        return 2;
    for (int i = 0; i < UNITS; i++)
        for (int j = 0; j < TABLES; j++)
            holes[i][j].from = 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("READY %d\n", ntohs(bound.sin_port));
    sockets[0].fd = 0;
    sockets[1].fd = listener;
    sockets[0].events = sockets[1].events = POLLIN;
    used = 2;
    char line[4096];
    while (poll(sockets, used, -1) >= 0 || errno == EINTR) {
        if (sockets[0].revents) {
            if (fgets(line, sizeof line, stdin) == NULL)
                return 0;
            command(line);
        }
        if (sockets[1].revents)
            welcome(listener);
        for (int i = 2; i < used; i++)
            if (sockets[i].revents && !answer(context, sockets[i].fd)) {
                close(sockets[i].fd);
                sockets[i--] = sockets[--used];
            }
    }
    return 1;
}
