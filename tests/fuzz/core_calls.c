// SPDX-License-Identifier: MIT
/*
 * From input bytes to hypercalls of fuzz_core.
 *
 * Each byte chooses among few things that matter, so that a mutated input is
 * another sequence of calls and most calls are nearly right: frames are mostly
 * the caller's own, ports and handles small, pointers good. What is wrong on
 * purpose (foreign frames, device memory, frames beyond the table, pointers into
 * the hypervisor's range) is one choice among others everywhere.
 */
#include <string.h>
#include "core_fuzz.h"
#include "xen/memory.h"

static const u16 slots[] = { 0, 1, 2, 3, 4, 5, 6, 7, 255, 256, 259, 271, 272, 510, 511, 300 };

static u32 pick(u32 n) { return in8() % n; }

/* --- Arguments ----------------------------------------------------------------------------- */

static u64 own_frame(const struct domain *d, u32 n)
{
	u64 found = 0;
	u32 owned = 0;

	for (u64 m = 1; m < HOLE_FIRST; m++)
		owned += page_owner(mfn_to_page(MFN(m))) == d->domain_id && (mfn_to_page(MFN(m))->count & PGC_count_mask);
	n = owned ? n % owned : 0;
	for (u64 m = 1; m < HOLE_FIRST; m++) {
		if (page_owner(mfn_to_page(MFN(m))) != d->domain_id || !(mfn_to_page(MFN(m))->count & PGC_count_mask))
			continue;
		found = m;
		if (!n--)
			break;
	}
	return found;
}

static u64 a_frame(const struct domain *d)
{
	u8 b = in8();

	if (b < 0xd0)
		return own_frame(d, b);
	if (b < 0xe0)
		return own_frame(dom[b % NDOM], in8());
	switch (b % 8) {
	case 0: return HOLE_FIRST + pick(NFRAMES - HOLE_FIRST);
	case 1: return BEYOND;
	case 2: return ~0ULL >> pick(16);
	case 3: return 0;
	default: return pick(NFRAMES);
	}
}

/* One of the domain's that is a table now, if luck has it. */
static u64 a_table(const struct domain *d)
{
	u8 b = in8();
	u32 n = b & 31;
	u64 found = 0;

	if (b >= 0xd0)
		return a_frame(d);
	for (u32 round = 0; round < 2; round++) {
		for (u64 m = 1; m < HOLE_FIRST; m++) {
			const struct page_info *pg = mfn_to_page(MFN(m));
			u32 level = pg->type >> PGT_type_shift;

			if (page_owner(pg) != d->domain_id || level < 1 || level > 4 || !(pg->type & PGT_count_mask))
				continue;
			found = m;
			if (!n--)
				return m;
		}
		if (!found)
			return a_frame(d);
		n %= 8;
	}
	return found;
}

static u64 an_entry(const struct domain *d)
{
	static const u64 flags[] = {
		PTE_P | PTE_RW | PTE_U, PTE_P | PTE_U, PTE_P | PTE_RW | PTE_U | PTE_A | PTE_D, 0, PTE_P | PTE_RW | PTE_U,
		PTE_P | PTE_RW, PTE_P | PTE_U | PTE_NX, PTE_P | PTE_RW | PTE_U | PTE_PWT | PTE_PCD, PTE_RW | PTE_U,
		PTE_P | PTE_RW | PTE_U | PTE_PSE, PTE_P | PTE_U | PTE_G, PTE_P | PTE_U | PTE_AVAIL,
		PTE_P | PTE_RW | PTE_U, PTE_P | PTE_RW | PTE_U | 0x7ff0000000000000, PTE_P | PTE_U, PTE_P | PTE_RW | PTE_U,
	};
	u64 f = flags[pick(ARRAY_SIZE(flags))];

	return (a_frame(d) << PAGE_SHIFT & PTE_MFN_MASK) | f;
}

static u64 a_slot(void) { return slots[pick(ARRAY_SIZE(slots))]; }

static domid_t a_domain(void)
{
	static const domid_t other[] = { DOMID_SELF, DOMID_IO, DOMID_XEN, 5, 0x7fff, DOMID_SELF, 0xffff, DOMID_SELF };
	u8 b = in8();

	return b < 160 ? b % NDOM : other[b % 8];
}

/* An address that first_tables() maps, or near. */
static u64 an_address(void)
{
	u8 b = in8();

	if (b < 0xe0)
		return (u64)(b % 16) << PAGE_SHIFT | (u64)(b >> 4 & 3) << 21 | (b & 0x80 ? 1ULL << 30 : 0);
	switch (b % 4) {
	case 0: return HV_VIRT_START + ((u64)in8() << 36);
	case 1: return 1ULL << 47 | in8();
	case 2: return ~0ULL << 12;
	default: return in32();
	}
}

/* Room in v's scratch memory for `bytes`, filled by the caller; the address a guest would name is in *gva. */
static void *room(struct vcpu *v, u32 *used, u32 bytes, u64 *gva)
{
	u32 at = *used;
	u8 b;

	if (at + bytes > SCRATCH_BYTES - 256)
		at = 0;
	*used = ALIGN_UP(at + bytes, 8);
	*gva = SCRATCH_BASE + SCRATCH_STRIDE * cpu_of(v) + at;
	b = in8();
	if (b >= 0xf8)
		*gva = b & 1 ? an_address() + in8() * 8 : SCRATCH_BASE + SCRATCH_STRIDE * cpu_of(v) + SCRATCH_BYTES - in8();
	memset(scratch_of(cpu_of(v)) + at, 0, bytes);
	return scratch_of(cpu_of(v)) + at;
}

static struct call call5(unsigned nr, u64 a1, u64 a2, u64 a3, u64 a4)
{
	return (struct call){ nr, { a1, a2, a3, a4 } };
}

/* --- Page tables ------------------------------------------------------------------------------ */

static u64 a_foreigndom(void)
{
	u8 b = in8();

	if (b < 200)
		return DOMID_SELF;
	return a_domain() | (b & 1 ? (u64)(a_domain() + 1) << 16 : 0);
}

static struct call mmu_update(struct vcpu *v, u32 *used)
{
	u32 n = 1 + pick(4);
	u64 gva, done = 0;
	struct mmu_update *r = room(v, used, n * sizeof(*r), &gva);
	u64 foreigndom = a_foreigndom();
	domid_t whose = foreigndom & 0xffff;

	for (u32 i = 0; i < n; i++) {
		r[i].ptr = a_table(v->domain) << PAGE_SHIFT | a_slot() * 8 | (pick(16) < 12 ? 0 : pick(4));
		r[i].val = an_entry(whose < NDOM ? dom[whose] : v->domain);
	}
	if (pick(4) == 0)
		memset(room(v, used, 8, &done), 0, 8);
	return call5(__HYPERVISOR_mmu_update, gva, n, done, foreigndom);
}

static struct call update_va(struct vcpu *v, u32 *used)
{
	u64 flags = pick(8), gva;

	if (pick(8) == 0) {
		memset(room(v, used, 8, &gva), pick(4), 8);
		flags |= gva & ~7ULL;
	}
	return call5(__HYPERVISOR_update_va_mapping, an_address(), an_entry(v->domain), flags, 0);
}

static struct call mmuext(struct vcpu *v, u32 *used)
{
	static const u8 cmds[] = {
		MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE, MMUEXT_UNPIN_TABLE,
		MMUEXT_UNPIN_TABLE, MMUEXT_NEW_BASEPTR, MMUEXT_NEW_USER_BASEPTR, MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L4_TABLE,
		MMUEXT_CLEAR_PAGE, MMUEXT_COPY_PAGE, MMUEXT_PIN_L2_TABLE, MMUEXT_SET_LDT, MMUEXT_TLB_FLUSH_MULTI, 0xff,
	};
	u32 n = 1 + pick(3);
	u64 gva, mask, done = 0;
	struct mmuext_op *op = room(v, used, n * sizeof(*op), &gva);

	for (u32 i = 0; i < n; i++) {
		u8 cmd = cmds[pick(ARRAY_SIZE(cmds))];

		op[i].cmd = cmd == 0xff ? pick(24) : cmd;
		op[i].arg1.mfn = cmd == MMUEXT_SET_LDT ? an_address() :
				 cmd == MMUEXT_CLEAR_PAGE || cmd == MMUEXT_COPY_PAGE ? a_frame(v->domain) :
				 a_table(v->domain);
		op[i].arg2.src_mfn = cmd == MMUEXT_COPY_PAGE ? a_frame(v->domain) : pick(64);
		if (cmd == MMUEXT_TLB_FLUSH_MULTI) {
			memset(room(v, used, 8, &mask), 3, 8);
			op[i].arg2.vcpumask = mask;
		}
	}
	if (pick(4) == 0)
		memset(room(v, used, 8, &done), 0, 8);
	return call5(__HYPERVISOR_mmuext_op, gva, n, done, a_foreigndom());
}

/* --- Memory --------------------------------------------------------------------------------------- */

static struct xen_memory_reservation reservation(struct vcpu *v, u32 *used, u32 n, u32 order)
{
	struct xen_memory_reservation r = { .nr_extents = n, .extent_order = order, .domid = DOMID_SELF };
	u64 gva, *list = room(v, used, n * 8, &gva);

	for (u32 i = 0; i < n; i++)
		list[i] = a_frame(v->domain);
	r.extent_start = gva;
	if (pick(8) == 0)
		r.mem_flags = pick(40);
	return r;
}

static struct call exchange(struct vcpu *v, u32 *used)
{
	u64 gva;
	struct xen_memory_exchange *x = room(v, used, sizeof(*x), &gva);
	u32 n = 1 + pick(4), order = pick(8) ? 0 : pick(3);
	bool many = pick(2);

	x->in = reservation(v, used, many ? n << order : n, many ? 0 : order);
	x->out = reservation(v, used, many ? n : n << order, many ? order : 0);
	x->nr_exchanged = pick(32) == 31;
	if (pick(32) == 31)
		x->out.domid = a_domain();
	return call5(__HYPERVISOR_memory_op, XENMEM_exchange, gva, 0, 0);
}

static struct call memory_op(struct vcpu *v, u32 *used)
{
	static const u8 cmds[] = { XENMEM_decrease_reservation, XENMEM_populate_physmap, XENMEM_increase_reservation,
				   XENMEM_current_reservation, XENMEM_populate_physmap, XENMEM_decrease_reservation };
	u32 what = pick(10);
	u64 gva;

	if (what < 6) {
		struct xen_memory_reservation *r = room(v, used, sizeof(*r), &gva);

		*r = reservation(v, used, pick(5), pick(12) < 10 ? 0 : pick(20));
		if (pick(6) == 0)
			r->domid = a_domain();
		return call5(__HYPERVISOR_memory_op, cmds[what] | (pick(32) == 31 ? pick(4) << 6 : 0), gva, 0, 0);
	}
	if (what < 9)
		return exchange(v, used);
	memset(room(v, used, 64, &gva), pick(4), 64);
	return call5(__HYPERVISOR_memory_op, pick(30), gva, 0, 0);
}

/* --- Grants ------------------------------------------------------------------------------------------ */

static u64 a_host_addr(struct vcpu *v, u32 flags)
{
	return flags & GNTMAP_contains_pte ? a_table(v->domain) << PAGE_SHIFT | a_slot() * 8 : an_address();
}

/* Addresses that grants were mapped at, so that unmaps find some of them again. */
static u64 mapped_at[NDOM][4];

/* Mostly an entry that permits what v's domain is about to do; else any. */
static u32 a_grant(struct vcpu *v, domid_t *granter)
{
	u8 n = in8();

	for (u64 m = 1; n < 0xe0 && m < HOLE_FIRST; m++) {
		const u32 *e = fake_frame(MFN(m));

		if (!shared[m])
			continue;
		for (u32 ref = 0; ref < 8; ref++) {
			if ((e[ref * 2] & GTF_type_mask) != GTF_permit_access || e[ref * 2] >> 16 != v->domain->domain_id)
				continue;
			*granter = page_owner(mfn_to_page(MFN(m)));
			if (!(n-- & 7))
				return ref;
		}
	}
	*granter = a_domain();
	return n == 0xff ? in16() : pick(8);
}

/* A frame that some hypercall holds, such as one that is mapped as a grant. */
static u64 a_held_frame(void)
{
	u32 n = pick(8);
	u64 found = 0;

	for (u64 m = 1; m < HOLE_FIRST; m++) {
		if (!hold[m].plain && !hold[m].writable)
			continue;
		found = m;
		if (!n--)
			break;
	}
	return found;
}

static struct call grant_map(struct vcpu *v, u32 *used)
{
	static const u32 kinds[] = { GNTMAP_host_map, GNTMAP_host_map | GNTMAP_readonly, GNTMAP_device_map,
				     GNTMAP_host_map | GNTMAP_contains_pte, GNTMAP_host_map | GNTMAP_device_map,
				     GNTMAP_host_map | GNTMAP_application_map, GNTMAP_device_map | GNTMAP_readonly, 0 };
	u32 n = 1 + pick(3);
	u64 gva;
	struct gnttab_map_grant_ref *m = room(v, used, n * sizeof(*m), &gva);

	for (u32 i = 0; i < n; i++) {
		m[i].flags = kinds[pick(ARRAY_SIZE(kinds))];
		m[i].host_addr = a_host_addr(v, m[i].flags);
		m[i].ref = a_grant(v, &m[i].dom);
		mapped_at[v->domain->domain_id][i] = m[i].host_addr;
	}
	return call5(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, gva, n, 0);
}

static struct call grant_unmap(struct vcpu *v, u32 *used)
{
	u32 n = 1 + pick(3);
	u64 gva;
	struct gnttab_unmap_grant_ref *u = room(v, used, n * sizeof(*u), &gva);

	for (u32 i = 0; i < n; i++) {
		u32 kind = pick(8);

		u[i].handle = pick(32) == 31 ? in32() : pick(4);
		u[i].host_addr = kind & 1 ? 0 : kind & 2 ? a_host_addr(v, GNTMAP_contains_pte) :
						  mapped_at[v->domain->domain_id][pick(4)];
		u[i].dev_bus_addr = kind & 4 ? a_held_frame() << PAGE_SHIFT : 0;
	}
	return call5(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, gva, n, 0);
}

static struct call grant_copy(struct vcpu *v, u32 *used)
{
	u32 n = 1 + pick(3);
	u64 gva;
	struct gnttab_copy *c = room(v, used, n * sizeof(*c), &gva);

	for (u32 i = 0; i < n; i++) {
		c[i].flags = pick(4);
		c[i].source.domid = c[i].dest.domid = pick(16) == 15 ? a_domain() : DOMID_SELF;
		c[i].source.u.gmfn = c[i].flags & GNTCOPY_source_gref ? a_grant(v, &c[i].source.domid) : a_frame(v->domain);
		c[i].dest.u.gmfn = c[i].flags & GNTCOPY_dest_gref ? a_grant(v, &c[i].dest.domid) : a_frame(v->domain);
		c[i].source.offset = pick(4) ? 0 : in16() & 0x1ff8;
		c[i].dest.offset = pick(4) ? 0 : in16() & 0x1ff8;
		c[i].len = pick(4) ? 64 : in16() & 0x1fff;
	}
	return call5(__HYPERVISOR_grant_table_op, GNTTABOP_copy, gva, n, 0);
}

static struct call grant_op(struct vcpu *v, u32 *used)
{
	u32 cmd;
	u64 gva, list;
	u8 *arg;

	switch (pick(8)) {
	case 0 ... 2:
		return grant_map(v, used);
	case 3 ... 4:
		return grant_unmap(v, used);
	case 5 ... 6:
		return grant_copy(v, used);
	}
	cmd = pick(14);
	arg = room(v, used, 32, &gva);
	if (cmd == GNTTABOP_setup_table) {
		struct gnttab_setup_table *s = (void *)arg;

		s->nr_frames = pick(6);
		room(v, used, 64, &list);
		s->frame_list = list;
	}
	if (cmd == GNTTABOP_set_version) {
		*(u32 *)(void *)arg = pick(4);
	} else {
		*(u16 *)(void *)arg = a_domain();
	}
	return call5(__HYPERVISOR_grant_table_op, cmd, gva, pick(16) == 15 ? in8() : 1, 0);
}

/* --- Events -------------------------------------------------------------------------------------------- */

static u32 a_port(void) { return pick(32) == 31 ? in32() : pick(16); }

static struct call event_op(struct vcpu *v, u32 *used)
{
	static const u8 more[] = { EVTCHNOP_send, EVTCHNOP_send, EVTCHNOP_init_control, EVTCHNOP_expand_array,
				   EVTCHNOP_unmask, EVTCHNOP_bind_vcpu, EVTCHNOP_set_priority };
	u32 n = pick(15 + ARRAY_SIZE(more)), cmd = n < 15 ? n : more[n - 15];
	u32 vcpu = pick(16) < 14 ? pick(NVCPU) : in8();
	u64 gva;
	union {
		struct evtchn_bind_interdomain bind;
		struct evtchn_bind_virq virq;
		struct evtchn_bind_pirq pirq;
		struct evtchn_status status;
		struct evtchn_alloc_unbound unbound;
		struct evtchn_init_control control;
		struct evtchn_expand_array array;
		u32 word[8];
	} *a = room(v, used, sizeof(*a), &gva);

	switch (cmd) {
	case EVTCHNOP_bind_interdomain:
		a->bind.remote_dom = a_domain();
		a->bind.remote_port = a_port();
		break;
	case EVTCHNOP_bind_virq:
		a->virq.virq = pick(NR_VIRQS + 2);
		a->virq.vcpu = vcpu;
		break;
	case EVTCHNOP_bind_pirq:
		a->pirq.pirq = pick(NR_PIRQS + 2);
		break;
	case EVTCHNOP_alloc_unbound:
		a->unbound.dom = pick(4) ? DOMID_SELF : a_domain();
		a->unbound.remote_dom = a_domain();
		break;
	case EVTCHNOP_status:
		a->status.dom = a_domain();
		a->status.port = a_port();
		break;
	case EVTCHNOP_reset:
		a->word[0] = pick(4) ? DOMID_SELF : a_domain();
		break;
	case EVTCHNOP_bind_ipi:
		a->word[0] = vcpu;
		break;
	case EVTCHNOP_init_control:
		a->control.control_gfn = a_frame(v->domain);
		a->control.offset = pick(4) ? 0 : in16();
		a->control.vcpu = vcpu;
		break;
	case EVTCHNOP_expand_array:
		a->array.array_gfn = a_frame(v->domain);
		break;
	default:
		a->word[0] = a_port();
		a->word[1] = cmd == EVTCHNOP_set_priority ? pick(18) : vcpu;
	}
	return call5(__HYPERVISOR_event_channel_op, cmd, gva, 0, 0);
}

/* --- Vcpus, timers, and the rest -------------------------------------------------------------------------- */

static struct call vcpu_op(struct vcpu *v, u32 *used)
{
	u32 cmd = pick(14), vcpu = pick(8) ? pick(NVCPU) : in8();
	u64 gva = 0, *a;

	if (cmd == VCPUOP_initialise) {
		struct vcpu_guest_context *c = room(v, used, sizeof(*c), &gva);

		c->ctrlreg[3] = a_frame(v->domain) << PAGE_SHIFT;
	} else if (cmd == VCPUOP_register_vcpu_info) {
		struct vcpu_register_vcpu_info *r = room(v, used, sizeof(*r), &gva);

		r->mfn = a_frame(v->domain);
		r->offset = pick(4) ? 0 : in16();
	} else if (cmd != VCPUOP_send_nmi) {
		a = room(v, used, 64, &gva);
		a[0] = pick(2) ? fake.now + in32() : cmd == VCPUOP_register_runstate_memory_area ? an_address() : in32();
		a[1] = pick(2);
	}
	return call5(__HYPERVISOR_vcpu_op, cmd, vcpu, gva, 0);
}

static struct call anything(struct vcpu *v, u32 *used)
{
	static const u8 nrs[] = { __HYPERVISOR_xen_version, __HYPERVISOR_vm_assist, __HYPERVISOR_set_timer_op,
				  __HYPERVISOR_xen_version };
	u8 b = in8();
	u64 gva, *gdt;

	if (b >= 240) {
		gdt = room(v, used, 16, &gva);
		gdt[0] = a_frame(v->domain);
		gdt[1] = a_frame(v->domain);
		return call5(__HYPERVISOR_set_gdt, gva, pick(3) * 512, 0, 0);
	}
	memset(room(v, used, 1100, &gva), pick(4), 1100);
	if (b < 64)
		return call5(__HYPERVISOR_set_timer_op, pick(8) ? fake.now + in32() : 0, 0, 0, 0);
	if (b < 128)
		return call5(__HYPERVISOR_vm_assist, pick(5), pick(70), 0, 0);
	if (b < 200)
		return call5(__HYPERVISOR_xen_version, pick(14), gva, 0, 0);
	return call5(b < 220 ? nrs[b % ARRAY_SIZE(nrs)] : (unsigned)pick(NR_HYPERCALLS), pick(32), gva, pick(8), 0);
}

static struct call one(struct vcpu *v, u32 *used, u32 kind)
{
	switch (kind) {
	case 0 ... 2:
		return mmu_update(v, used);
	case 3:
		return update_va(v, used);
	case 4 ... 6:
		return mmuext(v, used);
	case 7:
		return memory_op(v, used);
	case 8 ... 9:
		return grant_op(v, used);
	case 10 ... 12:
		return event_op(v, used);
	case 13:
		return vcpu_op(v, used);
	default:
		return anything(v, used);
	}
}

/* Anything but a multicall: that would be one in itself. */
static struct call not_multi(struct vcpu *v, u32 *used)
{
	struct call c = one(v, used, pick(15));

	if (c.nr == __HYPERVISOR_multicall)
		c.a[1] &= 3;
	return c;
}

static struct call multicall(struct vcpu *v, u32 *used)
{
	u32 n = 1 + pick(5);
	u64 gva;
	struct multicall_entry *e = room(v, used, n * sizeof(*e), &gva);

	for (u32 i = 0; i < n; i++) {
		struct call c = not_multi(v, used);

		e[i].op = pick(32) == 31 ? in16() : c.nr;
		memcpy(e[i].args, c.a, sizeof(c.a));
	}
	return call5(__HYPERVISOR_multicall, gva, n, 0, 0);
}

void call_build(struct vcpu *v, struct call *c, u32 *used)
{
	u32 kind = pick(18);

	*c = kind >= 15 ? multicall(v, used) : one(v, used, kind);
	if (c->nr == __HYPERVISOR_multicall)
		c->a[1] &= 7;
}

/* --- Without hypercalls ---------------------------------------------------------------------------------------- */

/* Could the guest have this frame mapped writable? Then it may store what it likes. */
static bool may_store(const struct domain *d, u64 m)
{
	const struct page_info *pg = mfn_to_page(MFN(m));

	return m && m < HOLE_FIRST && page_owner(pg) == d->domain_id && (pg->count & PGC_count_mask) &&
	       (!(pg->type & PGT_count_mask) || pg->type >> PGT_type_shift == PGT_writable >> PGT_type_shift);
}

static void store_grant(struct domain *d)
{
	static const u16 flags[] = { GTF_permit_access, GTF_permit_access | GTF_readonly, GTF_invalid,
				     GTF_accept_transfer, GTF_transitive, GTF_permit_access | GTF_sub_page,
				     GTF_permit_access, GTF_permit_access };
	u32 ref = pick(8);
	u32 *e;
	u64 m;

	for (m = 1; m < HOLE_FIRST && !(shared[m] && page_owner(mfn_to_page(MFN(m))) == d->domain_id); m++)
		;
	if (m == HOLE_FIRST)
		return;
	e = (u32 *)fake_frame(MFN(m)) + ref * 2;
	e[1] = a_frame(d);
	e[0] = flags[pick(ARRAY_SIZE(flags))] | (u32)a_domain() << 16;
}

static void store_shared_info(struct vcpu *v)
{
	struct shared_info *s = v->domain->shared_info;

	switch (pick(4)) {
	case 0:
		s->evtchn_pending[0] = in32();
		break;
	case 1:
		s->evtchn_mask[0] = in32();
		break;
	case 2:
		v->vcpu_info->evtchn_upcall_pending = 0;
		v->vcpu_info->evtchn_pending_sel = 0;
		break;
	default:
		v->vcpu_info->evtchn_upcall_mask = pick(2);
	}
}

void guest_store(struct vcpu *v)
{
	struct domain *d = v->domain;
	u32 kind = pick(8), offset;
	u64 m;

	if (kind == 0) {
		store_shared_info(v);
		return;
	}
	if (kind < 3) {
		store_grant(d);
		return;
	}
	m = a_frame(d);
	if (kind < 7) {
		u64 e = an_entry(d), slot = a_slot();

		if (may_store(d, m))
			((u64 *)fake_frame(MFN(m)))[slot] = e;
		return;
	}
	/* A word anywhere: event words, control blocks, descriptors. */
	offset = (pick(4) ? pick(32) : in16()) % 1024;
	if (may_store(d, m))
		((u32 *)fake_frame(MFN(m)))[offset] = in32();
}

void machine_event(void)
{
	struct vcpu *v = dom[pick(NDOM)]->vcpus[pick(NVCPU)];

	switch (pick(8)) {
	case 0 ... 1:
		fake.now += in32();
		for (u32 cpu = 0; cpu < NCPU; cpu++)
			timer_run_expired(&fake.timers[cpu], fake.now);
		break;
	case 2:
		timer_migrate(&v->singleshot, pick(NCPU));
		break;
	case 3:
		events_poll_begin(v, pick(4) ? pick(16) : ~0u);
		break;
	case 4:
		(void)evtchn_port_pending(v->domain, pick(16));
		events_poll_end(v);
		break;
	case 5:
		evtchn_raise_port(dom[0], pirq_port[pick(NR_PIRQS)]);
		break;
	case 6:
		send_global_virq(v->domain, pick(NR_VIRQS));
		break;
	default:
		send_guest_virq(v, pick(2) ? VIRQ_TIMER : VIRQ_DEBUG);
	}
}
