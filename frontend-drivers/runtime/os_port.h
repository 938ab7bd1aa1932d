// SPDX-License-Identifier: MIT
/*
 * The runtime's side of the frontends' os.h: the types. The functions are in os.c and smp.c.
 */
#ifndef RUNTIME_OS_PORT_H
#define RUNTIME_OS_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct os_lock {
	uint32_t taken;
	bool were_masked;	/* the holder's events, before */
};

struct os_wait {
	uint32_t count;		/* of wakes */
	uint32_t sleepers;	/* bit per vcpu */
};

void *memset(void *to, int byte, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int snprintf(char *to, size_t room, const char *format, ...) __attribute__((format(printf, 3, 4)));

void os_lock(struct os_lock *lock);
void os_unlock(struct os_lock *lock);
uint32_t os_wait_key(struct os_wait *wait);
void os_wait(struct os_wait *wait, uint32_t key);
void os_wake(struct os_wait *wait);

#endif
