/* SPDX-License-Identifier: MIT */
/*
 * Basic types of the hypervisor.
 *
 * Frame numbers and machine addresses are one-word structures, so that a
 * machine frame can't be passed where a guest frame is meant:
 *
 *   mfn_t    machine frame number   (4 KiB units of real memory)
 *   gfn_t    guest frame number     (for a PV guest the same number space)
 *   maddr_t  machine address        (bytes)
 */
#ifndef LIB_TYPES_H
#define LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u16 domid_t;

typedef struct { u64 m; } mfn_t;
typedef struct { u64 g; } gfn_t;
typedef struct { u64 a; } maddr_t;

#define MFN(x) ((mfn_t){(x)})
#define GFN(x) ((gfn_t){(x)})
#define MADDR(x) ((maddr_t){(x)})
#define INVALID_MFN MFN(~0ULL)

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ULL
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PFN_DOWN(x) ((u64)(x) >> PAGE_SHIFT)
#define PFN_UP(x) (((u64)(x) + PAGE_SIZE - 1) >> PAGE_SHIFT)

static inline bool mfn_eq(mfn_t a, mfn_t b) { return a.m == b.m; }
static inline maddr_t mfn_to_maddr(mfn_t m) { return MADDR(m.m << PAGE_SHIFT); }
static inline mfn_t maddr_to_mfn(maddr_t a) { return MFN(a.a >> PAGE_SHIFT); }

#define KiB(n) ((u64)(n) << 10)
#define MiB(n) ((u64)(n) << 20)
#define GiB(n) ((u64)(n) << 30)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define min(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define ALIGN_UP(x, a) (((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define __packed __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define __noreturn __attribute__((noreturn))
#define __printf_like(a, b) __attribute__((format(printf, a, b)))
#define __must_check __attribute__((warn_unused_result))

/* Boot-only code and data: freed once dom0 runs (see boot/main.c). */
#ifdef XENOLITH_HOST
#define __init
#define __initdata
#define __initconst
#else
#define __init __attribute__((section(".init.text"), cold))
#define __initdata __attribute__((section(".init.data")))
#define __initconst __attribute__((section(".init.rodata")))
#endif

/* One load or store that the compiler neither tears, repeats nor drops. */
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define barrier() __asm__ volatile("" ::: "memory")

#endif
