# SPDX-License-Identifier: MIT
# make install: the programs as one piece each, man pages, hotplug scripts, systemd units, the hypervisor's image.
# DESTDIR is put before all paths, PREFIX (/usr/local) is where programs go. Included by tools.mk.

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
BINDIR := $(PREFIX)/bin
SBINDIR := $(PREFIX)/sbin
LIBDIR := $(PREFIX)/lib
LIBEXECDIR := $(PREFIX)/libexec/xenolith
UNITDIR := $(PREFIX)/lib/systemd/system
MANDIR := $(PREFIX)/share/man

UNITS := $(wildcard dom0-tools/systemd/*.in)
MAN_PAGES := $(wildcard docs/*.[158] dom0-tools/man/*.[158] backend-drivers/man/*.[158])
INSTALL_PROGRAM := install -D -m 755
INSTALL_FILE := install -D -m 644
SUBST := sed -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|g' \
	-e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g'

.PHONY: install uninstall
# What has been built stays in build/; this only copies, so that root need not build.
install: $(B)/xenolith $(LIB) $(B)/tools/xl $(B)/tools/static/xenstored $(B)/tools/static/xenconsoled \
		$(B)/tools/static/xenstore $(B)/tools/static/xenstore-control $(B)/tools/backendd $(B)/tools/blkback \
		$(B)/tools/blkback-nbd $(B)/tools/netback $(B)/tools/device-model
	$(INSTALL_FILE) $(B)/xenolith $(DESTDIR)/boot/xenolith
	$(INSTALL_PROGRAM) -s $(B)/tools/xl $(DESTDIR)$(SBINDIR)/xl
	$(INSTALL_PROGRAM) -s $(B)/tools/static/xenstored $(DESTDIR)$(SBINDIR)/xenstored
	$(INSTALL_PROGRAM) -s $(B)/tools/static/xenconsoled $(DESTDIR)$(SBINDIR)/xenconsoled
	$(INSTALL_PROGRAM) -s $(B)/tools/backendd $(DESTDIR)$(SBINDIR)/backendd
	for f in blkback blkback-nbd netback device-model; do \
		$(INSTALL_PROGRAM) -s $(B)/tools/$$f $(DESTDIR)$(LIBEXECDIR)/$$f || exit 1; done
	$(INSTALL_PROGRAM) -s $(B)/tools/static/xenstore $(DESTDIR)$(BINDIR)/xenstore
	for n in $(notdir $(CLIENT_NAMES)); do ln -sf xenstore $(DESTDIR)$(BINDIR)/$$n || exit 1; done
	$(INSTALL_PROGRAM) -s $(B)/tools/static/xenstore-control $(DESTDIR)$(BINDIR)/xenstore-control
	$(INSTALL_FILE) $(LIB) $(DESTDIR)$(LIBDIR)/libxenstore.so.4.0
	ln -sf libxenstore.so.4.0 $(DESTDIR)$(LIBDIR)/libxenstore.so.4
	ln -sf libxenstore.so.4 $(DESTDIR)$(LIBDIR)/libxenstore.so
	$(INSTALL_FILE) include/xenstore.h $(DESTDIR)$(PREFIX)/include/xenstore.h
	for f in $(MAN_PAGES); do $(INSTALL_FILE) $$f $(DESTDIR)$(MANDIR)/man$${f##*.}/$${f##*/} || exit 1; done
	$(INSTALL_FILE) dom0-tools/xl/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/xl
	for f in $(HOTPLUG); do $(INSTALL_PROGRAM) $$f $(DESTDIR)$(SYSCONFDIR)/xen/scripts/$${f##*/} || exit 1; done
	for f in xen-init-dom0 xendomains; do \
		$(INSTALL_PROGRAM) dom0-tools/systemd/$$f $(DESTDIR)$(LIBEXECDIR)/$$f || exit 1; done
	[ -e $(DESTDIR)$(SYSCONFDIR)/default/xendomains ] || \
		$(INSTALL_FILE) dom0-tools/systemd/xendomains.default $(DESTDIR)$(SYSCONFDIR)/default/xendomains
	install -d $(DESTDIR)$(SYSCONFDIR)/xen/auto $(DESTDIR)$(UNITDIR) $(DESTDIR)/var/log/xen/console $(DESTDIR)/var/lib/xen
	[ -e $(DESTDIR)$(SYSCONFDIR)/xen/xl.conf ] || $(INSTALL_FILE) /dev/null $(DESTDIR)$(SYSCONFDIR)/xen/xl.conf
	for f in $(UNITS); do u=$${f##*/}; $(SUBST) $$f >$(DESTDIR)$(UNITDIR)/$${u%.in} || exit 1; done
	$(if $(DESTDIR),,-ldconfig && systemctl daemon-reload)

# Not what was configured: /etc/xen/xl.conf, /etc/xen/auto, /etc/default/xendomains stay.
uninstall:
	rm -f $(DESTDIR)/boot/xenolith $(addprefix $(DESTDIR)$(SBINDIR)/,xl xenstored xenconsoled backendd) \
		$(addprefix $(DESTDIR)$(BINDIR)/,xenstore xenstore-control $(notdir $(CLIENT_NAMES))) \
		$(addprefix $(DESTDIR)$(LIBDIR)/libxenstore.so,.4.0 .4 "") $(DESTDIR)$(PREFIX)/include/xenstore.h \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/xl \
		$(addprefix $(DESTDIR)$(SYSCONFDIR)/xen/scripts/,$(notdir $(HOTPLUG))) \
		$(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(UNITS:.in=)))
	for f in $(MAN_PAGES); do rm -f $(DESTDIR)$(MANDIR)/man$${f##*.}/$${f##*/}; done
	rm -rf $(DESTDIR)$(LIBEXECDIR)
