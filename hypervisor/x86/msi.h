/* SPDX-License-Identifier: MIT */
/* Message-signalled interrupts: see msi.c. Functions are named as in pci.h. */
#ifndef X86_MSI_H
#define X86_MSI_H

#include "lib/types.h"

/*
 * dom0 says that there is a function, or that it is gone. `answers` is the function
 * that must be there: `bdf`, or the physical function of a virtual one. 0; -ENODEV:
 * nothing answers, or it was not known.
 */
int msi_device_add(u16 bdf, u16 answers);
int msi_device_remove(u16 bdf);

/*
 * A vector for the MSI of `bdf`, or (msix) for entry `entry` of its MSI-X table, written
 * to the device, masked where the device can. The interrupt's number (irq.h), or:
 * -ENODEV: the function is not known, or has no such capability; -EEXIST: this message
 * is in use; -EBUSY: the function uses the other kind, or its table has moved;
 * -EINVAL: no such entry, or the table lies where dom0 has no device memory; -ENOSPC:
 * no vector is free.
 */
int msi_map(u16 bdf, bool msix, u32 entry);
/* Gives it back; unbound before. The device may be gone. */
void msi_unmap(u32 irq);
/* The interrupt has an owner (it may come) or none (masked, where the device can). */
void msi_bound(u32 irq, bool bound);
/* irq_cpu() of the interrupt has changed: the device is told. Nothing is done for a message given back meanwhile. */
void msi_follow(u32 irq);

/* The function lost its registers: writes its messages again. 0; -ENODEV: not known. */
int msi_restore(u16 bdf);
/*
 * dom0 lends the function away and will write nothing to its MSI-X table, or has it
 * back. 0; -ENODEV: not known or no MSI-X; -EBUSY: messages are in use; -EINVAL,
 * -ENOSPC: as msi_map().
 */
int msi_lend(u16 bdf, bool lent);

/* dom0's write to its port 0xcfc + off (0..3), when its 0xcf8 is `cf8`. */
void msi_guest_config_write(u32 cf8, unsigned off, unsigned size, u32 value);
/*
 * A frame for which io_frame_readonly() is true, read and written for the guest that
 * has it mapped: `size` 1, 2, 4 or 8 bytes at `offset`, all within the page. Of a
 * write only what the guest may write is done.
 */
u64 io_frame_read(mfn_t mfn, unsigned offset, unsigned size);
void io_frame_write(mfn_t mfn, unsigned offset, unsigned size, u64 value);

#endif
