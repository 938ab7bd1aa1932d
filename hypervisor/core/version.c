// SPDX-License-Identifier: MIT
/*
 * Hypercall 17: who we are. The numbers are those of the ABI we speak, Xen 4.17;
 * the names say that we are Xenolith.
 */
#include "core/hypercall.h"
#include "core/console.h"
#include "lib/string.h"
#include "xen/features.h"
#include "xen/version.h"
#include "x86/layout.h"

#define ABI_MAJOR 4
#define ABI_MINOR 17

static u32 features(const struct domain *d)
{
	/* 5 and 7 are what Linux refuses to run without; 0, 2 and 3 mean auto-translated or writable tables: never PV. */
	u32 f = 1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_highmem_assist |
		1u << XENFEAT_gnttab_map_avail_bits;

	if (d->is_privileged)
		f |= 1u << XENFEAT_dom0;
	if (bit_test(&d->vm_assist, VMASST_TYPE_pae_extended_cr3))
		f |= 1u << XENFEAT_pae_pgdir_above_4gb;
	return f;
}

static long put_string(u64 gva, const char *s, size_t field)
{
	char buf[1024] = { 0 };
	size_t n = min(strlen(s), field - 1);

	memcpy(buf, s, n);
	return copy_to_guest(gva, buf, field) ? -EFAULT : 0;
}

static long compile_info(u64 gva)
{
	static const struct xen_compile_info info = {
		.compiler = "gcc " __VERSION__,
		.compile_by = "xenolith",
		.compile_domain = "",
		.compile_date = "",
	};

	return copy_to_guest(gva, &info, sizeof(info)) ? -EFAULT : 0;
}

static long other_version(u64 a1, u64 a2);

/* The number alone is asked for all the time, as the cheapest way to have events looked at. */
HYPERCALL(hc_xen_version)
{
	if (likely(a1 == XENVER_version))
		return ABI_MAJOR << 16 | ABI_MINOR;
	return other_version(a1, a2);
}

static long __attribute__((noinline)) other_version(u64 a1, u64 a2)
{
	struct domain *d = current->domain;
	struct xen_feature_info fi;
	u64 va = HV_VIRT_START;

	switch (a1) {
	case XENVER_extraversion:
		return put_string(a2, "-xenolith", 16);
	case XENVER_compile_info:
		return compile_info(a2);
	case XENVER_capabilities:
		return put_string(a2, "xen-3.0-x86_64 ", 1024);
	case XENVER_changeset:
		return put_string(a2, "unavailable", 64);
	case XENVER_platform_parameters:
		return copy_to_guest(a2, &va, 8) ? -EFAULT : 0;
	case XENVER_get_features:
		if (copy_from_guest(&fi, a2, sizeof(fi)))
			return -EFAULT;
		if (fi.submap_idx != 0)
			return -EINVAL;
		fi.submap = features(d);
		return copy_to_guest(a2, &fi, sizeof(fi)) ? -EFAULT : 0;
	case XENVER_pagesize:
		return a2 ? -EINVAL : (long)PAGE_SIZE;
	case XENVER_guest_handle:
		return copy_to_guest(a2, d->handle, sizeof(d->handle)) ? -EFAULT : 0;
	case XENVER_commandline:
		return put_string(a2, d->is_privileged ? hv_command_line : "", 1024);
	case XENVER_build_id:
		return -ENODATA;
	default:
		return -ENOSYS;
	}
}
